// The free blocks are on a stack. Taking or returning a block changes the height of the stack,
// `left`, with an atomic operation. The entry of the stack is read or written separately. So no
// thread may take a block while another returns one.
#include "data/build/block_pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/memory.h"

_Static_assert(TRIE_BLOCK <= UINT8_MAX, "the number of records in a block fits in a byte");

enum { HUGE_FROM = 1 << 24 }; // bytes of records; from this size on they are put in huge pages

static size_t records_bytes(size_t blocks)
{
    return blocks * TRIE_BLOCK * sizeof(struct trie_record);
}

bool block_pool_init(struct block_pool *p, size_t blocks)
{
    *p = (struct block_pool){.most = blocks};
    p->records = memory_map(records_bytes(blocks), HUGE_FROM);
    p->next = memory_map(blocks * sizeof *p->next, SIZE_MAX);
    p->free = memory_map(blocks * sizeof *p->free, SIZE_MAX);
    p->fill = memory_map(blocks * sizeof *p->fill, SIZE_MAX);
    if (p->records == NULL || p->next == NULL || p->free == NULL || p->fill == NULL) {
        block_pool_release(p);
        return false;
    }
    block_pool_reset(p, blocks);
    return true;
}

void block_pool_reset(struct block_pool *p, size_t blocks)
{
    size_t page = 1 << 12;
    size_t used = (records_bytes(blocks) + page - 1) / page * page;
    p->blocks = blocks < p->most ? blocks : p->most;
    if (used < records_bytes(p->most))
        (void)madvise((char *)p->records + used, records_bytes(p->most) - used, MADV_DONTNEED);
    // The first block is on top of the stack, so that memory is used from its beginning.
    for (size_t i = 0; i < p->blocks; i++)
        p->free[i] = (uint32_t)(p->blocks - 1 - i);
    atomic_store(&p->left, (long long)p->blocks);
}

void block_pool_release(struct block_pool *p)
{
    memory_unmap(p->records, records_bytes(p->most));
    memory_unmap(p->next, p->most * sizeof *p->next);
    memory_unmap(p->free, p->most * sizeof *p->free);
    memory_unmap(p->fill, p->most * sizeof *p->fill);
    *p = (struct block_pool){0};
}

uint32_t block_pool_take(struct block_pool *p)
{
    long long at = atomic_fetch_sub_explicit(&p->left, 1, memory_order_relaxed) - 1;
    if (at >= 0)
        return p->free[at];
    atomic_fetch_add_explicit(&p->left, 1, memory_order_relaxed);
    return BLOCK_NONE;
}

void block_pool_give(struct block_pool *p, uint32_t block)
{
    p->free[atomic_fetch_add_explicit(&p->left, 1, memory_order_relaxed)] = block;
}
