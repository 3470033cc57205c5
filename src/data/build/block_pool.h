// A pool of blocks of records.
//
// A pool allocates its memory once and divides it into blocks of TRIE_BLOCK records. Several
// threads may take blocks at the same time, and several threads may return blocks at the same time.
// But no thread may take a block while another returns one.
#ifndef STELE_DATA_BUILD_BLOCK_POOL_H
#define STELE_DATA_BUILD_BLOCK_POOL_H

#include <stdatomic.h>

#include "data/build/sorted.h"

#define BLOCK_NONE UINT32_MAX // a block number that means: no block

// A zeroed struct is an empty pool.
struct block_pool {
    struct trie_record *records; // TRIE_BLOCK for each block
    uint32_t *next;              // for each block, the next one in its list
    // For each block, its number of records. That of a list's last block is not set before
    // block_list_close.
    uint8_t *fill;
    uint32_t *free;    // a stack of free blocks
    atomic_llong left; // number of blocks on the stack
    size_t blocks;     // number of blocks, in use or free
    size_t most;       // number of blocks for which there is memory
};

// The bytes of memory for each block: its records, its elements of `next`, `free` and `fill`, and
// the element of `order` that the caller of block_list_sort allocates for it.
enum { BLOCK_POOL_BYTES = TRIE_BLOCK * sizeof(struct trie_record) + 3 * sizeof(uint32_t) + 1 };

// Makes a pool of `blocks` blocks, all of them free. Returns false when memory is short.
bool block_pool_init(struct block_pool *p, size_t blocks);

// Makes every block free, whoever used it. From then on the pool has `blocks` blocks, at most the
// number given to block_pool_init. The memory of the others is returned to the system.
void block_pool_reset(struct block_pool *p, size_t blocks);

// Frees the pool; a zeroed one is accepted.
void block_pool_release(struct block_pool *p);

// Takes a free block and returns its number; BLOCK_NONE when no block is free.
uint32_t block_pool_take(struct block_pool *p);

// Returns a block to the pool.
void block_pool_give(struct block_pool *p, uint32_t block);

// Returns the TRIE_BLOCK records of a block.
static inline struct trie_record *block_pool_at(const struct block_pool *p, uint32_t block)
{
    return p->records + (size_t)block * TRIE_BLOCK;
}

#endif
