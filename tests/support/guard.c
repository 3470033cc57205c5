// Protects the guard page with mprotect.
#include "support/guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include "support/tap.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

// Tests of sessions make many copies. Mapping, protecting and unmapping pages for each copy would
// take most of their time. So released pages are kept and used again. Until then the address
// sanitizer forbids access to all their bytes, and afterwards to the bytes before the copy.
//
// Pages are used again in the order in which they were released. So a wrong use of an earlier copy
// is still noticed after the next few copies were made.
enum { SPARE_MAX = 8, SPARE_BYTES_MAX = 8 * 1024 * 1024 };

static struct guard spare[SPARE_MAX]; // released pages, in the order of their release
static unsigned spare_count;

static void forbid(struct guard *g)
{
    ASAN_POISON_MEMORY_REGION(g->pages, g->mapped);
}

static void allow(char *start, size_t len)
{
    ASAN_UNPOISON_MEMORY_REGION(start, len);
}

static struct guard take_spare(unsigned at)
{
    struct guard g = spare[at];
    memmove(spare + at, spare + at + 1, (--spare_count - at) * sizeof *spare);
    return g;
}

// Takes released pages of at least this size. Returns false if there are none.
static bool reuse(struct guard *g, size_t size)
{
    // Keeps half of the released pages unused, so that a new copy is not where a recent one was.
    for (unsigned i = 0; i + SPARE_MAX / 2 < spare_count; i++) {
        if (spare[i].mapped >= size) {
            *g = take_spare(i);
            return true;
        }
    }
    return false;
}

static void unmap(struct guard *g)
{
    if (g->mapped <= SPARE_BYTES_MAX) {
        forbid(g);
        spare[spare_count++] = *g;
        if (spare_count < SPARE_MAX)
            return;
        *g = take_spare(0);
    }
    allow(g->pages, g->mapped); // otherwise a later mapping at this address would be forbidden
    munmap(g->pages, g->mapped);
}
#else
static void forbid(struct guard *g)
{
    (void)g;
}

static void allow(char *start, size_t len)
{
    (void)start;
    (void)len;
}

static bool reuse(struct guard *g, size_t size)
{
    (void)g;
    (void)size;
    return false;
}

static void unmap(struct guard *g)
{
    munmap(g->pages, g->mapped);
}
#endif

struct bytes guard_copy(struct guard *g, struct span content)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (content.len + page - 1) / page * page + page;
    if (!reuse(g, size)) {
        g->mapped = size;
        g->pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        require(g->pages != MAP_FAILED, "no memory for a guard page");
        require(mprotect(g->pages + size - page, page, PROT_NONE) == 0,
                "cannot protect a guard page");
        forbid(g);
    }
    char *start = g->pages + g->mapped - page - content.len;
    allow(start, content.len);
    if (content.len > 0)
        memcpy(start, content.ptr, content.len);
    return (struct bytes){start, content.len};
}

void guard_release(struct guard *g)
{
    if (g->pages != NULL)
        unmap(g);
    *g = (struct guard){0};
}
