"""RESP as bytes, and conversations with two servers at once."""
import select
import socket

NO_END = b"(and no end, of connection "
MOST = 1 << 26 # most bytes of replies; far more than any conversation needs


class Malformed(Exception):
    """What a server sent is not RESP."""


def multibulk(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def inline(words):
    """The words as an inline request. Words with special bytes are quoted."""
    def quoted(word):
        plain = word and all(0x21 <= c <= 0x7E and c not in b"\"'\\" for c in word)
        if plain:
            return word
        return b'"' + b"".join(b"\\x%02x" % c if c < 0x20 or c > 0x7E or c in b'"\\' else bytes([c])
                               for c in word) + b'"'
    return b" ".join(quoted(w) for w in words) + b"\r\n"


def parse(data, at=0):
    """Parses one reply. Returns (kind, value) and the position of the next reply. The value of an
    aggregate is a list, of a map a list of keys and values in turn, and of a null None."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Malformed("no end of the line at byte %d" % at)
    kind, text, at = chr(data[at]), data[at + 1:end], end + 2
    if kind in "+-_#,(":
        return (kind, text if kind != "_" else None), at
    try:
        number = int(text)
    except ValueError:
        raise Malformed("no number: %r" % text)
    if kind == ":":
        return (kind, number), at
    if number == -1 and kind in "$*":
        return (kind, None), at
    if kind in "$=!":
        if data[at + number:at + number + 2] != b"\r\n":
            raise Malformed("no end of the string at byte %d" % (at + number))
        return (kind, data[at:at + number]), at + number + 2
    if kind not in "*~>%":
        raise Malformed("no kind of reply: %r" % kind)
    items = []
    for _ in range(number * (2 if kind == "%" else 1)):
        item, at = parse(data, at)
        items.append(item)
    return (kind, items), at


def parse_all(data):
    replies, at = [], 0
    while at < len(data):
        reply, at = parse(data, at)
        replies.append(reply)
    return replies


def plain(reply):
    """A reply as dicts, lists, bytes and numbers."""
    kind, value = reply
    if kind == "%":
        return {plain(k).decode(): plain(v) for k, v in zip(value[::2], value[1::2])}
    return [plain(item) for item in value] if kind in "*~>" and value is not None else value


def escape(data, most=600):
    """Bytes as readable text, for a report."""
    text = "".join({0x0D: "\\r", 0x0A: "\\n", 0x5C: "\\\\"}.get(c) or
                   (chr(c) if 0x20 <= c <= 0x7E else "\\x%02x" % c) for c in data[:most])
    return text + (" ... (%d bytes)" % len(data) if len(data) > most else "")


class Peer:
    """A connection to one server: the pieces still to be sent, and the bytes received."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.received = bytearray()
        self.pieces = []
        self.closed = False

    def send(self):
        while self.pieces:
            try:
                sent = self.socket.send(self.pieces[0])
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self.pieces = []
                return
            if sent == len(self.pieces[0]):
                self.pieces.pop(0)
            else:
                self.pieces[0] = self.pieces[0][sent:]

    def receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionResetError: # the server closed before it had read all of our bytes
            data = b""
        self.received += data
        self.closed = not data


class Conversation:
    """Connections to both servers, which get the same bytes and are read at the same time."""

    def __init__(self, paths, patience):
        self.patience = patience # seconds to wait for the next byte
        self.stuck = False
        self.peers = []
        for path in paths:
            self.peers.append(Peer(path))

    def close(self):
        """Closes both connections, and waits until the servers have closed them too. So CLIENT
        LIST of the next conversation does not show them."""
        if not self.stuck:
            self.exchange([b""] * len(self.peers), shut=True)
        for peer in self.peers:
            peer.socket.close()

    def exchange(self, payloads, cuts=(), until=None, shut=False):
        """Sends each peer its payload, divided at `cuts`, and reads until the replies end with
        `until` or the peer closes. With `shut`, shuts down the sending half after the payload.
        Returns the bytes of each peer. If a peer does neither in time, its bytes end with NO_END
        and its number, so that they differ from those of the other peer."""
        poll = select.poll()
        left = {}
        for peer, payload in zip(self.peers, payloads):
            at = [0] + sorted({c for c in cuts if 0 < c < len(payload)}) + [len(payload)]
            view = memoryview(payload)
            peer.pieces = [view[a:b] for a, b in zip(at, at[1:])]
            peer.received = bytearray()
            if not peer.closed:
                left[peer.socket.fileno()] = peer
                poll.register(peer.socket, select.POLLIN | select.POLLOUT)
        while left:
            events = poll.poll(self.patience * 1000)
            if not events or any(len(peer.received) > MOST for peer in self.peers):
                self.stuck = True
                for i, peer in enumerate(self.peers):
                    if peer.socket.fileno() in left:
                        peer.received += NO_END + b"%d)" % (i + 1)
                break
            for fd, event in events:
                peer = left[fd]
                if event & select.POLLOUT:
                    peer.send()
                    if not peer.pieces:
                        poll.modify(fd, select.POLLIN)
                        if shut:
                            self.shut(peer)
                if event & ~select.POLLOUT:
                    peer.receive()
                    if peer.closed or until is not None and peer.received.endswith(until):
                        poll.unregister(fd)
                        del left[fd]
        return [bytes(peer.received) for peer in self.peers]

    @staticmethod
    def shut(peer):
        try:
            peer.socket.shutdown(socket.SHUT_WR)
        except OSError: # the server has closed the connection already
            pass
