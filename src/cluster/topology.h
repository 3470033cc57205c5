// The topology of a cluster: which nodes there are, and which slots each shard owns. It comes from
// a text file (docs/scaling.md) and does not change. A shard has one or more nodes, which all serve
// the same part of the data.
#ifndef STELE_CLUSTER_TOPOLOGY_H
#define STELE_CLUSTER_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/ref.h"
#include "cluster/slot.h"

struct error;

enum {
    TOPOLOGY_NODES_MAX = 1000,
    TOPOLOGY_NAME_MAX = 64,  // bytes of a node's name
    TOPOLOGY_HOST_MAX = 255, // bytes of a host
    TOPOLOGY_ID_LEN = 40,    // hexadecimal digits
};

struct topology_node {
    char name[TOPOLOGY_NAME_MAX + 1];
    char host[TOPOLOGY_HOST_MAX + 1];     // an address or a name; an IPv6 address has no brackets
    char hostname[TOPOLOGY_HOST_MAX + 1]; // "": none
    char zone[TOPOLOGY_NAME_MAX + 1];     // availability zone; "": none
    char id[TOPOLOGY_ID_LEN + 1];         // as in CLUSTER MYID
    unsigned port;
    unsigned shard; // index in `shards`
};

// Slots from `first` to `last`.
struct topology_range {
    unsigned first;
    unsigned last;
};

struct topology_shard {
    unsigned first_node; // index in `nodes`; the nodes of a shard follow one another
    unsigned nodes;
    unsigned slots;       // number of slots
    unsigned ranges;      // number of ranges
    unsigned first_range; // index in `ranges`
};

// Any thread may read it. The references decide when it is freed.
struct topology {
    struct ref ref;
    uint64_t epoch;   // grows with each change of the file
    uint64_t content; // checksum of the text
    unsigned shard_count;
    unsigned node_count;
    struct topology_shard *shards; // in the order of the file
    struct topology_node *nodes;   // in the order of the file
    // All slots in ascending order, in ranges that are as long as possible.
    unsigned range_count;
    struct topology_range *ranges;
    unsigned *next_range; // for each range the index of the next one of its shard, or `range_count`
    uint16_t owner[SLOTS]; // index of the shard that owns the slot
};

// Reads a topology from the text of a file. `path` is for messages. Returns NULL with a message
// that names the line. The caller drops the reference with topology_close.
struct topology *topology_parse(struct span text, const char *path, struct error *error);

// The same for the file at `path`.
struct topology *topology_read(const char *path, struct error *error);

// Drops a reference. NULL is accepted.
void topology_close(struct topology *t);

// Returns the index of the node with this name, or `node_count`.
unsigned topology_find(const struct topology *t, struct span name);

#endif
