#!/usr/bin/env python3
"""Versions are published and rolled back under load: 50 clients compare every reply. No request fails, no
value is wrong, and no connection sees a version again that another one has replaced.

STELE_CYCLES sets the number of cycles, STELE_SERVERS that of servers.
"""
import os
import socket
import subprocess
import sys
import tempfile
import threading

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("STELE_BUILD", "build/release")
CYCLES = int(os.environ.get("STELE_CYCLES", "8"))
SERVERS = int(os.environ.get("STELE_SERVERS", "2"))
CLIENTS = 50
KEYS = 2000
os.environ["REDISCLI_AUTH"] = "secret"

points = 0


def ok(good, name):
    global points
    points += 1
    print("ok" if good else "not ok", points, "-", name, flush=True)


def key(number):
    return "%08x-0000-4000-8000-%012x" % (number * 2654435761 % 2**32, number)


def value(number, version):
    return "%d:%d" % (version, number * version)


def write_version(folder, version):
    path = os.path.join(folder, "new.data")
    with open(path, "w") as file:
        for number in range(KEYS):
            file.write("%s %s\n" % (key(number), value(number, version)))
    return path


class Server:
    def __init__(self, store, folder, number):
        self.program = subprocess.Popen(
            [BUILD + "/stele-server", store, "--port", "0", "--threads", "2", "--requirepass", "secret", "--logfile",
             os.path.join(folder, "log%d" % number)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.program.stdout.readline().split()[1].rsplit(":", 1)[1])
        self.address = "127.0.0.1:%d" % self.port


class Client(threading.Thread):
    """Asks for keys until it is stopped. `began` counts the changes of the store that have begun."""
    def __init__(self, port, seed):
        super().__init__()
        self.port = port
        self.seed = seed
        self.seen = []  # versions, each with the number of changes that had begun then
        self.wrong = []
        self.replies = 0

    def run(self):
        try:
            self.ask()
        except Exception as fault:
            self.wrong.append("failed: %r" % fault)

    def ask(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        lines = connection.makefile("rb")
        connection.sendall(b"AUTH secret\r\n")
        lines.readline()
        number = self.seed
        while not stop.is_set():
            number = (number * 1103515245 + 12345) % 2**31
            connection.sendall(b"*2\r\n$3\r\nGET\r\n$36\r\n%s\r\n" % key(number % KEYS).encode())
            size = lines.readline()
            text = lines.readline().decode().rstrip("\r\n")
            self.replies += 1
            version = int(text.split(":")[0]) if size[:1] == b"$" and ":" in text else 0
            if text != value(number % KEYS, version):
                self.wrong.append("%r %r" % (size, text))
                return
            if not self.seen or self.seen[-1][0] != version:
                self.seen.append((version, began))

    def went_back(self):
        """Whether the versions seen do not follow the order in which they were current."""
        at = 0
        for version, had_begun in self.seen:
            while at < len(order) and order[at] != version:
                at += 1
            if at > had_begun:
                return True
        return False


order = []  # versions in the order in which they are current
began = 0  # number of the last change that has begun: an index of `order`
stop = threading.Event()


def change(version, *words):
    """Runs a command that makes the version current."""
    global began
    order.append(version)
    began = len(order) - 1
    addresses = [word for server in servers for word in ("--reload", server.address)]
    done = subprocess.run([BUILD + "/stele", *words, *addresses], capture_output=True, text=True)
    if done.returncode != 0:
        print("#", " ".join(words), done.stdout, done.stderr)
    return done.returncode == 0


with tempfile.TemporaryDirectory(prefix="stele-cycles-") as folder:
    store = os.path.join(folder, "store")
    servers = []
    good = change(1, "publish", store, write_version(folder, 1), "--version", "v0001")
    servers = [Server(store, folder, number) for number in range(SERVERS)]
    clients = [Client(servers[number % SERVERS].port, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for cycle in range(2, CYCLES + 2):
        name = "v%04d" % cycle
        good &= change(cycle, "publish", store, write_version(folder, cycle), "--version", name, "--max-lost", "0%")
        good &= change(cycle - 1, "rollback", store)
        good &= change(cycle, "unpin", store)
    stop.set()
    for client in clients:
        client.join()
    for server in servers:
        server.program.terminate()
    ends = [server.program.wait() for server in servers]
    ok(good, "%d times a version is published, rolled back, and made current again" % CYCLES)
    wrong = [fault for client in clients for fault in client.wrong]
    for fault in wrong[:5]:
        print("#", fault)
    ok(not wrong, "no request fails and no value is wrong")
    back = [client for client in clients if client.went_back()]
    for client in back[:3]:
        print("#", client.seen[-10:])
    ok(not back, "no connection sees an older version again")
    replies = sum(client.replies for client in clients)
    ok(replies > 1000, "%d clients have made requests" % CLIENTS)
    print("# %d replies" % replies)
    ok(all(len(client.seen) > 1 for client in clients), "each has seen several versions")
    ok(ends == [0] * SERVERS, "the servers end well")
print("1..%d" % points)
sys.exit(0)
