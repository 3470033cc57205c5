// The bytes of an RDB dump, read in blocks and in order, with their offset and their checksum.
//
// The first failure is kept, and every later call fails, too. One thread at a time may use an
// input.
#ifndef STELE_RDB_INPUT_H
#define STELE_RDB_INPUT_H

#include "base/bytes.h"
#include "base/error.h"

enum {
    RDB_BLOCK = 64 * 1024, // bytes of the buffer: the most that the source is asked for at once
    RDB_PEEK_MOST = 64,    // most bytes that rdb_input_peek can be asked for
};

// Where the dump comes from. The function reads up to `room` bytes (more than 0) to `to`, and
// returns their number. It returns 0 at the end of the dump, and -1 with a message when reading
// fails.
struct rdb_source {
    int64_t (*read)(void *context, char *to, size_t room, struct error *error);
    void *context;
};

struct rdb_input {
    struct rdb_source source;
    char *buf;        // RDB_BLOCK bytes
    size_t at;        // next byte in `buf`
    size_t len;       // bytes in `buf`
    size_t summed;    // bytes of `buf` that `crc` covers
    uint64_t begin;   // offset of the first byte of `buf` in the dump
    uint64_t crc;     // checksum of the bytes before `summed`
    const char *part; // what is being read, for messages: "the dump ends within a key"
    bool failed;
    struct error error; // message, if `failed`: "byte OFFSET: REASON", or that of the source
};

// Returns false when memory is short. The caller calls rdb_input_release in any case.
bool rdb_input_init(struct rdb_input *in, struct rdb_source source);

// A zeroed struct is accepted.
void rdb_input_release(struct rdb_input *in);

// Returns the offset of the next byte in the dump.
static inline uint64_t rdb_input_offset(const struct rdb_input *in)
{
    return in->begin + in->at;
}

// Sets the message "byte OFFSET: " and the text, unless there is a message already. Returns false.
bool rdb_input_fail(struct rdb_input *in, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Returns the next bytes without using them: at least `least` (at most RDB_PEEK_MOST), and at most
// what the buffer holds. They are valid until the next call of another function. The result is
// empty when the dump has fewer than `least` bytes left, or reading has failed: the input has
// failed then.
struct span rdb_input_peek(struct rdb_input *in, size_t least);

// Uses the next `len` bytes, which rdb_input_peek has returned.
static inline void rdb_input_use(struct rdb_input *in, size_t len)
{
    in->at += len;
}

// Uses the next `len` bytes. Returns false when the dump has fewer.
bool rdb_input_skip(struct rdb_input *in, uint64_t len);

// Reads a number of `size` bytes (at most 8), whose lowest byte is the first. Returns false when
// the dump has fewer bytes left.
bool rdb_input_number(struct rdb_input *in, unsigned size, uint64_t *number);

// Reads the same with the highest byte first.
bool rdb_input_number_high_first(struct rdb_input *in, unsigned size, uint64_t *number);

// Returns what is left of the dump, without using it, or its first RDB_PEEK_MOST bytes or more. The
// result is empty at the end of the dump, and when reading fails: the input has failed then.
struct span rdb_input_left(struct rdb_input *in);

// Returns the checksum of all bytes used so far.
uint64_t rdb_input_crc(struct rdb_input *in);

#endif
