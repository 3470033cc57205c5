// Anonymous memory by the page: what is freed goes back to the system at once, and what is never
// touched takes none.
#ifndef STELE_BASE_MEMORY_H
#define STELE_BASE_MEMORY_H

#include <stddef.h>

// `bytes` of zeros, more than 0, in huge pages where `huge_from` bytes or more are asked for: a
// fault on a small page costs more than what is written to it, and each lookup misses fewer
// page-table entries. Where huge pages are off, nothing is lost. NULL when memory is short.
void *memory_map(size_t bytes, size_t huge_from);

// Gives them back. NULL is accepted.
void memory_unmap(void *memory, size_t bytes);

#endif
