// The rules of routing are those of the table in docs/scaling.md, in its order. They differ from
// Redis Cluster in one point: requests for several slots are answered if this node has all of them.
#include "serve/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/link.h"

static void release_view(struct ref *ref)
{
    struct cluster_view *view = container_of(ref, struct cluster_view, ref);
    topology_close(view->topology);
    pthread_mutex_destroy(&view->lock);
    free(view);
}

struct cluster_view *cluster_view_new(struct topology *topology, unsigned self, bool crossslot)
{
    struct cluster_view *view =
        calloc(1, sizeof *view + topology->node_count * sizeof *view->peers);
    if (view == NULL) {
        topology_close(topology);
        return NULL;
    }
    ref_init(&view->ref, release_view);
    pthread_mutex_init(&view->lock, NULL);
    view->topology = topology;
    view->self = self;
    view->crossslot = crossslot;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (topology->owner[slot] == cluster_own_shard(view))
            view->own[slot / 64] |= UINT64_C(1) << slot % 64;
    return view;
}

void cluster_view_close(struct cluster_view *view)
{
    if (view != NULL)
        ref_drop(&view->ref);
}

void cluster_set_down(struct cluster_view *view, unsigned node, bool down)
{
    atomic_store(&view->peers[node].down, down);
}

void cluster_set_state(struct cluster_view *view, unsigned node, const struct node_state *state)
{
    pthread_mutex_lock(&view->lock);
    view->peers[node].state = *state;
    view->peers[node].has_state = true;
    pthread_mutex_unlock(&view->lock);
}

bool cluster_get_state(struct cluster_view *view, unsigned node, struct node_state *state)
{
    pthread_mutex_lock(&view->lock);
    bool has_state = view->peers[node].has_state;
    if (has_state)
        *state = view->peers[node].state;
    pthread_mutex_unlock(&view->lock);
    return has_state;
}

unsigned cluster_primary(const struct cluster_view *view, unsigned shard)
{
    const struct topology_shard *s = &view->topology->shards[shard];
    for (unsigned i = 0; i < s->nodes; i++)
        if (cluster_is_up(view, s->first_node + i))
            return s->first_node + i;
    return s->first_node;
}

unsigned cluster_own_primary(const struct cluster_view *view)
{
    return view != NULL ? cluster_primary(view, cluster_own_shard(view)) : 0;
}

// ---- the view that loops share ------------------------------------------------------------------

void cluster_init(struct cluster *cluster)
{
    pthread_mutex_init(&cluster->lock, NULL);
    cluster->view = NULL;
    atomic_init(&cluster->version, 0);
    atomic_init(&cluster->announced, 0);
    atomic_init(&cluster->foreign_keys, -1);
}

void cluster_release(struct cluster *cluster)
{
    cluster_view_close(cluster->view);
    pthread_mutex_destroy(&cluster->lock);
}

// Copies what is known about a node.
static void inherit_peer(struct cluster_view *view, unsigned node, struct cluster_view *before,
                         unsigned peer)
{
    struct node_state state;
    cluster_set_down(view, node, atomic_load(&before->peers[peer].down));
    atomic_store(&view->peers[node].good_ms, atomic_load(&before->peers[peer].good_ms));
    if (cluster_get_state(before, peer, &state))
        cluster_set_state(view, node, &state);
}

// Copies what is known about the nodes that both views have with the same address.
static void inherit(struct cluster_view *view, struct cluster_view *before)
{
    const struct topology *t = view->topology;
    for (unsigned i = 0; before != NULL && i < t->node_count; i++) {
        unsigned peer = topology_find(before->topology, span_text(t->nodes[i].name));
        const struct topology_node *node = &before->topology->nodes[peer];
        if (peer < before->topology->node_count && node->port == t->nodes[i].port &&
            strcmp(node->host, t->nodes[i].host) == 0)
            inherit_peer(view, i, before, peer);
    }
}

void cluster_replace(struct cluster *cluster, struct cluster_view *view)
{
    inherit(view, cluster->view); // only this function, in one thread, replaces the view
    pthread_mutex_lock(&cluster->lock);
    struct cluster_view *before = cluster->view;
    cluster->view = view;
    atomic_fetch_add(&cluster->version, 1);
    pthread_mutex_unlock(&cluster->lock);
    cluster_view_close(before);
}

void cluster_announce(struct cluster *cluster)
{
    atomic_store(&cluster->announced, atomic_load(&cluster->version));
}

struct cluster_view *cluster_take(struct cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    struct cluster_view *view = cluster->view;
    if (view != NULL)
        ref_take(&view->ref);
    pthread_mutex_unlock(&cluster->lock);
    return view;
}

// ---- routing ------------------------------------------------------------------------------------

void route_decide(struct route *route, const struct cluster_view *view, unsigned *shard)
{
    const struct topology *t = view->topology;
    if (route_is_here(route, view)) {
        route->kind = ROUTE_HERE;
    } else if (route->mixed || route->apart) {
        // Keys of one slot are apart if some are in upper case. No shard has all of them. A
        // redirect would lead to a node that redirects the client back, without an end.
        route->kind = ROUTE_CROSSSLOT;
    } else if (t->owner[route->slot] != cluster_own_shard(view)) {
        route->kind = ROUTE_MOVED;
        *shard = t->owner[route->slot];
    } else {
        route->kind = ROUTE_ASK;
        *shard = route->home;
    }
}
