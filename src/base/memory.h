// Anonymous memory by the page: what is freed goes back to the system at once, and what is never
// touched takes none. And memory by the cache line, for what several threads use.
#ifndef STELE_BASE_MEMORY_H
#define STELE_BASE_MEMORY_H

#include <stddef.h>

// `bytes` of zeros, more than 0, in huge pages where `huge_from` bytes or more are asked for: a
// fault on a small page costs more than what is written to it, and each lookup misses fewer
// page-table entries. Where huge pages are off, nothing is lost. NULL when memory is short.
void *memory_map(size_t bytes, size_t huge_from);

// Gives them back, or another mapping, a part at a time. NULL is accepted.
void memory_unmap(void *memory, size_t bytes);

// Gives back to the system what lies free between blocks that are in use. It takes milliseconds, in
// which other threads may wait for the allocator.
void memory_trim(void);

enum {
    // Bytes that processors hand each other at once: lines are of 64 where they are fetched in
    // pairs (x86-64), of 128 on some aarch64.
    MEMORY_LINE = 128,
};

// `bytes` of zeros, on lines that hold nothing else: what one thread writes beside them does not
// slow another that reads them. NULL when memory is short; free() gives them back.
void *memory_aligned(size_t bytes);

#endif
