// What a node of a cluster says of itself and its data, in the reply to STELE.CLUSTER STATE. Nodes
// send it to those that probe them (net/prober.h).
#ifndef STELE_SERVE_NODE_STATE_H
#define STELE_SERVE_NODE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "cluster/topology.h"

enum {
    NODE_STATE_FIELDS = 9, // of the reply
    NODE_VERSION_MAX = 64, // bytes of a version
    NODE_HASH_MAX = 64,    // bytes of a hash
};

struct node_state {
    char name[TOPOLOGY_NAME_MAX + 1]; // "": the node is in no cluster
    int64_t epoch;                    // of the topology; 0: there is none
    int64_t generation;               // 1 at the start; each replacement of the data adds 1
    char version[NODE_VERSION_MAX + 1];
    char hash[NODE_HASH_MAX + 1]; // "": not known, or not yet
    int64_t keys;
    int64_t foreign_keys; // keys of other shards; -1: not known, or not yet
    int64_t loading;      // 1: a reload is under way
    int64_t made_at;      // when the data was made, in seconds since 1970; 0: not known
};

enum node_state_reply {
    NODE_STATE_GOOD,
    NODE_STATE_INCOMPLETE, // the rest of the reply has not come
    NODE_STATE_WRONG,      // these bytes do not begin such a reply
};

// Parses the reply to STELE.CLUSTER STATE, an array of at least the fields above in their order.
// Fields that a later version adds are skipped. Sets `*state` if the reply is good. Bytes behind
// the reply make it wrong.
enum node_state_reply node_state_parse(struct span reply, struct node_state *state);

#endif
