// What the operating system says of this process.
#ifndef STELE_BASE_PROCESS_H
#define STELE_BASE_PROCESS_H

#include <stdint.h>

// Bytes of memory, 0 where the system does not tell.
struct process_memory {
    uint64_t resident;      // everything in RAM, the mapped data file included
    uint64_t resident_peak; // the most `resident` has been
    uint64_t anonymous;     // of it, what is backed by no file: our own memory
};

struct process_memory process_memory(void);

// The most memory this process may have: what the machine has, or the least of what its cgroup and
// those above allow. At least 1.
uint64_t process_memory_allowed(void);

// How many processors this thread may use: those it may run on, or fewer where a cgroup's quota of
// processor time is worth less (rounded up). At least 1.
unsigned process_processors(void);

// How much memory is left: what can be taken more before somebody is killed for want of memory.
// Pages of files count as left, as the system takes them back. Not more than what is allowed.
uint64_t process_memory_available(void);

#endif
