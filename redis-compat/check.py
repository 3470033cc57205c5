"""What the checks of clients and tools share: they print test points (TAP), and use the servers of
`with-server` and their data.

A test point has a name like `topic: statement`. The matrix lists the topics that were exercised.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(FOLDER)
sys.path.insert(0, os.path.join(ROOT, "tests/support"))
from tap import done, equal, ok  # noqa: F401 (for the checks)
from unpacked import library_path

BUILD = os.path.join(ROOT, os.environ.get("STELE_BUILD", "build/release"))
PATIENCE = 15  # seconds to wait for anything
ABSENT = "ffffffff-eeee-4ddd-8ccc-bbbbbbbbbbbb"
READONLY = "READONLY You can't write against a read only replica."


def matches(text, pattern, name):
    return ok(re.search(pattern, text, re.S | re.M), name,
              "no %r in\n%s" % (pattern, text[-2000:]))


def point(name, question, wanted):
    """Prints a test point that compares the result of `question`. It fails if `question` raises."""
    try:
        got = question()
    except Exception as error:  # the library under test may raise anything
        return ok(False, name, "%s: %s" % (type(error).__name__, error))
    return equal(got, wanted, name)


def version(text):
    print("# version %s" % text)


def limit(text):
    """Has the matrix say what the client does not do, in addition to the result."""
    print("# limit %s" % text)


def skip_all(reason):
    print("1..0 # SKIP %s" % reason)
    sys.exit(0)


def wait_until(condition, what):
    """Waits until the condition is true and returns its value. Raises TimeoutError if it stays
    false."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise TimeoutError("not within %d s: %s" % (PATIENCE, what))


class Address:
    def __init__(self, port, path):
        self.port = int(port)
        self.path = path


def server():
    """The server under test."""
    return Address(os.environ["COMPAT_PORT"], os.environ["COMPAT_SOCKET"])


def is_redis():
    """Returns true if the server is a real Redis. The checks also run against one, to find out whether
    they expect the right replies."""
    return os.environ.get("COMPAT_REDIS") == "1"


def control(*words):
    """Has `with-server` stop or start a server."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.environ["COMPAT_CONTROL"])
        s.sendall((" ".join(words) + "\n").encode())
        answer = s.makefile().readline().split()
    if not answer or answer[0] != "ok":
        raise RuntimeError("%s: %s" % (words[0], " ".join(answer[1:])))
    return answer[1:]


def spawn(data_file, *password):
    return Address(*control("spawn", data_file, *password))


def data_file():
    return os.environ["COMPAT_DATA"]


def records():
    """Returns the data as a dictionary: text of the key → bytes of the value."""
    with open(data_file(), "rb") as file:
        return {line[:36].decode(): line[37:] for line in file.read().split(b"\n") if line}


def recipe(name, replacements):
    """Returns the configuration that docs/scaling.md shows as `name`, with other addresses and paths.
    So what a reader copies is what the check runs."""
    with open(os.path.join(ROOT, "docs/scaling.md")) as file:
        shown = re.search("`%s`:\n\n```\\w*\n(.*?)^```$" % re.escape(name), file.read(), re.S | re.M)
    if not shown:
        raise RuntimeError("docs/scaling.md does not show `%s`" % name)
    text = shown.group(1)
    for old, new in replacements.items():
        if text.count(old) != 1:
            raise RuntimeError("%s has %r %d times, not once" % (name, old, text.count(old)))
        text = text.replace(old, new)
    return text


def stele(*words):
    """Runs the tool `stele`. Raises RuntimeError if it fails."""
    status, output = run([os.path.join(BUILD, "stele")] + list(words))
    if status != 0:
        raise RuntimeError("stele %s: %s" % (" ".join(words), output))


def free_port():
    """Returns a free port, for tools that cannot choose one themselves."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accepts(port, host="127.0.0.1"):
    with socket.socket() as s:
        # If no server listens on the port, the system may choose it as the port of this connection,
        # which then connects to itself.
        return s.connect_ex((host, port)) == 0 and s.getsockname() != s.getpeername()


def accepts_at(path):
    """Returns true if a server listens on the unix socket."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


def tool(name, package):
    """Returns the path of a program, installed or unpacked by `install-tools`."""
    unpacked = os.path.join(ROOT, "build/redis-compat/tools/usr")
    places = os.environ.get("PATH", "").split(":") + ["/usr/sbin"]
    for place in places + [unpacked + "/sbin", unpacked + "/bin"]:
        path = os.path.join(place, name)
        if os.access(path, os.X_OK):
            return path
    print("Bail out! no %s: redis-compat/install-tools unpacks Debian's %s" % (name, package))
    sys.exit(1)


def tool_environment():
    """Returns an environment in which unpacked tools find their libraries."""
    return dict(os.environ, LC_ALL="C", LD_LIBRARY_PATH=library_path(os.path.join(ROOT, "build/redis-compat/tools")))


def package_version(package, place="tools"):
    """Returns the version of a Debian package, unpacked in `place` or installed."""
    packages = os.path.join(ROOT, "build/redis-compat", place, "packages")
    for name in os.listdir(packages) if os.path.isdir(packages) else []:
        if name.startswith(package + "_"):
            return name.split("_")[1].replace("%3a", ":")
    return run(["dpkg-query", "-W", "-f", "${Version}", package])[1]


def run(argv, stdin=b""):
    """Runs a program to its end. Returns its exit status, or None if it did not end in time, and
    what it printed."""
    try:
        ended = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               timeout=PATIENCE, env=tool_environment(), check=False)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace") + "\n(did not end)"
    return ended.returncode, ended.stdout.decode(errors="replace")


class Process:
    """A program that runs until the check has ended. `log()` returns what it printed."""

    def __init__(self, argv, ready, environment):
        """Starts the program, and waits until `ready` returns true. Raises RuntimeError if the
        program ends before."""
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, env=environment)
        wait_until(lambda: ready() or self.process.poll() is not None, argv[0])
        if self.process.poll() is not None:
            raise RuntimeError("%s has ended:\n%s" % (argv[0], self.log()))

    def log(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Daemon(Process):
    """A tool that listens on a port."""

    def __init__(self, argv, port, host="127.0.0.1"):
        super().__init__(argv, lambda: accepts(port, host), tool_environment())


class Connection:
    """A connection in RESP2, for requests that a check sends itself. Without a port, it uses the unix
    socket."""

    def __init__(self, address):
        if address.port:
            self.socket = socket.create_connection(("127.0.0.1", address.port), PATIENCE)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(address.path)
        self.replies = self.socket.makefile("rb")

    def ask(self, *words):
        return self.ask_all([words])[0]

    def ask_all(self, requests):
        """Sends the requests at once, and returns the replies."""
        out = []
        for words in requests:
            out.append(b"*%d\r\n" % len(words))
            for word in words:
                word = word.encode() if isinstance(word, str) else word
                out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(out))
        return [self._read() for _ in requests]

    def _read(self):
        line = self.replies.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in (b"+", b"-"):
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.replies.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        raise RuntimeError("not a reply: %r" % line)

    def info(self, section):
        """Returns the fields of a section of INFO."""
        text = self.ask("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
