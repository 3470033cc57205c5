// Limits that the cgroups of this process set, of version 2 and 1: the least of what its own group
// and those above it allow. A group that is named from outside a container is not found inside,
// where its limits are those of the root.
//
// `root` stands before /proc and /sys in every path: "" but for tests.
#ifndef STELE_BASE_CGROUP_H
#define STELE_BASE_CGROUP_H

#include <stdint.h>

// Bytes of memory; UINT64_MAX when there is no limit.
uint64_t cgroup_memory(const char *root);

// How many of them are not taken yet, by the group or one above it; UINT64_MAX when there is no
// limit. Pages of files are not counted as taken: the system takes them back before a group is
// short of memory.
uint64_t cgroup_memory_left(const char *root);

// How many processors the group's quota of time is worth, rounded up; UINT64_MAX when there is
// none.
uint64_t cgroup_processors(const char *root);

#endif
