// Finds the record that has a given rank. A binary search over the ranks at which the parts begin
// finds the part that contains the record. Blocks hold TRIE_BLOCK records each, so a division finds
// the block within that part.
#include "data/build/sorted.h"

size_t trie_sorted_part(const struct trie_sorted *s, uint64_t rank)
{
    size_t lo = 0;
    size_t hi = s->part_count;
    while (hi - lo > 1) {
        size_t middle = lo + (hi - lo) / 2;
        if (s->parts[middle].rank <= rank)
            lo = middle;
        else
            hi = middle;
    }
    return lo;
}

void trie_cursor_find(struct trie_cursor *c)
{
    const struct trie_sorted *s = c->sorted;
    const struct trie_part *part = &s->parts[c->part];
    uint64_t within = c->rank - part->rank;
    uint64_t block = part->block + within / TRIE_BLOCK;
    uint64_t left = TRIE_BLOCK - within % TRIE_BLOCK;
    c->record =
        s->blocks + (s->order != NULL ? s->order[block] : block) * TRIE_BLOCK + within % TRIE_BLOCK;
    c->piece_end = c->rank + left < part[1].rank ? c->rank + left : part[1].rank;
}

struct trie_cursor trie_cursor_at(const struct trie_sorted *s, uint64_t rank)
{
    struct trie_cursor c = {.sorted = s, .part = trie_sorted_part(s, rank), .rank = rank};
    trie_cursor_find(&c);
    return c;
}

struct uuid trie_sorted_key(const struct trie_sorted *s, uint64_t rank)
{
    return trie_cursor_at(s, rank).record->id;
}

uint64_t trie_sorted_after(const struct trie_sorted *s, struct uuid id)
{
    uint64_t lo = 0;
    uint64_t hi = s->count;
    while (lo < hi) {
        uint64_t middle = lo + (hi - lo) / 2;
        if (uuid_less(id, trie_sorted_key(s, middle)))
            hi = middle;
        else
            lo = middle + 1;
    }
    return lo;
}
