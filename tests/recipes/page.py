"""What the tests of recipes share: they print test points (TAP), take commands and configurations from
the pages of docs/, and run them with the programs that were built."""
import contextlib
import glob
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import done, equal, ok, skip  # noqa: F401 (for the tests)
from unpacked import library_path

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(FOLDER))
BUILD = os.path.join(ROOT, os.environ.get("STELE_BUILD", "build/release"))
UNPACKED = os.path.join(ROOT, "build/services")  # where .ci/need unpacks packages
SECONDS = 60  # to wait for anything


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def read(path):
    return read_bytes(path).decode()


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def page(name):
    """Returns the text of a page in docs/."""
    return read(os.path.join(ROOT, "docs", name))


def section(text, heading):
    """Returns what is below a heading, such as "### From SQLite", up to the next one of any level."""
    return re.search(r"^%s\n(.*?)(?=^#|\Z)" % re.escape(heading), text, re.S | re.M).group(1)


def block(text, name):
    """Returns the block of a page that is called `name`."""
    return re.search(r"`%s`:\n\n```\w*\n(.*?)^```$" % re.escape(name), text, re.S | re.M).group(1)


def blocks(text, language):
    """Returns all blocks of a language."""
    return re.findall(r"^```%s\n(.*?)^```$" % language, text, re.S | re.M)


def commands(text, beginning):
    """Returns the block of shell commands that begins so."""
    return next(b for b in blocks(text, "sh") if b.startswith(beginning))


def changed(text, *pairs):
    """Replaces addresses and paths of a page: pairs of an old and a new text. Each must be there, once."""
    for old, new in pairs:
        if text.count(old) != 1:
            raise RuntimeError("%r is there %d times, not once, in\n%s" % (old, text.count(old), text))
        text = text.replace(old, new)
    return text


def free_port():
    """Returns a free port, for programs that cannot choose one themselves."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


def wait_until(question, seconds=SECONDS):
    """Waits until the answer is true. Returns the last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.05)


def programs():
    """Returns an environment in which commands find the programs that were built or unpacked."""
    unpacked = [UNPACKED + "/usr/bin", UNPACKED + "/usr/sbin"]
    return dict(os.environ, PATH=":".join([BUILD, os.environ["PATH"]] + unpacked))


def run(argv, cwd=ROOT, **environment):
    """Runs a command. Returns its exit status and its output."""
    ended = subprocess.run(argv, cwd=cwd, env=dict(programs(), **environment), stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS,
                           check=False)
    return ended.returncode, ended.stdout.decode(errors="replace")


@contextlib.contextmanager
def server(*words, **environment):
    """Runs a program that prints "ready ADDRESS:PORT", as stele-server does with --port 0. Yields its port."""
    argv = list(words) + ["--port", "0"]
    with subprocess.Popen(argv, env=dict(programs(), **environment), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            line = process.stdout.readline().decode()
            ok(line.startswith("ready "), "a server of %s" % words[1], line)
            yield re.search(r":(\d+) ", line).group(1)
        finally:
            process.terminate()
    equal(process.returncode, 0, "  the server of %s ends well" % words[1])


def find(pattern):
    """Returns the first file of this pattern, such as "usr/lib/x/*/bin/y": of the system, or unpacked."""
    found = sorted(glob.glob("/" + pattern)) + sorted(glob.glob(UNPACKED + "/" + pattern))
    return found[0] if found else None


def libraries(path):
    """Returns the value of LD_LIBRARY_PATH for a program that `find` has found."""
    return library_path(UNPACKED) if path.startswith(UNPACKED) else ""
