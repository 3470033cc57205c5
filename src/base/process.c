// Memory figures from /proc/self/status, limits from the files of cgroups, version 2 and 1.
#include "base/process.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

// The number in a file; UINT64_MAX when there is none, as for "max".
static uint64_t read_limit(const char *path)
{
    unsigned long long limit;
    FILE *file = fopen(path, "re");
    bool found = file != NULL && fscanf(file, "%llu", &limit) == 1;
    if (file != NULL)
        fclose(file);
    return found ? limit : UINT64_MAX;
}

// The least limit of the group and of those above it. A group named from outside a container is not
// found inside, where its limit is that of the root.
static uint64_t group_limit(const char *root, char *group, const char *name)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "%s%s/%s", root, group, name);
        uint64_t limit = read_limit(path);
        if (limit < least)
            least = limit;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

// One line of /proc/self/cgroup: "0::/group", or "N:controller,controller:/group" in version 1.
static uint64_t line_limit(char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return UINT64_MAX;
    *controllers++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0')
        return group_limit("/sys/fs/cgroup", group, "memory.max");
    for (char *rest = controllers, *one; (one = strsep(&rest, ",")) != NULL;)
        if (strcmp(one, "memory") == 0)
            return group_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    return UINT64_MAX;
}

uint64_t process_memory_allowed(void)
{
    uint64_t allowed = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char line[PATH_MAX + 256];
    FILE *groups = fopen("/proc/self/cgroup", "re");
    while (groups != NULL && fgets(line, sizeof line, groups) != NULL) {
        uint64_t limit = line_limit(line);
        if (limit < allowed)
            allowed = limit;
    }
    if (groups != NULL)
        fclose(groups);
    return allowed > 0 ? allowed : 1;
}
