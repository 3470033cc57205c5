// Figures of this process, from the operating system.
#ifndef STELE_BASE_PROCESS_H
#define STELE_BASE_PROCESS_H

#include <stdint.h>

// Bytes of memory. A figure is 0 when the system does not say.
struct process_memory {
    uint64_t resident;      // bytes in RAM, including those of the mapped data file
    uint64_t resident_peak; // largest value of `resident` so far
    uint64_t anonymous;     // part of `resident` that belongs to no file: heap, stacks and so on
};

struct process_memory process_memory(void);

// Returns how many bytes of memory this process may have: the memory of the machine, or the limit
// of its cgroup if that is less (base/cgroup.h). At least 1.
uint64_t process_memory_allowed(void);

// Returns the number of processors that this thread may use: those that it may run on, or fewer if
// a cgroup's quota of processor time is worth fewer (rounded up). At least 1.
unsigned process_processors(void);

// Returns how many bytes of memory this process can still take before the system kills a process
// for lack of memory. Pages of files count as free, because the system can free them. At most
// process_memory_allowed().
uint64_t process_memory_available(void);

#endif
