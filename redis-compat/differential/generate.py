"""Makes cases for every command: requests with valid and invalid arguments, in many contexts.

A command needs no code here. Its arguments are made from the COMMAND DOCS of the oracle, or of
Stele if the oracle does not have the command. For some commands, ARGUMENTS makes better ones.
"""
import servers
import words
import wire
from words import any_case, integer, key, text

OWN_ID = b"\x00own id\x00" # stands for the ID of the client that sends the words

# Commands that change the state of a connection. RESET restores it.
STATEFUL = {"multi", "exec", "discard", "watch", "unwatch", "subscribe", "psubscribe", "ssubscribe",
            "unsubscribe", "punsubscribe", "sunsubscribe", "client", "hello", "select", "auth",
            "reset", "readonly", "readwrite", "asking"}


class Request:
    """Words, to be sent as an inline request if `line` is set, else as a multibulk request; or the
    bytes `raw`, which may not be a valid request."""

    def __init__(self, request_words, line=False, raw=None):
        self.words = request_words
        self.line = line
        self.raw = raw

    def encode(self, own_id):
        if self.raw is not None:
            return self.raw
        request_words = [own_id if w == OWN_ID else w for w in self.words]
        return wire.inline(request_words) if self.line else wire.multibulk(request_words)


class Case:
    """Requests that are sent one after the other. If `alone` is set, they may end the connection, so
    they get their own. If `shut` is set, they may leave a request unfinished, so the sending half
    is shut down after them. If `last` is set, nothing may be sent after them."""

    def __init__(self, subject, kind, requests, alone=False, shut=False, last=False):
        self.subject = subject
        self.kind = kind
        self.requests = requests
        self.alone = alone
        self.shut = shut
        self.last = last

    def names(self):
        return {r.words[0].lower().decode("latin-1") for r in self.requests if r.words}

    def stateful(self):
        return not STATEFUL.isdisjoint(self.names())

    def encode(self, own_id):
        return b"".join(r.encode(own_id) for r in self.requests)


# ---- arguments from the documentation ---------------------------------------------------------

def by_type(rng, argument):
    kind = argument["type"]
    if kind == b"key":
        return [key(rng)]
    if kind in (b"integer", b"unix-time"):
        return [integer(rng)]
    if kind == b"double":
        return [rng.choice(words.FLOATS)]
    if kind == b"pattern":
        return [rng.choice(words.PATTERNS)]
    if kind == b"oneof":
        return by_documentation(rng, [rng.choice(argument["arguments"])], whole=True)
    if kind == b"block":
        return by_documentation(rng, argument["arguments"])
    return [] if kind == b"pure-token" else [text(rng)]


def one_argument(rng, argument):
    flags = argument.get("flags", [])
    result = []
    for i in range(rng.choice((1, 1, 2, 3)) if b"multiple" in flags else 1):
        if argument.get("token") and (i == 0 or b"multiple_token" in flags):
            result.append(any_case(rng, argument["token"]))
        result += by_type(rng, argument)
    return result


def by_documentation(rng, arguments, whole=False):
    """Makes words for the arguments. Neighbouring optional arguments come in any order, and some of
    them twice."""
    result, options = [], []
    for argument in arguments:
        if whole or b"optional" not in argument.get("flags", []):
            rng.shuffle(options)
            result += [w for option in options for w in option] + one_argument(rng, argument)
            options = []
        else:
            for _ in range(rng.choice((0, 0, 0, 1, 1, 1, 2))):
                options.append(one_argument(rng, argument))
    rng.shuffle(options)
    return result + [w for option in options for w in option]


# ---- arguments that the documentation does not describe well enough -----------------------------

def options(rng, table):
    """Some options, in any order and case. `table` maps each token to a function that makes its
    values."""
    chosen = [token for token in table for _ in range(rng.choice((0, 0, 1, 1, 1, 2)))]
    rng.shuffle(chosen)
    result = []
    for token in chosen:
        result += [any_case(rng, token)] + list(table[token](rng))
    return result


def nothing(_):
    return ()


def one(maker):
    return lambda rng: (maker(rng),)


def several(maker, most=4):
    return lambda rng: [maker(rng) for _ in range(rng.randint(1, most))]


def choice(*values):
    """One of the words, in any case."""
    return lambda rng: any_case(rng, rng.choice(values))


def small_key(rng):
    return rng.choice(words.SMALL_KEYS) if rng.random() < 0.8 else key(rng)


def command_name(rng):
    return any_case(rng, rng.choice([b"get", b"mget", b"set", b"ping", b"exists", b"config|get",
                                     b"client|setname", b"type", b"strlen", b"echo", b"foo",
                                     b"foo|bar", b"get|x", b"", b"config", b"hset", b"ttl"]))


def whole_request(rng):
    """A complete request, as COMMAND GETKEYS takes it."""
    k = [key(rng) for _ in range(4)]
    request = rng.choice([
        [b"get", k[0]], [b"mget"] + k[:rng.randint(1, 4)], [b"set", k[0], b"v"], [b"ping"],
        [b"mset", k[0], b"v", k[1], b"w"], [b"exists"] + k[:2], [b"get"], [b"mset", k[0]], [b"foo"],
        [b"getrange", k[0], b"0", b"1"], [b"client", b"id"], [b"config", b"get", b"x"],
        [b"echo", b"x"],
        [b"del"] + k[:3], [b"strlen", k[0]], [b"touch"] + k[:2], [b"info"], [b"dbsize"],
        [b"rename", k[0], k[1]], [b"hset", k[0], b"f", b"v"], [b"lpush", k[0], b"v"],
        [b"type", k[0]]])
    return [any_case(rng, request[0])] + request[1:]


def sections(rng):
    return rng.sample([b"server", b"clients", b"memory", b"persistence", b"stats", b"replication",
                       b"cpu", b"commandstats", b"errorstats", b"keyspace", b"nosuch", b"all",
                       b"default", b"everything", b"", b"latencystats", b"cluster"],
                      rng.randint(0, 2))


def parameter(rng):
    return any_case(rng, rng.choice([b"save", b"appendonly", b"databases", b"maxmemory-policy",
                                     b"timeout", b"no-such", b"", b"max*", b"slave-read-only",
                                     b"replica-read-only", b"*-policy", b"s[ai]ve"]))


def setting(rng):
    """An option and a value for CONFIG SET. Both servers refuse it, or it changes nothing."""
    return rng.choice([(b"no-such", b"1"), (b"", b""), (b"timeout", b"x"), (b"timeout", b"-1"),
                       (b"slowlog-log-slower-than", b"-1"), (b"maxclients", b"0"),
                       (b"databases", b"4"), (b"timeout", b"0"),
                       (b"slowlog-log-slower-than", b"x")])


def credentials(rng):
    return [rng.choice((b"default", b"other", b"", b"DEFAULT")), text(rng)]


def hello_words(rng):
    version = rng.choice((b"2", b"3", b"2", b"3", b"1", b"4", b"0", b"x", b"", b"3.0", b"03"))
    name = one(lambda r: r.choice((b"me", b"", b"a b", b"x\n", b"name-1")))
    return [version] + options(rng, {b"AUTH": credentials, b"SETNAME": name})


def tracking_words(rng):
    return [any_case(rng, rng.choice((b"on", b"on", b"on", b"off", b"maybe")))] + options(rng, {
        b"BCAST": nothing, b"OPTIN": nothing, b"OPTOUT": nothing, b"NOLOOP": nothing,
        b"PREFIX": one(lambda r: r.choice((b"a", b"ab", b"b", b"", b"0190"))),
        b"REDIRECT": one(lambda r: r.choice((b"0", b"999999999", b"x", b"-1", OWN_ID)))})


def kill_words(rng):
    """Arguments of CLIENT KILL that match no client, or only the client itself."""
    if rng.random() < 0.2:
        return [rng.choice((b"127.0.0.1:1", b"", b"x", b"/nowhere:0"))]
    return options(rng, {
        b"ID": one(lambda r: r.choice((b"999999999", b"x", b"0", b"-1", OWN_ID))),
        b"TYPE": one(choice(b"normal", b"pubsub", b"master", b"replica", b"slave", b"foo")),
        b"ADDR": one(lambda r: r.choice((b"127.0.0.1:1", b"x"))),
        b"LADDR": one(lambda _: b"1.2.3.4:5"),
        b"USER": one(lambda r: r.choice((b"default", b"nobody"))),
        b"SKIPME": one(choice(b"yes", b"no", b"perhaps"))})


def client_list_words(rng):
    ids = several(lambda r: r.choice((b"999999999", b"x", b"0", b"-1", OWN_ID, b"1.5")))
    return options(rng, {b"TYPE": one(choice(b"normal", b"pubsub", b"master", b"replica", b"foo")),
                         b"ID": ids})


def bit_words(rng):
    unit = [choice(b"bit", b"byte", b"octet")(rng)] if rng.random() < 0.5 else []
    count = rng.choice((0, 2, 2, 2, 1))
    return [integer(rng) for _ in range(count)] + (unit if count else [])


def lcs_words(rng):
    return [small_key(rng), small_key(rng)] + options(rng, {
        b"LEN": nothing, b"IDX": nothing, b"MINMATCHLEN": one(integer), b"WITHMATCHLEN": nothing})


def scan_words(rng):
    # Most scans ask for all keys at once, so that the replies can be compared. In addition, `run`
    # compares complete scans in small steps.
    cursor = rng.choice((b"0", b"0", b"0", b"0", b"0", b"", b"00", b"+0", b"x", b"-", b" 0", b"1.5",
                         b"18446744073709551616"))
    whole = [any_case(rng, b"count"), b"100000"] if rng.random() < 0.8 else []
    return [cursor] + options(rng, {
        b"MATCH": one(lambda r: r.choice(words.PATTERNS)), b"COUNT": one(integer),
        b"TYPE": one(choice(b"string", b"list", b"hash", b"foo", b""))}) + whole


def stele_range_words(rng):
    bounds = [rng.choice((b"-", b"+", key(rng), b"0190abcd", b"x")) for _ in range(2)]
    return bounds + options(rng, {b"LIMIT": one(integer), b"REV": nothing, b"WITHVALUES": nothing})


def range_words(rng):
    """A key, and a range near the ends of its value."""
    name, value = rng.choice(words.SPECIAL)
    ends = [b"%d" % (sign * len(value) + more) for sign in (-1, 0, 1) for more in (-2, -1, 0, 1, 2)]
    return [name if rng.random() < 0.8 else key(rng)] + [
        rng.choice(ends) if rng.random() < 0.8 else integer(rng) for _ in range(2)]


def some_or_all(rng, channels):
    """Channels to unsubscribe from; none means all."""
    return rng.sample(channels, rng.randint(0, 3))


def stream_words(rng):
    # Without BLOCK, because Redis would wait.
    keys = [key(rng) for _ in range(rng.randint(1, 2))]
    ids = [rng.choice((b"$", b"0", b"0-0", b"1-x", b">", b"5")) for _ in keys]
    return options(rng, {b"COUNT": one(integer)}) + [any_case(rng, b"STREAMS")] + keys + ids


def acl_category(rng):
    return rng.choice(([], [choice(b"read", b"write", b"string", b"fast", b"nosuch", b"")(rng)]))


ARGUMENTS = {
    "acl|cat": acl_category,
    "acl|dryrun": lambda rng: [rng.choice((b"default", b"nobody"))] + whole_request(rng),
    "acl|getuser": lambda rng: [rng.choice((b"default", b"nobody", b"", b"DEFAULT"))],
    "acl|log": lambda rng: rng.choice(([], [choice(b"reset")(rng)], [b"0"], [b"x"], [b"-1"])),
    "auth": lambda rng: credentials(rng)[rng.randint(0, 1):],
    "bitcount": lambda rng: [key(rng)] + bit_words(rng),
    "bitfield_ro": lambda rng: [key(rng)] + options(rng, {
        b"GET": lambda r: (r.choice((b"u8", b"i8", b"u63", b"i64", b"u64", b"i0", b"x")),
                           r.choice((b"0", b"#1", b"7", b"-1", b"#x", b"4294967296"))),
        b"SET": lambda r: (b"u8", b"0", b"1")}),
    "bitpos": lambda rng: [key(rng), rng.choice((b"0", b"1", b"2", b"x"))] + bit_words(rng),
    "client|caching": one(choice(b"yes", b"no", b"perhaps")),
    "client|kill": kill_words,
    "client|list": client_list_words,
    "client|no-evict": one(choice(b"on", b"off", b"x")),
    "client|no-touch": one(choice(b"on", b"off", b"x")),
    # Only short pauses: the client itself is paused too, and could not send UNPAUSE.
    "client|pause": lambda rng: [rng.choice((b"0", b"1", b"x", b"-1", b"", b"1.5"))] + rng.choice(
        ([], [choice(b"write", b"all", b"foo")(rng)])),
    "client|reply": one(choice(b"on", b"off", b"skip", b"x")),
    "client|setinfo": lambda rng: [choice(b"lib-name", b"lib-ver", b"x")(rng), text(rng)],
    "client|tracking": tracking_words,
    "client|unblock": lambda rng: [rng.choice((b"999999999", b"x", b"0", OWN_ID))] + rng.choice(
        ([], [choice(b"timeout", b"error", b"x")(rng)])),
    "command|docs": several(command_name),
    "command|getkeys": whole_request,
    "command|getkeysandflags": whole_request,
    "command|info": several(command_name),
    "command|list": lambda rng: rng.choice(([], [choice(b"filterby")(rng)] + rng.choice((
        [choice(b"module")(rng), b"x"], [choice(b"aclcat")(rng), rng.choice((b"read", b"x"))],
        [choice(b"pattern")(rng), rng.choice((b"get*", b"x*", b"*"))], [b"foo", b"x"],
        [b"module"])))),
    "config|get": several(parameter, 3),
    "config|set": lambda rng: [w for _ in range(rng.randint(1, 2)) for w in setting(rng)],
    "debug": lambda rng: [choice(b"sleep", b"help", b"foo", b"object")(rng), key(rng)],
    "echo": lambda rng: [rng.choice((text, key))(rng)],
    "getrange": range_words,
    "hello": lambda rng: hello_words(rng) if rng.random() < 0.9 else [],
    "info": sections,
    "keys": lambda rng: [rng.choice(words.PATTERNS)],
    "latency|histogram": lambda rng: several(command_name, 2)(rng) if rng.random() < 0.8 else [],
    "lcs": lcs_words,
    "lolwut": lambda rng: rng.choice(([], [
        choice(b"version")(rng), rng.choice((b"5", b"6", b"x"))])),
    "memory|usage": lambda rng: [key(rng)] + options(rng, {b"SAMPLES": one(integer)}),
    "object|help": nothing,
    "ping": lambda rng: rng.choice(([], [text(rng)])),
    "psubscribe": several(lambda rng: rng.choice(words.PATTERNS + words.CHANNELS)),
    "publish": lambda rng: [rng.choice(words.CHANNELS), text(rng)],
    "pubsub|channels": lambda rng: rng.choice(([], [rng.choice(words.PATTERNS)])),
    "pubsub|numsub": several(lambda rng: rng.choice(words.CHANNELS)),
    "punsubscribe": lambda rng: some_or_all(rng, words.PATTERNS),
    "scan": scan_words,
    "script|exists": several(lambda rng: rng.choice((b"x", b"0" * 40, b""))),
    "script|flush": lambda rng: rng.choice(([], [choice(b"async", b"sync", b"x")(rng)])),
    "script|load": lambda rng: [b"return 1"],
    "select": lambda rng: [rng.choice([b"0", b"0", b"1", b"-1", b"16"] + words.BAD_INTEGERS)],
    "slowlog|get": lambda rng: rng.choice(([], [rng.choice((b"0", b"-1", b"5", b"x", b"-2"))])),
    "spublish": lambda rng: [rng.choice(words.CHANNELS), text(rng)],
    "ssubscribe": several(lambda rng: rng.choice(words.CHANNELS)),
    "stele.count": lambda rng: stele_range_words(rng)[:2],
    "stele.range": stele_range_words,
    "substr": range_words,
    "subscribe": several(lambda rng: rng.choice(words.CHANNELS)),
    "sunsubscribe": lambda rng: some_or_all(rng, words.CHANNELS),
    "unsubscribe": lambda rng: some_or_all(rng, words.CHANNELS),
    "watch": several(key),
    "xread": stream_words,
}

# Only ARGUMENTS may choose the words of these commands. Other words could stop the oracle or make
# it wait.
AS_THEY_ARE = {"client|pause", "client|kill", "xread", "shutdown", "config|set", "script|load"}
# Commands that may end the connection.
ENDING = {"quit", "client|kill", "shutdown", "monitor"}
# Commands whose reply is a file of the dataset. tests/integration/replica.t compares what real replicas receive.
COPYING = {"sync", "psync"}


# ---- cases --------------------------------------------------------------------------------------

class Row:
    """The entry of COMMAND for a command or subcommand."""

    def __init__(self, element, container=None):
        self.name = wire.plain(element[1][0]).decode()
        self.arity = element[1][1][1]
        self.words = [w.encode() for w in self.name.split("|")]
        self.subcommands = [Row(sub, self) for sub in element[1][9][1]]
        self.container = container


class Generator:
    """Makes the cases of a command. `rows` are Stele's commands and `arguments` the documented
    arguments, both by full name. `compared` are the names that the oracle has too."""

    def __init__(self, rows, arguments, compared, example_keys):
        self.rows = rows
        self.arguments = arguments
        self.compared = compared
        self.example_keys = example_keys

    def has(self, *names):
        return all(name in self.rows for name in names)

    def cases(self, row, rng, count):
        """At least `count` cases: each number of words up to three more than the arity demands,
        COMMAND INFO and COMMAND DOCS, then each kind of case in turn, until there are enough."""
        for argc in range(len(row.words), abs(row.arity) + 4):
            yield self.case(row, "arity", [self.with_words(row, rng, argc)])
        for about in (b"INFO", b"DOCS"):
            yield self.case(row, "described", [Request([b"COMMAND", about, row.name.encode()])])
        kinds = [self.good, self.bad, self.good, self.bad, self.line, self.pipeline, self.good,
                 self.transaction, self.bad, self.subscribed, self.silent, self.switch, self.good,
                 self.transaction, self.tracked, self.pipeline]
        made = abs(row.arity) + 4 - len(row.words) + 2
        i = 0
        while made < count:
            case = kinds[i % len(kinds)](row, rng)
            i += 1
            if case is not None:
                made += 1
                yield case

    def case(self, row, kind, requests):
        names = {self.full_name(r.words) for r in requests}
        return Case(row.name, kind, requests, alone=not names.isdisjoint(ENDING))

    def full_name(self, request_words):
        name = request_words[0].lower().decode("latin-1")
        if len(request_words) > 1:
            sub = name + "|" + request_words[1].lower().decode("latin-1")
            return sub if sub in self.rows else name
        return name

    def name_words(self, row, rng):
        return [any_case(rng, w) for w in row.words]

    def good_words(self, row, rng):
        if row.name in ARGUMENTS:
            return list(ARGUMENTS[row.name](rng))
        if row.subcommands:
            return [any_case(rng, rng.choice((b"help", b"foo", b"", b"a\r\nb", b"x\x00y", b"id")))]
        return by_documentation(rng, self.arguments.get(row.name, []))

    def bad_words(self, row, rng):
        """Valid arguments with a mistake: a word replaced, left out, doubled or added."""
        result = self.good_words(row, rng)
        if row.name in AS_THEY_ARE:
            return result
        for _ in range(rng.choice((1, 1, 1, 2))):
            i = rng.randrange(len(result)) if result else 0
            how = rng.randrange(6)
            if how < 3 and result:
                result[i] = words.bad_word(rng)
            elif how == 3 and result:
                del result[i]
            elif how == 4 and result:
                result.insert(i, result[i])
            else:
                result.insert(i, words.bad_word(rng))
        return result

    def with_words(self, row, rng, argc):
        """A request of `argc` words for the command."""
        name = self.name_words(row, rng)
        wanted = argc - len(name)
        result = self.good_words(row, rng)
        if row.name in AS_THEY_ARE and len(result) < wanted:
            return Request(name + [b"x"] * wanted)
        while len(result) < wanted:
            result += self.good_words(row, rng) or [key(rng)]
        return Request(name + result[:wanted])

    def request(self, row, rng):
        make = self.good_words if rng.random() < 0.7 else self.bad_words
        return Request(self.name_words(row, rng) + make(row, rng), line=rng.random() < 0.2)

    def good(self, row, rng):
        request = Request(self.name_words(row, rng) + self.good_words(row, rng))
        return self.case(row, "good", [request])

    def bad(self, row, rng):
        request = Request(self.name_words(row, rng) + self.bad_words(row, rng))
        return self.case(row, "bad", [request])

    def line(self, row, rng):
        make = rng.choice((self.good_words, self.bad_words))
        return self.case(row, "inline", [Request(self.name_words(row, rng) + make(row, rng), True)])

    def neighbour(self, rng):
        """A request of another command."""
        k = [key(rng), rng.choice(self.example_keys), key(rng)]
        return Request(rng.choice([
            [b"GET", k[0]], [b"get", k[1]], [b"MGET"] + k, [b"PING"], [b"ECHO", text(rng)],
            [b"EXISTS"] + k[:2], [b"STRLEN", k[0]], [b"SET", k[0], b"v"], [b"foo", text(rng)],
            [b"GET"], [b"TTL", k[1]], [b"DEL"], [b"TYPE", k[0]], [b"GETRANGE", k[0], b"0", b"x"],
            [b"GETRANGE", k[1], b"0", b"3"], [b"HSET", b"a", b"b", b"c"]]), line=rng.random() < 0.2)

    def pipeline(self, row, rng):
        requests = [self.neighbour(rng) for _ in range(rng.randint(1, 4))]
        for _ in range(rng.randint(1, 2)):
            requests.insert(rng.randint(0, len(requests)), self.request(row, rng))
        return self.case(row, "pipeline", requests)

    def transaction(self, row, rng):
        # A command that the oracle does not have, or that is denied, would discard its transaction.
        if not self.has("multi", "exec", "discard", "watch") or \
                row.name not in self.compared or row.name in servers.DENIED:
            return None
        inside = [self.request(row, rng) for _ in range(rng.randint(1, 2))]
        for _ in range(rng.randint(0, 2)):
            other = self.neighbour(rng)
            good = other.words[0] in (b"GET", b"get", b"MGET", b"PING", b"ECHO", b"STRLEN", b"TTL")
            if good and len(other.words) > 1 or rng.random() < 0.3:
                inside.insert(rng.randint(0, len(inside)), other)
        if rng.random() < 0.25:
            odd = rng.choice([[b"MULTI"], [b"WATCH", key(rng)], [b"UNWATCH"], [b"foo"], [b"get"]])
            inside.insert(rng.randint(0, len(inside)), Request(odd))
        before = [Request([b"WATCH", key(rng)])] if rng.random() < 0.3 else []
        end = [Request([any_case(rng, rng.choice((b"EXEC", b"EXEC", b"EXEC", b"DISCARD")))])]
        after = [Request([b"EXEC"])] if rng.random() < 0.1 else []
        return self.case(row, "transaction",
                         before + [Request([any_case(rng, b"MULTI")])] + inside + end + after)

    def subscribed(self, row, rng):
        if not self.has("subscribe", "psubscribe", "ssubscribe", "unsubscribe"):
            return None
        which = any_case(rng, rng.choice((b"subscribe", b"psubscribe", b"ssubscribe")))
        requests = [Request([which] + rng.sample(words.CHANNELS, rng.randint(1, 3))),
                    self.request(row, rng)]
        if rng.random() < 0.5:
            requests += [Request([rng.choice((b"PING", b"UNSUBSCRIBE", b"PUNSUBSCRIBE"))]),
                         self.request(row, rng)]
        return self.case(row, "subscribed", requests)

    def silent(self, row, rng):
        # Redis does not close the connection after these commands if their reply is suppressed.
        if not self.has("client|reply") or row.name in ("quit", "client|kill"):
            return None
        how = rng.choice((b"OFF", b"SKIP"))
        requests = [Request([b"CLIENT", b"REPLY", how])]
        requests += [self.request(row, rng) for _ in range(rng.randint(1, 2))]
        requests += [Request([b"CLIENT", b"REPLY", b"ON"]), self.neighbour(rng)]
        return self.case(row, "silent", requests)

    def switch(self, row, rng):
        requests = [self.request(row, rng)]
        for _ in range(rng.randint(1, 3)):
            requests += [Request([b"HELLO", rng.choice((b"2", b"3"))]), self.request(row, rng)]
        return self.case(row, "protocol switch", requests)

    def tracked(self, row, rng):
        if not self.has("client|tracking", "client|caching"):
            return None
        requests = [Request([b"CLIENT", b"TRACKING", b"ON"] + tracking_words(rng)[1:]),
                    self.request(row, rng)]
        if rng.random() < 0.5:
            requests += [Request([b"CLIENT", b"CACHING", rng.choice((b"YES", b"NO"))]),
                         self.request(row, rng)]
        return self.case(row, "tracked", requests + [Request([b"CLIENT", b"TRACKING", b"OFF"])])


# ---- unknown commands and broken requests -------------------------------------------------------

# The names before a NUL are no commands. Redis hashes a name with its length, but compares it as a C
# string. So "get\0" is GET there when both are by chance in the same bucket of the hash table.
def unknown_commands(rng, count):
    """Requests for commands that neither server has."""
    names = [b"foo", b"FOO", b"x" * 127, b"x" * 128, b"x" * 129, b"x" * 300, b"a b", b"a\r\nb",
             b"a\x00b", b"", b"get ", b" get", b"got\x00", b"\xff\xfe", b"%s", b"'", b"get|x",
             b"config|get", b"client|id", b"GETT", b"ge"]
    for _ in range(count):
        arguments = [rng.choice((text, key, integer))(rng)
                     for _ in range(rng.choice((0, 1, 2, 3, 40)))]
        yield Case("(unknown)", "unknown", [Request([rng.choice(names)] + arguments)])


BROKEN = [
    b"*\r\n", b"*x\r\n", b"*+1\r\n", b"* 1\r\n", b"*01\r\n", b"*-1\r\n", b"*0\r\n", b"*-5\r\n",
    b"*0x1\r\n", b"*1.5\r\n", b"*9223372036854775808\r\n", b"*3000000000\r\n", b"*1\n$4\nPING\n",
    b"*1\r\n$x\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$\r\n", b"*1\r\n$+4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$1048577\r\n", b"*1\r\n$9223372036854775808\r\n",
    b"*1\r\n:4\r\nPING\r\n", b"*1\r\nPING\r\n", b"*2\r\n$4\r\nECHO\r\n+x\r\n", b"*1\r\n\r\n",
    b"*1\r\n\x00\r\n", b"*1\r\n\x004\r\nPING\r\n",
    b"*1\r\n\n\r\n", b"*2\r\n$3\r\nGET\r\n$-1\r\n", b"*1\r\n$5\r\nPING\r\n",
    b"*1\r\n$3\r\nPING\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\rx$4\rxPING\r\n", b"*1\r\n$4\r\nPI",
    b'ECHO "abc\r\n', b"ECHO 'abc\r\n", b'ECHO "abc"d\r\n', b"ECHO 'abc'd\r\n", b'"\r\n',
    b'ECHO "\\x4', b'ECHO "\\x4"\r\n', b'ECHO "\\', b'"" \r\n', b"''\r\n", b"\r\n", b"\n", b" \r\n",
    b"\t\r\n", b"\x0b\r\n", b"PING\r\r\n", b"PING\n", b"PING\r", b"\rPING\r\n", b"PI\x00NG\r\n",
    b"\x00\r\n", b"$4\r\nPING\r\n", b"+PING\r\n", b"-ERR\r\n", b":1\r\n", b"_\r\n", b"%1\r\n",
    b">1\r\n",
    b"~\r\n", b"!\r\n", b"POST / HTTP/1.1\r\n", b"Host: x\r\n", b"post\r\n", b"HOST:\r\n",
    b"*1\r\n$4\r\nPOST\r\n", b"*2\r\n$5\r\nhost:\r\n$1\r\nx\r\n", b"*" + b"1" * 400 + b"\r\n",
    b"*1\r\n$" + b"1" * 400 + b"\r\n",
]
# Lines without an end. Lines with an end that are too long cannot be compared: whether they are an
# error to Redis depends on how the bytes arrive.
ENDLESS = [b"*" + b"1" * 70000, b"P" * 70000, b"*1\r\n$" + b"1" * 70000,
           b"ECHO 'a\x00b" + b"c" * 70000,
           b"*1" + b"\n" * 70000]


def broken_requests(rng, count):
    """Bytes that are not valid requests: those above, and valid requests with a byte changed."""
    def whole(requests, last=False):
        return Case("(protocol)", "protocol", requests, alone=True, shut=True, last=last)

    for raw in ENDLESS:
        yield whole([Request([], raw=raw)], last=True)
    for raw in BROKEN:
        # Redis may close the connection before it has sent the replies to earlier requests.
        at_once = b"post" in raw.lower() or b"host" in raw.lower()
        before = [Request([b"PING"])] if rng.random() < 0.5 and not at_once else []
        yield whole(before + [Request([], raw=raw)])
    for _ in range(max(count // 2, count - len(BROKEN))):
        requests = [rng.choice(([b"PING"], [b"ECHO", text(rng)], [b"GET", key(rng)],
                                [b"EXISTS", key(rng), key(rng)])) for _ in range(rng.randint(1, 3))]
        raw = bytearray(b"".join(wire.multibulk(r) if rng.random() < 0.7 else wire.inline(r)
                                 for r in requests))
        for _ in range(rng.randint(1, 2)):
            i = rng.randrange(len(raw))
            how = rng.randrange(4)
            if how == 0:
                # No upper-case hexadecimal digits: Stele finds keys in upper case, Redis does not.
                raw[i] = rng.choice([c for c in range(256) if c not in b"ABCDEF"])
            elif how == 1:
                del raw[i]
            elif how == 2:
                raw.insert(i, rng.choice(b"\r\n*$-0123456789 \"'\\\x00"))
            else:
                del raw[i + 1:]
        yield whole([Request([], raw=bytes(raw))])
