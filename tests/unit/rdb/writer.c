// The parts of an RDB file, byte by byte, and their sizes.
#include "rdb/writer.h"

#include "base/crc64.h"
#include "support/tap.h"

#define KEY "3479d894-3271-4935-88cf-a06f3cbb80a5"

static struct span part(const char *at, size_t len)
{
    return span_of(at, len);
}

static void check_head(void)
{
    char head[RDB_HEAD_MAX];
    struct rdb_facts facts = {"7.4.0", 1700000000, 65, 3};
    static const char wanted[] = "REDIS0009"
                                 "\xfa\x09redis-ver\x05"
                                 "7.4.0"
                                 "\xfa\x0aredis-bits\x02"
                                 "64"
                                 "\xfa\x05"
                                 "ctime\x0a"
                                 "1700000000"
                                 "\xfa\x08used-mem\x02"
                                 "65"
                                 "\xfe\x00\xfb\x03";
    size_t len = rdb_write_head(head, &facts);
    is_bytes(part(head, len), span_of(wanted, sizeof wanted), "the head"); // with a final zero
    is_number((int64_t)rdb_head_size(&facts), (int64_t)len, "its size");
    facts = (struct rdb_facts){"123456789012345678901234567890123456789012345678901234567890123",
                               UINT64_MAX, UINT64_MAX, UINT64_MAX};
    len = rdb_write_head(head, &facts);
    ok(len <= RDB_HEAD_MAX, "the longest head has %zu bytes", len);
    is_number((int64_t)rdb_head_size(&facts), (int64_t)len, "its size");
}

static void check_pair(uint64_t value_len, enum rdb_lengths lengths, const char *len,
                       size_t len_size)
{
    char room[RDB_PAIR_HEAD_MAX];
    char wanted[RDB_PAIR_HEAD_MAX] = "\x00\x24" KEY;
    memcpy(wanted + 38, len, len_size);
    size_t size = rdb_write_pair_head(room, span_text(KEY), value_len, lengths);
    is_bytes(part(room, size), part(wanted, 38 + len_size), "%s length of a value of %llu bytes",
             lengths == RDB_LENGTHS_SHORT ? "short" : "equal", (unsigned long long)value_len);
    is_number((int64_t)rdb_pair_size(36, value_len, lengths), (int64_t)(size + value_len),
              "the size of the pair");
}

static void check_pairs(void)
{
    check_pair(0, RDB_LENGTHS_SHORT, "\x00", 1);
    check_pair(63, RDB_LENGTHS_SHORT, "\x3f", 1);
    check_pair(64, RDB_LENGTHS_SHORT, "\x40\x40", 2);
    check_pair(16383, RDB_LENGTHS_SHORT, "\x7f\xff", 2);
    check_pair(16384, RDB_LENGTHS_SHORT, "\x80\x00\x00\x40\x00", 5);
    check_pair(0xffffffff, RDB_LENGTHS_SHORT, "\x80\xff\xff\xff\xff", 5);
    check_pair(0x100000000, RDB_LENGTHS_SHORT, "\x81\x00\x00\x00\x01\x00\x00\x00\x00", 9);
    check_pair(0, RDB_LENGTHS_EQUAL, "\x80\x00\x00\x00\x00", 5);
    check_pair(64, RDB_LENGTHS_EQUAL, "\x80\x00\x00\x00\x40", 5);
    check_pair(0xffffffff, RDB_LENGTHS_EQUAL, "\x80\xff\xff\xff\xff", 5);
}

// Writes a file of two pairs, and compares its size with the formula.
static void check_file(void)
{
    char file[1024];
    struct rdb_facts facts = {"7.4.0", 1, 2, 2};
    size_t len = rdb_write_head(file, &facts);
    for (unsigned i = 0; i < 2; i++) {
        len += rdb_write_pair_head(file + len, span_text(KEY), 3 + i, RDB_LENGTHS_EQUAL);
        memcpy(file + len, "abcd", 3 + i);
        len += 3 + i;
    }
    len += rdb_write_foot(file + len, crc64(0, part(file, len)));
    is_number((int64_t)len, (int64_t)rdb_equal_file_size(&facts, 36, 7), "the size of a file");
    // With its own CRC behind it, lowest byte first, a text has the CRC 0.
    is_number((int64_t)crc64(0, part(file, len)), 0, "the foot has the CRC of all before it");
    is_number((unsigned char)file[len - 9], 0xff, "the foot begins with the opcode of the end");
}

int main(void)
{
    check_head();
    check_pairs();
    check_file();
    return done_testing();
}
