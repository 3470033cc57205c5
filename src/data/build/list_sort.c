// Sorts one list. The records are copied from their blocks into a buffer, each one near its final
// position. Insertion sort then finishes the work, and the records are copied back. All of this
// memory fits into the cache of one core.
//
// A list is not written to if its keys are already in order and distinct, and all of its blocks
// except the last are full.
#include <assert.h>

#include "data/build/block_list.h"
#include "data/build/sort.h"
#include "data/lines.h"
#include "data/trie_image.h"

enum {
    BUCKET_BITS_MAX = 13,
    CROWDED = 48, // records; if one bucket has more, trie_sort is faster than insertion sort
};

_Static_assert(TRIE_PART <= UINT16_MAX, "a position within the buffer fits in 16 bits");

size_t block_list_blocks(const struct block_pool *p, const struct block_list *l)
{
    size_t blocks = 1;
    for (uint32_t block = l->first; block != l->last; block = p->next[block])
        blocks++;
    return blocks;
}

// All records of the list have the same key. Keeps the one with the last line, and returns the
// bytes in the values of the others.
static uint64_t keep_last(struct block_pool *p, struct block_list *l, struct span text,
                          uint32_t *order)
{
    struct trie_record *last = block_pool_at(p, l->first);
    uint64_t bytes = 0;
    uint32_t block = l->first;
    for (bool more = true; more; block = p->next[block]) {
        const struct trie_record *records = block_pool_at(p, block);
        for (unsigned i = 0; i < p->fill[block]; i++) {
            bytes += line_value(text, records[i].offset).len;
            if (records[i].offset > last->offset)
                *last = records[i];
        }
        more = block != l->last;
    }
    order[0] = l->first;
    l->count = 1;
    return bytes - line_value(text, last->offset).len;
}

// The result of one scan of a list's blocks.
struct list_scan {
    size_t blocks;         // number of blocks
    struct uuid differing; // bits in which any key differs from the first one
    bool ordered;          // each key is greater than the one before
    bool packed;           // every block except the last is full
};

static struct list_scan scan_list(const struct block_pool *p, const struct block_list *l,
                                  uint32_t *order)
{
    struct list_scan scan = {.ordered = true, .packed = true};
    struct uuid first = block_pool_at(p, l->first)->id;
    struct uuid before = first;
    uint32_t block = l->first;
    for (bool more = true; more; block = p->next[block]) {
        const struct trie_record *records = block_pool_at(p, block);
        unsigned fill = p->fill[block];
        for (unsigned i = 0; i < fill; i++) {
            struct uuid id = records[i].id;
            scan.differing.hi |= id.hi ^ first.hi;
            scan.differing.lo |= id.lo ^ first.lo;
            scan.ordered &= uuid_less(before, id) | (scan.blocks + i == 0);
            before = id;
        }
        order[scan.blocks++] = block;
        more = block != l->last;
        scan.packed &= !more || fill == TRIE_BLOCK;
    }
    return scan;
}

// Copies a list into the buffer so that every record is near its final position. The bits that
// follow the shared bits choose a bucket for each record. On average a bucket gets about two
// records. Returns false when a bucket gets too many records.
static bool scatter(const struct block_pool *p, const struct block_list *l, const uint32_t *order,
                    const struct list_scan *scan, struct trie_record *buffer)
{
    uint16_t ends[(1 << BUCKET_BITS_MAX) + 1] = {0};
    unsigned skip = scan->differing.hi != 0 ? (unsigned)__builtin_clzll(scan->differing.hi)
                                            : 64 + (unsigned)__builtin_clzll(scan->differing.lo);
    unsigned bits = 1;
    while (bits < BUCKET_BITS_MAX && l->count >> bits > 2)
        bits++;
    for (size_t b = 0; b < scan->blocks; b++) {
        const struct trie_record *records = block_pool_at(p, order[b]);
        for (unsigned i = 0; i < p->fill[order[b]]; i++)
            ends[uuid_bits(records[i].id, skip, bits) + 1]++;
    }
    unsigned most = 0;
    for (unsigned i = 1; i <= 1u << bits; i++) {
        most = ends[i] > most ? ends[i] : most;
        ends[i] = (uint16_t)(ends[i] + ends[i - 1]);
    }
    for (size_t b = 0; b < scan->blocks; b++) {
        const struct trie_record *records = block_pool_at(p, order[b]);
        for (unsigned i = 0; i < p->fill[order[b]]; i++)
            buffer[ends[uuid_bits(records[i].id, skip, bits)]++] = records[i];
    }
    return most <= CROWDED;
}

// Sorts a list in the buffer and copies it back into its blocks. Returns the bytes in the values of
// the dropped records.
static uint64_t sort_in_buffer(struct block_pool *p, struct block_list *l, struct span text,
                               uint32_t *order, struct trie_record *buffer)
{
    struct list_scan scan = scan_list(p, l, order);
    size_t count = 0;
    size_t kept;
    uint64_t dropped_bytes = 0;
    if (scan.ordered && scan.packed)
        return 0;
    if (scan.ordered || (scan.differing.hi | scan.differing.lo) == 0) {
        for (size_t b = 0; b < scan.blocks; b++) {
            unsigned fill = p->fill[order[b]];
            memcpy(buffer + count, block_pool_at(p, order[b]), fill * sizeof *buffer);
            count += fill;
        }
        assert(count == l->count);
        kept = trie_sort(buffer, count);
    } else {
        count = l->count;
        kept = scatter(p, l, order, &scan, buffer) ? trie_sort_nearly(buffer, count)
                                                   : trie_sort(buffer, count);
    }
    for (size_t i = 0; i < kept; i += TRIE_BLOCK) {
        size_t fill = kept - i < TRIE_BLOCK ? kept - i : TRIE_BLOCK;
        memcpy(block_pool_at(p, order[i / TRIE_BLOCK]), buffer + i, fill * sizeof *buffer);
    }
    for (size_t i = kept; i < count; i++)
        dropped_bytes += line_value(text, buffer[i].offset).len;
    l->count = kept;
    return dropped_bytes;
}

uint64_t block_list_sort(struct block_pool *p, struct block_list *l, size_t most, struct span text,
                         uint32_t *order, struct trie_record *buffer)
{
    return l->count > most ? keep_last(p, l, text, order)
                           : sort_in_buffer(p, l, text, order, buffer);
}
