// Records in lists of blocks.
//
// Records can be dealt out to thousands of lists without knowing how many each will get, and moved
// from list to list in no more memory than they fill. A list belongs to one thread at a time.
#ifndef STELE_DATA_BUILD_BLOCK_LIST_H
#define STELE_DATA_BUILD_BLOCK_LIST_H

#include "base/bytes.h"
#include "data/build/block_pool.h"

enum { BLOCK_LIST_FAN = 64 }; // lists that one list is split into

// All blocks but the last are full, as long as only block_list_add has written the list. A zeroed
// struct is an empty list.
struct block_list {
    uint32_t first; // number of the first block
    uint32_t last;
    uint64_t count; // number of records
};

// Appends a record to a list that only this function has written. Returns false when the pool is
// empty.
static inline bool block_list_add(struct block_pool *p, struct block_list *l, struct uuid id,
                                  uint64_t offset)
{
    size_t within = l->count % TRIE_BLOCK;
    if (within == 0) {
        uint32_t block = block_pool_take(p);
        if (block == BLOCK_NONE)
            return false;
        if (l->count == 0) {
            l->first = block;
        } else {
            p->next[l->last] = block;
            p->fill[l->last] = TRIE_BLOCK;
        }
        l->last = block;
    }
    block_pool_at(p, l->last)[within] = (struct trie_record){id, offset};
    l->count++;
    return true;
}

// Notes how full the last block is. The functions below need a closed list. After that only
// block_list_keep makes the list fit for block_list_add again.
void block_list_close(struct block_pool *p, const struct block_list *l);

// Appends all blocks of `other` to `l`.
void block_list_append(struct block_pool *p, struct block_list *l, const struct block_list *other);

// Drops the records whose keys are greater than `high`, and gives the emptied blocks back.
void block_list_keep(struct block_pool *p, struct block_list *l, struct uuid high);

// Deals the records out to `to`, BLOCK_LIST_FAN empty lists, by the first bits that not all keys
// share. The keys of each list are less than those of the next. Takes at most BLOCK_LIST_FAN blocks
// from the pool, which must have them. Blocks that are left over go to `*spare`, a list through
// `next` that ends with BLOCK_NONE. Returns false, and does nothing, when all keys are the same.
bool block_list_split(struct block_pool *p, const struct block_list *l, struct block_list *to,
                      uint32_t *spare);

// The number of blocks of a list that is not empty.
size_t block_list_blocks(const struct block_pool *p, const struct block_list *l);

// Sorts a list that is not empty, keeps of each key the last line in `text`, and returns the bytes
// of the values that it drops. `order` receives the numbers of the list's blocks; their first
// `count` records are then the sorted ones, and all blocks but the last are full. A list of more
// than `most` records must hold one key alone. `buffer` has room for `most` records.
uint64_t block_list_sort(struct block_pool *p, struct block_list *l, size_t most, struct span text,
                         uint32_t *order, struct trie_record *buffer);

#endif
