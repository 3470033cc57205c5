// What one node knows about its cluster: the topology, which node it is, and which nodes are up.
//
// Nothing is agreed between nodes. Each has its own view of who is up, and every answer is right
// meanwhile, because all nodes of a shard have the same data, which never changes.
#ifndef STELE_SERVE_CLUSTER_H
#define STELE_SERVE_CLUSTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/ref.h"
#include "cluster/topology.h"
#include "serve/key_rules.h"
#include "serve/node_state.h"

// What is known about a node. Any thread may read the first two fields.
struct cluster_peer {
    atomic_bool down;
    _Atomic int64_t good_ms; // wall-clock time of the last good answer; 0: none yet
    bool has_state;
    struct node_state state; // what it has said last
};

// A topology as one node sees it. All fields but `peers` are constant.
struct cluster_view {
    struct ref ref;
    pthread_mutex_t lock;      // guards `has_state` and `state` of all peers
    struct topology *topology; // holds a reference
    unsigned self;             // index of this node
    bool crossslot;            // whether requests for several slots are answered
    // One bit for each slot: whether this node's shard owns it. It takes 2 KiB, while the table of
    // owners takes 32, which a processor's first cache would not keep.
    uint64_t own[SLOTS / 64];
    struct cluster_peer peers[];
};

// Makes a view in which all nodes are up, and takes over the caller's reference to `topology`.
// Returns NULL when memory is short; the reference is then dropped.
struct cluster_view *cluster_view_new(struct topology *topology, unsigned self, bool crossslot);

// Drops a reference. NULL is accepted.
void cluster_view_close(struct cluster_view *view);

// Returns the index of the shard that this node belongs to.
static inline unsigned cluster_own_shard(const struct cluster_view *view)
{
    return view->topology->nodes[view->self].shard;
}

// Returns whether this node's shard owns the slot.
static inline bool cluster_owns(const struct cluster_view *view, unsigned slot)
{
    return (view->own[slot / 64] >> slot % 64 & 1) != 0;
}

// Returns whether the node is up. This node always is.
static inline bool cluster_is_up(const struct cluster_view *view, unsigned node)
{
    return node == view->self ||
           !atomic_load_explicit(&view->peers[node].down, memory_order_relaxed);
}

// Notes that a node is down, or up again. Any thread may call this.
void cluster_set_down(struct cluster_view *view, unsigned node, bool down);

// Notes what a node has said of itself. Any thread may call this.
void cluster_set_state(struct cluster_view *view, unsigned node, const struct node_state *state);

// Copies what a node has said last to `*state`. Returns false if it has said nothing yet. Any
// thread may call this.
bool cluster_get_state(struct cluster_view *view, unsigned node, struct node_state *state);

// Returns the index of the primary of a shard: its first node that is up, or its first node if none
// is.
unsigned cluster_primary(const struct cluster_view *view, unsigned shard);

// Returns the index of the primary of this node's shard. It is this node's own unless this node is
// a replica. `view` may be NULL: then the server is no replica, and the result is 0.
unsigned cluster_own_primary(const struct cluster_view *view);

// Returns whether this node is a replica. `view` may be NULL.
static inline bool cluster_is_replica(const struct cluster_view *view)
{
    return view != NULL && cluster_own_primary(view) != view->self;
}

// The view that the loops share. It is replaced when the topology changes.
struct cluster {
    pthread_mutex_t lock; // guards `view`
    struct cluster_view *view;
    atomic_uint version;   // grows with each replacement; 0: the server is in no such cluster
    atomic_uint announced; // the version that loops take between two turns
    _Atomic int64_t foreign_keys; // serve/foreign_keys.h; -1: not known yet
};

void cluster_init(struct cluster *cluster);
void cluster_release(struct cluster *cluster);

// Replaces the view and takes over the caller's reference to it. The view inherits what is known
// about nodes that stay: until the prober follows, a node that is down would look up. One thread at
// a time may call this.
void cluster_replace(struct cluster *cluster, struct cluster_view *view);

// Makes the loops take the present view, each between two of its turns, and the prober follow it.
// Before that, only loops that call service_take_view use it.
void cluster_announce(struct cluster *cluster);

// Returns the present view with a reference for the caller, or NULL.
struct cluster_view *cluster_take(struct cluster *cluster);

// ---- routing ------------------------------------------------------------------------------------

enum route_kind {
    ROUTE_HERE,      // this node answers
    ROUTE_CROSSSLOT, // the keys have different slots, or no shard has all of them
    ROUTE_MOVED,     // another shard has the slot
    // The slot is ours, but the key is a UUID in upper case, and another shard has its lower-case
    // text. A client follows this once, and does not change its map of slots.
    ROUTE_ASK,
};

// Where a request belongs. A zeroed struct is a request without keys.
struct route {
    enum route_kind kind;
    uint32_t keys; // number of keys that were added
    unsigned slot; // slot of the first key
    unsigned home; // shard that owns the home slot of the first key
    bool mixed;    // a key has another slot than the first one
    bool apart;    // a key has its home in another shard than the first one
};

// Adds a key of a request. Returns its home (slot_and_home). A UUID in another form has the slot of
// its bytes, as clients compute it, and the home of its usual text.
static inline unsigned route_add(struct route *route, const struct cluster_view *view,
                                 const struct key_rules *rules, struct span key)
{
    struct uuid id;
    unsigned home;
    unsigned slot = slot_and_home(key, &home);
    if (key.len != rules->plain_len && key_rules_read(rules, key, &id))
        home = slot_of_uuid(id);
    unsigned shard = view->topology->owner[home];
    if (route->keys++ == 0) {
        route->slot = slot;
        route->home = shard;
    }
    route->mixed |= slot != route->slot;
    route->apart |= shard != route->home;
    return home;
}

// Returns whether this node answers the request, after all its keys were added.
static inline bool route_is_here(const struct route *route, const struct cluster_view *view)
{
    return route->keys == 0 || (route->home == cluster_own_shard(view) && !route->apart &&
                                (!route->mixed || view->crossslot));
}

// Sets `route->kind` after all keys were added. For ROUTE_MOVED and ROUTE_ASK, `*shard` is the
// shard whose primary the client must ask.
void route_decide(struct route *route, const struct cluster_view *view, unsigned *shard);

#endif
