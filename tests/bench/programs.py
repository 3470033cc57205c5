"""Starts programs, waits for their output, and reads their memory.

Every program is stopped by its process id, however the run ends.
"""
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("STELE_BUILD", "build")
SERVER = f"{BUILD}/stele-server"
TOOL = f"{BUILD}/stele"
GENERATE = "build/release/tests/bench/generate"
PATIENCE = 1800  # seconds to wait for anything from a program


class Unavailable(Exception):
    """A figure cannot be measured on this machine. The text says why; the table shows it."""


def shown(argv):
    """Returns a command as a user would type it."""
    return " ".join(shlex.quote(word) for word in argv)


def run(argv, **options):
    """Runs a program to its end. Returns its standard output."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        complaint = done.stderr.decode(errors="replace").strip().split("\n")[0]
        raise Unavailable(f"{shown(argv)}: {complaint or done.returncode}")
    return done.stdout.decode(errors="replace")


def last_line(text):
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


class Program:
    """A running program; a context manager that ends it."""

    def __init__(self, argv):
        self.argv = argv
        self.said = b""
        self.log = tempfile.TemporaryFile()
        self.started = time.perf_counter()
        try:
            self.process = subprocess.Popen(argv, bufsize=0, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=self.log)
        except OSError as error:
            raise Unavailable(f"{argv[0]}: {error.strerror}") from error
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def seconds(self):
        return time.perf_counter() - self.started

    def complain(self):
        """Raises an error with the output of the program, which has ended."""
        self.process.wait()
        self.log.seek(0)
        raise Unavailable(f"{shown(self.argv)}: {last_line(self.log.read() or self.said)}")

    def wait_for_line(self, start, meanwhile=None):
        """Waits for a line of output that begins with `start`. Returns it and the seconds until it came.
        Until then `meanwhile` is called repeatedly, at most once a millisecond."""
        pipe = self.process.stdout.fileno()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([pipe], [], [], 0.001 if meanwhile else 1)[0]:
                piece = os.read(pipe, 1 << 16)
                elapsed = self.seconds()
                self.said += piece
                for line in self.said.decode(errors="replace").splitlines(keepends=True):
                    if line.startswith(start) and line.endswith("\n"):
                        return line.strip(), elapsed
                if not piece:
                    self.complain()
            elif meanwhile:
                meanwhile()
        raise Unavailable(f"{shown(self.argv)}: nothing heard within {PATIENCE} s")

    def wait_until(self, holds):
        """Tests a condition repeatedly, at most once a millisecond. Returns the seconds until it held."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if holds():
                return self.seconds()
            if self.process.poll() is not None:
                self.said += self.process.stdout.read()
                self.complain()
            time.sleep(0.001)
        raise Unavailable(f"{shown(self.argv)}: not ready within {PATIENCE} s")

    def memory(self, field):
        """Returns a field of /proc/PID/status in bytes, such as RssAnon; 0 when the program has ended."""
        return proc_field(f"/proc/{self.pid}/status", field)

    def cpu_seconds(self):
        """Returns the processor time of all its threads so far, user and system."""
        return time.clock_gettime(~self.pid << 3 | 2)  # as clock_getcpuclockid(3) does it on Linux

    def shared(self, field):
        """Returns a field of /proc/PID/smaps_rollup in bytes, such as Pss."""
        return proc_field(f"/proc/{self.pid}/smaps_rollup", field)

    def mapping(self, ending, field):
        """Returns the sum of a field of /proc/PID/smaps over all mappings of files whose name has this
        end. Returns None when there is no such mapping."""
        total = None
        inside = False
        with open(f"/proc/{self.pid}/smaps") as smaps:
            for line in smaps:
                name = line.split(None, 1)[0]
                if not name.endswith(":"):
                    inside = line.rstrip("\n").endswith(ending)
                    total = (total or 0) if inside else total
                elif inside and name == field + ":":
                    total += int(line.split()[1]) * 1024
        return total


def proc_field(path, field):
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def memory_available():
    return proc_field("/proc/meminfo", "MemAvailable")


def ask(connection, *words):
    """Sends a Redis command and returns the first bytes of the reply."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    request = b"*%d\r\n" % len(words)
    request += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    connection.sendall(request)
    return connection.recv(1 << 16)


def connect_unix(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def connect_tcp(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE)


def free_port():
    """Returns a free TCP port, for programs that cannot choose one themselves."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def progress(text):
    """Prints a line about the progress of the run."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def end_in_order():
    """Turns SIGTERM and SIGHUP into an exit that leaves every `with`, so that no program is left running."""
    def leave(number, _):
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
