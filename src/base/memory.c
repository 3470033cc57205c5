// Allocates memory. MAP_NORESERVE lets callers map more than they will use, because the sizes are
// often upper bounds.
#include "base/memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
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

// ---- locking ------------------------------------------------------------------------------------

// The sanitizers replace mlock and munlock by functions that do nothing. So mlock2 is called
// instead of mlock, and the system call instead of munlock.

// Bytes locked in one call. At its beginning the kernel looks at each page that is in RAM already.
// That takes some 0.2 ms, and in that time other threads cannot touch a new page.
enum { LOCK_BYTES = 8 * 1024 * 1024 };

bool memory_may_lock(size_t bytes)
{
    // The system checks the limit before it looks at the memory, so memory that nobody may touch
    // shows what it allows. MLOCK_ONFAULT: the system adds no page.
    void *trial = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (trial == MAP_FAILED)
        return false;
    bool allowed = mlock2(trial, bytes, MLOCK_ONFAULT) == 0;
    int reason = errno;
    munmap(trial, bytes);
    errno = reason;
    return allowed;
}

struct lock_job {
    const char *memory;
    size_t bytes;
    const atomic_bool *cancel;
    size_t locked; // bytes locked until now
    int failed;    // an error number; 0: none until now
};

static size_t lock_part_bytes(const struct lock_job *l, size_t at)
{
    return l->bytes - at < LOCK_BYTES ? l->bytes - at : LOCK_BYTES;
}

static void lock_part(void *context, unsigned worker, size_t part)
{
    struct lock_job *l = context;
    size_t at = part * LOCK_BYTES;
    (void)worker;
    if (l->failed == 0 && l->cancel != NULL && atomic_load(l->cancel))
        l->failed = ECANCELED;
    if (l->failed != 0)
        return;
    size_t next = at + lock_part_bytes(l, at);
    if (next < l->bytes) // the disk reads the next part while the kernel locks this one
        (void)madvise((void *)(uintptr_t)(l->memory + next), lock_part_bytes(l, next),
                      MADV_WILLNEED);
    if (mlock2(l->memory + at, next - at, 0) == 0)
        l->locked = next;
    else
        l->failed = errno;
}

static void unlock_part(void *context, unsigned worker, size_t part)
{
    const struct lock_job *l = context;
    size_t at = part * LOCK_BYTES;
    (void)worker;
    (void)syscall(SYS_munlock, l->memory + at, lock_part_bytes(l, at));
}

static size_t lock_parts(size_t bytes)
{
    return (bytes + LOCK_BYTES - 1) / LOCK_BYTES;
}

int memory_lock(const void *memory, size_t bytes, const atomic_bool *cancel)
{
    struct lock_job l = {.memory = memory, .bytes = bytes, .cancel = cancel};
    parallel_run(1, lock_parts(bytes), lock_part, &l);
    if (l.failed != 0) // of a part that failed, a beginning may be locked
        memory_unlock(memory, l.locked + lock_part_bytes(&l, l.locked));
    return l.failed;
}

void memory_unlock(const void *memory, size_t bytes)
{
    struct lock_job l = {.memory = memory, .bytes = bytes};
    parallel_run(1, lock_parts(bytes), unlock_part, &l);
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
