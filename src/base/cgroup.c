// Reads the names of the process's groups from /proc/self/cgroup, and the groups' limits from files
// below /sys/fs/cgroup. A file that cannot be read counts as no limit.
#include "base/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

enum { LINE = PATH_MAX + 256, PATH_ROOM = 2 * PATH_MAX };

// A kind of limit. Both functions return its value for the group whose folder is `folder`, or
// UINT64_MAX when the group has no such limit.
struct limit {
    const char *controller;
    uint64_t (*read)(const char *folder);    // for cgroups of version 2
    uint64_t (*read_v1)(const char *folder); // for cgroups of version 1
};

// Reads up to two numbers from the beginning of a file and returns how many it has read. "max" and
// "-1", which stand for no limit, do not count as numbers.
static int read_numbers(const char *folder, const char *name, ull *first, ull *second)
{
    char path[PATH_ROOM + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    long long number = -1;
    int found = fscanf(file, "%lld %llu", &number, second);
    fclose(file);
    *first = (ull)number;
    return number < 0 ? 0 : found;
}

static uint64_t read_memory(const char *folder)
{
    ull bytes;
    ull none;
    return read_numbers(folder, "memory.max", &bytes, &none) >= 1 ? bytes : UINT64_MAX;
}

static uint64_t read_memory_v1(const char *folder)
{
    ull bytes;
    ull none;
    return read_numbers(folder, "memory.limit_in_bytes", &bytes, &none) >= 1 ? bytes : UINT64_MAX;
}

// Returns the sum of two figures of memory.stat, those with the names `one` and `other`. A missing
// figure counts as 0.
static uint64_t sum_stat(const char *folder, const char *one, const char *other)
{
    char path[PATH_ROOM + 64];
    char line[256];
    char word[64];
    ull number;
    uint64_t sum = 0;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%63s %llu", word, &number) == 2 &&
            (strcmp(word, one) == 0 || strcmp(word, other) == 0))
            sum += number;
    if (file != NULL)
        fclose(file);
    return sum;
}

// Returns how many bytes of `limit` are not in use. `usage` names the file that says how many bytes
// are in use. `one` and `other` name the two lines of memory.stat that say how many of these are
// cached pages of files. Such pages count as free, because the system can free them.
static uint64_t memory_left(uint64_t limit, const char *folder, const char *usage, const char *one,
                            const char *other)
{
    ull taken;
    ull none;
    // Without a limit, version 1 gives a number that is larger than the memory of any machine.
    if (limit >= INT64_MAX / 2 || read_numbers(folder, usage, &taken, &none) < 1)
        return UINT64_MAX;
    uint64_t files = sum_stat(folder, one, other);
    uint64_t used = taken > files ? taken - files : 0;
    return limit > used ? limit - used : 0;
}

static uint64_t read_memory_left(const char *folder)
{
    return memory_left(read_memory(folder), folder, "memory.current", "inactive_file",
                       "active_file");
}

static uint64_t read_memory_left_v1(const char *folder)
{
    return memory_left(read_memory_v1(folder), folder, "memory.usage_in_bytes",
                       "total_inactive_file", "total_active_file");
}

// `quota` is the processor time that the group may use in each `period`. Returns how many
// processors this time keeps busy, rounded up.
static uint64_t quota_processors(ull quota, ull period)
{
    return quota == 0 || period == 0 ? UINT64_MAX : (quota - 1) / period + 1;
}

static uint64_t read_processors(const char *folder)
{
    ull quota;
    ull period;
    return read_numbers(folder, "cpu.max", &quota, &period) == 2 ? quota_processors(quota, period)
                                                                 : UINT64_MAX;
}

static uint64_t read_processors_v1(const char *folder)
{
    ull quota;
    ull period;
    ull none;
    return read_numbers(folder, "cpu.cfs_quota_us", &quota, &none) >= 1 &&
                   read_numbers(folder, "cpu.cfs_period_us", &period, &none) >= 1
               ? quota_processors(quota, period)
               : UINT64_MAX;
}

// Returns the least limit of `group` and of all groups above it. `mount` is the folder of the
// controller in version 1, and empty in version 2.
static uint64_t least_above(const char *root, const char *mount, const char *group,
                            uint64_t (*read)(const char *folder))
{
    char folder[PATH_ROOM];
    size_t base = (size_t)snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root,
                                   *mount != '\0' ? "/" : "", mount);
    uint64_t least = UINT64_MAX;
    if (base + strlen(group) >= sizeof folder)
        return least;
    strcpy(folder + base, group);
    for (;;) {
        uint64_t limit = read(folder);
        if (limit < least)
            least = limit;
        char *slash = strrchr(folder + base, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

// Whether `word` is one of the comma-separated `words`.
static bool is_among(const char *word, const char *words)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at++)
        if ((at == words || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

// Returns the limit for one line of /proc/self/cgroup. In version 2 the line is "0::/group". In
// version 1 it is "N:controller,controller:/group". The groups of version 1 are below a folder in
// /sys/fs/cgroup that is named after the whole list, such as "cpu,cpuacct". Usually there is also a
// folder or a link named after each single controller. So both folders are tried.
static uint64_t line_limit(const char *root, char *line, const struct limit *limit)
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return UINT64_MAX;
    *controllers++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0')
        return least_above(root, "", group, limit->read);
    if (!is_among(limit->controller, controllers))
        return UINT64_MAX;
    uint64_t one = least_above(root, limit->controller, group, limit->read_v1);
    uint64_t together = least_above(root, controllers, group, limit->read_v1);
    return one < together ? one : together;
}

static uint64_t least_limit(const char *root, const struct limit *limit)
{
    char text[LINE];
    uint64_t least = UINT64_MAX;
    snprintf(text, sizeof text, "%s/proc/self/cgroup", root);
    FILE *groups = fopen(text, "re");
    while (groups != NULL && fgets(text, sizeof text, groups) != NULL) {
        uint64_t found = line_limit(root, text, limit);
        if (found < least)
            least = found;
    }
    if (groups != NULL)
        fclose(groups);
    return least;
}

uint64_t cgroup_memory(const char *root)
{
    static const struct limit limit = {"memory", read_memory, read_memory_v1};
    return least_limit(root, &limit);
}

uint64_t cgroup_memory_left(const char *root)
{
    static const struct limit limit = {"memory", read_memory_left, read_memory_left_v1};
    return least_limit(root, &limit);
}

uint64_t cgroup_processors(const char *root)
{
    static const struct limit limit = {"cpu", read_processors, read_processors_v1};
    return least_limit(root, &limit);
}
