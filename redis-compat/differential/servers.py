"""Starts Stele and the oracle with the same data, on unix sockets in a given folder."""
import os
import socket
import subprocess
import time

import wire

# Commands that the oracle's ACL denies: they would end it, make it write, make it a primary, or
# test it for a minute.
DENIED = ["shutdown", "replicaof", "slaveof", "failover", "save", "bgsave", "bgrewriteaof", "sync",
          "psync", "pfselftest", "monitor", "config|rewrite", "acl|setuser",
          "acl|deluser", "acl|load", "acl|save", "module|load", "module|loadex", "module|unload",
          "script|debug"]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ["PATH"] += ":" + ROOT + "/build/services/bin"  # where .ci/need unpacks redis-server


class Failed(Exception):
    """A server did not start, or ended."""


def ask(path, *requests):
    """Sends all requests at once and returns their replies."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(path)
        s.sendall(b"".join(wire.multibulk(r) for r in requests))
        data = b""
        while True:
            try:
                replies = wire.parse_all(data)
            except (wire.Malformed, IndexError):
                replies = []
            if len(replies) == len(requests):
                return replies
            more = s.recv(1 << 20)
            if not more:
                raise Failed("%s closed the connection" % path)
            data += more


class Servers:
    """Stele and the oracle. `stele` and `redis` are the paths of their sockets. If `build` is None,
    a second oracle stands in for Stele, and any difference is a fault of the suite."""

    def __init__(self, folder, build, pairs, threads):
        self.folder = folder
        self.stele = os.path.join(folder, "stele")
        self.redis = os.path.join(folder, "redis")
        self.processes = {}
        try:
            self.start_redis("redis", self.redis, pairs)
            if build is not None:
                self.start_stele(build, pairs, threads)
            else:
                self.start_redis("stele", self.stele, pairs)
            keys = [ask(path, [b"DBSIZE"])[0] for path in (self.stele, self.redis)]
            if keys[0] != keys[1]:
                raise Failed("not the same number of keys: %r" % keys)
        except BaseException:
            self.stop()
            raise

    def start_stele(self, build, pairs, threads):
        data = os.path.join(self.folder, "data")
        with open(data, "wb") as out:
            out.writelines(k + b" " + v + b"\n" for k, v in pairs)
        self.start("stele", [os.path.join(build, "stele-server"), data, "--port", "none",
                             "--unixsocket", self.stele] + threads)
        self.wait_for(self.stele)
        ask(self.stele, [b"CONFIG", b"SET", b"slowlog-log-slower-than", b"-1"])

    def start_redis(self, name, path, pairs):
        # As in Stele: one database, arguments of at most 1 MiB, no compression in DUMP. The slow
        # log stays empty.
        self.start(name, ["redis-server", "--port", "0", "--unixsocket", path, "--dir", self.folder,
                          "--save", "", "--appendonly", "no", "--databases", "1",
                          "--proto-max-bulk-len", "1048576", "--rdbcompression", "no",
                          "--slowlog-log-slower-than", "-1"])
        self.wait_for(path)
        for i in range(0, len(pairs), 100):
            ask(path, *([b"SET", k, v] for k, v in pairs[i:i + 100]))
        setup = ask(path, [b"REPLICAOF", b"127.0.0.1", b"1"],
                    [b"CONFIG", b"SET", b"replica-serve-stale-data", b"yes"],
                    [b"ACL", b"SETUSER", b"default"] + [b"-" + d.encode() for d in DENIED])
        if any(reply != ("+", b"OK") for reply in setup):
            raise Failed("the oracle was not set up: %r" % setup)

    def start(self, name, words):
        log = open(os.path.join(self.folder, name + ".log"), "wb")
        try:
            self.processes[name] = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
                                                    stderr=log)
        except OSError as error:
            raise Failed("cannot start %s: %s" % (words[0], error))
        finally:
            log.close()

    def wait_for(self, path):
        end = time.monotonic() + 60
        while True:
            self.check()
            try:
                if ask(path, [b"PING"]) == [("+", b"PONG")]:
                    return
            except OSError:
                if time.monotonic() > end:
                    raise Failed("no answer on %s" % path)
                time.sleep(0.01)

    def check(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise Failed("%s ended with status %d:\n%s" % (name, process.returncode,
                                                              self.log(name)))

    def log(self, name):
        with open(os.path.join(self.folder, name + ".log"), errors="replace") as log:
            return "".join(log.readlines()[-40:])

    def stop(self):
        """Ends both servers. Returns a message if Stele ended with an error, else None."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        stele = self.processes.get("stele")
        if stele is not None and stele.returncode != 0:
            return "Stele ended with status %d:\n%s" % (stele.returncode, self.log("stele"))
        return None
