// Memory in whole pages, which goes back to the system as soon as it is freed. Pages that are never
// touched take no memory. Also memory in whole cache lines, for data that several threads use.
#ifndef STELE_BASE_MEMORY_H
#define STELE_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

// Maps `bytes` zeroed bytes (more than 0). Returns NULL when memory is short.
//
// When `bytes` is `huge_from` or more, the function requests huge pages: touching new memory then
// costs less, and a lookup waits less often for address translation. Where the system has no huge
// pages, the memory has small ones.
void *memory_map(size_t bytes, size_t huge_from);

// Unmaps memory of memory_map or of another mapping, or whole pages of it. NULL is accepted.
void memory_unmap(void *memory, size_t bytes);

// Whether the system would let this process lock `bytes` more bytes of memory (RLIMIT_MEMLOCK,
// CAP_IPC_LOCK). If not, sets errno. Locks no page.
bool memory_may_lock(size_t bytes);

// Locks mapped memory: reads in its pages and keeps them in RAM until memory_unlock, or until they
// are unmapped. Also locks the rest of the first and the last page. Returns 0, or the error number
// of mlock; then nothing is locked. Returns ECANCELED when `*cancel` became true. `cancel` may be
// NULL. Takes as long as reading takes. Between yield_begin and yield_end (base/yield.h), a helper
// of low priority does the work.
int memory_lock(const void *memory, size_t bytes, const atomic_bool *cancel);

// Unlocks memory, in the same way. Memory that is not locked is accepted.
void memory_unlock(const void *memory, size_t bytes);

// Returns the allocator's free memory to the system, also where it lies between used blocks. Takes
// milliseconds, in which other threads may have to wait for the allocator.
void memory_trim(void);

enum {
    // Bytes that processors exchange as a unit: a pair of 64-byte cache lines on x86-64, one line
    // of 128 bytes on some aarch64 machines.
    MEMORY_LINE = 128,
};

// Allocates `bytes` zeroed bytes in cache lines that hold nothing else. So writes of other threads
// to other data do not slow down those who read these bytes. Returns NULL when memory is short. The
// caller frees the memory with free().
void *memory_aligned(size_t bytes);

#endif
