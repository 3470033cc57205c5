"""The data files that are served, and the programs that several parts of the benchmark start on them.

The files are kept in build/bench/ for the next run.
"""
import os
import re
import shutil
import subprocess
import tempfile

from programs import (GENERATE, SERVER, Program, Unavailable, ask, connect_unix, memory_available,
                      progress, run, shown)
from report import size_name

CACHE = "build/bench"
DATA, REDIS = "data", "redis-server"  # subjects
os.environ["PATH"] += ":" + os.path.abspath("build/services/bin")  # unpacked by .ci/need
READY = re.compile(r"ready (\S+) (\d+) keys in ([\d.]+) seconds")

# Bytes for each key, rounded up, that the disk and the memory must have room for. The file that is
# read should stay in the page cache, so it counts as memory, too.
DATA_BYTES = 90
RDB_BYTES = 105
DISK_BYTES = DATA_BYTES + 8 + RDB_BYTES  # 8: index file
REDIS_BYTES = 190 + RDB_BYTES


class Size:
    """The files for one number of keys: random ones, or those that generate's --keys names."""

    def __init__(self, size, keys=None):
        self.size = size
        self.name = size_name(size)
        stem = f"{keys}-{self.name}" if keys else self.name
        self.data = f"{CACHE}/{stem}.data"
        self.idx = f"{self.data}.idx"
        self.rdb = f"{stem}.rdb"  # in CACHE
        self.subject = keys or DATA
        self.generate = [GENERATE, self.name] + (["--keys", keys] if keys else [])


# ---- files --------------------------------------------------------------------------------------

def require_disk(sizes, sets=()):
    """Ends the run when there is no room for the files that do not exist yet."""
    missing = sum(DISK_BYTES * s.size for s in sizes if not os.path.exists(f"{CACHE}/{s.rdb}"))
    missing += sum(DATA_BYTES * s.size for s in sets if not os.path.exists(s.data))
    free = shutil.disk_usage(CACHE).free
    if missing > free * 0.95:
        raise SystemExit(f"{CACHE}/ may need {missing / 1e9:.1f} GB more and only "
                         f"{free / 1e9:.1f} GB are free; make room, or measure fewer keys (N=1M)")


def require_data(figures, s):
    """Writes the data file of a Size or KeySet, unless it exists from an earlier run."""
    if not os.path.exists(s.data):
        progress(f"{shown(s.generate)} > {s.data}")
        with open(s.data + ".part", "wb") as out:
            subprocess.run(s.generate, stdout=out, check=True)
            os.fsync(out.fileno())  # otherwise the system would write it during a measurement
        os.rename(s.data + ".part", s.data)
    figures.add(s.size, s.subject, "data file", "bytes", os.path.getsize(s.data),
                f"{shown(s.generate)} > {s.data}")


def warm(path):
    """Reads a file, so that it is in the page cache."""
    with open(path, "rb", buffering=0) as file:
        block = bytearray(1 << 20)
        while file.readinto(block):
            pass


def require_memory(bytes_needed, what):
    free = memory_available()
    if bytes_needed > free:
        raise Unavailable(f"{what} and its file would need {bytes_needed / 1e9:.1f} GB of memory, "
                          f"{free / 1e9:.1f} GB are free")


# ---- programs -----------------------------------------------------------------------------------

def server_argv(s, *options):
    return [SERVER, s.data, "--port", "0", *options]


def wait_ready(server, s, meanwhile=None):
    """Returns the address it listens on, the seconds until it was ready, and the seconds it reports."""
    line, seconds = server.wait_for_line("ready ", meanwhile)
    match = READY.match(line)
    if not match or int(match[2]) != s.size:
        raise Unavailable(f"{shown(server.argv)}: strange ready line: {line}")
    return match[1], seconds, float(match[3])


class Redis:
    """redis-server on a unix socket, with an RDB file in build/bench/, and with a TCP port if wanted.
    `before` are words before its command."""

    @staticmethod
    def options(s):
        return ["--save", "", "--appendonly", "no", "--dir", CACHE, "--dbfilename", s.rdb]

    def __init__(self, s, port=0, before=()):
        self.folder = tempfile.TemporaryDirectory(prefix="stele-bench-")
        self.socket = f"{self.folder.name}/redis.sock"
        here = ["--port", str(port), "--unixsocket", self.socket]
        self.program = Program([*before, "redis-server", *self.options(s), *here])
        self.command = shown([*before, "redis-server", *self.options(s)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()
        self.folder.cleanup()

    def ask(self, *words):
        with connect_unix(self.socket) as connection:
            return ask(connection, *words)

    def wait_ready(self):
        """Returns the seconds until PING is no longer answered with LOADING."""
        def ready():
            try:
                return self.ask("PING") == b"+PONG\r\n"
            except OSError:
                return False
        return self.program.wait_until(ready)

    def require_keys(self, s):
        reply = self.ask("DBSIZE")
        if reply != b":%d\r\n" % s.size:
            raise Unavailable(f"redis-server holds {reply} keys instead of {s.size}")


def require_rdb(figures, s):
    """Loads the data into redis-server and saves it, unless the RDB file exists from an earlier run."""
    fill = [*s.generate, "--resp"]
    path = f"{CACHE}/{s.rdb}"
    if not os.path.exists(path):
        require_memory(REDIS_BYTES * s.size, "redis-server")
        progress(f"{s.name}: loading redis-server once, to have its RDB")
        with Redis(s) as redis:
            redis.wait_ready()
            with subprocess.Popen(fill, stdout=subprocess.PIPE) as source:
                run(["redis-cli", "-s", redis.socket, "--pipe"], stdin=source.stdout)
            redis.require_keys(s)
            reply = redis.ask("SAVE")
            if reply != b"+OK\r\n":
                raise Unavailable(f"redis-server does not save: {reply}")
    figures.add(s.size, REDIS, "RDB file", "bytes", os.path.getsize(path),
                f"{shown(['redis-server', *Redis.options(s)])} & "
                f"{shown(fill)} | redis-cli --pipe && redis-cli SAVE")
