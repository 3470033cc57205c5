// The checksum of bytes that are written and read back later: XXH3 (64 bits) by Yann Collet, from
// the header of its library. It finds damage and accidents; it does not protect against forgery.
#ifndef STELE_BASE_CHECKSUM_H
#define STELE_BASE_CHECKSUM_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"

// The checksum of `bytes`. Every machine computes the same.
uint64_t checksum(struct span bytes);

// The number of blocks of `block` bytes in `bytes` bytes. The last block may be shorter.
static inline uint64_t checksum_block_count(uint64_t bytes, size_t block)
{
    return bytes / block + (bytes % block > 0);
}

// The block with this number, counted from 0.
static inline struct span checksum_block(struct span bytes, size_t block, uint64_t number)
{
    size_t at = number * block;
    size_t left = bytes.len - at;
    return span_of(bytes.ptr + at, left < block ? left : block);
}

// Computes the checksum of each block, on all processors. `sums` has room for
// checksum_block_count(bytes.len, block) of them. Returns false, with `sums` unspecified, when
// `*cancel` became true meanwhile. `cancel` may be NULL.
bool checksum_blocks(struct span bytes, size_t block, uint64_t *sums, const atomic_bool *cancel);

#endif
