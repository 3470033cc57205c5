#!/usr/bin/env python3
"""`stele ping` and `stele ask`: real servers, and servers of this test that answer anything. What ask prints is
compared with what redis-cli prints into a pipe."""
import os
import socket
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True  # no build products among the sources
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import done, equal, ok

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("STELE_BUILD", "build/release")
STELE = BUILD + "/stele"
SANITIZED = "release" not in BUILD
KEY = "3479d894-3271-4935-88cf-a06f3cbb80a5"
OTHER = "f8a24bb8-eff8-41dc-929b-10b4c3e49e05"
os.environ.pop("REDISCLI_AUTH", None)


def run(*words, **environment):
    """Runs a program. Returns its exit status and what it prints to both streams."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


class Server:
    """A real server."""
    def __init__(self, data, *options):
        self.program = subprocess.Popen([BUILD + "/stele-server", data, "--port", "0", *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.port = self.program.stdout.readline().split()[1].rsplit(":", 1)[1]
        self.address = "127.0.0.1:" + self.port

    def stop(self):
        self.program.terminate()
        return self.program.wait()


class Fake:
    """A server that sends these pieces when a request has arrived, then waits for the client's end. With `closes`,
    it closes the connection."""
    def __init__(self, *pieces, closes=False):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.listener.getsockname()[1])
        self.address = "127.0.0.1:" + self.port
        self.pieces = pieces
        self.closes = closes
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            try:
                client.recv(65536)
                for piece in self.pieces:
                    client.sendall(piece)
                if not self.closes:
                    client.recv(1)
            except OSError:
                pass
            client.close()


def ping(server, *options, **environment):
    return run(STELE, "ping", server, *options, **environment)


with tempfile.TemporaryDirectory(prefix="stele-ask-") as folder:
    # ---- ping --------------------------------------------------------------------------------------------------

    unix = folder + "/socket"
    server = Server("example.data", "--unixsocket", unix, "--index", "none")
    closed = Server("example.data", "--requirepass", "secret", "--index", "none")
    equal(ping(server.address), (0, b"PONG\n", b""), "ping")
    equal(ping("localhost:" + server.port), (0, b"PONG\n", b""), "ping by name")
    equal(ping(unix), (0, b"PONG\n", b""), "ping over a Unix socket")
    equal(ping(closed.address, REDISCLI_AUTH="secret"), (0, b"PONG\n", b""), "ping with a password")
    equal(ping(server.address, REDISCLI_AUTH="secret"), (0, b"PONG\n", b""), "ping with a password that is not needed")
    equal(ping(closed.address), (1, b"", b"stele: %s: NOAUTH Authentication required.\n" % closed.address.encode()),
          "ping without the password")
    status, out, said = ping(closed.address, REDISCLI_AUTH="wrong")
    ok((status, out) == (1, b"") and b"WRONGPASS" in said, "ping with a wrong password", said)
    loading = Fake(b"-LOADING Redis is loading the dataset in memory\r\n")
    equal(ping(loading.address)[::2], (1, b"stele: %s: LOADING Redis is loading the dataset in memory\n" % loading.address.encode()),
          "the server is loading")
    for name, reply in (("another status", b"+OK\r\n"), ("nil", b"$-1\r\n"), ("a string", b"$4\r\nPONG\r\n"), ("an array", b"*1\r\n+PONG\r\n")):
        equal(ping(Fake(reply).address)[:2], (1, b""), "the answer is " + name)
    for name, fake in (("HTTP", Fake(b"HTTP/1.1 400 Bad Request\r\n\r\n")), ("half of a reply, and no more", Fake(b"+PO", closes=True)),
                       ("no answer", Fake(closes=True))):
        equal(ping(fake.address)[:2], (2, b""), "there is " + name)
    silent = Fake()
    equal(ping(silent.address, "--timeout", "1"), (2, b"", b"stele: %s: no answer in time\n" % silent.address.encode()),
          "a server that says nothing")
    equal(ping(loading.address, "--any-reply")[:2], (0, b""), "with --any-reply, an error is a reply")
    equal(ping(closed.address, "--any-reply", REDISCLI_AUTH="wrong")[:2], (0, b""), "and so is the error to AUTH")
    equal(ping(server.address, "--any-reply"), (0, b"PONG\n", b""), "and PONG")
    equal(ping(silent.address, "--any-reply", "--timeout", "1")[:2], (2, b""), "but silence is none")
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    equal(ping("127.0.0.1:%d" % free.getsockname()[1])[:2], (2, b""), "nobody listens")
    equal(ping(folder + "/none")[:2], (2, b""), "there is no such socket")
    for words in (["nowhere"], [":1"], ["127.0.0.1:"], [server.address, "more"], [server.address, "--timeout", "0"],
                  ["127.0.0.1:%d" % (65536 + int(server.port))], ["127.0.0.1:0"],
                  [server.address, "--timeout", "x"], []):
        equal(run(STELE, "ping", *words)[:2], (2, b""), "wrong usage: %s" % words)

    # ---- ask ---------------------------------------------------------------------------------------------------

    big = folder + "/big.data"
    with open(big, "wb") as file:
        for number, size in ((1, 3_000_000), (2, 0), (3, 70_000)):
            file.write(b"00000000-0000-4000-8000-%012d " % number + (b"0123456789\r\0\xff\t" * size)[:size] + b"\n")
    large = Server(big, "--index", "none")

    def compare(address, port, words, name=None):
        theirs = run("redis-cli", "-p", port, *words)
        equal(run(STELE, "ask", address, *words), (0, theirs[1], b""), name or " ".join(words)[:60])

    for command in ("PING", "GET " + KEY, "GET ffffffff-ffff-ffff-ffff-fffffffffffe", "MGET %s %s x" % (KEY, OTHER),
                    "MGET x x", "EXISTS " + KEY, "DBSIZE", "STRLEN " + KEY, "COMMAND COUNT", "COMMAND INFO get mget none",
                    "COMMAND DOCS", "CONFIG GET max*", "CONFIG GET nothing", "SLOWLOG GET", "SCAN 0 COUNT 10",
                    "KEYS 3479*", "ECHO -1", "ECHO --help", "ECHO -- ", "ACL WHOAMI", "CLUSTER SLOTS"):
        words = command.split(" ")
        if run("redis-cli", "-e", "-p", server.port, *words)[0] == 0:
            compare(server.address, server.port, words)
        else:
            ok(run(STELE, "ask", server.address, *words)[0] == 1, command + " is an error")
    # redis-cli adds no newline to texts that end in one, such as this.
    equal(run(STELE, "ask", server.address, "LOLWUT")[1], run("redis-cli", "-p", server.port, "LOLWUT")[1] + b"\n", "LOLWUT")
    compare(server.address, server.port, ["ECHO", "\x01\xff two\nlines"], "bytes of all kinds")
    compare(server.address, server.port, ["ECHO", ""], "an empty word")
    keys = ["00000000-0000-4000-8000-%012d" % number for number in (1, 2, 3, 1, 4)]
    compare(large.address, large.port, ["MGET", *keys], "values of megabytes")
    equal(run(STELE, "ask", closed.address, "GET", KEY, REDISCLI_AUTH="secret"), (0, b"this is a value\n", b""), "a password")
    equal(run(STELE, "ask", unix, "GET", KEY), (0, b"this is a value\n", b""), "a Unix socket")
    equal(run(STELE, "ask", "--timeout", "9", server.address, "--timeout=9", "PING"), (0, b"PONG\n", b""), "options come first")
    equal(run(STELE, "ask", server.address, "SET", KEY, "1"),
          (1, b"", b"stele: READONLY You can't write against a read only replica.\n"), "an error reply")
    equal(run(STELE, "ask", closed.address, "GET", KEY)[:2], (1, b""), "without the password")
    equal(run(STELE, "ask", server.address)[:2], (2, b""), "no command")
    equal(run("sh", "-c", "exec %s ask %s PING >/dev/full" % (STELE, server.address))[0], 2, "standard output is full")
    for name, reply in (("arrays in arrays", b"*4\r\n*0\r\n*2\r\n+a\r\n*1\r\n$1\r\nb\r\n$-1\r\n*-1\r\n"),
                        ("an error in an array", b"*3\r\n:1\r\n-ERR no\r\n:2\r\n"), ("an empty array", b"*0\r\n"),
                        ("a null array", b"*-1\r\n"), ("an empty string", b"$0\r\n\r\n"), ("a negative number", b":-5\r\n"),
                        ("line ends in a string", b"$6\r\na\r\n\r\nb\r\n")):
        fake = Fake(reply)
        compare(fake.address, fake.port, ["GET", "x"], name)
        pieces = Fake(*[reply[at:at + 1] for at in range(len(reply))])
        equal(run(STELE, "ask", pieces.address, "GET", "x"), run(STELE, "ask", fake.address, "GET", "x"), name + ", in pieces")

    # ---- hostile servers ---------------------------------------------------------------------------------------

    for name, fake in (("arrays without an end", Fake(b"*1\r\n" * 1_000_000)), ("a line without an end", Fake(b"+" + b"x" * 1_000_000)),
                       ("another protocol", Fake(b"%1\r\n+a\r\n+b\r\n")), ("a length of 2^63", Fake(b"$9223372036854775808\r\n")),
                       ("an array that is cut", Fake(b"*3\r\n:1\r\n", closes=True)), ("a string that is cut", Fake(b"$9\r\nabc", closes=True)),
                       ("a string with another end", Fake(b"$1\r\nabc\r\n"))):
        status, _, said = run(STELE, "ask", fake.address, "PING")
        ok(status == 2 and said.startswith(b"stele: 127.0.0.1:"), name, (status, said))
    status, out, said = run(STELE, "ask", Fake(b"-ERR \x1b[31m red\r\n").address, "PING")
    equal((status, out, said), (1, b"", b"stele: ERR \\x1b[31m red\n"), "an error that would control the terminal")
    stream = Fake(b"$100000000\r\n", *[b"x" * 1_000_000] * 100, b"\r\n")
    if SANITIZED:
        print("# the memory is only measured in the released program")
    else:
        program = subprocess.Popen(["sh", "-c", "ulimit -v 32768; exec %s ask %s GET x" % (STELE, stream.address)],
                                   stdout=subprocess.PIPE)
        length = 0
        while piece := program.stdout.read(1 << 20):
            length += len(piece)
        equal((program.wait(), length), (0, 100_000_001), "a string of 100 MB in 32 MiB of memory")

    for one in (server, closed, large):
        equal(one.stop(), 0, "the server ends well")

done()
