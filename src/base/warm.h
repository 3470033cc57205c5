// Reads mapped files into memory, so that later readers wait neither for the disk nor for the
// kernel to map a page.
#ifndef STELE_BASE_WARM_H
#define STELE_BASE_WARM_H

#include <stdatomic.h>
#include <stdint.h>

struct mapping;

enum warm_pages {
    WARM_SMALL,
    // Huge pages of 2 MiB, where the system has them for files. To read a file into them is several
    // times as fast as into small ones, and later reads miss the processor's address translations
    // less often. But while warm_mapping runs, a read of one byte that is not in memory waits for
    // 2 MiB. So the whole file should fit into memory.
    WARM_HUGE,
    // The same. And what is in memory already in small pages, for instance because it was just
    // written, is removed from there and read again, if the disk is fast. What is not on the disk
    // yet, or mapped by another process, stays as it is. While the file is read in this way, other
    // readers of it may wait for the disk.
    WARM_HUGE_AGAIN,
};

// Reads the whole mapping, which may be in use. Returns early: soon after `until_ns` of the
// monotonic clock, after `*cancel` becomes true, or when there is damage. `cancel` may be NULL. A
// mapping that is not guarded is not read.
void warm_mapping(const struct mapping *m, enum warm_pages pages, uint64_t until_ns,
                  const atomic_bool *cancel);

#endif
