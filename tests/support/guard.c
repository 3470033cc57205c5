// Protects the guard page with mprotect.
#include "support/guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include "support/tap.h"

struct bytes guard_copy(struct guard *g, struct span content)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (content.len + page - 1) / page * page;
    g->mapped = room + page;
    g->pages = mmap(NULL, g->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(g->pages != MAP_FAILED, "no memory for a guard page");
    require(mprotect(g->pages + room, page, PROT_NONE) == 0, "cannot protect a guard page");
    char *start = g->pages + room - content.len;
    if (content.len > 0)
        memcpy(start, content.ptr, content.len);
    return (struct bytes){start, content.len};
}

void guard_release(struct guard *g)
{
    if (g->pages != NULL)
        munmap(g->pages, g->mapped);
    *g = (struct guard){0};
}
