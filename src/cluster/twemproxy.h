// The pools of servers that twemproxy (also called nutcracker) divides keys among: from its
// configuration file, or from a list on a command line.
#ifndef STELE_CLUSTER_TWEMPROXY_H
#define STELE_CLUSTER_TWEMPROXY_H

#include "cluster/partition.h"

struct twemproxy_pool {
    enum partition_hash hash;
    enum partition_distribution distribution;
    unsigned count;
    struct partition_server *servers; // in the order of the list
};

// Reads servers that commas separate. Each one is HOST:PORT:WEIGHT, or HOST:PORT:WEIGHT NAME, as
// in twemproxy's configuration. Sets `count` and `servers`, which the caller frees with
// twemproxy_release. Returns false with a message if the list is wrong or memory is short; then
// there is nothing to free.
bool twemproxy_parse_list(struct twemproxy_pool *pool, struct span list, struct error *error);

// Reads the pool called `name` from the text of a configuration file. NULL stands for the only
// pool. `path` is for messages. Understands only the YAML that such files use: a pool's settings in
// lines of their own, and each server in a line of its own after "servers:". Refuses a pool whose
// hash_tag could be a part of a UUID. Otherwise the same as twemproxy_parse_list.
bool twemproxy_parse(struct twemproxy_pool *pool, struct span text, const char *name,
                     const char *path, struct error *error);

// The same for the file at `path`.
bool twemproxy_read(struct twemproxy_pool *pool, const char *path, const char *name,
                    struct error *error);

// A zeroed struct is accepted.
void twemproxy_release(struct twemproxy_pool *pool);

#endif
