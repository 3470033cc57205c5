// CLUSTER: which nodes the cluster has, and which slots they own.
//
// With --cluster-config, the file's topology decides (cluster/topology.h). With --cluster-enabled
// yes alone, the server is a cluster of one node that owns all slots, for clients that talk only to
// clusters. So several servers of the same file may also stand behind one address, such as a load
// balancer's. Without both, every subcommand is an error.
//
// The replies contain what client libraries check: the word `myself`, an owner for every slot, the
// port that the client is connected to, and a host that is never empty.
#include <stdio.h>
#include <stdlib.h>

#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/cluster.h"
#include "serve/session.h"

enum {
    CLUSTER_BUS_OFFSET = 10000, // a node's bus port minus its port; Stele has no cluster bus
    HOST_TEXT = TOPOLOGY_HOST_MAX + 1,
    WORK_PER_NODE = 4, // units of work for the description of one node
};
_Static_assert((int)HOST_TEXT >= (int)CLIENT_ADDRESS_TEXT, "room for the address of a client");

// A node as replies show it.
struct node {
    char host[HOST_TEXT];
    const char *hostname; // "": none
    const char *zone;     // "": none
    const char *id;
    unsigned port;
    bool up;
    bool self;
    int64_t good_ms; // wall-clock time of its last good answer; 0: none
};

// ---- the cluster, with and without a topology ---------------------------------------------------
//
// Without a topology there is one shard, number 0, with one node, number 0, and one range.

static const struct topology *topology_of(const struct session *s)
{
    return session_view(s) != NULL ? session_view(s)->topology : NULL;
}

// Finds the address of a server without a topology: the one that the settings announce, or else the
// one that this client is connected to.
static void find_own_address(const struct session *s, struct node *node)
{
    const struct settings *settings = s->service->settings;
    char local[CLIENT_ADDRESS_TEXT];
    session_local_address(s, local);
    char *colon = strrchr(local, ':');
    node->port = settings->port;
    if (*local == '/' || *local == '\0' || colon == NULL) {
        strcpy(local, "127.0.0.1"); // a cluster cannot name a unix socket
    } else {
        *colon = '\0';
        node->port = (unsigned)strtoul(colon + 1, NULL, 10);
    }
    // `local` has brackets around an IPv6 address, but the name of a host has none.
    bool brackets = *local == '[';
    if (brackets)
        local[strlen(local) - 1] = '\0';
    if (settings->cluster_announce_ip != NULL)
        snprintf(node->host, sizeof node->host, "%s", settings->cluster_announce_ip);
    else
        snprintf(node->host, sizeof node->host, "%s", local + brackets);
    if (settings->cluster_announce_port != 0)
        node->port = settings->cluster_announce_port;
}

static void describe(const struct session *s, unsigned number, bool up, struct node *node)
{
    const struct cluster_view *view = session_view(s);
    *node = (struct node){.hostname = "", .zone = "", .up = up, .self = true};
    node->id = s->service->group->run_id;
    if (view == NULL) {
        find_own_address(s, node);
        return;
    }
    const struct topology_node *t = &view->topology->nodes[number];
    memcpy(node->host, t->host, sizeof t->host);
    node->hostname = t->hostname;
    node->zone = t->zone;
    node->id = t->id;
    node->port = t->port;
    node->self = number == view->self;
    node->good_ms = node->self ? 0 : atomic_load(&view->peers[number].good_ms);
}

static unsigned shard_count(const struct session *s)
{
    return topology_of(s) != NULL ? topology_of(s)->shard_count : 1;
}

// The nodes of a shard at one moment. Another thread notes at any time that a node is down or up
// again (net/prober.h). So each part of a reply reads once which nodes are up: the numbers that it
// announces are then right, and a shard has one primary.
struct shard {
    unsigned first;              // number of the first node
    unsigned count;              // number of nodes
    unsigned primary;            // number of the primary
    bool up[TOPOLOGY_NODES_MAX]; // for each node, counted from the first
};

static void look_at_shard(const struct session *s, unsigned number, struct shard *shard)
{
    const struct cluster_view *view = session_view(s);
    shard->first = shard->primary = 0;
    shard->count = 1;
    shard->up[0] = true;
    if (view == NULL)
        return;
    shard->first = view->topology->shards[number].first_node;
    shard->count = view->topology->shards[number].nodes;
    for (unsigned i = 0; i < shard->count; i++)
        shard->up[i] = cluster_is_up(view, shard->first + i);
    unsigned first_up = 0;
    while (first_up < shard->count && !shard->up[first_up])
        first_up++;
    shard->primary = shard->first + (first_up < shard->count ? first_up : 0);
}

static unsigned range_count(const struct session *s)
{
    return topology_of(s) != NULL ? topology_of(s)->range_count : 1;
}

static struct topology_range range_at(const struct session *s, unsigned number)
{
    const struct topology *t = topology_of(s);
    return t != NULL ? t->ranges[number] : (struct topology_range){0, SLOTS - 1};
}

// Returns the number of the first range of a shard.
static unsigned first_range(const struct session *s, unsigned shard)
{
    return topology_of(s) != NULL ? topology_of(s)->shards[shard].first_range : 0;
}

// Returns the number of the shard's range after range `number`, or range_count.
static unsigned next_range(const struct session *s, unsigned number)
{
    return topology_of(s) != NULL ? topology_of(s)->next_range[number] : 1;
}

// Takes the work of describing some nodes and ranges.
static void charge(struct session *s, unsigned nodes, unsigned ranges)
{
    session_charge(s, (uint64_t)nodes * WORK_PER_NODE + ranges);
}

static const char *id_of(const struct session *s, unsigned node)
{
    return topology_of(s) != NULL ? topology_of(s)->nodes[node].id : s->service->group->run_id;
}

// Returns the number of the node with this id, or -1 with an error reply.
static int find_node(struct session *s, struct span id)
{
    const struct topology *t = topology_of(s);
    for (unsigned i = 0; i < (t != NULL ? t->node_count : 1); i++)
        if (span_equal(id, span_text(id_of(s, i))))
            return (int)i;
    resp_error(&s->reply, "ERR Unknown node %.*s", session_echoed(id), id.ptr);
    return -1;
}

// ---- commands that list nothing and change nothing ----------------------------------------------

static enum command_result cluster_help_command(struct session *s, const struct resp_request *r)
{
    return reply_unless_cluster(s) ? help_command(s, r) : COMMAND_DONE;
}

// Refuses the subcommands that would change the cluster.
static enum command_result cluster_change_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (reply_unless_cluster(s))
        resp_error(&s->reply, topology_of(s) != NULL
                                  ? "ERR This cluster is static: change its file"
                                  : "ERR This cluster has one node and does not change");
    return COMMAND_DONE;
}

static enum command_result asking_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (reply_unless_cluster(s))
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// Nobody reports failures, because each node has its own view.
static enum command_result cluster_failure_reports_command(struct session *s,
                                                           const struct resp_request *r)
{
    if (reply_unless_cluster(s) && find_node(s, resp_arg(r, 2)) >= 0)
        resp_integer(&s->reply, 0);
    return COMMAND_DONE;
}

static enum command_result cluster_links_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (reply_unless_cluster(s))
        resp_array(&s->reply, 0);
    return COMMAND_DONE;
}

// ---- SLOTS and SHARDS ---------------------------------------------------------------------------

static bool prefers_hostname(const struct session *s, const struct node *node)
{
    return s->service->settings->cluster_hostnames && *node->hostname != '\0';
}

static void reply_pair(struct resp_writer *w, const char *name, const char *value)
{
    resp_bulk_text(w, name);
    resp_bulk_text(w, value);
}

// Writes a node of CLUSTER SLOTS. The metadata has the name that is not the preferred one.
static void reply_slots_node(struct session *s, unsigned number)
{
    struct resp_writer *w = &s->reply;
    struct node node;
    describe(s, number, true, &node);
    bool by_name = prefers_hostname(s, &node);
    resp_array(w, 4);
    resp_bulk_text(w, by_name ? node.hostname : node.host);
    resp_integer(w, node.port);
    resp_bulk_text(w, node.id);
    resp_map(w, *node.hostname != '\0');
    if (by_name)
        reply_pair(w, "ip", node.host);
    else if (*node.hostname != '\0')
        reply_pair(w, "hostname", node.hostname);
}

// Writes a range with the nodes of its shard: first the primary, then all others that are up.
static void reply_slots_range(struct session *s, struct topology_range range)
{
    const struct topology *t = topology_of(s);
    struct shard shard;
    look_at_shard(s, t != NULL ? t->owner[range.first] : 0, &shard);
    unsigned primary = shard.primary - shard.first;
    unsigned listed = 1;
    for (unsigned i = 0; i < shard.count; i++)
        listed += i != primary && shard.up[i];
    resp_array(&s->reply, 2 + listed);
    resp_integer(&s->reply, range.first);
    resp_integer(&s->reply, range.last);
    reply_slots_node(s, shard.primary);
    for (unsigned i = 0; i < shard.count; i++)
        if (i != primary && shard.up[i])
            reply_slots_node(s, shard.first + i);
    charge(s, listed, 1);
}

// `s->request.cursor` is 0 until the number of ranges is written, then 1 + the number of ranges
// that are written.
static enum command_result cluster_slots_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (!reply_unless_cluster(s))
        return COMMAND_DONE;
    session_keep_view(s);
    if (s->request.cursor == 0) {
        resp_array(&s->reply, range_count(s));
        s->request.cursor = 1;
    }
    for (; s->request.cursor <= range_count(s); s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        reply_slots_range(s, range_at(s, (unsigned)s->request.cursor - 1));
    }
    session_drop_view(s);
    return COMMAND_DONE;
}

static void reply_shards_node(struct session *s, unsigned number, bool primary, bool up)
{
    struct resp_writer *w = &s->reply;
    struct node node;
    describe(s, number, up, &node);
    resp_map(w, 7u + (*node.hostname != '\0') + (*node.zone != '\0'));
    reply_pair(w, "id", node.id);
    resp_bulk_text(w, "port");
    resp_integer(w, node.port);
    reply_pair(w, "ip", node.host);
    reply_pair(w, "endpoint", prefers_hostname(s, &node) ? node.hostname : node.host);
    if (*node.hostname != '\0')
        reply_pair(w, "hostname", node.hostname);
    reply_pair(w, "role", primary ? "master" : "replica");
    resp_bulk_text(w, "replication-offset");
    resp_integer(w, topology_of(s) != NULL ? (int64_t)session_snapshot(s)->generation + 1 : 0);
    reply_pair(w, "health", node.up ? "online" : "fail");
    if (*node.zone != '\0')
        reply_pair(w, "availability-zone", node.zone);
}

static void reply_shard(struct session *s, unsigned number)
{
    struct resp_writer *w = &s->reply;
    struct shard shard;
    unsigned ranges = topology_of(s) != NULL ? topology_of(s)->shards[number].ranges : 1;
    resp_map(w, 2);
    resp_bulk_text(w, "slots");
    resp_array(w, 2 * ranges);
    for (unsigned i = first_range(s, number); i < range_count(s); i = next_range(s, i)) {
        resp_integer(w, range_at(s, i).first);
        resp_integer(w, range_at(s, i).last);
    }
    look_at_shard(s, number, &shard);
    resp_bulk_text(w, "nodes");
    resp_array(w, shard.count);
    for (unsigned i = 0; i < shard.count; i++)
        reply_shards_node(s, shard.first + i, shard.first + i == shard.primary, shard.up[i]);
    charge(s, shard.count, ranges);
}

// `s->request.cursor` is 0 until the number of shards is written, then 1 + the number of shards
// that are written.
static enum command_result cluster_shards_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (!reply_unless_cluster(s))
        return COMMAND_DONE;
    session_keep_view(s);
    if (s->request.cursor == 0) {
        resp_array(&s->reply, shard_count(s));
        s->request.cursor = 1;
    }
    for (; s->request.cursor <= shard_count(s); s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        reply_shard(s, (unsigned)s->request.cursor - 1);
    }
    session_drop_view(s);
    return COMMAND_DONE;
}

// ---- NODES --------------------------------------------------------------------------------------

// Appends the line of a node of the shard `number`, without its newline. `i` is counted from the
// first node of the shard.
static void append_node(const struct session *s, struct buf *to, unsigned number,
                        const struct shard *shard, unsigned i)
{
    const struct topology *t = topology_of(s);
    struct node node;
    bool is_primary = shard->first + i == shard->primary;
    const char *primary_id = t != NULL ? t->nodes[shard->primary].id : "-";
    describe(s, shard->first + i, shard->up[i], &node);
    unsigned bus =
        node.port + CLUSTER_BUS_OFFSET <= UINT16_MAX ? node.port + CLUSTER_BUS_OFFSET : node.port;
    buf_printf(to, "%s %s:%u@%u%s%s %s%s%s %s 0 %lld %llu %s", node.id, node.host, node.port, bus,
               *node.hostname != '\0' ? "," : "", node.hostname, node.self ? "myself," : "",
               is_primary ? "master" : "slave", node.up ? "" : ",fail",
               is_primary ? "-" : primary_id, (long long)node.good_ms,
               t != NULL ? (unsigned long long)t->epoch : 1,
               node.up ? "connected" : "disconnected");
    if (!is_primary)
        return;
    for (unsigned r = first_range(s, number); r < range_count(s); r = next_range(s, r)) {
        struct topology_range range = range_at(s, r);
        buf_printf(to, " %u", range.first);
        if (range.last > range.first)
            buf_printf(to, "-%u", range.last);
    }
}

static void append_shard(struct session *s, struct buf *to, unsigned number)
{
    struct shard shard;
    look_at_shard(s, number, &shard);
    for (unsigned i = 0; i < shard.count; i++) {
        append_node(s, to, number, &shard, i);
        buf_append_text(to, "\n");
    }
    charge(s, shard.count, topology_of(s) != NULL ? topology_of(s)->shards[number].ranges : 1);
}

// The text is collected in several turns. `s->request.cursor` is the number of the next shard.
static enum command_result cluster_nodes_command(struct session *s, const struct resp_request *r)
{
    struct buf *text = &s->request.collected;
    (void)r;
    if (!reply_unless_cluster(s))
        return COMMAND_DONE;
    session_keep_view(s);
    for (; s->request.cursor < shard_count(s); s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        append_shard(s, text, (unsigned)s->request.cursor);
    }
    s->oom |= text->oom;
    resp_verbatim(&s->reply, buf_span(text));
    buf_release(text);
    session_drop_view(s);
    return COMMAND_DONE;
}

// REPLICAS and SLAVES: the lines of the other nodes of a shard.
static enum command_result cluster_replicas_command(struct session *s, const struct resp_request *r)
{
    const struct topology *t = topology_of(s);
    struct shard shard;
    if (!reply_unless_cluster(s))
        return COMMAND_DONE;
    if (t == NULL) {
        resp_array(&s->reply, 0);
        return COMMAND_DONE;
    }
    int number = find_node(s, resp_arg(r, 2));
    if (number < 0)
        return COMMAND_DONE;
    look_at_shard(s, t->nodes[number].shard, &shard);
    if ((unsigned)number != shard.primary) {
        resp_error(&s->reply, "ERR The specified node is not a master");
        return COMMAND_DONE;
    }
    resp_array(&s->reply, shard.count - 1);
    for (unsigned i = 0; i < shard.count; i++) {
        struct buf line = {0};
        if (shard.first + i == shard.primary)
            continue;
        append_node(s, &line, t->nodes[number].shard, &shard, i);
        s->oom |= line.oom;
        resp_bulk(&s->reply, buf_span(&line));
        buf_release(&line);
    }
    charge(s, shard.count, 0);
    return COMMAND_DONE;
}

// ---- INFO and identity --------------------------------------------------------------------------

// Returns the number of slots of shards that have a node which is up.
static unsigned slots_served(const struct session *s)
{
    const struct cluster_view *view = session_view(s);
    unsigned slots = view == NULL ? SLOTS : 0;
    for (unsigned i = 0; view != NULL && i < view->topology->shard_count; i++)
        if (cluster_is_up(view, cluster_primary(view, i)))
            slots += view->topology->shards[i].slots;
    return slots;
}

// Some clients refuse to start unless the state is ok.
static enum command_result cluster_info_command(struct session *s, const struct resp_request *r)
{
    const struct topology *t = topology_of(s);
    struct buf text = {0};
    (void)r;
    if (!reply_unless_cluster(s))
        return COMMAND_DONE;
    unsigned long long epoch = t != NULL ? t->epoch : 1;
    unsigned served = slots_served(s);
    buf_printf(&text,
               "cluster_state:ok\r\n"
               "cluster_slots_assigned:%d\r\n"
               "cluster_slots_ok:%u\r\n"
               "cluster_slots_pfail:0\r\n"
               "cluster_slots_fail:%u\r\n"
               "cluster_known_nodes:%u\r\n"
               "cluster_size:%u\r\n"
               "cluster_current_epoch:%llu\r\n"
               "cluster_my_epoch:%llu\r\n"
               "cluster_stats_messages_sent:0\r\n"
               "cluster_stats_messages_received:0\r\n"
               "total_cluster_links_buffer_limit_exceeded:0\r\n",
               SLOTS, served, SLOTS - served, t != NULL ? t->node_count : 1, shard_count(s), epoch,
               epoch);
    s->oom |= text.oom;
    resp_verbatim(&s->reply, buf_span(&text));
    buf_release(&text);
    return COMMAND_DONE;
}

static enum command_result cluster_myid_command(struct session *s, const struct resp_request *r)
{
    const struct cluster_view *view = session_view(s);
    (void)r;
    if (reply_unless_cluster(s))
        resp_bulk_text(&s->reply, id_of(s, view != NULL ? view->self : 0));
    return COMMAND_DONE;
}

// The id of a shard is that of its first node.
static enum command_result cluster_myshardid_command(struct session *s,
                                                     const struct resp_request *r)
{
    const struct cluster_view *view = session_view(s);
    (void)r;
    if (!reply_unless_cluster(s))
        return COMMAND_DONE;
    const struct topology *t = topology_of(s);
    resp_bulk_text(&s->reply,
                   id_of(s, t != NULL ? t->shards[cluster_own_shard(view)].first_node : 0));
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

const struct command cluster_commands[] = {
    {"asking", 1, FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, asking_command,
     "Returns OK in a cluster, and an error without a cluster", "O(1)"},
    {"cluster", -2, 0, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, NULL,
     "A container for the commands about the cluster", NULL,
     .deviation = "With `--cluster-config`, a file says which nodes the cluster has. With "
                  "`--cluster-enabled yes` alone, the server is a cluster of one node that owns "
                  "every slot, for clients that support only clusters. No command changes either."},
    {"cluster|addslots", -3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|addslotsrange", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "7.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|bumpepoch", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)",
     "nondeterministic_output"},
    {"cluster|count-failure-reports", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_failure_reports_command, "Returns 0, as nodes do not report failures to each other",
     "O(N) where N is the number of nodes", "nondeterministic_output"},
    {"cluster|delslots", -3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|delslotsrange", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "7.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|failover", -2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|flushslots", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|forget", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|help", 2, LOADING | STALE, NO_KEYS, GROUP_CLUSTER, "5.0.0", IN_SLOW,
     cluster_help_command, "Returns a description of each subcommand", "O(1)"},
    {"cluster|info", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_info_command,
     "Returns the state of the cluster", "O(1)", "nondeterministic_output"},
    {"cluster|links", 2, STALE, NO_KEYS, GROUP_CLUSTER, "7.0.0", IN_SLOW, cluster_links_command,
     "Returns an empty list, as there is no cluster bus", "O(1)", "nondeterministic_output"},
    {"cluster|meet", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|myid", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_myid_command,
     "Returns the ID of this node", "O(1)"},
    {"cluster|myshardid", 2, STALE, NO_KEYS, GROUP_CLUSTER, "7.2.0", IN_SLOW,
     cluster_myshardid_command, "Returns the ID of the shard of this node", "O(1)",
     "nondeterministic_output"},
    {"cluster|nodes", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_nodes_command,
     "Returns the nodes of the cluster and their slots as text", "O(1)", "nondeterministic_output"},
    {"cluster|replicas", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "5.0.0", IN_SLOW,
     cluster_replicas_command, "Returns the other nodes of a shard as text", "O(1)",
     "nondeterministic_output"},
    {"cluster|replicate", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|reset", -2, ADMIN | NOSCRIPT | STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|saveconfig", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|set-config-epoch", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER,
     "3.0.0", IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed",
     "O(1)"},
    {"cluster|setslot", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|shards", 2, STALE, NO_KEYS, GROUP_CLUSTER, "7.0.0", IN_SLOW, cluster_shards_command,
     "Returns the slots and the nodes of each shard", "O(1)", "nondeterministic_output"},
    {"cluster|slaves", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_replicas_command, "Returns the other nodes of a shard as text", "O(1)",
     "nondeterministic_output", .doc_flags = "deprecated", .deprecated_since = "5.0.0",
     .replaced_by = "`CLUSTER REPLICAS`"},
    {"cluster|slots", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_slots_command,
     "Returns which nodes own which slots", "O(1)", "nondeterministic_output",
     .doc_flags = "deprecated", .deprecated_since = "7.0.0", .replaced_by = "`CLUSTER SHARDS`"},
    {0},
};
