"""Clusters of six processes, of Stele or Redis, and clients that ask them without pause and compare each
value. The clients keep a map of slots as cluster clients do: they follow a MOVED, and read the map again
after a lost connection or a timeout.
"""
import binascii
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

BUILD = os.environ.get("STELE_BUILD", "build")
SLOTS = 16384
PIPELINE = 50
PATIENCE = 5  # seconds that clients wait for an answer


def slot_of(key):
    return binascii.crc_hqx(key.encode(), 0) % SLOTS  # CRC-16/XMODEM


def free_ports(count):
    """Returns ports that nobody uses. The bus port of a redis-server is higher by 10000."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20000, 50000)
        try:
            for each in port, port + 10000:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        ports.append(port)
    return ports


class Lost(Exception):
    """A connection is lost, or an answer is late."""


class Connection:
    def __init__(self, port, patience):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), patience)
        except OSError as error:
            raise Lost from error
        self.socket.settimeout(patience)
        self.buffer = b""

    def send(self, *requests):
        text = b"".join(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
                        for words in requests)
        try:
            self.socket.sendall(text)
        except OSError as error:
            raise Lost from error

    def more(self):
        try:
            piece = self.socket.recv(1 << 16)
        except OSError as error:
            raise Lost from error
        if not piece:
            raise Lost
        self.buffer += piece

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def reply(self):
        """Returns bytes, a number, a list, None, or an error as text that begins with '-'."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            count = int(rest)
            if count < 0:
                return None
            while len(self.buffer) < count + 2:
                self.more()
            value, self.buffer = self.buffer[:count], self.buffer[count + 2:]
            return value
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else line.decode()


def wait_for(what, condition):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"in vain: {what}")
        time.sleep(0.02)


def write_file(path, text):
    """Replaces a file as a whole."""
    with open(f"{path}.next", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(f"{path}.next", path)


# ---- clusters -----------------------------------------------------------------------------------

class Cluster:
    def __init__(self, folder, keys):
        self.folder = folder
        self.keys = keys
        self.slot_of = {key: slot_of(key) for key in keys}
        self.ports = free_ports(6)
        self.programs = [None] * 6

    def launch(self, i, argv):
        self.programs[i] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                connection = Connection(self.ports[i], 5)
                connection.send([b"PING"])
                if connection.reply() == "+PONG":
                    return
            except Lost:
                time.sleep(0.02)
            if time.monotonic() > deadline:
                sys.exit(f"{argv[0]} does not start")

    def stop(self):
        for program in self.programs:
            if program is not None:
                program.send_signal(signal.SIGCONT)
                program.kill()
                program.wait()


class Stele(Cluster):
    name = "Stele"

    def __init__(self, folder, keys, timeout):
        super().__init__(folder, keys)
        self.timeout = timeout
        self.config = f"{folder}/cluster.conf"
        with open(f"{folder}/table.data", "w", encoding="ascii") as file:
            file.writelines(f"{key} {value}\n" for key, value in keys.items())
        write_file(self.config, self.topology(1, 3))
        self.split(self.config, folder, "--index")
        for i in range(6):
            self.start(i)

    def topology(self, epoch, shards):
        text = f"epoch {epoch}\n"
        for shard in range(shards):
            text += f"shard {round(SLOTS * shard / shards)}-{round(SLOTS * (shard + 1) / shards) - 1}\n"
            for i in 2 * shard, 2 * shard + 1:
                text += f"node {self.node(i)} 127.0.0.1:{self.ports[i]}\n"
        return text

    def split(self, config, to, *options):
        subprocess.run([f"{BUILD}/stele", "split", f"{self.folder}/table.data", "--by", "slots", "--cluster", config,
                        "--out", to, *options], check=True, stdout=subprocess.DEVNULL)

    @staticmethod
    def node(i):
        """Returns the name of node `i`."""
        return f"{'abcd'[i // 2]}{i % 2 + 1}"

    def part(self, i):
        """Returns the path of the data of node `i`, which the other node of its shard serves, too."""
        return f"{self.folder}/table.{i // 2 + 1}-of-3.data"

    def start(self, i):
        options = ["--cluster-node-timeout", str(self.timeout)] if self.timeout else []
        self.launch(i, [f"{BUILD}/stele-server", self.part(i), "--port", str(self.ports[i]), "--threads", "1",
                        "--cluster-config", self.config, "--cluster-node", self.node(i), *options])


class Redis(Cluster):
    name = "Redis Cluster"

    def __init__(self, folder, keys, timeout):
        super().__init__(folder, keys)
        self.timeout = timeout
        for i in range(6):
            os.mkdir(f"{folder}/{i}")
            self.start(i)
        addresses = [f"127.0.0.1:{port}" for port in self.ports]
        subprocess.run(["redis-cli", "--cluster", "create", *addresses, "--cluster-replicas", "1", "--cluster-yes"],
                       check=True, stdout=subprocess.DEVNULL)
        # The nodes tell each other for some seconds.
        wait_for("the cluster is complete", lambda: all(self.has_all_nodes(port) for port in self.ports))
        connections = {port: Connection(port, 30) for port in self.ports}
        slots = read_map(self, 30)
        for key, value in keys.items():
            connection = connections[slots[self.slot_of[key]]]
            connection.send([b"SET", key.encode(), value.encode()])
            assert connection.reply() == "+OK"
        wait_for("the replicas have all keys", lambda: sum(self.ask(port, b"DBSIZE") for port in self.ports) ==
                 2 * len(keys))

    @staticmethod
    def ask(port, *words):
        connection = Connection(port, 30)
        connection.send(words)
        return connection.reply()

    def has_all_nodes(self, port):
        nodes = self.ask(port, b"CLUSTER", b"NODES").decode().splitlines()
        return len(nodes) == 6 and sum(" slave " in node or ",slave " in node for node in nodes) == 3 and \
            b"cluster_state:ok" in self.ask(port, b"CLUSTER", b"INFO")

    def start(self, i):
        options = ["--cluster-node-timeout", str(self.timeout)] if self.timeout else []
        self.launch(i, ["redis-server", "--port", str(self.ports[i]), "--dir", f"{self.folder}/{i}", "--save", "",
                        "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", *options])


def read_map(cluster, patience):
    """Returns the port of the primary of each slot, as any node sees it."""
    for port in random.sample(cluster.ports, len(cluster.ports)):
        try:
            connection = Connection(port, patience)
            connection.send([b"CLUSTER", b"SLOTS"])
            slots = [None] * SLOTS
            for first, last, primary, *_ in connection.reply():
                slots[first:last + 1] = [primary[1]] * (last + 1 - first)
            return slots
        except (Lost, ValueError, TypeError):
            continue
    raise Lost


# ---- clients ------------------------------------------------------------------------------------

class Counts:
    def __init__(self):
        self.lock = threading.Lock()
        self.compared = self.wrong = self.moved = 0
        self.redirects = 0  # the most for one request
        self.errors = []  # times
        self.over = False

    def note_error(self):
        with self.lock:
            self.errors.append(time.monotonic())


class Client(threading.Thread):
    """Asks for random keys of the cluster, PIPELINE at a time, until `counts.over`."""

    def __init__(self, cluster, counts, seed, patience=PATIENCE):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.counts = counts
        self.dice = random.Random(seed)
        self.patience = patience
        self.connections = {}
        self.slots = read_map(cluster, patience)

    def run(self):
        names = list(self.cluster.keys)
        waiting = []  # keys, each with the number of its redirects
        while not self.counts.over:
            waiting += [(key, 0) for key in self.dice.choices(names, k=PIPELINE - len(waiting))]
            groups = {}
            for key, redirects in waiting:
                groups.setdefault(self.slots[self.cluster.slot_of[key]], []).append((key, redirects))
            waiting = []
            for port, keys in groups.items():
                waiting += self.ask(port, keys)

    def ask(self, port, keys):
        """Asks one node for some keys. Returns those without a value."""
        again = []
        try:
            if port not in self.connections:
                self.connections[port] = Connection(port, self.patience)
            connection = self.connections[port]
            connection.send(*([b"GET", key.encode()] for key, _ in keys))
            replies = [connection.reply() for _ in keys]
        except Lost:
            self.connections.pop(port, None)
            self.counts.note_error()
            self.refresh()
            return keys
        failed = False
        with self.counts.lock:
            for (key, redirects), value in zip(keys, replies):
                if not isinstance(value, str):
                    self.counts.compared += 1
                    self.counts.wrong += value != self.cluster.keys[key].encode()
                elif value.startswith("-MOVED"):
                    self.slots[self.cluster.slot_of[key]] = int(value.rpartition(":")[2])
                    self.counts.moved += 1
                    self.counts.redirects = max(self.counts.redirects, redirects + 1)
                    again.append((key, redirects + 1))
                else:
                    self.counts.errors.append(time.monotonic())
                    failed = True
                    again.append((key, 0))
        if failed:
            self.refresh()
        return again

    def refresh(self):
        time.sleep(0.05)
        try:
            self.slots = read_map(self.cluster, self.patience)
        except Lost:
            pass


def make_table(count, seed):
    """Returns random keys with their values."""
    dice = random.Random(seed)
    names = [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(count)]
    return {name: f"value of {name}" for name in names}


def start_clients(cluster, counts, count, seed):
    clients = [Client(cluster, counts, seed + i) for i in range(count)]
    for each in clients:
        each.start()
    return clients


def end_clients(clients, counts, replies):
    """Lets the clients compare at least so many values in all."""
    while counts.compared < replies:
        time.sleep(0.1)
    counts.over = True
    for each in clients:
        each.join(20)
