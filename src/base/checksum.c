// Checksums. The code of XXH3 is compiled into this file, so that the programs need no library for
// it. All processors work on the blocks. A thread takes a part at a time: about 1 MiB of whole
// blocks.
#include "base/checksum.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/parallel.h"

uint64_t checksum(struct span bytes)
{
    return XXH3_64bits(bytes.ptr, bytes.len);
}

// Maximum bytes of a part, unless a single block is longer. A part has at least one block.
enum { PART = 1024 * 1024 };

struct checksum_job {
    struct span bytes;
    size_t block;       // bytes of a block
    size_t blocks_each; // number of blocks in a part
    uint64_t *sums;
    const atomic_bool *cancel;
};

// Tells the kernel that the whole part is needed. The bytes mostly belong to a mapped file, and the
// disk then reads them in one piece instead of page by page.
static void read_ahead(struct span part)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    uintptr_t from = (uintptr_t)part.ptr & ~page;
    (void)madvise((void *)from, (uintptr_t)part.ptr + part.len - from, MADV_WILLNEED);
}

static void sum_part(void *context, unsigned worker, size_t part)
{
    (void)worker;
    const struct checksum_job *job = context;
    if (job->cancel != NULL && atomic_load_explicit(job->cancel, memory_order_relaxed))
        return;
    size_t count = checksum_block_count(job->bytes.len, job->block);
    size_t first = part * job->blocks_each;
    size_t end = count - first < job->blocks_each ? count : first + job->blocks_each;
    read_ahead(checksum_block(job->bytes, job->block * job->blocks_each, part));
    for (size_t i = first; i < end; i++)
        job->sums[i] = checksum(checksum_block(job->bytes, job->block, i));
}

bool checksum_blocks(struct span bytes, size_t block, uint64_t *sums, const atomic_bool *cancel)
{
    size_t each = block < PART ? PART / block : 1;
    struct checksum_job job = {bytes, block, each, sums, cancel};
    parallel_run(parallel_threads(), checksum_block_count(bytes.len, block * each), sum_part, &job);
    return cancel == NULL || !atomic_load(cancel);
}

// XXH3_state_t needs an alignment of 64 bytes, which XXH3_createState provides.
struct checksum_stream {
    XXH3_state_t *state;
};

struct checksum_stream *checksum_stream_new(void)
{
    struct checksum_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->state = XXH3_createState();
    if (s->state == NULL || XXH3_128bits_reset(s->state) != XXH_OK) {
        checksum_stream_free(s);
        return NULL;
    }
    return s;
}

void checksum_stream_add(struct checksum_stream *s, struct span bytes)
{
    if (bytes.len > 0)
        (void)XXH3_128bits_update(s->state, bytes.ptr, bytes.len);
}

void checksum_stream_text(const struct checksum_stream *s, char *to)
{
    XXH128_hash_t hash = XXH3_128bits_digest(s->state);
    snprintf(to, CHECKSUM_TEXT_LEN + 1, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void checksum_stream_free(struct checksum_stream *s)
{
    if (s == NULL)
        return;
    (void)XXH3_freeState(s->state);
    free(s);
}
