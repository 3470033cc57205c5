// Limits that cgroups of version 2 and 1 set for this process: the least limit of its own group and
// of all groups above. Inside a container the group may be named by its path outside. That path is
// not found inside, and the limits are then those of the root.
//
// `root` is put before /proc and /sys in every path. It is "" except in tests.
#ifndef STELE_BASE_CGROUP_H
#define STELE_BASE_CGROUP_H

#include <stdint.h>

// The limit of memory in bytes; UINT64_MAX when there is none.
uint64_t cgroup_memory(const char *root);

// The bytes of memory that the group, and every group above it, may still take; UINT64_MAX when
// there is no limit. Pages of files do not count as taken: the system frees them before a group is
// short of memory.
uint64_t cgroup_memory_left(const char *root);

// The number of processors that the group's quota of time is worth, rounded up; UINT64_MAX when
// there is no quota.
uint64_t cgroup_processors(const char *root);

#endif
