// A pool of blocks of records.
//
// A pool takes its memory once and hands it out in blocks of TRIE_BLOCK records. Several threads
// may take blocks at once, or several may give blocks back, but not both at the same time.
#ifndef STELE_DATA_BUILD_BLOCK_POOL_H
#define STELE_DATA_BUILD_BLOCK_POOL_H

#include <stdatomic.h>

#include "data/build/sorted.h"

#define BLOCK_NONE UINT32_MAX // the number of no block

// A zeroed struct is an empty pool.
struct block_pool {
    struct trie_record *records; // TRIE_BLOCK for each block
    uint32_t *next;              // for each block, the next one in its list
    uint8_t *fill;               // for each block that is full or closed, its number of records
    uint32_t *free;              // a stack of free blocks
    atomic_llong left;           // number of blocks on the stack
    size_t blocks;
    size_t most; // blocks that the memory holds
};

// Bytes that a pool takes for each block.
enum { BLOCK_POOL_BYTES = TRIE_BLOCK * sizeof(struct trie_record) + 3 * sizeof(uint32_t) + 1 };

// Makes a pool of `blocks`, all free. Returns false when memory is short.
bool block_pool_init(struct block_pool *p, size_t blocks);

// Takes every block back. The pool has `blocks` blocks from then on, and the memory of the others
// goes back to the system.
void block_pool_reset(struct block_pool *p, size_t blocks);

// Frees the pool; a zeroed one is accepted.
void block_pool_release(struct block_pool *p);

// Takes a free block: its number, or BLOCK_NONE when there is none.
uint32_t block_pool_take(struct block_pool *p);

// Gives a block back.
void block_pool_give(struct block_pool *p, uint32_t block);

// The records of a block.
static inline struct trie_record *block_pool_at(const struct block_pool *p, uint32_t block)
{
    return p->records + (size_t)block * TRIE_BLOCK;
}

#endif
