// The checksum of bytes that were written to be read back: XXH3 (64 bits) by Yann Collet, as its
// library's header compiles it. It finds damage and accidents; it is no defence against forgery.
#ifndef STELE_BASE_CHECKSUM_H
#define STELE_BASE_CHECKSUM_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"

// The same for the same bytes on every machine.
uint64_t checksum(struct span bytes);

// How many blocks of `block` bytes that many bytes are; the last may be shorter.
static inline uint64_t checksum_block_count(uint64_t bytes, size_t block)
{
    return bytes / block + (bytes % block > 0);
}

// The block of that number.
static inline struct span checksum_block(struct span bytes, size_t block, uint64_t number)
{
    size_t at = number * block;
    size_t left = bytes.len - at;
    return span_of(bytes.ptr + at, left < block ? left : block);
}

// The checksum of each block, on all processors: sums[checksum_block_count(bytes.len, block)].
// False, with `sums` unspecified, when `*cancel` became true meanwhile. `cancel` may be NULL.
bool checksum_blocks(struct span bytes, size_t block, uint64_t *sums, const atomic_bool *cancel);

#endif
