// `stele split --check`: finds the keys of a part that do not belong to its shard.
#ifndef STELE_TOOL_SPLIT_CHECK_H
#define STELE_TOOL_SPLIT_CHECK_H

struct options;

// Reads the file, prints its first foreign keys and their number, and returns the exit code.
int split_check(const struct options *o);

#endif
