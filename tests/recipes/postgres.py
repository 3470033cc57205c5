"""Starts a PostgreSQL server for a test of recipes."""
import contextlib
import os
import pwd
import subprocess
import time

from page import SECONDS, find, libraries, ok, programs, run


def unprivileged(argv, **environment):
    """Runs a command as a user without privileges, as the programs of PostgreSQL demand."""
    user = pwd.getpwnam("nobody")
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    return subprocess.Popen(argv, env=dict(programs(), **environment), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **identity)


def why_not():
    """Returns why no server can be started here, or None."""
    server = find("usr/lib/postgresql/*/bin/postgres")
    if server is None:
        return "no postgres"
    with unprivileged(["/usr/bin/test", "-x", server]) as look:
        look.communicate()
    # In a clone in /root, for example.
    return "the user that runs PostgreSQL cannot reach " + server if look.returncode != 0 else None


@contextlib.contextmanager
def postgres(folder):
    """Starts a server that only listens on a socket in `folder`. Yields the environment of its clients."""
    server = find("usr/lib/postgresql/*/bin/postgres")
    bin_folder = os.path.dirname(server)
    environment = {"LD_LIBRARY_PATH": libraries(server), "LC_ALL": "C"}
    os.chmod(folder, 0o777)
    with unprivileged([bin_folder + "/initdb", "-D", folder + "/db", "-U", "test", "-A", "trust", "-E",
                       "UTF8", "--no-sync"], **environment) as made:
        output = made.communicate(timeout=SECONDS)[0].decode(errors="replace")
    ok(made.returncode == 0, "initdb", output)
    with unprivileged([server, "-D", folder + "/db", "-k", folder, "-c", "listen_addresses=", "-F"],
                      **environment) as process:
        try:
            client = dict(environment, PATH=bin_folder + ":" + programs()["PATH"], PGHOST=folder,
                          PGUSER="test", PGDATABASE="postgres")
            until = time.monotonic() + SECONDS
            while run(["psql", "-c", "select 1"], **client)[0] != 0 and process.poll() is None and \
                    time.monotonic() < until:
                time.sleep(0.02)
            yield client
        finally:
            process.terminate()
            process.communicate()
