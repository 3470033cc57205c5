#!/usr/bin/python3
"""Builds the Debian packages as docs/operations.md says (`make deb`, which also runs lintian), and looks at
what is in them. As root, also installs them in a fresh Debian in a folder of its own (debootstrap): the
manual pages and the completion are found, a server serves, and nothing is left after the removal."""
import glob
import os
import re
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # no build products among the sources
from page import ROOT, done, equal, ok, page, read, read_bytes, run, section, skip

KEY = "3479d894-3271-4935-88cf-a06f3cbb80a5"
MINUTES = 20  # to build the packages, or to make a Debian

os.chdir(ROOT)


def long_run(argv, **environment):
    """Runs a command that may take minutes. Returns its exit status and its output."""
    # `make` must not take part in the jobs of a make that runs us.
    kept = {n: v for n, v in os.environ.items() if n not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    ended = subprocess.run(argv, env=dict(kept, **environment), stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * MINUTES,
                           check=False)
    return ended.returncode, ended.stdout.decode(errors="replace")


def files(top):
    """Returns the paths of all files below a folder, relative to it."""
    found = [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names]
    return sorted(os.path.relpath(path, top) for path in found)


def contents(folder, debs):
    """Checks what is in the packages."""
    found = {}
    for deb in debs:
        name = os.path.basename(deb).split("_")[0]
        equal(run(["dpkg-deb", "-x", deb, folder + "/" + name])[0], 0, name + ": it can be unpacked")
        equal(run(["dpkg-deb", "-e", deb, folder + "/control-" + name])[0], 0, "  its control files, too")
        found[name] = files(folder + "/" + name)
        version = re.search(r'STELE_VERSION "(.*)"', read("src/base/version.h")).group(1)
        control = read(folder + "/control-%s/control" % name)
        ok("\nVersion: %s\n" % version in control, "  its version is %s" % version, control)
        scripts = [s for s in ("preinst", "postinst", "prerm", "postrm")
                   if os.path.exists("%s/control-%s/%s" % (folder, name, s))]
        started = [s for s in scripts if re.search(
            r"invoke|systemctl|deb-systemd-helper (unmask|enable)", read("%s/control-%s/%s" % (folder, name, s)))]
        equal(started, [], "  its scripts start and enable nothing")
    wanted = ["etc/logrotate.d/stele", "lib/systemd/system/stele-server@.service", "usr/bin/stele",
              "usr/bin/stele-server", "usr/share/bash-completion/completions/stele",
              "usr/share/bash-completion/completions/stele-server",
              "usr/share/doc/stele/README.md", "usr/share/doc/stele/docs/operations.md",
              "usr/share/doc/stele/docs/monitoring/dashboard.json",
              "usr/share/man/man1/stele.1.gz", "usr/share/man/man8/stele-server.8.gz",
              "usr/share/zsh/vendor-completions/_stele"]
    equal([w for w in wanted if w not in found["stele"]], [], "stele: what it brings")
    equal([f for f in found["stele"] if re.match(r"usr/share/doc/stele/.*\.gz$", f)],
          ["usr/share/doc/stele/changelog.gz"], "  the pages and what they lead to are as they were")
    library = " ".join(found["libstele0"])
    ok(re.search(r"usr/lib/\S+/libstele\.so\.0\b", library), "libstele0: what it brings", library)
    development = " ".join(found["libstele-dev"])
    for pattern in (r"include/stele\.h", r"/libstele\.a", r"/libstele\.so\b", r"/libstele\.pc", r"man3/stele\.3\.gz"):
        ok(re.search(pattern, development), "libstele-dev has " + pattern, development)


def unit(path):
    """systemd accepts the unit, and rates its exposure low."""
    instance = os.path.join(os.path.dirname(path), "stele-server@devices.service")
    os.link(path, instance)
    text = read(path)
    ok("\nExecStart=/usr/bin/stele-server " in text, "the unit starts the installed program", text)
    status, output = run(["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", instance])
    equal(status, 0, "systemd-analyze security: at most 1.5", output[-400:])


def outside(root):
    """Returns the files of a Debian, without the records of apt and dpkg."""
    return [f for f in files(root) if not re.match(r"(var/(lib/(dpkg|apt|man-db)|log|cache)|proc|sys|dev|run)/", f)]


def serve(root):
    """A server in the new Debian answers, and ends with status 0."""
    os.makedirs(root + "/srv/table")
    with open(root + "/srv/table/devices.data", "wb") as file:
        file.write(read_bytes("example.data"))
    words = ["chroot", root, "stele-server", "/srv/table/devices.data", "--port", "none", "--unixsocket",
             "/srv/table/socket"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        signal.alarm(60)
        line = process.stdout.readline().decode()
        signal.alarm(0)
        ok(line.startswith("ready "), "a server of the package is ready", line)
        equal(run(["redis-cli", "-s", root + "/srv/table/socket", "get", KEY]), (0, "this is a value\n"),
              "  it answers")
        process.terminate()
    equal(process.returncode, 0, "  its exit status")
    equal(run(["chroot", root, "stele", "get", "/srv/table/devices.data", KEY]), (0, "this is a value\n"),
          "  the tool answers without it")
    for name in os.listdir(root + "/srv/table"):
        os.remove(root + "/srv/table/" + name)
    os.rmdir(root + "/srv/table")


def installed(root, debs):
    """Installs the packages in the Debian at `root`, uses and removes them."""
    before = outside(root)
    for deb in debs:
        with open(root + "/" + os.path.basename(deb), "wb") as file:
            file.write(read_bytes(deb))
    names = ["/" + os.path.basename(deb) for deb in debs]
    status, output = run(["chroot", root, "dpkg", "-i"] + names)
    equal(status, 0, "dpkg -i", output)
    for name in names:
        os.remove(root + name)
    for manual, text in ((["8", "stele-server"], "--reload-verify"), (["1", "stele"], "rollback"),
                         (["3", "stele"], "stele_get_many"), (["3", "stele_seek"], "stele_get_many")):
        status, output = run(["chroot", root, "man"] + manual, MANPAGER="cat", MAN_KEEP_FORMATTING="")
        ok(status == 0 and text in output, "man " + " ".join(manual), output[:400])
    for program in ("stele", "stele-server"):
        loaded = ". /usr/share/bash-completion/bash_completion; _completion_loader %s; complete -p %s" % (program, program)
        status, output = run(["chroot", root, "bash", "-c", loaded])
        ok(status == 0 and "-F _stele" in output, "bash completes " + program, output)
    serve(root)
    packages = [os.path.basename(deb).split("_")[0] for deb in debs]
    status, output = run(["chroot", root, "dpkg", "--purge"] + packages)
    equal(status, 0, "dpkg --purge", output)
    after = outside(root)
    equal([f for f in after if f not in before], [], "the removal leaves nothing")
    equal([f for f in before if f not in after], [], "and removes nothing else")


def debian(root):
    """Makes a Debian of the packages that ours need, and keeps it in build/ for the next run. Returns what
    went wrong, or None."""
    kept = "build/recipes/debian.tar"
    policy = run(["apt-cache", "policy", "libev4"])[1]
    found = re.search(r"^ +\d+ (https?://\S+) (\w+)/main ", policy, re.M)
    if found is None:
        return "apt knows no mirror of libev4: " + policy
    if not os.path.exists(kept):
        status, output = long_run(["/usr/sbin/debootstrap", "--variant=minbase", "--include=libev4,man-db,bash-completion",
                                   found.group(2), root, found.group(1)])
        if status != 0:
            return output[-1000:]
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        equal(long_run(["tar", "-C", root, "-cf", kept + ".new", "."]), (0, ""), "a fresh Debian")
        os.rename(kept + ".new", kept)
        return None
    os.mkdir(root)
    status, output = long_run(["tar", "-C", root, "-xpf", kept])
    return None if status == 0 else output


ok("make deb\n" in section(page("operations.md"), "## Install and uninstall"), "the page has the command")
status_of_deb, output_of_deb = long_run(["make", "deb"])
equal(status_of_deb, 0, "make deb, with lintian", output_of_deb[-3000:])
equal(re.findall(r"^[EW]: .*", output_of_deb, re.M), [], "lintian has no error and no warning")
building, _, installing = output_of_deb.partition("debian/rules override_dh_auto_install")
compiled = r" -D_FORTIFY_SOURCE=2 (.* )?-c src/main\.c "
ok(re.search(compiled, building), "the log shows the flags of the compiler")
ok(installing != "" and " -c src/" not in installing, "make install builds nothing anew")
packages_built = sorted(d for d in glob.glob("build/deb/*.deb") if "-dbgsym_" not in d)
equal([os.path.basename(d).split("_")[0] for d in packages_built], ["libstele-dev", "libstele0", "stele"],
      "the packages")
with tempfile.TemporaryDirectory(prefix="stele-package-") as place:
    os.chmod(place, 0o755)
    contents(place, packages_built)
    unit(place + "/stele/lib/systemd/system/stele-server@.service")
    if os.geteuid() != 0:
        skip("the packages in a fresh Debian", "only root can make one")
    else:
        reason = debian(place + "/debian")
        if reason is not None:
            skip("the packages in a fresh Debian", "debootstrap has failed: " + reason.splitlines()[-1])
        else:
            installed(place + "/debian", packages_built)
done()
