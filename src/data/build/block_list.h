// Records in chains of blocks, and the pool the blocks come from.
//
// A pool takes its memory once and hands it out in blocks of TRIE_BLOCK records, so records can be
// dealt out to thousands of chains without knowing how many each will get, and moved from chain to
// chain in no more memory than they fill. A chain belongs to one thread at a time. Blocks may be
// taken by several threads at once, or given back by several, but not both.
#ifndef STELE_DATA_BUILD_BLOCK_LIST_H
#define STELE_DATA_BUILD_BLOCK_LIST_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "data/build/image.h"

enum { CHAIN_FAN = 64 }; // chains that one is split into

#define POOL_NONE UINT32_MAX // no block

// A zeroed struct is none.
struct pool {
    struct trie_record *records; // TRIE_BLOCK of each block
    uint32_t *next;              // of each block, the one behind it in its chain
    uint8_t *fill;               // of each block that is behind another or closed: its records
    uint32_t *free;              // a stack
    atomic_llong left;           // blocks on it
    size_t blocks;
    size_t most; // blocks there is memory for
};

// All blocks but the last are full, as long as only chain_add has written it. A zeroed struct is an
// empty one.
struct chain {
    uint32_t first;
    uint32_t last;
    uint64_t count; // records
};

enum { POOL_BLOCK_BYTES = TRIE_BLOCK * sizeof(struct trie_record) + 3 * sizeof(uint32_t) + 1 };

// Makes a pool of `blocks`, all free. False when memory is short.
bool pool_init(struct pool *p, size_t blocks);

// Takes every block back, and gives the memory of those from `blocks` on back to the system.
void pool_reset(struct pool *p, size_t blocks);

// Frees the pool; a zeroed one is accepted.
void pool_release(struct pool *p);

// A free block, or POOL_NONE.
uint32_t pool_take(struct pool *p);

// Gives one back.
void pool_give(struct pool *p, uint32_t block);

static inline struct trie_record *pool_block(const struct pool *p, uint32_t block)
{
    return p->records + (size_t)block * TRIE_BLOCK;
}

// Appends a record to a chain that only this function has written. False when the pool is empty.
static inline bool chain_add(struct pool *p, struct chain *c, struct uuid id, uint64_t offset)
{
    size_t within = c->count % TRIE_BLOCK;
    if (within == 0) {
        uint32_t block = pool_take(p);
        if (block == POOL_NONE)
            return false;
        if (c->count == 0) {
            c->first = block;
        } else {
            p->next[c->last] = block;
            p->fill[c->last] = TRIE_BLOCK;
        }
        c->last = block;
    }
    pool_block(p, c->last)[within] = (struct trie_record){id, offset};
    c->count++;
    return true;
}

// Notes how full the last block is. To be called before what follows; chain_add may be called again
// only after chain_keep.
void chain_close(struct pool *p, const struct chain *c);

// Puts the blocks of `behind` behind those of `c`.
void chain_append(struct pool *p, struct chain *c, const struct chain *behind);

// Drops the records whose keys are greater than `high`, and gives back the blocks that are empty
// then.
void chain_keep(struct pool *p, struct chain *c, struct uuid high);

// Deals the records out to `to`, CHAIN_FAN empty chains, by the bits behind those that all keys
// share: the keys of each are less than those of the next. Takes at most CHAIN_FAN blocks more from
// the pool, which must be there, and adds those it does not need to `*spare`, a list through
// `next` that ends with POOL_NONE. False, and nothing is done, when all keys are the same.
bool chain_split(struct pool *p, const struct chain *c, struct chain *to, uint32_t *spare);

// The number of blocks of a chain that is not empty.
size_t chain_blocks(const struct pool *p, const struct chain *c);

// Sorts a chain that is not empty and keeps of each key the last line in `text`; the bytes of the
// values of the others. `order` receives the numbers of its blocks, whose first `count` records,
// all blocks full but the last, are then the sorted ones. A chain of more than `most` records must
// have one key alone; `buffer` has room for as many.
uint64_t chain_sort(struct pool *p, struct chain *c, size_t most, struct span text, uint32_t *order,
                    struct trie_record *buffer);

#endif
