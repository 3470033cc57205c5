// Tests of warm_mapping: which pages are mapped afterwards. And of files in huge pages: damage is
// found as in small ones.
#include "base/warm.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mapping.h"
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
    warm_mapping(m, WARM_SMALL, never, &cancel);
    is_number(pages_mapped(m->begin, page), 0, "cancelled: no page is touched");
    cancel = false;
    warm_mapping(m, WARM_SMALL, 0, &cancel);
    is_number(pages_mapped(m->begin, page), 0, "too late: no page is touched");
    warm_mapping(m, WARM_SMALL, never, &cancel);
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
    warm_mapping(m, WARM_SMALL, never, &cancel);
    is_number(pages_mapped(m->begin, page), PAGES, "pages on the disk are read and touched");
}

static void check_cut(const struct mapping *m, const char *path)
{
    atomic_bool cancel = false;
    require(truncate(path, 0) == 0, "not cut");
    warm_mapping(m, WARM_SMALL, never, &cancel);
    ok(mapping_is_damaged(m), "warming survives a file that was cut, and the damage is noted");
    ok(mapping_replacements(m) > 0, "as a replacement");
}

// ---- huge pages ---------------------------------------------------------------------------------

enum { HUGE = 2 * 1024 * 1024, HUGE_PAGES = 8 };

// Returns how many bytes of the process's files are mapped in huge pages.
static long mapped_in_huge_pages(void)
{
    char line[256];
    long sum = 0;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    require(smaps != NULL, "no smaps");
    while (fgets(line, sizeof line, smaps) != NULL) {
        long kilobytes;
        if (sscanf(line, "FilePmdMapped: %ld", &kilobytes) == 1)
            sum += kilobytes * 1024;
    }
    fclose(smaps);
    return sum;
}

// Writes a file of letters with a newline at its end, in pieces of `piece` bytes, and maps it.
// Unless `keep`, nothing of it is in memory then.
static int open_huge(struct mapping *m, const char *path, size_t piece, bool keep)
{
    char *content = malloc(piece);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(content != NULL && fd >= 0, "no file");
    memset(content, 'x', piece);
    for (size_t at = 0; at < (size_t)HUGE * HUGE_PAGES; at += piece)
        require(write(fd, content, piece) == (ssize_t)piece, "cannot write");
    require(write(fd, "y\n", 2) == 2 && fsync(fd) == 0, "cannot write");
    free(content);
    if (!keep)
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    *m = (struct mapping){.len = (size_t)HUGE * HUGE_PAGES + 2, .filler = '\n'};
    m->begin = mmap(NULL, m->len, PROT_READ, MAP_SHARED, fd, 0);
    require(m->begin != MAP_FAILED, "no mapping");
    atomic_store(&m->end, m->begin + m->len - 1);
    require(mapping_guard(m, fd), "no guard");
    warm_mapping(m, WARM_HUGE_AGAIN, never, NULL);
    is_number(mapping_look(m), 0, "read into huge pages: no damage is found");
    return fd;
}

static void close_huge(struct mapping *m, int fd)
{
    mapping_release(m);
    munmap((void *)(uintptr_t)m->begin, m->len);
    close(fd);
}

static bool has_huge_pages(void)
{
    struct utsname os;
    return uname(&os) == 0 && strverscmp(os.release, "6.18") >= 0 &&
           access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
}

static void check_huge(const char *path, size_t piece, bool keep, const char *name)
{
    struct mapping m;
    struct statfs system;
    int fd = open_huge(&m, path, piece, keep);
    long huge = mapped_in_huge_pages();
    diag("%ld of %zu bytes in huge pages", huge, m.len);
    bool expected =
        has_huge_pages() && fstatfs(fd, &system) == 0 && system.f_type == EXT4_SUPER_MAGIC;
    ok(!expected || huge > 0, "ext4, %s: the file is mapped in huge pages", name);
    close_huge(&m, fd);
}

// The file is cut at all kinds of places. No byte from there on is shown as it was, or as zero,
// unless the mapping knows that it is lost.
static void check_huge_cuts(const char *path, size_t page)
{
    const size_t cuts[] = {0,        1,           HUGE - 1,     HUGE,
                           HUGE + 1, HUGE + page, 3 * HUGE / 2, (size_t)HUGE * HUGE_PAGES + 1};
    for (unsigned i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct mapping m;
        unsigned lost = 0;
        int fd = open_huge(&m, path, HUGE, false);
        require(ftruncate(fd, (off_t)cuts[i]) == 0, "cannot cut");
        for (size_t at = 0; at + 2 < m.len; at += page / 2) {
            char byte = *(const volatile char *)(m.begin + at);
            bool sound = mapping_look(&m) == 0 || mapping_has(&m, at, 1);
            if (sound ? byte != 'x' || at >= cuts[i] : at < cuts[i])
                lost++;
        }
        ok(mapping_is_damaged(&m) && lost == 0, "cut at %zu: just the bytes after it are lost",
           cuts[i]);
        close_huge(&m, fd);
    }
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
    warm_mapping(&m, WARM_SMALL, never, &cancel); // the mapping is not guarded yet
    m.begin = mmap(NULL, m.len, PROT_READ, MAP_SHARED, fd, 0);
    require(m.begin != MAP_FAILED && mapping_guard(&m, fd), "no mapping");
    check_warming(&m, page);
    check_absent(&m, page);
    check_cut(&m, path);
    mapping_release(&m);
    munmap((void *)(uintptr_t)m.begin, m.len);
    close(fd);
    free(content);
    check_huge(path, HUGE, false, "not in memory");
    check_huge(path, page, true, "in memory in small pages");
    check_huge_cuts(path, page);
    return done_testing();
}
