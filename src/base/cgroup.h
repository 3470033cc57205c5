// Limits that cgroups (versions 1 and 2) set for this process. The process has a group, and each
// group may set a limit. The smallest limit applies of those that its own group and all groups
// above it have set.
//
// In a container, /proc/self/cgroup may name the group by its path outside the container. That path
// does not exist inside. Then the limits are those of the root group.
//
// `root` is put before /proc and /sys in every path. It is "" except in tests.
#ifndef STELE_BASE_CGROUP_H
#define STELE_BASE_CGROUP_H

#include <stdint.h>

// Returns the limit of memory in bytes, or UINT64_MAX when there is none.
uint64_t cgroup_memory(const char *root);

// Returns the bytes of memory that the group may still take, within its own limit and those of all
// groups above it. Returns UINT64_MAX when there is no limit. Pages of files count as free, because
// the system frees them before a group is short of memory.
uint64_t cgroup_memory_left(const char *root);

// Returns the number of processors that the group's quota of processor time is worth, rounded up,
// or UINT64_MAX when there is no quota.
uint64_t cgroup_processors(const char *root);

#endif
