// Records in key order, stored in blocks of TRIE_BLOCK records. The nodes and slots of a trie image
// are built from them. Consecutive records are grouped into parts, each of which was sorted alone.
#ifndef STELE_DATA_BUILD_SORTED_H
#define STELE_DATA_BUILD_SORTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/uuid.h"

struct trie_record {
    struct uuid id;
    uint64_t offset; // offset of the key's line in the data file
};

enum {
    TRIE_BLOCK = 64, // records in a block
    // Maximum number of records in a part. They take 384 KiB, so they are sorted in the cache.
    TRIE_PART = 16 << 10,
};

// Where a part begins.
struct trie_part {
    uint64_t rank;  // rank of its first record among all records
    uint64_t block; // position of its first block in `order`
};

// Records of distinct keys in key order. Their blocks may be anywhere in memory. All blocks of a
// part except its last one are full. `parts` has one element more than `part_count`: its rank is
// `count`, the end of the last part.
struct trie_sorted {
    const struct trie_record *blocks; // blocks of TRIE_BLOCK records each
    const uint32_t *order;            // block numbers in key order; NULL: 0, 1, 2 and so on
    const struct trie_part *parts;    // part_count + 1 elements
    size_t part_count;
    uint64_t count; // number of records
};

// Returns the number of records whose key is not greater than `id`, which is the rank of the first
// greater key.
uint64_t trie_sorted_after(const struct trie_sorted *s, struct uuid id);

// Returns the number of the part that contains the record of this rank.
size_t trie_sorted_part(const struct trie_sorted *s, uint64_t rank);

// Returns the key of this rank.
struct uuid trie_sorted_key(const struct trie_sorted *s, uint64_t rank);

// A cursor moves from record to record. Callers may read its members.
struct trie_cursor {
    const struct trie_sorted *sorted;
    const struct trie_record *record;
    size_t part;
    uint64_t rank;
    uint64_t piece_end; // rank after the last record that is contiguous in memory with `record`
};

// Returns a cursor at the record of this rank.
struct trie_cursor trie_cursor_at(const struct trie_sorted *s, uint64_t rank);

// Sets `record` and `piece_end` from the cursor's rank, which must be in the cursor's part.
void trie_cursor_find(struct trie_cursor *c);

// Moves the cursor to the next record. After the last record only `rank` is valid.
static inline void trie_cursor_next(struct trie_cursor *c)
{
    c->record++;
    if (++c->rank < c->piece_end || c->rank == c->sorted->count)
        return;
    while (c->rank == c->sorted->parts[c->part + 1].rank)
        c->part++;
    trie_cursor_find(c);
}

#endif
