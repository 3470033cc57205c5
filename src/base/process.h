// Facts about this process from the operating system.
#ifndef STELE_BASE_PROCESS_H
#define STELE_BASE_PROCESS_H

#include <stdint.h>

// Bytes of memory; 0 where the system does not say.
struct process_memory {
    uint64_t resident;      // everything in RAM, the mapped data file included
    uint64_t resident_peak; // the greatest value of `resident` so far
    uint64_t anonymous;     // the part of `resident` that no file backs: our own memory
};

struct process_memory process_memory(void);

// The most bytes of memory that this process may have: the machine's memory, or the least limit of
// its cgroup and the groups above. At least 1.
uint64_t process_memory_allowed(void);

// The number of processors that this thread may use: those it may run on, or fewer when a cgroup's
// quota of processor time is worth less (rounded up). At least 1.
unsigned process_processors(void);

// The bytes of memory that can still be taken before the system kills a process for lack of memory.
// Pages of files count as free, as the system takes them back. At most process_memory_allowed().
uint64_t process_memory_available(void);

#endif
