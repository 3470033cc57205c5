// Checksums of files: XXH3 (64 and 128 bits) by Yann Collet, from the header of its library. A
// checksum shows that bytes were damaged or changed by accident. It does not protect against
// forgery.
#ifndef STELE_BASE_CHECKSUM_H
#define STELE_BASE_CHECKSUM_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"

// Returns the checksum of `bytes`. It is the same on every machine.
uint64_t checksum(struct span bytes);

// Returns the number of blocks in a text of `bytes` bytes, if each block has `block` bytes. The
// last block may be shorter.
static inline uint64_t checksum_block_count(uint64_t bytes, size_t block)
{
    return bytes / block + (bytes % block > 0);
}

// Returns the block with this number, counted from 0.
static inline struct span checksum_block(struct span bytes, size_t block, uint64_t number)
{
    size_t at = number * block;
    size_t left = bytes.len - at;
    return span_of(bytes.ptr + at, left < block ? left : block);
}

// Computes the checksum of each block, on all processors. `sums` has room for
// checksum_block_count(bytes.len, block) checksums. Another thread may set `*cancel` to stop the
// call early; the result is then false, and `sums` is unspecified. `cancel` may be NULL.
bool checksum_blocks(struct span bytes, size_t block, uint64_t *sums, const atomic_bool *cancel);

// A checksum of 128 bits over bytes that arrive in pieces. It is the same however the bytes are
// divided, and `xxh128sum` prints the same.
struct checksum_stream;

enum { CHECKSUM_TEXT_LEN = 32 }; // hexadecimal digits of 128 bits

// Returns a checksum of no bytes yet. Returns NULL when memory is short. The caller frees it with
// checksum_stream_free.
struct checksum_stream *checksum_stream_new(void);

void checksum_stream_add(struct checksum_stream *s, struct span bytes);

// Writes the checksum of the bytes so far at `to`: CHECKSUM_TEXT_LEN digits in lower case and a
// NUL.
void checksum_stream_text(const struct checksum_stream *s, char *to);

// NULL is accepted.
void checksum_stream_free(struct checksum_stream *s);

#endif
