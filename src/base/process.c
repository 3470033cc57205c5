// Memory figures from /proc/self/status.
#include "base/process.h"

#include <stdio.h>

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
