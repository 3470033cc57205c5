// Tests of mapping_warm: which pages are mapped afterwards.
#include "base/mapping.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/server.h"
#include "support/tap.h"

enum { PAGES = 2600 }; // two parts of warming and a shorter one, with pages of 4 KiB

static const uint64_t never = UINT64_MAX;

// Returns how many of the pages are mapped, according to the highest bits of the
// process's page map.
static int pages_mapped(const char *memory, size_t page)
{
    static uint64_t entries[PAGES];
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    ssize_t got =
        pread(fd, entries, sizeof entries, (off_t)((uintptr_t)memory / page * sizeof entries[0]));
    int count = 0;
    require(fd >= 0 && got == (ssize_t)sizeof entries, "no page map");
    close(fd);
    for (unsigned i = 0; i < PAGES; i++)
        count += (int)(entries[i] >> 63);
    return count;
}

static void check_warming(const struct mapping *m, size_t page)
{
    atomic_bool cancel = true;
    mapping_warm(m, never, &cancel);
    is_number(pages_mapped(m->begin, page), 0, "cancelled: no page is touched");
    cancel = false;
    mapping_warm(m, 0, &cancel);
    is_number(pages_mapped(m->begin, page), 0, "too late: no page is touched");
    mapping_warm(m, never, &cancel);
    is_number(pages_mapped(m->begin, page), PAGES, "pages in memory are touched");
    is_number(mapping_faults(m), 0, "no damage is found");
}

// Pages that are not in memory are read. The system may have kept them in memory, however.
static void check_absent(const struct mapping *m, size_t page)
{
    atomic_bool cancel = false;
    madvise((void *)(uintptr_t)m->begin, m->len, MADV_DONTNEED);
    require(fsync(m->fd) == 0, "not written");
    posix_fadvise(m->fd, 0, 0, POSIX_FADV_DONTNEED);
    mapping_warm(m, never, &cancel);
    is_number(pages_mapped(m->begin, page), PAGES, "pages on the disk are read and touched");
}

// A page that a system call could not read shows what it did before.
static void check_unread(const char *content, size_t page)
{
    struct mapping memory = {0};
    struct mapping *m = &memory;
    mapping_of_memory(m, content, PAGES * page);
    mapping_lose_page(m, 3 * page + 5);
    unsigned faults = mapping_faults(m);
    ok(faults > 0 && mapping_look(m) == faults, "an unreadable page is damage");
    is_number(mapping_replacements(m), 0, "but nothing was replaced");
    ok(!mapping_has(m, 4 * page - 1, 1) && mapping_has(m, 4 * page, 1), "that page is lost");
    mapping_lose_page(m, 3 * page);
    is_number(mapping_faults(m), faults, "it is lost once");
}

static void check_cut(const struct mapping *m, const char *path)
{
    atomic_bool cancel = false;
    require(truncate(path, 0) == 0, "not cut");
    mapping_warm(m, never, &cancel);
    ok(mapping_is_damaged(m), "warming survives a file that was cut, and the damage is noted");
    ok(mapping_replacements(m) > 0, "as a replacement");
}

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct mapping m = {.len = PAGES * page};
    char *content = calloc(1, m.len);
    const char *path = test_path("pages");
    atomic_bool cancel = false;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(content != NULL && fd >= 0 && write(fd, content, m.len) == (ssize_t)m.len, "no file");
    mapping_catch_faults();
    mapping_warm(&m, never, &cancel); // the mapping is not guarded yet
    m.begin = mmap(NULL, m.len, PROT_READ, MAP_SHARED, fd, 0);
    require(m.begin != MAP_FAILED && mapping_guard(&m, fd), "no mapping");
    check_warming(&m, page);
    check_absent(&m, page);
    check_cut(&m, path);
    check_unread(content, page);
    mapping_release(&m);
    munmap((void *)(uintptr_t)m.begin, m.len);
    close(fd);
    free(content);
    return done_testing();
}
