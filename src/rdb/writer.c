// The layout is that of rdb.c of Redis. Numbers in AUX fields are written as text. Strings are
// never compressed, and values that are the text of an integer are not stored as an integer: a
// reader must accept both, and the text keeps the size of a file simple.
#include "rdb/writer.h"

#include <assert.h>

#include "base/crc64.h"
#include "base/number.h"

enum {
    OPCODE_AUX = 0xfa,
    OPCODE_RESIZEDB = 0xfb,
    OPCODE_SELECTDB = 0xfe,
    OPCODE_EOF = 0xff,
    TYPE_STRING = 0,
    // A length below 64 is one byte. A longer one begins with one of these bytes:
    LENGTH_14 = 0x40, // the low 6 bits of this byte, and the next byte, are the length
    LENGTH_32 = 0x80, // the next 4 bytes are the length, the highest first
    LENGTH_64 = 0x81, // the next 8 bytes are the length, the highest first
};

static size_t put_byte(char *to, unsigned byte)
{
    *to = (char)byte;
    return 1;
}

static size_t put_high_first(char *to, uint64_t number, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (char)(number >> 8 * (size - 1 - i));
    return size;
}

// Returns the bytes that a length takes.
static size_t length_size(uint64_t len, enum rdb_lengths lengths)
{
    if (lengths == RDB_LENGTHS_EQUAL)
        return 5;
    return len < 1u << 6 ? 1 : len < 1u << 14 ? 2 : len <= UINT32_MAX ? 5 : 9;
}

static size_t put_length(char *to, uint64_t len, enum rdb_lengths lengths)
{
    size_t size = length_size(len, lengths);
    switch (size) {
    case 1: return put_byte(to, (unsigned)len);
    case 2: return put_high_first(to, LENGTH_14 << 8 | len, 2);
    case 5: return put_byte(to, LENGTH_32) + put_high_first(to + 1, len, 4);
    default: return put_byte(to, LENGTH_64) + put_high_first(to + 1, len, 8);
    }
}

static size_t put_string(char *to, struct span s)
{
    size_t size = put_length(to, s.len, RDB_LENGTHS_SHORT);
    memcpy(to + size, s.ptr, s.len);
    return size + s.len;
}

static size_t put_fact(char *to, const char *name, struct span value)
{
    size_t size = put_byte(to, OPCODE_AUX);
    size += put_string(to + size, span_text(name));
    return size + put_string(to + size, value);
}

static size_t put_number_fact(char *to, const char *name, uint64_t value)
{
    char digits[NUMBER_TEXT_MAX];
    return put_fact(to, name, span_of(digits, number_format(digits, value)));
}

size_t rdb_write_head(char *to, const struct rdb_facts *facts)
{
    struct span version = span_text(facts->redis_version);
    assert(version.len <= RDB_FACT_MAX);
    memcpy(to, "REDIS0009", 9);
    size_t size = 9;
    size += put_fact(to + size, "redis-ver", version);
    size += put_number_fact(to + size, "redis-bits", 64);
    size += put_number_fact(to + size, "ctime", facts->created);
    size += put_number_fact(to + size, "used-mem", facts->used_memory);
    size += put_byte(to + size, OPCODE_SELECTDB);
    size += put_length(to + size, 0, RDB_LENGTHS_SHORT);
    size += put_byte(to + size, OPCODE_RESIZEDB);
    size += put_length(to + size, facts->keys, RDB_LENGTHS_SHORT);
    size += put_length(to + size, 0, RDB_LENGTHS_SHORT); // number of keys that expire
    assert(size <= RDB_HEAD_MAX);
    return size;
}

size_t rdb_write_pair_head(char *to, struct span key, uint64_t value_len, enum rdb_lengths lengths)
{
    assert(key.len <= RDB_KEY_MAX);
    assert(lengths == RDB_LENGTHS_SHORT || value_len <= UINT32_MAX);
    size_t size = put_byte(to, TYPE_STRING);
    size += put_string(to + size, key);
    return size + put_length(to + size, value_len, lengths);
}

size_t rdb_write_foot(char *to, uint64_t crc)
{
    size_t size = put_byte(to, OPCODE_EOF);
    crc = crc64(crc, span_of(to, size));
    for (unsigned i = 0; i < 8; i++)
        size += put_byte(to + size, (unsigned)(crc >> 8 * i & 0xff));
    return size;
}

size_t rdb_head_size(const struct rdb_facts *facts)
{
    char head[RDB_HEAD_MAX];
    return rdb_write_head(head, facts);
}

uint64_t rdb_pair_size(size_t key_len, uint64_t value_len, enum rdb_lengths lengths)
{
    return 1 + length_size(key_len, RDB_LENGTHS_SHORT) + key_len + length_size(value_len, lengths) +
           value_len;
}

uint64_t rdb_equal_file_size(const struct rdb_facts *facts, size_t key_len, uint64_t value_bytes)
{
    return rdb_head_size(facts) + facts->keys * rdb_pair_size(key_len, 0, RDB_LENGTHS_EQUAL) +
           value_bytes + RDB_FOOT_SIZE;
}
