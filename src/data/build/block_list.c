// Closes, joins, shortens and splits lists of blocks. Each function moves records within the blocks
// that the lists already have, so it needs little more memory.
#include "data/build/block_list.h"

#include <assert.h>

#include "data/trie_image.h"

_Static_assert(BLOCK_LIST_FAN == 1 << 6, "a split looks at 6 bits");

enum { FAN_BITS = 6 };

void block_list_close(struct block_pool *p, const struct block_list *l)
{
    if (l->count > 0)
        p->fill[l->last] = (uint8_t)((l->count - 1) % TRIE_BLOCK + 1);
}

void block_list_append(struct block_pool *p, struct block_list *l, const struct block_list *other)
{
    if (other->count == 0)
        return;
    if (l->count == 0) {
        *l = *other;
        return;
    }
    p->next[l->last] = other->first;
    l->last = other->last;
    l->count += other->count;
}

void block_list_drop_above(struct block_pool *p, struct block_list *l, struct uuid high)
{
    struct block_list kept = {.first = l->first, .last = l->first};
    uint32_t end = l->last;
    bool more = l->count > 0;
    for (uint32_t block = l->first; more;) {
        const struct trie_record *record = block_pool_at(p, block);
        const struct trie_record *end_record = record + p->fill[block];
        uint32_t next = p->next[block];
        more = block != end;
        for (; record < end_record; record++) {
            if (uuid_less(high, record->id))
                continue;
            if (kept.count > 0 && kept.count % TRIE_BLOCK == 0) {
                p->fill[kept.last] = TRIE_BLOCK;
                // Kept records fill each block completely, while the blocks that are read may be
                // partly filled. So the next block to write is the block being read or an earlier
                // one, and no record is overwritten before it is read.
                kept.last = p->next[kept.last];
            }
            block_pool_at(p, kept.last)[kept.count++ % TRIE_BLOCK] = *record;
        }
        block = next;
    }
    uint32_t block = kept.count > 0 ? kept.last : l->first;
    more = l->count > 0 && (kept.count == 0 || block != end);
    if (kept.count > 0)
        block = p->next[block];
    while (more) {
        more = block != end;
        uint32_t next = p->next[block];
        block_pool_give(p, block);
        block = next;
    }
    block_list_close(p, &kept);
    *l = kept;
}

// The number of leading bits that all keys of the list share; 128 when all keys are the same.
static unsigned list_shared_bits(const struct block_pool *p, const struct block_list *l)
{
    struct uuid first = block_pool_at(p, l->first)->id;
    struct uuid differing = {0, 0};
    for (uint32_t block = l->first;; block = p->next[block]) {
        const struct trie_record *records = block_pool_at(p, block);
        for (unsigned i = 0; i < p->fill[block]; i++) {
            differing.hi |= records[i].id.hi ^ first.hi;
            differing.lo |= records[i].id.lo ^ first.lo;
        }
        if (block == l->last)
            break;
    }
    if (differing.hi != 0)
        return (unsigned)__builtin_clzll(differing.hi);
    return differing.lo != 0 ? 64 + (unsigned)__builtin_clzll(differing.lo) : 128;
}

bool block_list_split(struct block_pool *p, const struct block_list *l, struct block_list *to,
                      uint32_t *spare)
{
    struct trie_record records[TRIE_BLOCK];
    unsigned shared = list_shared_bits(p, l);
    bool more = true;
    if (shared == 128)
        return false;
    for (uint32_t block = l->first; more;) {
        // The records are copied first, because the emptied block is the next one to be filled.
        unsigned count = p->fill[block];
        uint32_t next = p->next[block];
        memcpy(records, block_pool_at(p, block), count * sizeof *records);
        more = block != l->last;
        p->next[block] = *spare;
        *spare = block;
        for (unsigned i = 0; i < count; i++) {
            struct block_list *target = &to[uuid_bits(records[i].id, shared, FAN_BITS)];
            if (target->count % TRIE_BLOCK == 0) {
                uint32_t taken = *spare;
                if (taken != BLOCK_NONE)
                    *spare = p->next[taken];
                else
                    taken = block_pool_take(p);
                assert(taken != BLOCK_NONE);
                if (target->count == 0) {
                    target->first = taken;
                } else {
                    p->next[target->last] = taken;
                    p->fill[target->last] = TRIE_BLOCK;
                }
                target->last = taken;
            }
            block_pool_at(p, target->last)[target->count++ % TRIE_BLOCK] = records[i];
        }
        block = next;
    }
    for (unsigned i = 0; i < BLOCK_LIST_FAN; i++)
        block_list_close(p, &to[i]);
    return true;
}
