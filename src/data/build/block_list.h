// Records in lists of blocks.
//
// A thread can distribute records to thousands of lists without knowing in advance how many records
// each list will get. Lists are split and joined in little more memory than the records fill. Only
// one thread may use a list at a time.
#ifndef STELE_DATA_BUILD_BLOCK_LIST_H
#define STELE_DATA_BUILD_BLOCK_LIST_H

#include "base/bytes.h"
#include "data/build/block_pool.h"

enum { BLOCK_LIST_FAN = 64 }; // number of lists that block_list_split makes of one list

// As long as only block_list_add writes to the list, all of its blocks except the last are full. A
// zeroed struct is an empty list.
struct block_list {
    uint32_t first; // number of the first block
    uint32_t last;  // number of the last block
    uint64_t count; // number of records
};

// Appends a record to a list that no other function has written to, except block_list_drop_above.
// Returns false when the pool is empty.
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

// Stores the number of records in the last block. All functions below need a list that was closed
// in this way. Do not call block_list_add on a closed list, except after block_list_drop_above.
void block_list_close(struct block_pool *p, const struct block_list *l);

// Moves all blocks of `other` to the end of `l`. Do not use `other` afterwards.
void block_list_append(struct block_pool *p, struct block_list *l, const struct block_list *other);

// Drops the records whose keys are greater than `high`, and returns the emptied blocks to the pool.
void block_list_drop_above(struct block_pool *p, struct block_list *l, struct uuid high);

// Distributes the records over `to`, an array of BLOCK_LIST_FAN empty lists, by the bits that
// follow the bits shared by all keys. The keys of each list are less than those of the next list.
// The pool must have BLOCK_LIST_FAN free blocks, as this may take that many. Blocks that are left
// over are put on `*spare`, a list linked by `next` that ends with BLOCK_NONE. Returns false, and
// changes nothing, when all keys are equal.
bool block_list_split(struct block_pool *p, const struct block_list *l, struct block_list *to,
                      uint32_t *spare);

// Returns the number of blocks of a list, which must not be empty.
size_t block_list_blocks(const struct block_pool *p, const struct block_list *l);

// Sorts a list, which must not be empty. Of several records with the same key only the one whose
// line is the last in `text` is kept. Returns the number of bytes in the values of the dropped
// records. `order` receives the numbers of the list's blocks. The first `l->count` records in these
// blocks are the sorted ones, and all of their blocks except the last are full. A list of more than
// `most` records must contain a single key. `buffer` has room for `most` records.
uint64_t block_list_sort(struct block_pool *p, struct block_list *l, size_t most, struct span text,
                         uint32_t *order, struct trie_record *buffer);

#endif
