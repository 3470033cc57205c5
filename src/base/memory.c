// Allocates memory. MAP_NORESERVE lets callers map more than they will use, because the sizes are
// often upper bounds.
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/parallel.h"

// Bytes unmapped in one call. A call takes some 0.1 ms, and in that time no other thread can map
// memory or touch a new page.
enum { UNMAP_BYTES = 4 * 1024 * 1024 };

void *memory_map(size_t bytes, size_t huge_from)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (bytes >= huge_from)
        (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

struct unmap_job {
    char *memory;
    size_t bytes;
};

static void unmap_part(void *context, unsigned worker, size_t part)
{
    const struct unmap_job *u = context;
    size_t at = part * UNMAP_BYTES;
    size_t left = u->bytes - at;
    (void)worker;
    munmap(u->memory + at, left < UNMAP_BYTES ? left : UNMAP_BYTES);
}

void memory_unmap(void *memory, size_t bytes)
{
    struct unmap_job u = {memory, bytes};
    if (memory == NULL || bytes == 0)
        return;
    if (bytes <= UNMAP_BYTES)
        munmap(memory, bytes);
    else // between yield_begin and yield_end, a helper of low priority does the parts
        parallel_run(1, (bytes - 1) / UNMAP_BYTES + 1, unmap_part, &u);
}

void memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void *memory_aligned(size_t bytes)
{
    size_t whole = (bytes + MEMORY_LINE - 1) / MEMORY_LINE * MEMORY_LINE;
    void *memory = aligned_alloc(MEMORY_LINE, whole);
    if (memory != NULL)
        memset(memory, 0, whole);
    return memory;
}
