"""The masks: how Stele's replies may differ from the oracle's, and why. Each is as narrow as
possible. A mask is a function of both replies, parsed, and of the words of the request. If no mask
returns true, the replies count as different."""
import re

NO_CLUSTER = ("-", b"ERR This instance has cluster support disabled")


class Context:
    """What masks know besides the replies: the commands of each server, the keys of the data, and
    the sections of INFO."""

    def __init__(self, rows, oracle_names, keys, every_info):
        self.names = set(rows)
        self.oracle_names = oracle_names
        self.keys = keys
        self.sections, self.oracle_sections = (headers(reply) for reply in every_info)


def is_kind(kind, *replies):
    return all(reply[0] == kind for reply in replies)


def is_text(*replies):
    """Both replies are strings of the same kind, bulk or verbatim."""
    return replies[0][0] in "$=" and is_kind(replies[0][0], *replies) and \
        all(reply[1] is not None for reply in replies)


def both_numbers(ours, theirs, _words, _context):
    return is_kind(":", ours, theirs) and ours[1] >= 0


def both_texts(ours, theirs, _words, _context):
    return is_text(ours, theirs)


def pairs(reply):
    """The pairs of a map, or of an array of names and values in turn."""
    return list(zip(reply[1][::2], reply[1][1::2]))


def is_map_like(ours, theirs):
    return ours[0] == theirs[0] and ours[0] in "*%" and None not in (ours[1], theirs[1])


def hello(ours, theirs, _words, _context):
    if not is_map_like(ours, theirs) or len(ours[1]) != len(theirs[1]):
        return False
    for (name, a), (their_name, b) in zip(pairs(ours), pairs(theirs)):
        free = name[1] in (b"version", b"id", b"role")
        if name != their_name or a[0] != b[0] or a != b and not free:
            return False
    return True


def cut_words(ours, theirs, words, _context):
    """Stele's error is that of the oracle, but repeats only 128 bytes of each word."""
    text = theirs[1] if is_kind("-", ours, theirs) else b""
    for word in sorted((w for w in words if len(w) > 128), key=len, reverse=True):
        text = text.replace(word, word[:128])
    return text == ours[1] != theirs[1]


def denied(ours, theirs, _words, _context):
    """The oracle's ACL denies the command. Stele's reply must be an error too."""
    return is_kind("-", ours, theirs) and \
        theirs[1].startswith(b"NOPERM this user has no permissions to run the ")


# Redis's errors about options, bounds, cursors and counts of reads of types other than strings.
OPTION_ERROR = re.compile(
    rb"ERR (syntax error|value is (not|out of)|min or max (is not a|not valid)|invalid cursor$|"
    rb"(COUNT|LIMIT|MAXLEN) can't be negative$|COUNT must be > 0$|RANK can't be zero|"
    rb"Invalid stream ID|unsupported unit|need numeric|radius cannot be|height or width cannot be|"
    rb"invalid longitude,latitude pair|exactly one of|the ANY argument|weight value is not|"
    rb"timeout is n|numkeys should be|Number of keys can't|at least 1 input key|"
    rb"The (GROUP|NOACK) option|The > ID|Unbalanced XREAD)")
WRONG_TYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind of value")


def is_empty(reply):
    """The reply to a read whose key does not exist."""
    kind, value = reply
    return value in (None, []) or reply == (":", 0) or \
        reply == ("*", [("$", b"0"), ("*", [])]) or \
        kind == "-" and value.startswith(b"NOGROUP No such key ")


def options_unread(ours, theirs, words, context):
    """Stele only looks at the keys: WRONGTYPE if one exists, else the empty reply."""
    return is_kind("-", theirs) and OPTION_ERROR.match(theirs[1]) is not None and \
        (is_empty(ours) or ours == WRONG_TYPE and not context.keys.isdisjoint(words))


def keys_unclear(ours, theirs, _words, _context):
    """Stele has one error for all requests that do not say properly which words are keys."""
    return ours == ("-", b"ERR syntax error") and is_kind("-", theirs) and \
        OPTION_ERROR.match(theirs[1]) is not None


def much_memory(ours, theirs, _words, _context):
    """The oracle's proto-max-bulk-len is 1 MiB here. Stele has another limit for LCS."""
    return (ours[0] != "-" or ours[1].startswith(b"ERR String too long for LCS")) and \
        theirs == ("-", b"ERR Insufficient memory, transient memory for LCS "
                   b"exceeds proto-max-bulk-len")


def any_text(ours, theirs, _words, _context):
    return all(reply[0] in "$=" for reply in (ours, theirs))


def far_bit(ours, theirs, words, _context):
    """Bits after the first MiB, which the oracle's proto-max-bulk-len does not allow."""
    return theirs == ("-", b"ERR bit offset is not an integer or out of range") and \
        ours[0] in ":*-" and any(re.fullmatch(rb"#?[0-9]{6,10}", w) for w in words)


def checked_first(ours, theirs, _words, _context):
    """Stele checks the arguments before it looks up the key, as Redis does since 7.2."""
    return ours in (("-", b"ERR syntax error"),
                    ("-", b"ERR value is not an integer or out of range")) and \
        theirs in ((":", 0), (":", -1))


def cluster_reads(ours, theirs, _words, _context):
    return ours == ("+", b"OK") and theirs == NO_CLUSTER


def wait(ours, theirs, _words, _context):
    return (ours == (":", 0) or ours[0] == "-") and theirs[0] == "-" and \
        theirs[1].startswith(b"ERR WAIT cannot be used with replica instances")


def role(ours, theirs, _words, _context):
    return ours == ("*", [("$", b"master"), (":", 0), ("*", [])]) and \
        is_kind("*", theirs) and theirs[1][0] == ("$", b"slave")


def clock(ours, theirs, _words, _context):
    return all(is_kind("*", r) and len(r[1]) == 2 and all(k == "$" and v.isdigit() for k, v in r[1])
               for r in (ours, theirs))


def random_key(ours, theirs, _words, context):
    return is_kind("$", ours, theirs) and ours[1] in context.keys


def is_scan(reply):
    return is_kind("*", reply) and len(reply[1]) == 2 and is_kind("$", reply[1][0]) and \
        reply[1][0][1].isdigit() and is_kind("*", reply[1][1]) and \
        all(k == "$" for k, _ in reply[1][1][1])


def scan(ours, theirs, request, context):
    """If the call returns all keys, they are the same. Otherwise Stele returns keys of the data,
    each once."""
    if not is_scan(ours) or not is_scan(theirs):
        return False
    found = [v for _, v in ours[1][1][1]]
    from_start = request[1] in (b"0", b"00", b"+0", b"")
    if from_start and ours[1][0][1] == theirs[1][0][1] == b"0":
        return sorted(found) == sorted(v for _, v in theirs[1][1][1])
    return len(set(found)) == len(found) and context.keys.issuperset(found)


def same_members(ours, theirs, _words, _context):
    return ours[0] == theirs[0] and ours[0] in "*~" and sorted(ours[1]) == sorted(theirs[1])


def content(reply):
    """The text of a string; for a verbatim string, without its format."""
    return reply[1][len(b"txt:"):] if reply[0] == "=" else reply[1]


def headers(reply):
    return set(re.findall(rb"^# (\w+)\r$", content(reply), re.M))


def info(ours, theirs, _words, context):
    """Both replies have the same of the sections that both servers have, and Stele's lines are well
    formed."""
    return is_text(ours, theirs) and \
        headers(ours) & context.oracle_sections == headers(theirs) & context.sections and \
        re.fullmatch(rb"((# \w+|[\w|.]+:[^\r\n]*)?\r\n)*", content(ours)) is not None


def config_get(ours, theirs, _words, _context):
    """Stele's options have Redis's values, unless the value describes the process."""
    if not is_map_like(ours, theirs):
        return False
    ours_by_name, theirs_by_name = dict(pairs(ours)), dict(pairs(theirs))
    free = {b"bind", b"client-query-buffer-limit", b"cluster-node-timeout", b"dir", b"io-threads", b"logfile", b"unixsocket",
            b"maxmemory-clients", b"slowlog-log-slower-than"}
    return all(value == theirs_by_name.get(name) or
               name[1].lower() in (free if name in theirs_by_name else OWN_OPTIONS)
               for name, value in ours_by_name.items())


OWN_OPTIONS = {b"admin-commands", b"announce-role", b"build-memory", b"cluster-auth-file",
               b"cluster-config", b"cluster-crossslot",
               b"cluster-node", b"enable-shutdown-command", b"index",
               b"index-pages", b"index-trust", b"index-verify", b"key-forms", b"key-prefix",
               b"lock-index", b"proxy-protocol", b"read-threads",
               b"redis-version", b"reload-max-shrink", b"reload-verify",
               b"reload-verify-timeout", b"request-timeout", b"requirepass-file", b"skip-malformed",
               b"swap-tracking", b"threads", b"watch", b"write-error", b"write-timeout"}


def same_command(ours, theirs, context):
    """Elements of COMMAND are the same, except for subcommands that only one server has."""
    a, b = ours[1], theirs[1]
    return a is not None and b is not None and len(a) == 10 and a[:9] == b[:9] and \
        same_commands(a[9], b[9], context)


def same_commands(ours, theirs, context):
    mine = {element[1][0][1].decode(): element for element in ours[1]}
    other = {element[1][0][1].decode(): element for element in theirs[1]}
    return ours[0] == theirs[0] and \
        all(name in context.names for name in mine) and \
        all(name in mine for name in other if name in context.names) and \
        all(mine[name] == other[name] or same_command(mine[name], other[name], context)
            for name in mine if name in other)


def command(ours, theirs, request, context):
    if not is_kind("*", ours, theirs):
        return False
    if len(request) > 2: # COMMAND INFO with names has a null for each unknown name
        return len(ours[1]) == len(theirs[1]) and all(
            a == b or name.decode("latin-1").lower() not in context.names and a[1] is None or
            name.decode("latin-1").lower() not in context.oracle_names and b[1] is None or
            same_command(a, b, context)
            for name, a, b in zip(request[2:], ours[1], theirs[1]))
    return same_commands(ours, theirs, context)


def docs_of_one(ours, theirs, name, context):
    """The fields `since` and `group`, and the types of values, are the same. Texts may differ."""
    mine, other = dict(pairs(ours)), dict(pairs(theirs))
    for field, value in mine.items():
        if field[1] == b"subcommands":
            if not docs_of_all(value, other.get(field, ("*", [])), context):
                return False
        elif field not in other and name in context.oracle_names and \
                field[1] not in (b"complexity", b"arguments", b"history"):
            return False
        elif field in other and value[0] != other[field][0]:
            return False
        elif field[1] in (b"since", b"group") and value != other.get(field):
            return False
    return True


def docs_of_all(ours, theirs, context):
    mine = {k[1].decode(): v for k, v in pairs(ours)}
    other = {k[1].decode(): v for k, v in pairs(theirs)}
    return ours[0] == theirs[0] and \
        all(name in mine for name in other if name in context.names) and \
        all(docs_of_one(mine[name], other[name], name, context) for name in mine if name in other)


def docs(ours, theirs, _words, context):
    return is_map_like(ours, theirs) and docs_of_all(ours, theirs, context)


def command_names(ours, theirs, _words, context):
    """A command that both servers have is in both replies or in neither."""
    if not is_kind(ours[0], ours, theirs) or ours[0] not in "*~":
        return False
    mine, other = ({v.decode() for _, v in reply[1]} for reply in (ours, theirs))
    return mine <= context.names and mine & context.oracle_names == other & context.names


def help_lines(ours, theirs, _words, _context):
    return is_kind("*", ours, theirs) and all(k == "+" for k, _ in ours[1] + theirs[1]) and \
        ours[1][:1] == theirs[1][:1]


def client_line(text):
    return [field.partition(b"=")[::2] for field in text.rstrip(b"\n").split(b" ")]


def clients(ours, theirs, _words, _context):
    """Stele has Redis's fields, and those about what the client did have the same values. Stele
    lists a client once, even if it is named twice."""
    if not is_text(ours, theirs):
        return False
    same = {b"name", b"db", b"sub", b"psub", b"ssub", b"multi", b"cmd", b"user", b"resp", b"flags"}
    mine, other = (sorted(set(content(reply).splitlines())) for reply in (ours, theirs))
    return len(mine) == len(other) and all(
        name in dict(client_line(a)) and (name not in same or dict(client_line(a))[name] == value)
        for a, b in zip(mine, other) for name, value in client_line(b))


def own_redirection(ours, theirs, _words, _context):
    """The replies are the same, except for the ID of the client that invalidations go to."""
    def numberless(reply):
        kind, value = reply
        if kind == ":" and value > 0:
            return kind, 1
        return kind, [numberless(item) for item in value] if isinstance(value, list) else value
    return numberless(ours) == numberless(theirs)


def memory_stats(ours, theirs, _words, _context):
    return is_map_like(ours, theirs) and len(ours[1]) % 2 == 0 and \
        all(is_kind("$", name) for name, _ in pairs(ours))


def entries(ours, theirs, _words, _context):
    return is_kind("*", ours, theirs)


def histogram(ours, theirs, _words, _context):
    """Stele's reply has calls and a histogram for each command."""
    if not is_map_like(ours, theirs):
        return False
    return all(is_kind("$", name) and value[0] == ours[0] and
               [k for k, _ in pairs(value)] == [("$", b"calls"), ("$", b"histogram_usec")]
               for name, value in pairs(ours))


def default_user(ours, theirs, _words, _context):
    """The replies are the same, except for the commands that the oracle's ACL denies."""
    def allowed(reply):
        kind, value = reply
        if isinstance(value, bytes):
            return kind, re.sub(rb" -\S+", b"", value)
        return kind, [allowed(item) for item in value] if isinstance(value, list) else value
    return allowed(ours) == allowed(theirs)


# For each mask: its commands, its reason, and its function.
MASKS = [
    ("hello", "version, ID and role are each server's own (clients choose features by the version, "
              "and refuse replicas)", hello),
    ("shutdown monitor acl|setuser acl|deluser acl|load acl|save config|rewrite module|load "
     "module|loadex module|unload", "the oracle's ACL denies it", denied),
    ("geodist georadius_ro georadiusbymember_ro geosearch hrandfield hscan lpos lrange sintercard "
     "sort_ro srandmember sscan xpending xrange xread xrevrange zcount zdiff zinter zintercard "
     "zlexcount zrandmember zrange zrangebylex zrangebyscore zrevrange zrevrangebylex "
     "zrevrangebyscore zscan zunion", "Stele does not check options, as every key is a string: the "
     "reply is WRONGTYPE or empty", options_unread),
    ("sintercard xread zdiff zinter zintercard zunion", "Stele has one error for all requests that "
     "do not say properly which words are keys", keys_unclear),
    ("lcs", "the oracle's proto-max-bulk-len is too small for the table of LCS", much_memory),
    ("getbit bitfield_ro", "the oracle's proto-max-bulk-len does not allow such offsets", far_bit),
    ("bitcount bitpos", "the arguments are checked even if the key does not exist, as since "
                        "Redis 7.2", checked_first),
    ("readonly readwrite", "OK: clients of clusters send them, and every connection may read",
     cluster_reads),
    ("wait", "a Redis replica refuses it; Stele is a primary without replicas", wait),
    ("role", "Stele says that it is a primary, as in HELLO", role),
    ("time", "time passes", clock),
    ("lastsave", "the time when each server's data was saved or indexed", both_numbers),
    ("client|id", "each server numbers its own connections", both_numbers),
    ("client|getredir client|trackinginfo", "each server numbers its own connections",
     own_redirection),
    ("randomkey", "it is random; both are keys of the data", random_key),
    ("scan", "order and cursors are each server's own; complete scans are compared too", scan),
    ("keys pubsub|channels pubsub|shardchannels acl|cat command|list",
     "the order is each server's own; the members are the same", same_members),
    ("info", "values and fields are each server's own; the sections that both have are the same",
     info),
    ("config|get", "Stele has fewer options; they have Redis's values, unless the value describes "
                   "the process", config_get),
    ("command command|info", "the servers have different commands; those of both are described by "
                             "the same bytes", command),
    ("command|count", "the servers have different commands", both_numbers),
    ("command|docs", "the texts are Stele's own; versions, groups and types are Redis's", docs),
    ("command|list acl|cat", "the servers have different commands; those of both are in both lists",
     command_names),
    ("command|help client|help config|help memory|help object|help latency|help slowlog|help "
     "pubsub|help acl|help module|help cluster|help script|help function|help xinfo|help "
     "xgroup|help debug",
     "the texts are Stele's own; the first line is Redis's", help_lines),
    ("client|list client|info", "addresses, ages and sizes are each server's own; Redis's fields "
                                "are there", clients),
    ("memory|usage", "the memory of a key is each server's own", both_numbers),
    ("memory|stats", "the numbers are each server's own", memory_stats),
    ("memory|doctor latency|doctor lolwut", "prose", both_texts),
    ("memory|malloc-stats", "each allocator has its own; without statistics, Redis replies with a "
                            "plain string", any_text),
    ("object|refcount object|idletime", "Redis shares small integers and records accesses; Stele "
                                        "counts neither", both_numbers),
    ("slowlog|get latency|latest latency|history acl|log", "they depend on what happened to be "
     "slow, or was refused", entries),
    ("slowlog|len", "it depends on what happened to be slow", both_numbers),
    ("latency|histogram", "the times are each server's own", histogram),
    ("acl|list acl|getuser", "the oracle's ACL denies some commands", default_user),
    ("acl|genpass", "it is random", both_texts),
]

# Commands that Stele has and the oracle does not. The oracle must reply that it does not know them.
NEWER = {
    "client|capa": "a command of Valkey 8",
    "client|no-touch": "a command of Redis 7.2",
    "client|setinfo": "a command of Redis 7.2",
    "cluster|myshardid": "a command of Redis 7.2",
    "stele.cluster": "a command of Stele",
    "stele.cluster|help": "a command of Stele",
    "stele.cluster|nodes": "a command of Stele",
    "stele.cluster|state": "a command of Stele",
    "stele.count": "a command of Stele",
    "stele.range": "a command of Stele",
    "stele.reload": "a command of Stele",
    "waitaof": "a command of Redis 7.2",
}


def unknown_there(theirs):
    return theirs[0] == "-" and theirs[1].startswith((b"ERR unknown command ",
                                                      b"ERR unknown subcommand "))


UNKNOWN_THERE = ": the oracle does not know it"
CUT_WORDS = "errors repeat at most 128 bytes of a word"
OWN_MESSAGE = "a client's own message comes after the reply to its PUBLISH, as in Redis 7.2"
LEFT_AT_ONCE = "the order of channels is each server's own if a client unsubscribes from all"
LEAVE = ("unsubscribe", "punsubscribe", "sunsubscribe")


def left_channel(reply):
    """The first word of a reply to an UNSUBSCRIBE, or None for another reply."""
    good = reply[0] in "*>" and reply[1] and len(reply[1]) == 3 and is_kind("$", *reply[1][:2])
    word = (reply[1][0][1] or b"").decode("latin-1") if good else None
    return word if word in LEAVE else None


def sorted_channels(replies):
    """The replies, with the channels of UNSUBSCRIBE replies in alphabetical order."""
    result = list(replies)
    for word in LEAVE:
        places = [i for i, reply in enumerate(replies) if left_channel(reply) == word]
        channels = sorted((replies[i][1][1][1] or b"" for i in places))
        for i, channel in zip(places, channels):
            kind, items = replies[i]
            result[i] = (kind, [items[0], ("$", channel), items[2]])
    return result


def is_message(reply):
    return reply[0] == ">" and bool(reply[1]) and \
        reply[1][0][1] in (b"message", b"pmessage", b"smessage")


def messages_after(replies):
    """The replies, with each message that directly precedes a number moved after it."""
    result, held = [], []
    for reply in replies:
        if is_message(reply):
            held.append(reply)
            continue
        result.append(reply)
        if reply[0] != ":":
            result[-1:-1] = held
        else:
            result += held
        held = []
    return result + held


class Masks:
    def __init__(self, context):
        self.context = context
        self.used = {}
        self.by_name = {}
        for names, reason, check in MASKS:
            for name in names.split():
                self.by_name.setdefault(name, []).append((reason, check))

    def explain(self, ours, theirs, requests):
        """Returns true if a mask allows the difference between two replies to one of `requests`
        (full name and words). Counts the use of the mask."""
        for name, request in requests:
            if name in NEWER and unknown_there(theirs):
                return self.note(name, NEWER[name] + UNKNOWN_THERE)
            for reason, check in self.by_name.get(name, ()):
                if self.holds(check, ours, theirs, request):
                    return self.note(name, reason)
            if self.holds(cut_words, ours, theirs, request):
                return self.note(name, CUT_WORDS)
        inside = ours[0] == theirs[0] == "*" and ours[1] and theirs[1] and \
            any(name == "exec" for name, _ in requests)
        return bool(inside) and len(ours[1]) == len(theirs[1]) and all(
            a == b or self.explain(a, b, requests) for a, b in zip(ours[1], theirs[1]))

    def holds(self, check, ours, theirs, request):
        try:
            return check(ours, theirs, request, self.context)
        except (AttributeError, IndexError, TypeError, ValueError): # a reply of another structure
            return False

    def in_order(self, ours, theirs, requests):
        """Brings the replies of both servers into the same order. Channels that a client
        unsubscribes from all at once are sorted. A client's own message comes after the reply to
        PUBLISH."""
        if any(name in ("publish", "spublish") for name, _ in requests):
            moved = messages_after(theirs)
            if moved != theirs:
                self.note("publish", OWN_MESSAGE)
            theirs = moved
        if not any(name in LEAVE and len(request) == 1 for name, request in requests):
            return ours, theirs
        ordered = [sorted_channels(replies) for replies in (ours, theirs)]
        if ours != theirs and ordered[0] == ordered[1]:
            self.note("unsubscribe", LEFT_AT_ONCE)
        return ordered

    @staticmethod
    def reasons():
        """The reasons of all masks, in the order of the tables."""
        newer = (why + UNKNOWN_THERE for why in NEWER.values())
        return list(dict.fromkeys([reason for _, reason, _ in MASKS] + [LEFT_AT_ONCE, OWN_MESSAGE, CUT_WORDS,
                                                                            *newer]))

    def note(self, name, reason):
        uses = self.used.setdefault(reason, {})
        uses[name] = uses.get(name, 0) + 1
        return True
