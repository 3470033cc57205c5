// Figures from /proc/self/status and /proc/meminfo. Limits from the system and from cgroups.
#include "base/process.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cgroup.h"

struct process_memory process_memory(void)
{
    struct process_memory memory = {0};
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL)
        return memory;
    char line[256];
    while (fgets(line, sizeof line, status) != NULL) {
        unsigned long long kib;
        if (sscanf(line, "VmRSS: %llu kB", &kib) == 1)
            memory.resident = kib * 1024;
        else if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            memory.resident_peak = kib * 1024;
        else if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
            memory.anonymous = kib * 1024;
    }
    fclose(status);
    return memory;
}

uint64_t process_memory_allowed(void)
{
    uint64_t allowed = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = cgroup_memory("");
    if (limit < allowed)
        allowed = limit;
    return allowed > 0 ? allowed : 1;
}

uint64_t process_memory_available(void)
{
    uint64_t available = process_memory_allowed();
    uint64_t left = cgroup_memory_left("");
    unsigned long long kib;
    char line[256];
    FILE *info = fopen("/proc/meminfo", "re");
    while (info != NULL && fgets(line, sizeof line, info) != NULL)
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1 && kib * 1024 < available)
            available = kib * 1024;
    if (info != NULL)
        fclose(info);
    return left < available ? left : available;
}

unsigned process_processors(void)
{
    cpu_set_t usable;
    int count = sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : 1;
    uint64_t quota = cgroup_processors("");
    return quota < (uint64_t)count ? (unsigned)quota : (unsigned)count;
}
