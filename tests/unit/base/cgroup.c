// Tests of the limits of cgroups, read from made-up files: both versions, nested groups, groups
// named by their path outside a container, no limit, and malformed files.
#include "base/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parallel.h"
#include "base/process.h"
#include "support/server.h"
#include "support/tap.h"

struct file {
    const char *path;
    const char *content;
};

static const struct {
    const char *name;
    struct file files[8];
    uint64_t processors;
    uint64_t memory;
} cases[] = {
    {"nothing there", {{NULL, NULL}}, UINT64_MAX, UINT64_MAX},
    {"version 2",
     {{"proc/self/cgroup", "0::/a\n"},
      {"sys/fs/cgroup/a/cpu.max", "150000 100000\n"},
      {"sys/fs/cgroup/a/memory.max", "1048576\n"}},
     2,
     1048576},
    {"version 2, whole processors",
     {{"proc/self/cgroup", "0::/a\n"}, {"sys/fs/cgroup/a/cpu.max", "200000 100000\n"}},
     2,
     UINT64_MAX},
    {"version 2, a part of one",
     {{"proc/self/cgroup", "0::/a\n"}, {"sys/fs/cgroup/a/cpu.max", "1000 100000\n"}},
     1,
     UINT64_MAX},
    {"version 2, no limit",
     {{"proc/self/cgroup", "0::/a\n"},
      {"sys/fs/cgroup/a/cpu.max", "max 100000\n"},
      {"sys/fs/cgroup/a/memory.max", "max\n"}},
     UINT64_MAX,
     UINT64_MAX},
    {"nested, the least is in the middle",
     {{"proc/self/cgroup", "0::/a/b/c\n"},
      {"sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n"},
      {"sys/fs/cgroup/a/b/cpu.max", "300000 100000\n"},
      {"sys/fs/cgroup/a/cpu.max", "400000 100000\n"},
      {"sys/fs/cgroup/a/memory.max", "4096\n"}},
     3,
     4096},
    {"nested, the least is at the top, with another period",
     {{"proc/self/cgroup", "0::/a/b\n"},
      {"sys/fs/cgroup/a/b/cpu.max", "300000 100000\n"},
      {"sys/fs/cgroup/a/cpu.max", "15000 10000\n"}},
     2,
     UINT64_MAX},
    {"a namespace: the root has the limit",
     {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "250000 100000\n"}},
     3,
     UINT64_MAX},
    {"a name from outside",
     {{"proc/self/cgroup", "0::/docker/0123456789abcdef\n"},
      {"sys/fs/cgroup/cpu.max", "100000 100000\n"},
      {"sys/fs/cgroup/memory.max", "8192\n"}},
     1,
     8192},
    {"a name beside the namespace",
     {{"proc/self/cgroup", "0::/../other\n"}, {"sys/fs/cgroup/cpu.max", "500000 100000\n"}},
     5,
     UINT64_MAX},
    {"version 1",
     {{"proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/a\n3:memory:/a\n"},
      {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n"},
      {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"},
      {"sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us", "1\n"}},
     2,
     1000},
    {"version 1, nested, under the controller's own name",
     {{"proc/self/cgroup", "4:cpuacct,cpu:/a/b\n"},
      {"sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n"},
      {"sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "350000\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"}},
     4,
     UINT64_MAX},
    {"version 1, no limit",
     {{"proc/self/cgroup", "4:cpu:/a\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"}},
     UINT64_MAX,
     UINT64_MAX},
    {"both versions",
     {{"proc/self/cgroup", "4:cpu,cpuacct:/a\n0::/b\n"},
      {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "600000\n"},
      {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"}},
     6,
     UINT64_MAX},
    {"another controller's name begins so",
     {{"proc/self/cgroup", "4:cpuacct,cpuset:/a\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000\n"},
      {"sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"}},
     UINT64_MAX,
     UINT64_MAX},
    {"no sense",
     {{"proc/self/cgroup", "x\n:\n::\n0::\n4:cpu\n"},
      {"sys/fs/cgroup/cpu.max", "100000 0\n"},
      {"sys/fs/cgroup/memory.max", "many\n"}},
     UINT64_MAX,
     UINT64_MAX},
    {"no period, no quota",
     {{"proc/self/cgroup", "0::/a/b/c\n"},
      {"sys/fs/cgroup/a/b/c/cpu.max", "100000\n"},
      {"sys/fs/cgroup/a/b/cpu.max", "0 100000\n"},
      {"sys/fs/cgroup/a/cpu.max", ""}},
     UINT64_MAX,
     UINT64_MAX},
    {"as large as can be",
     {{"proc/self/cgroup", "0::/a\n"}, {"sys/fs/cgroup/a/cpu.max", "9223372036854775807 1\n"}},
     INT64_MAX,
     UINT64_MAX},
};

static void write_forged(const char *root, const struct file *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, file->path);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *to = fopen(path, "w");
    require(to != NULL, "cannot write %s", path);
    fputs(file->content, to);
    fclose(to);
}

static void check_left(void)
{
    static const struct file version_2[] = {
        {"proc/self/cgroup", "0::/a/b\n"},
        {"sys/fs/cgroup/a/memory.max", "1000\n"},
        {"sys/fs/cgroup/a/memory.current", "900\n"},
        {"sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 200\nactive_file 100\nfile 9\n"},
        {"sys/fs/cgroup/a/b/memory.max", "max\n"},
        {"sys/fs/cgroup/a/b/memory.current", "900\n"},
    };
    static const struct file version_1[] = {
        {"proc/self/cgroup", "4:memory:/a\n"},
        {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
        {"sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n"},
        {"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000\n"},
        {"sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2500\n"},
        {"sys/fs/cgroup/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 700\n"},
    };
    const char *second = test_path("left-2");
    const char *first = test_path("left-1");
    const char *none = test_path("left-0");
    require(mkdir(second, 0700) == 0 && mkdir(first, 0700) == 0 && mkdir(none, 0700) == 0,
            "no folders");
    for (unsigned i = 0; i < sizeof version_2 / sizeof *version_2; i++)
        write_forged(second, &version_2[i]);
    for (unsigned i = 0; i < sizeof version_1 / sizeof *version_1; i++)
        write_forged(first, &version_1[i]);
    is_number((int64_t)cgroup_memory_left(second), 400,
              "version 2: memory left includes pages of files");
    is_number((int64_t)cgroup_memory_left(first), 200,
              "version 1: memory left includes pages of files");
    ok(cgroup_memory_left(none) == UINT64_MAX, "without a limit, the memory left has none");
    struct file full = {"sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2900\n"};
    write_forged(first, &full);
    is_number((int64_t)cgroup_memory_left(first), 0,
              "no memory is left when more is used than the limit");
}

int main(void)
{
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[16];
        snprintf(name, sizeof name, "root-%u", i);
        const char *root = test_path(name);
        require(mkdir(root, 0700) == 0, "no folder");
        for (const struct file *file = cases[i].files; file->path != NULL; file++)
            write_forged(root, file);
        ok(cgroup_processors(root) == cases[i].processors, "%s: processors: %llu", cases[i].name,
           (unsigned long long)cgroup_processors(root));
        ok(cgroup_memory(root) == cases[i].memory, "%s: memory: %llu", cases[i].name,
           (unsigned long long)cgroup_memory(root));
    }
    check_left();
    ok(process_processors() >= 1 && parallel_threads() >= 1 &&
           parallel_threads() <= process_processors(),
       "this process has at least one processor (%u)", process_processors());
    return done_testing();
}
