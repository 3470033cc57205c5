// The examples cover each version, opcode, type and form of a string, and damage of each kind.
#include "support/rdb.h"

#include <stdio.h>

#include "rdb/reader.h"
#include "support/tap.h"

// A dump without its checksum, which is zeros: not checked.
#define DUMP(version, bytes) "REDIS" version bytes "\xff\0\0\0\0\0\0\0\0"
// The first bytes of dumps that are damaged.
#define HEAD "REDIS0009"
#define EXAMPLE(name, bytes, trace)                                                                \
    {                                                                                              \
        name, {bytes, sizeof bytes - 1}, trace                                                     \
    }

#define KEY_A "\0\1a"
#define VALUE_A "0 a string: "
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

const struct rdb_example rdb_examples[] = {
    // Headers and ends.
    EXAMPLE("empty", DUMP("0009", ""), "end\n"),
    EXAMPLE("version-3", "REDIS0003" KEY_A "\1x\xff", VALUE_A "x\nend\n"),
    EXAMPLE("version-4", "REDIS0004" KEY_A "\1x\xff", VALUE_A "x\nend\n"),
    EXAMPLE("version-5", DUMP("0005", KEY_A "\1x"), VALUE_A "x\nend\n"),
    EXAMPLE("version-12", DUMP("0012", KEY_A "\1x"), VALUE_A "x\nend\n"),
    EXAMPLE("version-valkey", "VALKEY080" KEY_A "\1x\xff\0\0\0\0\0\0\0\0", VALUE_A "x\nend\n"),
    EXAMPLE("checksum", HEAD KEY_A "\1x\xff\x2a\xeb\xc1\x32\xe7\xee\x72\x62", VALUE_A "x\nend\n"),
    EXAMPLE("checksum-wrong", HEAD KEY_A "\1x\xff\x2a\xeb\xc1\x32\xe7\xee\x72\x63",
            VALUE_A "x\nerror: byte 15: the checksum is 6272eee732c1eb2a instead of "
                    "6372eee732c1eb2a: the dump is damaged\n"),
    EXAMPLE("version-2", "REDIS0002" KEY_A "\1x\xff",
            "error: byte 0: version REDIS0002 of the format cannot be read, only REDIS0003 to "
            "REDIS0012 and VALKEY080\n"),
    EXAMPLE("version-13", DUMP("0013", KEY_A "\1x"),
            "error: byte 0: version REDIS0013 of the format cannot be read, only REDIS0003 to "
            "REDIS0012 and VALKEY080\n"),
    EXAMPLE("version-valkey-81", "VALKEY081" KEY_A "\1x\xff",
            "error: byte 0: version VALKEY081 of the format cannot be read, only REDIS0003 to "
            "REDIS0012 and VALKEY080\n"),
    EXAMPLE("version-no-number", DUMP("00x9", ""),
            "error: byte 0: not an RDB dump: it does not begin with REDIS or VALKEY and a "
            "version\n"),
    EXAMPLE("other-file", "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n",
            "error: byte 0: not an RDB dump: it does not begin with REDIS or VALKEY and a "
            "version\n"),
    EXAMPLE("nothing", "", "error: byte 0: the dump ends within its first nine bytes\n"),
    EXAMPLE("more-bytes", DUMP("0009", "") "*1\r\n",
            "error: byte 18: more bytes follow the end of the dump; in an append-only file these "
            "are commands, which cannot be read\n"),
    EXAMPLE("no-end", HEAD KEY_A "\1x",
            VALUE_A "x\nerror: byte 14: the dump ends within its records: the end is missing\n"),

    // Opcodes.
    EXAMPLE("aux",
            DUMP("0009", "\xfa\x09redis-ver\x06"
                         "7.0.15"
                         "\xfa\x0aredis-bits\xc0\x40" KEY_A "\1x"),
            VALUE_A "x\nend\n"),
    EXAMPLE("databases",
            DUMP("0009", "\xfe\0" KEY_A "\1x"
                         "\xfe\x0f" KEY_A "\1y"
                         "\xfe\x43\xe8" KEY_A "\1z"),
            VALUE_A "x\n15 a string: y\n1000 a string: z\nend\n"),
    EXAMPLE("sizes", DUMP("0009", "\xfe\0\xfb\1\x40\0" KEY_A "\1x"), VALUE_A "x\nend\n"),
    EXAMPLE("expires-seconds",
            DUMP("0009", "\xfd\0\xca\x9a\x3b" KEY_A "\1x"
                         "\0\1b\1y"),
            "0 a string expires 1000000000000: x\n0 b string: y\nend\n"),
    EXAMPLE("expires-milliseconds",
            DUMP("0009", "\xfc\0\x10\xa5\xd4\xe8\0\0\0" KEY_A "\1x"
                         "\0\1b\1y"),
            "0 a string expires 1000000000000: x\n0 b string: y\nend\n"),
    EXAMPLE("expires-before-1970",
            DUMP("0009", "\xfd\xff\xff\xff\xff" KEY_A "\1x"
                         "\xfc\xff\xff\xff\xff\xff\xff\xff\xff" KEY_A "\1y"),
            "0 a string expires -1000: x\n0 a string expires -1: y\nend\n"),
    EXAMPLE("idle-and-frequency",
            DUMP("0009", "\xfc\1\0\0\0\0\0\0\0\xf8\x40\xff" KEY_A "\1x"
                         "\xf9\xff\0\1b\1y"),
            "0 a string expires 1: x\n0 b string: y\nend\n"),
    EXAMPLE("function", DUMP("0010", "\xf5\x10#!lua name=l\n..." KEY_A "\1x"), VALUE_A "x\nend\n"),
    EXAMPLE("slot-info", DUMP("0011", "\xf4\x7f\xff\1\0" KEY_A "\1x"), VALUE_A "x\nend\n"),
    EXAMPLE("module-aux",
            DUMP("0009", "\xf7\x81\1\2\3\4\5\6\7\x08\2\1"
                         "\1\x05\2\x40\xff\3\1\2\3\4\4\1\2\3\4\5\6\7\x08\5\3abc\0" KEY_A "\1x"),
            VALUE_A "x\nend\n"),
    EXAMPLE("module-aux-part", HEAD "\xf7\1\2\1\6",
            "error: byte 13: 6 is not a part of a module's data\n"),
    EXAMPLE("opcode-unknown", HEAD "\xf6\1", "error: byte 9: unknown opcode 246\n"),
    EXAMPLE("database-not-a-length", HEAD "\xfe\xc0\1",
            "error: byte 10: 0xc0 is not the beginning of a length\n"),

    // Strings.
    EXAMPLE("length-0", DUMP("0009", "\0\0\0"), "0  string: \nend\n"),
    EXAMPLE("length-14", DUMP("0009", KEY_A "\x40\x0a" TEN), VALUE_A TEN "\nend\n"),
    EXAMPLE("length-14-large", DUMP("0009", KEY_A "\x41\x2c" HUNDRED HUNDRED HUNDRED),
            VALUE_A HUNDRED HUNDRED HUNDRED "\nend\n"),
    EXAMPLE("length-32", DUMP("0009", KEY_A "\x80\0\0\0\x0a" TEN), VALUE_A TEN "\nend\n"),
    EXAMPLE("length-64", DUMP("0009", KEY_A "\x81\0\0\0\0\0\0\0\x0a" TEN), VALUE_A TEN "\nend\n"),
    EXAMPLE("length-unknown", HEAD KEY_A "\x82\1\1\1\1",
            "0 a string: error: byte 12: 0x82 is not the beginning of a length\n"),
    EXAMPLE("length-max", HEAD KEY_A "\x81\xff\xff\xff\xff\xff\xff\xff\xff" TEN,
            VALUE_A TEN "error: byte 31: the dump ends within a value\n"),
    EXAMPLE("integer-8", DUMP("0009", KEY_A "\xc0\x7b"), VALUE_A "123\nend\n"),
    EXAMPLE("integer-8-least", DUMP("0009", KEY_A "\xc0\x80"), VALUE_A "-128\nend\n"),
    EXAMPLE("integer-16", DUMP("0009", KEY_A "\xc1\x39\x30"), VALUE_A "12345\nend\n"),
    EXAMPLE("integer-16-least", DUMP("0009", KEY_A "\xc1\0\x80"), VALUE_A "-32768\nend\n"),
    EXAMPLE("integer-32", DUMP("0009", KEY_A "\xc2\x15\xcd\x5b\x07"), VALUE_A "123456789\nend\n"),
    EXAMPLE("integer-32-least", DUMP("0009", KEY_A "\xc2\0\0\0\x80"), VALUE_A "-2147483648\nend\n"),
    EXAMPLE("integer-key", DUMP("0009", "\0\xc0\x07\1x"), "0 7 string: x\nend\n"),
    EXAMPLE("compressed-repeat", DUMP("0009", KEY_A "\xc3\x06\x16\1ab\xe0\x0b\1"),
            VALUE_A "ababababababababababab\nend\n"),
    EXAMPLE("compressed-run", DUMP("0009", KEY_A "\xc3\x05\x13\0a\xe0\x09\0"),
            VALUE_A "aaaaaaaaaaaaaaaaaaa\nend\n"),
    EXAMPLE("compressed-literals", DUMP("0009", KEY_A "\xc3\x0b\x0a\x09" TEN),
            VALUE_A TEN "\nend\n"),
    EXAMPLE("compressed-key", DUMP("0009", "\0\xc3\x04\x04\0b\x20\0\1x"),
            "0 bbbb string: x\nend\n"),
    EXAMPLE("compressed-nothing", DUMP("0009", KEY_A "\xc3\0\0"), VALUE_A "\nend\n"),
    EXAMPLE("compressed-too-short", HEAD KEY_A "\xc3\x04\x05\0b\x20\0",
            VALUE_A "bbbberror: byte 12: a compressed string is damaged\n"),
    EXAMPLE("compressed-too-long", HEAD KEY_A "\xc3\x04\x03\0b\x20\0",
            "0 a string: error: byte 12: a compressed string is damaged\n"),
    EXAMPLE("compressed-cut-item", HEAD KEY_A "\xc3\x03\x04\0b\x20\0",
            VALUE_A "berror: byte 12: a compressed string is damaged\n"),
    EXAMPLE("compressed-before-beginning", HEAD KEY_A "\xc3\x04\x04\0b\x20\1",
            "0 a string: error: byte 12: a compressed string is damaged\n"),
    EXAMPLE("compressed-bomb", HEAD KEY_A "\xc3\0\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            "0 a string: error: byte 12: a compressed string is damaged\n"),
    EXAMPLE("string-unknown", HEAD KEY_A "\xc4\1",
            "0 a string: error: byte 12: 0xc4 is not the beginning of a string\n"),
    EXAMPLE("key-cut",
            HEAD "\0\x05"
                 "ab",
            "error: byte 13: the dump ends within a key\n"),

    // Other types.
    EXAMPLE("list", DUMP("0009", "\1\1l\2\1x\xc0\1" KEY_A "\1x"), "0 l list\n" VALUE_A "x\nend\n"),
    EXAMPLE("set", DUMP("0009", "\2\1s\1\xc3\x04\x04\0b\x20\0" KEY_A "\1x"),
            "0 s set\n" VALUE_A "x\nend\n"),
    EXAMPLE("zset-text",
            DUMP("0009", "\3\1z\4\1w\xff\1x\xfe\1y\xfd\1z\3"
                         "1.5" KEY_A "\1x"),
            "0 z zset\n" VALUE_A "x\nend\n"),
    EXAMPLE("zset-binary", DUMP("0009", "\5\1z\1\1w\1\2\3\4\5\6\7\x08" KEY_A "\1x"),
            "0 z zset\n" VALUE_A "x\nend\n"),
    EXAMPLE("hash", DUMP("0009", "\4\1h\1\1f\1v" KEY_A "\1x"), "0 h hash\n" VALUE_A "x\nend\n"),
    EXAMPLE("one-string",
            DUMP("0011", "\x09\1z\1.\x0a\1l\1.\x0b\1s\1.\x0c\1z\1.\x0d\1h\1."
                         "\x10\1h\1.\x11\1z\1.\x14\1s\1." KEY_A "\1x"),
            "0 z hash\n0 l list\n0 s set\n0 z zset\n0 h hash\n0 h hash\n0 z zset\n0 s set\n" VALUE_A
            "x\nend\n"),
    EXAMPLE("quicklist", DUMP("0009", "\x0e\1l\2\1x\1y" KEY_A "\1x"),
            "0 l list\n" VALUE_A "x\nend\n"),
    EXAMPLE("quicklist-2", DUMP("0010", "\x12\1l\2\1\1x\2\1y" KEY_A "\1x"),
            "0 l list\n" VALUE_A "x\nend\n"),
    EXAMPLE("hash-fields-expire",
            DUMP("0012", "\x18\1h\1\2\3\4\5\6\7\x08\2\0\1f\1v\x40\xff\1g\1w"
                         "\x19\1h\1\2\3\4\5\6\7\x08\1." KEY_A "\1x"),
            "0 h hash\n0 h hash\n" VALUE_A "x\nend\n"),
    EXAMPLE("hash-fields-expire-early",
            DUMP("0012", "\x16\1h\1\x81\1\2\3\4\5\6\7\x08\1f\1v\x17\1h\1." KEY_A "\1x"),
            "0 h hash\n0 h hash\n" VALUE_A "x\nend\n"),
    EXAMPLE("hash-fields-expire-valkey",
            "VALKEY080\x16\1h\2\1f\1v\xff\xff\xff\xff\xff\xff\xff\xff\1g\1w\1\2\3\4\5\6\7\x08" KEY_A
            "\1x\xff\0\0\0\0\0\0\0\0",
            "0 h hash\n" VALUE_A "x\nend\n"),
    EXAMPLE("list-of-nothing", DUMP("0009", "\1\1l\0" KEY_A "\1x"),
            "0 l list\n" VALUE_A "x\nend\n"),
    EXAMPLE("list-of-many", HEAD "\1\1l\x81\xff\xff\xff\xff\xff\xff\xff\xff\1x",
            "0 l list\nerror: byte 23: the dump ends within a value\n"),
    EXAMPLE("streams", HEAD "\x0f\1s\1",
            "0 s stream\nerror: byte 12: a stream cannot be skipped\n"),
    EXAMPLE("streams-2", HEAD "\x13\1s\1",
            "0 s stream\nerror: byte 12: a stream cannot be skipped\n"),
    EXAMPLE("streams-3", HEAD "\x15\1s\1",
            "0 s stream\nerror: byte 12: a stream cannot be skipped\n"),
    EXAMPLE("streams-4", HEAD "\x1a\1s\1",
            "0 s stream\nerror: byte 12: a stream cannot be skipped\n"),
    EXAMPLE("module", HEAD "\x07\1m\1", "0 m module\nerror: byte 12: a module cannot be skipped\n"),
    EXAMPLE("module-early", HEAD "\x06\1m\1",
            "0 m module\nerror: byte 12: a module cannot be skipped\n"),
    EXAMPLE("type-unknown", HEAD "\x08\1s\1", "error: byte 9: unknown type 8\n"),
    EXAMPLE("type-unknown-27", HEAD "\x1b\1s\1", "error: byte 9: unknown type 27\n"),
    EXAMPLE("type-unknown-valkey", "VALKEY080\x17\1s\1", "error: byte 9: unknown type 23\n"),
    EXAMPLE("type-unknown-241", HEAD "\xf1\1s\1", "error: byte 9: unknown type 241\n"),
};
const unsigned rdb_example_count = sizeof rdb_examples / sizeof *rdb_examples;

// ---- traces -------------------------------------------------------------------------------------

struct dump_source {
    struct span left;
    size_t step;
};

static int64_t read_some(void *context, char *to, size_t room, struct error *error)
{
    struct dump_source *s = context;
    size_t len = s->left.len < s->step ? s->left.len : s->step;
    (void)error;
    len = len < room ? len : room;
    if (len > 0)
        memcpy(to, s->left.ptr, len);
    s->left = span_of(s->left.ptr + len, s->left.len - len);
    return (int64_t)len;
}

// Appends the value. Returns false when reading fails.
static bool trace_value(struct rdb_reader *r, struct buf *to)
{
    struct span piece;
    buf_append_text(to, ": ");
    do {
        if (!rdb_reader_value(r, &piece))
            return false;
        buf_append(to, piece);
    } while (piece.len > 0);
    buf_append_text(to, "\n");
    return true;
}

void rdb_trace(struct span dump, size_t step, bool values, struct buf *to)
{
    struct dump_source source = {dump, step};
    struct rdb_reader *r = rdb_reader_new((struct rdb_source){read_some, &source});
    struct rdb_key key;
    enum rdb_result result;
    bool good = true;
    require(r != NULL, "no memory for a reader");
    while (good && (result = rdb_reader_next(r, &key)) == RDB_KEY) {
        buf_printf(to, "%llu ", (unsigned long long)key.database);
        buf_append(to, key.name);
        buf_printf(to, " %s", key.type);
        if (key.expires)
            buf_printf(to, " expires %lld", (long long)key.expires_ms);
        if (key.is_string && values)
            good = trace_value(r, to);
        else
            buf_append_text(to, "\n");
    }
    if (good && result == RDB_END)
        buf_append_text(to, "end\n");
    else
        buf_printf(to, "error: %s\n", rdb_reader_error(r)->text);
    require(!to->oom, "no memory for a trace");
    rdb_reader_free(r);
}
