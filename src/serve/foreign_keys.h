// Counts keys that a node has although they belong to another shard of its cluster. No client of a
// cluster asks for them here. So they are a sign that the node serves the wrong part.
#ifndef STELE_SERVE_FOREIGN_KEYS_H
#define STELE_SERVE_FOREIGN_KEYS_H

#include <stdatomic.h>
#include <stdint.h>

struct cluster_view;
struct dataset;

// Returns the number of lines of `d` whose keys belong to other shards than that of the view's
// node. Reads all of the data if it fits into `memory` bytes. Otherwise it looks at
// FOREIGN_KEYS_SAMPLE random keys, and the result is an estimate. Returns -1 soon after `*cancel`
// becomes true.
int64_t foreign_keys_count(const struct dataset *d, const struct cluster_view *view,
                           uint64_t memory, const atomic_bool *cancel);

enum { FOREIGN_KEYS_SAMPLE = 1000 };

#endif
