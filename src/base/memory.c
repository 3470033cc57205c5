// Nothing is reserved for what may never be touched: sizes asked for are often upper bounds.
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// Unmapped at once: some 0.1 ms, in which other threads' mapping and first touches of pages wait.
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

void memory_unmap(void *memory, size_t bytes)
{
    char *next = memory;
    while (memory != NULL && bytes > 0) {
        size_t some = bytes < UNMAP_BYTES ? bytes : UNMAP_BYTES;
        munmap(next, some);
        next += some;
        bytes -= some;
    }
}

void memory_give_back(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void *memory_lines(size_t bytes)
{
    size_t whole = (bytes + MEMORY_LINE - 1) / MEMORY_LINE * MEMORY_LINE;
    void *memory = aligned_alloc(MEMORY_LINE, whole);
    if (memory != NULL)
        memset(memory, 0, whole);
    return memory;
}
