// Anonymous memory in pages: freed memory goes back to the system at once, and untouched memory
// takes no room. Also memory in whole cache lines, for data that several threads use.
#ifndef STELE_BASE_MEMORY_H
#define STELE_BASE_MEMORY_H

#include <stddef.h>

// Maps `bytes` zeros, more than 0, in huge pages when `bytes` is `huge_from` or more. A fault on a
// small page costs more than filling it, and with huge pages a lookup misses fewer page-table
// entries. Where huge pages are off, the pages are small. NULL when memory is short.
void *memory_map(size_t bytes, size_t huge_from);

// Gives back memory of memory_map or another mapping, also a part of it. NULL is accepted.
void memory_unmap(void *memory, size_t bytes);

// Gives free memory of the allocator that lies between used blocks back to the system. It takes
// milliseconds, in which other threads may wait for the allocator.
void memory_trim(void);

enum {
    // Bytes that processors exchange at once: two lines of 64, fetched in pairs, on x86-64; one
    // line
    // of 128 on some aarch64.
    MEMORY_LINE = 128,
};

// Allocates `bytes` zeros on cache lines that hold nothing else, so that writes of other threads to
// other data do not slow their readers. NULL when memory is short. The caller frees them with
// free().
void *memory_aligned(size_t bytes);

#endif
