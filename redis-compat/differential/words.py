"""The data of both servers, and the words that make up requests."""
import random
import uuid

VALUES = [
    b"", b"0", b"1", b"-1", b"7", b"10", b"9999", b"10000", b"007", b"-0", b"+5", b"3.14", b"1e5",
    b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808",
    b"-9223372036854775809", b"12345678901234567890", b"123456789012345678901", b" 1", b"1 ",
    b"0x10", b"nan", b"inf", b"a" * 43, b"a" * 44, b"a" * 45, b"ohmytext", b"mynewtext", b"foobar",
    b"\xff" * 8, b"\x00" * 8, b"\x00" * 7 + b"\x01", b"\xff\x00\xff", b"\x0f" * 3, b"\x00",
    b"\r", b"a\rb", b" leading", b"trailing ", b'quote"s and \'such', b"foo*bar?[x]\\", b"(nil)",
    "größer als früher, 日本語, 🙂".encode(), b"\xc3\x28\xa0\xa1", b'{"json": [1, 2, null]}',
    bytes(c for c in range(256) if c != 0x0A), b"x" * 1000, b"y" * 16383, b"y" * 16384,
    b"z" * 16385, b"0123456789" * 2000, b"w" * 40000, b"-", b"$5", b"*1", b"+OK\r", b"3.0e400",
]


def example(path):
    """Returns the keys, in lower case, and values of a data file."""
    with open(path, "rb") as lines:
        return [(line[:36].lower(), line[37:].rstrip(b"\n")) for line in lines]


def special():
    """Returns a key for each of VALUES, and keys with common prefixes. They do not depend on the
    seed, so that a report of a difference can be understood without it."""
    rng = random.Random(1)
    pairs = [(str(uuid.UUID(int=rng.getrandbits(128), version=4)).encode(), v) for v in VALUES]
    for i in range(100):
        key = b"0190abcd-%04x-7000-8000-%012x" % (i // 10, i * i)
        pairs.append((key, b"%d" % (i * 37) if i % 2 else rng.randbytes(i).replace(b"\n", b"")))
    return pairs


SPECIAL = special()
SPECIAL_KEYS = [key for key, _ in SPECIAL]
SMALL_KEYS = [key for key, value in SPECIAL if len(value) < 300] # keys of short values, for LCS

INTEGERS = [b"0", b"1", b"-1", b"2", b"-2", b"3", b"5", b"7", b"8", b"10", b"15", b"-5", b"44",
            b"100", b"-100", b"1000"]
BAD_INTEGERS = [b"", b"a", b"1.5", b"01", b"+1", b" 1", b"1 ", b"-", b"--1", b"-0", b"00",
                b"2147483647", b"2147483648", b"-2147483649", b"4294967296",
                b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
                b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616", b"1e3",
                b"0x10", b"1\x002", b"nan", b"inf", b"1\r\n", b"1" * 40]
FLOATS = [b"0", b"1.5", b"-1", b"+inf", b"-inf", b"1e10", b"(1", b"(1.5", b"[a", b"3.0", b".5"]
TEXTS = [b"", b"a", b"foo", b"hello world", b"x" * 50, b"a\r\nb", b"a\nb", b"a\x00b", b"'", b'"',
         b"%s%n%d", b"\xff\xfe", "ü".encode(), b"*", b"-", b"default", b"on", b"off", b"yes",
         b"no", b"$-1", b"y" * 130]
PATTERNS = [b"*", b"", b"?", b"0190abcd*", b"0190abcd-0001-*", b"*-7000-8000-*", b"[0-3]*",
            b"[^0]*", b"[a-c]*", b"0190abcd-000?-7000-8000-00000000000?", b"\\0190*", b"[0", b"\\",
            b"*0", b"*a*b*", b"0190ABCF*", b"[^a-", b"0190abcd-0000-7000-8000-000000000001", b"[]*",
            b"0[1-1]9*", b"[z-a]*", b"?" * 36, b"?" * 37, b"*a\x00", b"%s"]
CHANNELS = [b"a", b"b", b"news", b"", b"a\x00b", b"ch[1]", b"__redis__:invalidate", b"x" * 200,
            b"a\r\n"]


def any_case(rng, word):
    """A word in lower, upper or mixed case."""
    how = rng.randrange(3)
    if how == 0:
        return word.lower()
    if how == 1:
        return word.upper()
    return bytes(ord(chr(c).upper()) if rng.random() < 0.5 else c for c in word.lower())


def absent_key(rng):
    return str(uuid.UUID(int=rng.getrandbits(128))).encode()


def odd_key(rng):
    """Something that is not a UUID, or an absent key in upper case."""
    key = rng.choice(SPECIAL_KEYS)
    return rng.choice([b"", b"foo", b"__Booksleeve_TieBreak", key[:-1], key + b"0",
                       b"{" + key + b"}",
                       key.replace(b"-", b""), absent_key(rng).upper(),
                       uuid.UUID(key.decode()).bytes,
                       key[:18] + b"x" + key[19:], b" " + key, key + b"\x00", b"\xff" * 36,
                       b"\x00", b"k\r\n", b"x" * 300, key[:8] + b"_" + key[9:]])


def key(rng):
    part = rng.random()
    if part < 0.7:
        return rng.choice(SPECIAL_KEYS)
    return absent_key(rng) if part < 0.88 else odd_key(rng)


def integer(rng):
    return rng.choice(INTEGERS) if rng.random() < 0.85 else rng.choice(BAD_INTEGERS)


def text(rng):
    return rng.choice(TEXTS)


def bad_word(rng):
    """A word that is hardly ever valid where it stands."""
    return rng.choice((BAD_INTEGERS, TEXTS, FLOATS, PATTERNS)[rng.randrange(4)])
