#!/usr/bin/python3
"""Builds the container image of docs/packaging/ with podman, and runs it with the options that
docs/kubernetes.md shows: as user 65534, with a read-only root and without capabilities. Images, containers
and settings are in a temporary folder, and no container has a network."""
import contextlib
import json
import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # no build products among the sources
from page import ROOT, SECONDS, commands, done, equal, find, libraries, ok, page, read, run, skip, write

LARGEST = 4 * 1000 * 1000  # bytes
KEY = "3479d894-3271-4935-88cf-a06f3cbb80a5"
os.chdir(ROOT)


def conmon_script(folder):
    """Writes a script that runs conmon, which watches a container. podman gives it an environment without
    LD_LIBRARY_PATH. Returns its path."""
    program = find("usr/bin/conmon")
    return write(folder + "/conmon", """#!/bin/sh
LD_LIBRARY_PATH=%s exec %s "$@"
""" % (libraries(program), program), 0o755)


def podman_script(folder):
    """Writes a script that runs podman with settings of its own. Returns its path."""
    program = find("usr/bin/podman")
    os.makedirs(folder + "/.config/containers")
    write(folder + "/.config/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
    write(folder + "/containers.conf", """
[containers]
seccomp_profile = "%s"
log_driver = "k8s-file"
default_ulimits = []
[network]
network_config_dir = "%s/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
conmon_path = ["%s"]
[engine.runtimes]
runc = ["%s"]
""" % (find("usr/share/containers/seccomp.json"), folder, conmon_script(folder), find("usr/sbin/runc")))
    write(folder + "/storage.conf", '[storage]\ndriver = "vfs"\ngraphroot = "%s/images"\nrunroot = "%s/run"\n'
          % (folder, folder))
    # Without systemd nobody runs the health check every 10 seconds. The test runs it.
    return write(folder + "/podman", """#!/bin/sh
export HOME=%s CONTAINERS_CONF=%s/containers.conf CONTAINERS_STORAGE_CONF=%s/storage.conf
export DISABLE_HC_SYSTEMD=true LD_LIBRARY_PATH=%s
exec %s --tmpdir %s/tmp "$@"
""" % (folder, folder, folder, libraries(program), program, folder), 0o755)


def build(podman):
    """Builds the image. Returns its name."""
    # The first time, this compiles the server and libev.
    ended = subprocess.run(["docs/packaging/image"], env=dict(os.environ, CONTAINER_TOOL=podman),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=10 * SECONDS, check=False)
    equal(ended.returncode, 0, "make image: its exit status", ended.stdout.decode(errors="replace")[-4000:])
    version = re.search(r'STELE_VERSION "(.*)"', read("src/base/version.h")).group(1)
    return "stele:" + version


def inspect(podman, kind, name):
    return json.loads(run([podman, kind, "inspect", name])[1])[0]


def check_image(podman, image):
    found = inspect(podman, "image", image)
    ok(found["Size"] <= LARGEST, "the image has at most 4 MB", found["Size"])
    print("# %d bytes" % found["Size"])
    config = found["Config"]
    equal(config["User"], "65534:65534", "  its user")
    equal(found.get("HealthCheck", found.get("Healthcheck"))["Test"],
          ["CMD", "/usr/bin/stele", "ping", "--any-reply", "127.0.0.1:6379"], "  its health check")
    for name in ("stele", "stele-server"):
        kind = run(["file", "build/image/" + name])[1]
        ok("static-pie linked" in kind and ", stripped" in kind, "  %s is static" % name, kind)


@contextlib.contextmanager
def container(podman, words):
    """Runs a container in the foreground until the caller is done. The caller gets the process."""
    with subprocess.Popen([podman, "run", "--rm", "--name", "stele"] + words, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            ready = select.select([process.stdout], [], [], SECONDS)[0]
            line = process.stdout.readline().decode() if ready else ""
            ok(re.match(r"ready \S+:6379 300 keys", line), "it starts", line)
            yield process
        finally:
            # After a second podman would kill it, and the exit status would be 137.
            run([podman, "stop", "--time", "1", "stele"])
            log = process.communicate(timeout=SECONDS)[1].decode(errors="replace")
            equal(process.returncode, 0, "  SIGTERM ends it with status 0 within a second", log)


def check_rights(podman):
    """What the kernel says about the server's process."""
    place = "/proc/%d/" % inspect(podman, "container", "stele")["State"]["Pid"]
    status = dict(line.split(":\t", 1) for line in read(place + "status").splitlines() if ":\t" in line)
    equal([status[field].split() for field in ("Uid", "Gid")], [["65534"] * 4] * 2, "  it is user 65534")
    equal({status[field] for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {"0" * 16},
          "  it has no capability and can gain none")
    equal(status["Seccomp"], "2", "  its system calls are filtered")
    mounts = {line.split()[1]: line.split()[3].split(",")[0] for line in read(place + "mounts").splitlines()}
    equal([mounts["/"], mounts["/data"]], ["ro", "ro"], "  its root and the data are read-only")


def check_health(podman):
    status, output = run([podman, "exec", "stele", "/usr/bin/stele", "ping", "127.0.0.1:6379"])
    equal(status, 0, "  stele ping has an answer", output)
    status, output = run([podman, "healthcheck", "run", "stele"])
    equal(status, 0, "  it is healthy", output)
    ok(run([podman, "exec", "stele", "/usr/bin/stele", "ping", "127.0.0.1:6380"])[0] != 0,
       "  stele ping fails where no server is")


def check_usual(podman, image, folder):
    """The image with the words that it has itself."""
    with container(podman, ["--read-only", "--cap-drop", "all", "--network", "none",
                            "--volume", folder + "/data:/data:ro", image]):
        check_rights(podman)
        check_health(podman)


def check_shown(podman, image, folder):
    """The command of the page. Only its port is not used, and a client comes through a unix socket."""
    words = shlex.split(commands(page("kubernetes.md"), "podman run").replace("\\\n", ""))[2:]
    equal(words[words.index("--publish") + 2], image, "the page shows this image")
    words = [word.replace("/srv/devices", folder + "/data") for word in words if word != "--rm"]
    at = words.index("--publish")
    words[at:at + 2] = ["--network", "none", "--volume", folder + "/socket:/socket"]
    with container(podman, words + ["--unixsocket", "/socket/stele", "--unixsocketperm", "777"]):
        equal(run(["redis-cli", "-s", folder + "/socket/stele", "get", KEY]), (0, "this is a value\n"),
              "  a client gets a value")
        check_rights(podman)


if os.geteuid() != 0 or not find("usr/bin/podman") or not find("usr/sbin/runc") or \
        not shutil.which("musl-gcc"):
    skip("the container image", "it needs root, podman, runc and musl-gcc")
    done()
with tempfile.TemporaryDirectory(prefix="stele-recipes-") as place:
    os.chmod(place, 0o755)  # for user 65534
    os.mkdir(place + "/podman")
    os.mkdir(place + "/data")
    os.mkdir(place + "/socket")
    os.chown(place + "/socket", 65534, 65534)
    for name in ("table.data", "devices.data"):
        shutil.copy("example.data", place + "/data/" + name)
    script = podman_script(place + "/podman")
    made = build(script)
    check_image(script, made)
    check_usual(script, made, place)
    check_shown(script, made, place)
    run([script, "system", "reset", "--force"])
done()
