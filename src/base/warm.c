// The file is read in parts, because a call that is to give way to others (base/parallel.h) can do
// so only between two parts, and because a flush is needed after each (flush_translations).
#include "base/warm.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mapping.h"
#include "base/parallel.h"

enum {
    PART = 4 * 1024 * 1024, // bytes
    // Bytes of a mapping whose removal makes the kernel flush all of the processor's address
    // translations, not those of each page.
    FLUSH_BYTES = 256 * 1024,
    // Pages are removed from memory so many bytes ahead, because the system reads ahead into pages
    // that are not in memory.
    REMOVED_AHEAD = 64 * 1024 * 1024,
    // Small pages are read again only from a disk that reads at least so many bytes in a
    // microsecond, on average and after a delay of so many nanoseconds.
    FAST_BYTES_PER_US = 400,
    FAST_DELAY_NS = 20 * 1000 * 1000,
};

// Whether pages that are in memory are read again. That is unknown until the first such part shows
// whether its pages are small, and can be replaced by huge ones.
enum again { AGAIN_UNKNOWN, AGAIN_YES, AGAIN_NO };

struct job {
    const struct mapping *mapping;
    bool huge;
    uint64_t until_ns;         // monotonic time of the deadline
    const atomic_bool *cancel; // may be NULL
    bool ended;                // the parts that are left are skipped
    enum again again;
    uint64_t again_until_ns; // monotonic time until which pages may be read again
    uint64_t again_ns;       // time that this has taken
    uint64_t again_bytes;    // bytes that were read again
    size_t removed;          // offset up to which pages were removed from memory
};

static void advise(const struct mapping *m, size_t from, size_t to, int advice)
{
    if (from < to)
        (void)madvise((void *)(uintptr_t)(m->begin + from), to - from, advice);
}

// Reads a byte of each page, which makes the kernel map the page.
static void touch(const struct mapping *m, size_t from, size_t to)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = from; at < to; at += page)
        (void)*(const volatile char *)(m->begin + at);
}

// In a virtual machine the host may keep a second page table. Touching a page adds it to that
// table; MADV_POPULATE_READ does not. The host brings the table up to date when the processor's
// address translations are flushed, and the processor does nothing else meanwhile. The more pages
// were touched since the last flush, the longer that takes: 7 to 20 ms after 885 MB. So there is a
// flush after each part: this function forces it.
static void flush_translations(const struct mapping *m)
{
    void *pages =
        mmap(NULL, FLUSH_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, m->fd, (off_t)m->at);
    if (pages != MAP_FAILED)
        munmap(pages, FLUSH_BYTES);
}

// Returns how many KiB of files this process has mapped in huge pages. 0: also if the system does
// not say.
static unsigned long huge_kilobytes(void)
{
    char line[128];
    unsigned long kilobytes = 0;
    FILE *rollup = fopen("/proc/self/smaps_rollup", "re");
    if (rollup == NULL)
        return 0;
    while (fgets(line, sizeof line, rollup) != NULL &&
           sscanf(line, "FilePmdMapped: %lu", &kilobytes) != 1)
        ;
    fclose(rollup);
    return kilobytes;
}

// Removes the next bytes of the file from memory, unless enough of them are removed already.
static void remove_ahead(struct job *job, size_t at)
{
    const struct mapping *m = job->mapping;
    size_t from = at > job->removed ? at : job->removed;
    size_t to = m->len - at < REMOVED_AHEAD ? m->len : at + REMOVED_AHEAD;
    if (to - from < REMOVED_AHEAD / 2 && to < m->len)
        return;
    advise(m, from, to, MADV_DONTNEED);
    (void)posix_fadvise(m->fd, (off_t)(m->at + from), (off_t)(to - from), POSIX_FADV_DONTNEED);
    job->removed = to;
}

// Removes the part from memory and reads it again.
static void read_again(struct job *job, size_t at, size_t end)
{
    uint64_t start = clock_monotonic_ns();
    remove_ahead(job, at);
    touch(job->mapping, at, end);
    uint64_t now = clock_monotonic_ns();
    job->again_bytes += end - at;
    job->again_ns += now - start;
    bool fast = job->again_ns <= FAST_DELAY_NS + job->again_bytes * 1000 / FAST_BYTES_PER_US;
    job->again = fast && now < job->again_until_ns ? AGAIN_YES : AGAIN_NO;
}

// Reads a part. Finds out whether the pages of the file are small, and can be replaced by huge
// ones.
static void examine(struct job *job, size_t at, size_t end)
{
    unsigned long before = huge_kilobytes();
    touch(job->mapping, at, end);
    job->again = AGAIN_NO;
    if (huge_kilobytes() > before)
        return;
    read_again(job, at, end);
    if (huge_kilobytes() <= before)
        job->again = AGAIN_NO;
}

// Reads a part into huge pages.
static void read_huge(struct job *job, size_t at, size_t end)
{
    if (job->again == AGAIN_UNKNOWN)
        examine(job, at, end);
    else if (job->again == AGAIN_YES)
        read_again(job, at, end);
    else
        touch(job->mapping, at, end);
}

static void warm_part(void *context, unsigned worker, size_t part)
{
    struct job *job = context;
    const struct mapping *m = job->mapping;
    size_t at = part * PART;
    size_t end = m->len - at < PART ? m->len : at + PART;
    size_t next_end = m->len - end < PART ? m->len : end + PART;
    (void)worker;
    if (job->ended)
        return;
    job->ended = (job->cancel != NULL && atomic_load(job->cancel)) ||
                 clock_monotonic_ns() >= job->until_ns || mapping_is_damaged(m);
    if (job->ended)
        return;
    if (job->huge) {
        read_huge(job, at, end);
    } else {
        advise(m, end, next_end, MADV_WILLNEED);
        touch(m, at, end);
    }
    flush_translations(m);
}

// Before Linux 6.18, a huge page could reach beyond the end of a file that was cut. Then the lost
// bytes were zeros, without a signal.
static bool huge_pages_are_safe(void)
{
    struct utsname os;
    unsigned major;
    unsigned minor;
    return uname(&os) == 0 && sscanf(os.release, "%u.%u", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 18));
}

void warm_mapping(const struct mapping *m, enum warm_pages pages, uint64_t until_ns,
                  const atomic_bool *cancel)
{
    struct job job = {.mapping = m, .until_ns = until_ns, .cancel = cancel};
    uint64_t now = clock_monotonic_ns();
    if (!mapping_is_guarded(m) || m->len == 0)
        return;
    // Half of the time is left for parts that are only mapped.
    job.again_until_ns = until_ns > now ? now + (until_ns - now) / 2 : now;
    job.again = pages == WARM_HUGE_AGAIN ? AGAIN_UNKNOWN : AGAIN_NO;
    job.huge = pages != WARM_SMALL && huge_pages_are_safe() &&
               madvise((void *)(uintptr_t)m->begin, m->len, MADV_HUGEPAGE) == 0;
    parallel_run(1, (m->len - 1) / PART + 1, warm_part, &job);
    // If memory gets scarce later and the system drops pages, a read of one byte must not bring in
    // 2 MiB again. Pages that are huge by now stay huge.
    if (job.huge)
        advise(m, 0, m->len, MADV_NOHUGEPAGE);
}
