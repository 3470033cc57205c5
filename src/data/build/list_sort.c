// Sorting one chain: its records are scattered from their blocks into a buffer, each to within a
// few places of where it belongs, moved there by insertion, and written back. Everything this
// touches stays in a core's cache. A chain that is in order already is not touched.
#include <assert.h>

#include "data/build/block_list.h"
#include "data/lines.h"
#include "data/trie_image.h"

enum {
    PLACE_BITS_MAX = 13,
    CROWDED = 48, // records at one place, beyond which they are better sorted by more bits
};

_Static_assert(TRIE_PART <= UINT16_MAX, "places within a part are 16 bits");

size_t chain_blocks(const struct pool *p, const struct chain *c)
{
    size_t blocks = 1;
    for (uint32_t block = c->first; block != c->last; block = p->next[block])
        blocks++;
    return blocks;
}

// Keeps the last line of a part of one key alone.
static uint64_t keep_last(struct pool *p, struct chain *c, struct span text, uint32_t *order)
{
    struct trie_record *last = pool_block(p, c->first);
    uint64_t bytes = 0;
    uint32_t block = c->first;
    for (bool more = true; more; block = p->next[block]) {
        const struct trie_record *records = pool_block(p, block);
        for (unsigned i = 0; i < p->fill[block]; i++) {
            bytes += line_value(text, records[i].offset).len;
            if (records[i].offset > last->offset)
                *last = records[i];
        }
        more = block != c->last;
    }
    order[0] = c->first;
    c->count = 1;
    return bytes - line_value(text, last->offset).len;
}

// What a look over a part's blocks finds.
struct part_look {
    size_t blocks;
    struct uuid differing; // bits in which keys differ from the first
    bool ordered;          // keys rise
    bool packed;           // every block but the last is full
};

static struct part_look look_over(const struct pool *p, const struct chain *c, uint32_t *order)
{
    struct part_look look = {.ordered = true, .packed = true};
    struct uuid first = pool_block(p, c->first)->id;
    struct uuid before = first;
    uint32_t block = c->first;
    for (bool more = true; more; block = p->next[block]) {
        const struct trie_record *records = pool_block(p, block);
        unsigned fill = p->fill[block];
        for (unsigned i = 0; i < fill; i++) {
            struct uuid id = records[i].id;
            look.differing.hi |= id.hi ^ first.hi;
            look.differing.lo |= id.lo ^ first.lo;
            look.ordered &= uuid_less(before, id) | (look.blocks + i == 0);
            before = id;
        }
        order[look.blocks++] = block;
        more = block != c->last;
        look.packed &= !more || fill == TRIE_BLOCK;
    }
    return look;
}

// Copies a part into the buffer so that every record is near its place: by as many bits behind
// those that all keys share as there are records. False when some place is crowded.
static bool scatter(const struct pool *p, const struct chain *c, const uint32_t *order,
                    const struct part_look *look, struct trie_record *buffer)
{
    uint16_t ends[(1 << PLACE_BITS_MAX) + 1] = {0};
    unsigned skip = look->differing.hi != 0 ? (unsigned)__builtin_clzll(look->differing.hi)
                                            : 64 + (unsigned)__builtin_clzll(look->differing.lo);
    unsigned bits = 1;
    while (bits < PLACE_BITS_MAX && c->count >> bits > 2)
        bits++;
    for (size_t b = 0; b < look->blocks; b++) {
        const struct trie_record *records = pool_block(p, order[b]);
        for (unsigned i = 0; i < p->fill[order[b]]; i++)
            ends[uuid_bits(records[i].id, skip, bits) + 1]++;
    }
    unsigned most = 0;
    for (unsigned i = 1; i <= 1u << bits; i++) {
        most = ends[i] > most ? ends[i] : most;
        ends[i] = (uint16_t)(ends[i] + ends[i - 1]);
    }
    for (size_t b = 0; b < look->blocks; b++) {
        const struct trie_record *records = pool_block(p, order[b]);
        for (unsigned i = 0; i < p->fill[order[b]]; i++)
            buffer[ends[uuid_bits(records[i].id, skip, bits)]++] = records[i];
    }
    return most <= CROWDED;
}

// Sorts a part in a buffer that stays in cache, and writes it back into its blocks.
static uint64_t sort_in_buffer(struct pool *p, struct chain *c, struct span text, uint32_t *order,
                               struct trie_record *buffer)
{
    struct part_look look = look_over(p, c, order);
    size_t count = 0;
    size_t kept;
    uint64_t dropped_bytes = 0;
    if (look.ordered && look.packed)
        return 0;
    if (look.ordered || (look.differing.hi | look.differing.lo) == 0) {
        for (size_t b = 0; b < look.blocks; b++) {
            unsigned fill = p->fill[order[b]];
            memcpy(buffer + count, pool_block(p, order[b]), fill * sizeof *buffer);
            count += fill;
        }
        assert(count == c->count);
        kept = trie_sort(buffer, count);
    } else {
        count = c->count;
        kept = scatter(p, c, order, &look, buffer) ? trie_sort_nearly(buffer, count)
                                                   : trie_sort(buffer, count);
    }
    for (size_t i = 0; i < kept; i += TRIE_BLOCK) {
        size_t fill = kept - i < TRIE_BLOCK ? kept - i : TRIE_BLOCK;
        memcpy(pool_block(p, order[i / TRIE_BLOCK]), buffer + i, fill * sizeof *buffer);
    }
    for (size_t i = kept; i < count; i++)
        dropped_bytes += line_value(text, buffer[i].offset).len;
    c->count = kept;
    return dropped_bytes;
}

uint64_t chain_sort(struct pool *p, struct chain *c, size_t most, struct span text, uint32_t *order,
                    struct trie_record *buffer)
{
    return c->count > most ? keep_last(p, c, text, order)
                           : sort_in_buffer(p, c, text, order, buffer);
}
