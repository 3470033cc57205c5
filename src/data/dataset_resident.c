// Estimates how much of a dataset is in memory, and removes it from memory.
//
// mincore reports which pages of a mapping are in memory, but only to a process that owns the file
// or may write to it. To others it reports all pages. (Linux does so since 5.2, because the pages
// in memory show what other processes read.) Two other ways do not help. RWF_NOWAIT works for every
// process, but begins to read each page that is missing. The table of mapped pages does not have
// pages that only system calls read.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "data/dataset_internal.h"

// Looking at a run of pages takes 4 µs, most of it for the system call.
enum { PAGE = 4096, RUN = 8 };

// Whether mincore reports to this process which pages of the file are in memory.
static bool may_know(int fd)
{
    struct stat status;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return (fstat(fd, &status) == 0 && status.st_uid == geteuid()) ||
           faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

// Returns how many bytes of `text` are probably in memory: looks at `runs` runs of pages, each at a
// random place in its part of the text. Returns -1 when the system does not say.
static int64_t estimate(struct span text, unsigned runs, uint64_t *random)
{
    uintptr_t begin = (uintptr_t)text.ptr / PAGE * PAGE;
    size_t len = text.len + ((uintptr_t)text.ptr - begin);
    uint64_t pages = (len + PAGE - 1) / PAGE;
    uint64_t looked = 0;
    uint64_t resident = 0;
    if (pages <= (uint64_t)runs * RUN)
        runs = (unsigned)((pages + RUN - 1) / RUN);
    for (unsigned i = 0; i < runs; i++) {
        unsigned char state[RUN];
        uint64_t first = pages * i / runs;
        uint64_t room = pages * (i + 1) / runs - first;
        if (room > RUN)
            first += splitmix64(random) % (room - RUN + 1);
        uint64_t count = room < RUN ? room : RUN;
        if (mincore((void *)(begin + first * PAGE), count * PAGE, state) != 0)
            return -1;
        looked += count;
        for (unsigned j = 0; j < count; j++)
            resident += state[j] & 1;
    }
    return looked > 0 ? (int64_t)((double)text.len * (double)resident / (double)looked) : 0;
}

int64_t dataset_data_resident(const struct dataset *d, uint64_t *random)
{
    if (!d->text_is_mapped)
        return (int64_t)d->text.len;
    return may_know(d->source.fd) ? estimate(d->text, DATASET_DATA_RUNS, random) : -1;
}

int64_t dataset_index_resident(const struct dataset *d, uint64_t *random)
{
    const struct index *x = d->index;
    if (dataset_index_stays(d))
        return (int64_t)x->figures.index_bytes;
    if (strcmp(atomic_load(&d->status), DATASET_IN_WRITING) == 0)
        return -1; // dataset_finish may be replacing the memory
    return may_know(x->file.source.fd)
               ? estimate(dataset_index_memory(d), DATASET_INDEX_RUNS, random)
               : -1;
}

bool dataset_drop_pages(const struct dataset *d)
{
    if (!d->text_is_mapped) {
        errno = EINVAL;
        return false;
    }
    // The kernel keeps pages that are mapped, and those that are not written to the disk yet.
    if (madvise((void *)(uintptr_t)d->text.ptr, d->text.len, MADV_DONTNEED) != 0 ||
        fdatasync(d->source.fd) != 0)
        return false;
    int failed = posix_fadvise(d->source.fd, 0, 0, POSIX_FADV_DONTNEED);
    errno = failed;
    return failed == 0;
}
