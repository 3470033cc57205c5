// Tests of base/mapping.h: pages that a system call could not read. Other tests of it:
// unit/base/warm, faults/f01_truncated, faults/f05_io_error.
#include "base/mapping.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/server.h"
#include "support/tap.h"

enum { PAGES = 10 };

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

// A page that can be read alone, and one after the end of the file.
static void check_alone(const char *content, size_t page)
{
    struct mapping m = {.len = PAGES * page};
    const char *path = test_file("pages", span_of(content, PAGES * page));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    m.begin = mmap(NULL, m.len, PROT_READ, MAP_SHARED, fd, 0);
    require(m.begin != MAP_FAILED && mapping_guard(&m, fd), "no mapping");
    char bytes[8] = "-------";
    struct bytes to = {bytes, 5};
    is_number((int64_t)mapping_read_alone(&m, 5 * page + 7, to), 5, "a sound page is read alone");
    ok(memcmp(bytes, content + 5 * page + 7, 5) == 0 && bytes[5] == '-', "just these bytes");
    is_number((int64_t)mapping_read_alone(&m, 6 * page - 3, to), 3, "but no bytes after it");
    require(truncate(path, (off_t)(4 * page + 2)) == 0, "not cut");
    is_number((int64_t)mapping_read_alone(&m, 4 * page, to), 2, "nor bytes after the file's end");
    is_number((int64_t)mapping_read_alone(&m, 4 * page + 2, to), 0, "at the end there is nothing");
    is_number((int64_t)mapping_read_alone(&m, 5 * page, to), 0, "nor in a page that was cut off");
    mapping_release(&m);
    munmap((void *)(uintptr_t)m.begin, m.len);
    close(fd);
}

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *content = calloc(PAGES, page);
    require(content != NULL, "no memory");
    for (size_t i = 0; i < PAGES * page; i++)
        content[i] = (char)('a' + i % 23);
    mapping_catch_faults();
    check_unread(content, page);
    check_alone(content, page);
    free(content);
    return done_testing();
}
