// Records in key order, in blocks: the input of the nodes and slots of a trie image.
#ifndef STELE_DATA_BUILD_SORTED_H
#define STELE_DATA_BUILD_SORTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/uuid.h"

struct trie_record {
    struct uuid id;
    uint64_t offset; // of the key's line in the data
};

enum {
    TRIE_BLOCK = 64,      // records
    TRIE_PART = 16 << 10, // most records in a part: half a megabyte, which is sorted in cache
};

// The beginning of a run of sorted records.
struct trie_part {
    uint64_t rank;  // of its first record among all
    uint64_t block; // its first block's place in `order`
};

// Records in key order, of distinct keys, in blocks that may lie anywhere. All blocks of a part are
// full but its last one. One more part after the last has `count` as its rank, which ends the last.
struct trie_sorted {
    const struct trie_record *blocks; // of TRIE_BLOCK records each
    const uint32_t *order;            // numbers of blocks; NULL: they lie in order
    const struct trie_part *parts;    // part_count and one more
    size_t part_count;
    uint64_t count;
};

// The number of records with keys up to `id`: the rank of the first greater key.
uint64_t trie_sorted_after(const struct trie_sorted *s, struct uuid id);

// The number of the part that holds the record of this rank.
size_t trie_sorted_part(const struct trie_sorted *s, uint64_t rank);

// The key of this rank.
struct uuid trie_sorted_key(const struct trie_sorted *s, uint64_t rank);

// A cursor goes from record to record. Callers read its members.
struct trie_cursor {
    const struct trie_sorted *sorted;
    const struct trie_record *record;
    size_t part;
    uint64_t rank;
    uint64_t piece_end; // rank after the last record that lies together with this one
};

// A cursor at the record of this rank.
struct trie_cursor trie_cursor_at(const struct trie_sorted *s, uint64_t rank);

// Finds the record of the cursor's rank, which lies in its part.
void trie_cursor_find(struct trie_cursor *c);

// Moves to the next record. After the last record only `rank` is valid.
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
