// Writes the parts of an RDB file, the format in which Redis saves its data, for keys whose values
// are strings. The version is 9, which Redis 5 and later, Valkey, KeyDB and Dragonfly read.
//
//   head   "REDIS0009", facts about the file (AUX), SELECTDB 0, RESIZEDB: number of keys
//   pair   type (string), length and bytes of the key, length and bytes of the value; repeated
//   foot   EOF, CRC-64 of all bytes before it, with the lowest byte first
//
// These functions know only bytes. Each writes one part to memory of the caller, and returns the
// number of bytes written. The caller keeps the checksum (base/crc64.h), and writes the bytes of
// the values itself, so that a value need not be in memory as a whole. Any thread may call them.
#ifndef STELE_RDB_WRITER_H
#define STELE_RDB_WRITER_H

#include "base/bytes.h"

enum {
    RDB_FACT_MAX = 63,                       // bytes of struct rdb_facts.redis_version
    RDB_HEAD_MAX = 256,                      // bytes of a head
    RDB_KEY_MAX = 127,                       // bytes of a key
    RDB_PAIR_HEAD_MAX = 3 + RDB_KEY_MAX + 9, // bytes of a pair before its value
    RDB_FOOT_SIZE = 9,                       // bytes of a foot
};

// How the lengths of values are written.
enum rdb_lengths {
    // Each in as few bytes as possible: 1 up to 63, 2 up to 16,383, 5 up to 2^32 - 1, otherwise 9.
    RDB_LENGTHS_SHORT,
    // Each in 5 bytes. Then the size of the file follows from the number of keys and the bytes of
    // all values. Values of 2^32 bytes or more cannot be written.
    RDB_LENGTHS_EQUAL,
};

// What the head says about the file.
struct rdb_facts {
    const char *redis_version; // at most RDB_FACT_MAX bytes
    uint64_t created;          // time when the data was made: seconds since 1970, UTC
    uint64_t used_memory;      // bytes of memory that the data took
    uint64_t keys;             // number of keys in the file
};

// Writes the head, at most RDB_HEAD_MAX bytes, to `to`.
size_t rdb_write_head(char *to, const struct rdb_facts *facts);

// Writes what precedes the bytes of a value of `value_len` bytes, at most RDB_PAIR_HEAD_MAX bytes,
// to `to`. `key` has at most RDB_KEY_MAX bytes.
size_t rdb_write_pair_head(char *to, struct span key, uint64_t value_len, enum rdb_lengths lengths);

// Writes the foot, RDB_FOOT_SIZE bytes, to `to`. `crc` is the CRC-64 of all bytes of the file so
// far.
size_t rdb_write_foot(char *to, uint64_t crc);

// Returns the bytes that rdb_write_head writes.
size_t rdb_head_size(const struct rdb_facts *facts);

// Returns the bytes of a pair.
uint64_t rdb_pair_size(size_t key_len, uint64_t value_len, enum rdb_lengths lengths);

// Returns the bytes of a whole file with RDB_LENGTHS_EQUAL. Each of the `facts->keys` keys has
// `key_len` bytes, and all values together have `value_bytes` bytes.
uint64_t rdb_equal_file_size(const struct rdb_facts *facts, size_t key_len, uint64_t value_bytes);

#endif
