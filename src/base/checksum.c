// XXH3 is compiled into this file, so that no library is needed to run.
#include "base/checksum.h"

#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/parallel.h"

uint64_t checksum(struct span bytes)
{
    return XXH3_64bits(bytes.ptr, bytes.len);
}

struct summing {
    struct span bytes;
    uint64_t *sums;
    const atomic_bool *cancel;
};

// The bytes are mostly a mapped file's: a block that is not in memory is read in one go.
static void read_ahead(struct span block)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    uintptr_t from = (uintptr_t)block.ptr & ~page;
    (void)madvise((void *)from, (uintptr_t)block.ptr + block.len - from, MADV_WILLNEED);
}

static void sum_block(void *context, unsigned worker, size_t part)
{
    (void)worker;
    const struct summing *s = context;
    if (s->cancel != NULL && atomic_load_explicit(s->cancel, memory_order_relaxed))
        return;
    size_t at = part * CHECKSUM_BLOCK;
    size_t left = s->bytes.len - at;
    struct span block = span_of(s->bytes.ptr + at, left < CHECKSUM_BLOCK ? left : CHECKSUM_BLOCK);
    read_ahead(block);
    s->sums[part] = checksum(block);
}

bool checksum_blocks(struct span bytes, uint64_t *sums, const atomic_bool *cancel)
{
    struct summing summing = {bytes, sums, cancel};
    parallel_run(parallel_threads(), checksum_block_count(bytes.len), sum_block, &summing);
    return cancel == NULL || !atomic_load(cancel);
}
