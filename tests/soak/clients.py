"""Clients of every kind. Some send requests all the time and check the replies. The others connect,
behave in one of many ways, good or bad, and disconnect. Every reply that is known is compared byte by
byte.
"""
import asyncio
import socket
import struct

from twins import KEYS, LARGE

PASSWORD = b"s3cret"
PATIENCE = 60  # seconds without a reply after which a client reports an error
PIPELINE = 40
SCAN_MOST = 1024  # most keys in the reply to a SCAN, whatever COUNT is
PUSH = b">2\r\n$10\r\ninvalidate\r\n_\r\n"


class Wrong(Exception):
    """The server has sent a wrong reply, or has closed a connection too early."""


class Connection:
    """A connection. As a context manager it closes the connection at the end, with RST after
    reset_at_close()."""

    def __init__(self, world, narrow=False):
        self.loop = asyncio.get_running_loop()
        self.world = world
        self.received = bytearray()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if narrow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    async def __aenter__(self):
        await self.loop.sock_connect(self.socket, ("127.0.0.1", self.world.port))
        return self

    async def __aexit__(self, *_):
        self.socket.close()

    async def login(self):
        await self.talk(b"AUTH " + PASSWORD + b"\r\n", b"+OK\r\n")
        return self

    def reset_at_close(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send_end(self):
        """Sends FIN. The connection can then only receive."""
        self.socket.shutdown(socket.SHUT_WR)

    async def send(self, request):
        await self.loop.sock_sendall(self.socket, request)

    async def receive_more(self):
        """Receives more bytes. Returns False if the server has closed the connection."""
        some = await self.loop.sock_recv(self.socket, 1 << 18)
        self.received += some
        return len(some) > 0

    async def receive_until(self, mark):
        """Receives up to `mark`. Returns the bytes, including the mark."""
        while (at := self.received.find(mark)) < 0:
            if not await self.receive_more():
                raise Wrong(f"closed before {mark}")
        taken = bytes(self.received[:at + len(mark)])
        del self.received[:at + len(mark)]
        return taken

    async def expect(self, *wanted):
        """Receives one of the replies `wanted`, and returns its index."""
        while True:
            for which, reply in enumerate(wanted):
                if self.received.startswith(reply):
                    del self.received[:len(reply)]
                    self.world.counts["replies compared"] += 1
                    return which
            if not any(reply.startswith(self.received) for reply in wanted):
                raise Wrong(f"{bytes(self.received[:60])} instead of {wanted[0][:60]}")
            if not await self.receive_more():
                raise Wrong(f"closed before {wanted[0][:60]}")

    async def talk(self, request, *wanted):
        await self.send(request)
        return await self.expect(*wanted)

    async def expect_end(self, silently=False):
        """Waits until the server closes the connection, perhaps with RST. If `silently` is true, it must not
        send anything before."""
        try:
            while await self.receive_more():
                pass
        except ConnectionResetError:
            pass
        if silently and self.received:
            raise Wrong(f"{bytes(self.received[:60])} before the end")


# ---- clients that check all the time ------------------------------------------------------------

async def asker(world, random, until):
    """Sends requests and checks that each reply comes from one file only, and that no reply from an old
    generation comes after one from a newer generation."""
    twins = world.twins
    async with Connection(world) as c:
        await c.login()
        newest = twins.acknowledged
        while world.now() < until:
            least = twins.acknowledged
            asked = [twins.any(random) for _ in range(random.randint(1, PIPELINE))]
            async with asyncio.timeout(PATIENCE):
                await c.send(b"".join(request for request, _, _ in asked))
                for _, even, odd in asked:
                    which = await c.expect(even, odd)
                    if even != odd:
                        newest = max(least, newest)
                        newest += newest % 2 != which
                        if newest > twins.begun:
                            raise Wrong("an old value after a new one")
            await asyncio.sleep(random.random() * 0.03)


# ---- clients that connect and disconnect --------------------------------------------------------

async def closes_at_once(c, random, twins):
    if random.random() < 0.5:
        c.reset_at_close()


async def sends_one_request(c, random, twins):
    request, *wanted = twins.any(random)
    await (await c.login()).talk(request, *wanted)


async def resets_during_a_reply(c, random, twins):
    await (await c.login()).send(twins.mget(random, [random.choice(LARGE) for _ in range(4)])[0])
    await c.receive_more()
    c.reset_at_close()


async def sends_FIN_during_a_command(c, random, twins):
    request, *wanted = twins.get(random)
    half = twins.mget(random)[0]
    await (await c.login()).send(request + half[:random.randrange(1, len(half))])
    c.send_end()
    await c.expect(*wanted)
    await c.expect_end(silently=True)


async def half_closes(c, random, twins):
    asked = [twins.any(random) for _ in range(PIPELINE)]
    await (await c.login()).send(b"".join(request for request, _, _ in asked))
    c.send_end()
    for _, *wanted in asked:
        await c.expect(*wanted)
    await c.expect_end(silently=True)


async def reads_slowly(c, random, twins):
    request, even, odd = twins.mget(random, [random.choice(LARGE) for _ in range(8)])
    await (await c.login()).send(request)
    for _ in range(random.randint(10, 100)):
        await asyncio.sleep(random.random() * 0.1)
        c.received += await c.loop.sock_recv(c.socket, 4096)
    if not even.startswith(c.received) and not odd.startswith(c.received):
        raise Wrong("a large reply that is of neither file")
    if random.random() < 0.5:
        c.reset_at_close()


async def sends_byte_by_byte(c, random, twins):
    request, *wanted = twins.get(random)
    await c.login()
    for i in range(len(request)):
        await c.send(request[i:i + 1])
        await asyncio.sleep(random.random() * 0.01)
    await c.expect(*wanted)


async def subscribes(c, random, twins):
    channel, message = b"c%d" % random.randrange(1 << 30), b"m" * random.randrange(1000)
    await (await c.login()).talk(b"SUBSCRIBE %s\r\n" % channel,
                                 b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n"
                                 % (len(channel), channel))
    async with Connection(c.world) as other:
        await other.login()
        await other.talk(b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
                         % (len(channel), channel, len(message), message), b":1\r\n")
    await c.expect(b"*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
                   % (len(channel), channel, len(message), message))
    await asyncio.sleep(random.random())


async def caches_with_tracking(c, random, twins):
    await c.send(b"HELLO 3 AUTH default " + PASSWORD + b"\r\nCLIENT TRACKING ON BCAST\r\nPING\r\n")
    await c.receive_until(b"+PONG\r\n")
    for _ in range(random.randint(1, 10)):
        request, *wanted = twins.get(random)
        await c.send(request)
        while await c.expect(*wanted, PUSH) == 2:
            pass
        await asyncio.sleep(random.random() * 0.3)


async def pipelines(c, random, twins):
    count = random.randint(1, 2000)
    await (await c.login()).talk(b"PING\r\n" * count, b"+PONG\r\n" * count)


async def scans_all_keys(c, random, twins):
    await c.login()
    cursor, count = 0, random.randint(100, SCAN_MOST)
    while cursor < KEYS:
        request, *wanted = twins.scan(random, cursor, count)
        await c.talk(request, *wanted)
        cursor += count


async def sends_bad_commands(c, random, twins):
    await c.login()
    await c.talk(b"SET a b\r\n", b"-READONLY You can't write against a read only replica.\r\n")
    await c.send(b"NO%d\r\nGET\r\nMULTI\r\nGET\r\nEXEC\r\nPING\r\n" % random.randrange(1000))
    await c.receive_until(b"-EXECABORT")
    await c.receive_until(b"+PONG\r\n")


async def abandons_a_transaction(c, random, twins):
    await (await c.login()).talk(b"WATCH a\r\nMULTI\r\n" + b"PING\r\n" * 20,
                                 b"+OK\r\n+OK\r\n" + b"+QUEUED\r\n" * 20)


async def has_a_wrong_password(c, random, twins):
    await c.talk(twins.get(random)[0], b"-NOAUTH Authentication required.\r\n")
    await c.send(b"AUTH %d\r\n" % random.randrange(1 << 30))
    await c.receive_until(b"\r\n")


async def sets_options(c, random, twins):
    name, values = random.choice([
        ("slowlog-max-len", "0 10 128"), ("slowlog-log-slower-than", "0 10 10000 -1"),
        ("latency-monitor-threshold", "0 1 10"), ("latency-tracking", "yes no"),
        ("timeout", "0 1000"), ("tcp-keepalive", "0 60 300"), ("maxclients", "9000 10000")])
    await (await c.login()).talk(f"CONFIG SET {name} {random.choice(values.split())}\r\n".encode(),
                                 b"+OK\r\n")


async def reads_the_state(c, random, twins):
    await c.login()
    for command in random.sample([b"INFO all", b"CLIENT LIST", b"SLOWLOG GET", b"COMMAND",
                                  b"CONFIG GET *", b"LATENCY HISTOGRAM", b"MEMORY STATS"], 3):
        await c.send(command + b"\r\nECHO seen\r\n")
        await c.receive_until(b"$4\r\nseen\r\n")


async def speaks_HTTP(c, random, twins):
    await c.send(b"GET / HTTP/1.1\r\nHost: stele\r\n\r\n")
    await c.expect_end()


async def speaks_TLS(c, random, twins):
    await c.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(500))
    c.send_end()
    await c.expect_end()


async def violates_the_protocol(c, random, twins):
    bad, why = random.choice([(b"*3\r\nx\r\n", b"expected '$', got 'x'"),
                              (b"*1\r\n$-1\r\n", b"invalid bulk length"),
                              (b"*99999999999\r\n", b"invalid multibulk length"),
                              (b"'unbalanced\r\n", b"unbalanced quotes in request")])
    await (await c.login()).send(bad)
    await c.expect(b"-ERR Protocol error: " + why + b"\r\n")
    await c.expect_end(silently=True)


async def announces_a_million_arguments(c, random, twins):
    await (await c.login()).send(b"*1000000\r\n$4\r\nMGET\r\n$1048576\r\n"
                                 + b"x" * random.randrange(1 << 19))
    if random.random() < 0.5:
        c.reset_at_close()


# How often each kind is chosen. Most clients disconnect at once or after one request.
KINDS = {
    closes_at_once: 30, sends_one_request: 30, resets_during_a_reply: 5,
    sends_FIN_during_a_command: 5, half_closes: 5, reads_slowly: 3, sends_byte_by_byte: 3,
    subscribes: 5, caches_with_tracking: 3, pipelines: 3, scans_all_keys: 1, sends_bad_commands: 5,
    abandons_a_transaction: 5, has_a_wrong_password: 5, sets_options: 2, reads_the_state: 2,
    speaks_HTTP: 5, speaks_TLS: 5, violates_the_protocol: 5, announces_a_million_arguments: 3,
}


async def visitor(world, random, until):
    """Runs one client after the other, each of a random kind and with its own connection."""
    while world.now() < until:
        kind, = random.choices(list(KINDS), KINDS.values())
        name = kind.__name__.replace("_", " ")
        world.visits[name] += 1
        try:
            async with asyncio.timeout(PATIENCE):
                async with Connection(world, narrow=kind is reads_slowly) as c:
                    await kind(c, random, world.twins)
        except (Wrong, OSError, TimeoutError) as error:
            raise Wrong(f"a client that {name}: {error!r}; received {bytes(c.received[:60])}") from error
        await asyncio.sleep(random.random() * 0.1)
