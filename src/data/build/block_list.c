// Chains of blocks: appending is a store and, every TRIE_BLOCK records, a block from the pool.
#include "data/build/block_list.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "data/trie_image.h"

_Static_assert(TRIE_BLOCK <= UINT8_MAX, "a block's fill is a byte");
_Static_assert(CHAIN_FAN == 1 << 6, "a split looks at 6 bits");

enum { FAN_BITS = 6, HUGE_FROM = 1 << 24 };

static size_t records_bytes(size_t blocks)
{
    return blocks * TRIE_BLOCK * sizeof(struct trie_record);
}

bool pool_init(struct pool *p, size_t blocks)
{
    *p = (struct pool){.most = blocks};
    p->records = memory_map(records_bytes(blocks), HUGE_FROM);
    p->next = memory_map(blocks * sizeof *p->next, SIZE_MAX);
    p->free = memory_map(blocks * sizeof *p->free, SIZE_MAX);
    p->fill = memory_map(blocks * sizeof *p->fill, SIZE_MAX);
    if (p->records == NULL || p->next == NULL || p->free == NULL || p->fill == NULL) {
        pool_release(p);
        return false;
    }
    pool_reset(p, blocks);
    return true;
}

void pool_reset(struct pool *p, size_t blocks)
{
    size_t page = 1 << 12;
    size_t used = (records_bytes(blocks) + page - 1) / page * page;
    p->blocks = blocks < p->most ? blocks : p->most;
    if (used < records_bytes(p->most))
        (void)madvise((char *)p->records + used, records_bytes(p->most) - used, MADV_DONTNEED);
    // The first block on top: memory is then touched from the front on.
    for (size_t i = 0; i < p->blocks; i++)
        p->free[i] = (uint32_t)(p->blocks - 1 - i);
    atomic_store(&p->left, (long long)p->blocks);
}

void pool_release(struct pool *p)
{
    memory_unmap(p->records, records_bytes(p->most));
    memory_unmap(p->next, p->most * sizeof *p->next);
    memory_unmap(p->free, p->most * sizeof *p->free);
    memory_unmap(p->fill, p->most * sizeof *p->fill);
    *p = (struct pool){0};
}

uint32_t pool_take(struct pool *p)
{
    long long at = atomic_fetch_sub_explicit(&p->left, 1, memory_order_relaxed) - 1;
    if (at >= 0)
        return p->free[at];
    atomic_fetch_add_explicit(&p->left, 1, memory_order_relaxed);
    return POOL_NONE;
}

void pool_give(struct pool *p, uint32_t block)
{
    p->free[atomic_fetch_add_explicit(&p->left, 1, memory_order_relaxed)] = block;
}

void chain_close(struct pool *p, const struct chain *c)
{
    if (c->count > 0)
        p->fill[c->last] = (uint8_t)((c->count - 1) % TRIE_BLOCK + 1);
}

void chain_append(struct pool *p, struct chain *c, const struct chain *behind)
{
    if (behind->count == 0)
        return;
    if (c->count == 0) {
        *c = *behind;
        return;
    }
    p->next[c->last] = behind->first;
    c->last = behind->last;
    c->count += behind->count;
}

void chain_keep(struct pool *p, struct chain *c, struct uuid high)
{
    struct chain kept = {.first = c->first, .last = c->first};
    uint32_t end = c->last;
    bool more = c->count > 0;
    for (uint32_t block = c->first; more;) {
        const struct trie_record *record = pool_block(p, block);
        const struct trie_record *behind = record + p->fill[block];
        uint32_t next = p->next[block];
        more = block != end;
        for (; record < behind; record++) {
            if (uuid_less(high, record->id))
                continue;
            if (kept.count > 0 && kept.count % TRIE_BLOCK == 0) {
                p->fill[kept.last] = TRIE_BLOCK;
                kept.last = p->next[kept.last]; // at most the block being read
            }
            pool_block(p, kept.last)[kept.count++ % TRIE_BLOCK] = *record;
        }
        block = next;
    }
    uint32_t block = kept.count > 0 ? kept.last : c->first;
    more = c->count > 0 && (kept.count == 0 || block != end);
    if (kept.count > 0)
        block = p->next[block];
    while (more) {
        more = block != end;
        uint32_t next = p->next[block];
        pool_give(p, block);
        block = next;
    }
    chain_close(p, &kept);
    *c = kept;
}

// How many leading bits all keys of the chain share; 128: all are the same.
static unsigned chain_shared_bits(const struct pool *p, const struct chain *c)
{
    struct uuid first = pool_block(p, c->first)->id;
    struct uuid differing = {0, 0};
    for (uint32_t block = c->first;; block = p->next[block]) {
        const struct trie_record *records = pool_block(p, block);
        for (unsigned i = 0; i < p->fill[block]; i++) {
            differing.hi |= records[i].id.hi ^ first.hi;
            differing.lo |= records[i].id.lo ^ first.lo;
        }
        if (block == c->last)
            break;
    }
    if (differing.hi != 0)
        return (unsigned)__builtin_clzll(differing.hi);
    return differing.lo != 0 ? 64 + (unsigned)__builtin_clzll(differing.lo) : 128;
}

bool chain_split(struct pool *p, const struct chain *c, struct chain *to, uint32_t *spare)
{
    struct trie_record records[TRIE_BLOCK];
    unsigned shared = chain_shared_bits(p, c);
    bool more = true;
    if (shared == 128)
        return false;
    for (uint32_t block = c->first; more;) {
        // Copied, because the block itself is the first to be filled again.
        unsigned count = p->fill[block];
        uint32_t next = p->next[block];
        memcpy(records, pool_block(p, block), count * sizeof *records);
        more = block != c->last;
        p->next[block] = *spare;
        *spare = block;
        for (unsigned i = 0; i < count; i++) {
            struct chain *home = &to[uuid_bits(records[i].id, shared, FAN_BITS)];
            if (home->count % TRIE_BLOCK == 0) {
                uint32_t taken = *spare;
                if (taken != POOL_NONE)
                    *spare = p->next[taken];
                else
                    taken = pool_take(p);
                assert(taken != POOL_NONE);
                if (home->count == 0) {
                    home->first = taken;
                } else {
                    p->next[home->last] = taken;
                    p->fill[home->last] = TRIE_BLOCK;
                }
                home->last = taken;
            }
            pool_block(p, home->last)[home->count++ % TRIE_BLOCK] = records[i];
        }
        block = next;
    }
    for (unsigned i = 0; i < CHAIN_FAN; i++)
        chain_close(p, &to[i]);
    return true;
}
