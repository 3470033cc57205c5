// CLUSTER: with --cluster-enabled yes, the server is a cluster of one node, for clients that talk
// only to clusters. The node owns all slots, so it never redirects a client to another node. So
// several servers of the same file may also stand behind one address, such as a load balancer's.
// Without the option, every subcommand is an error.
//
// The replies contain what client libraries check: the word `myself`, an owner for every slot, the
// port that the client is connected to, and a host that is never empty.
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/session.h"

enum {
    SLOTS = 16384,
    CLUSTER_BUS_OFFSET = 10000, // a node's bus port minus its port; Stele has no cluster bus
    KEYS_IN_SLOT_MAX = 1024,    // keys in one reply to GETKEYSINSLOT
};

// The address under which a client can reach this server.
struct node {
    char host[CLIENT_ADDRESS_TEXT];
    unsigned port;
};

// Replies with an error and returns false if the server is not a cluster.
static bool is_enabled(struct session *s)
{
    bool enabled = s->service->settings->cluster_enabled;
    if (!enabled)
        resp_error(&s->reply, "ERR This instance has cluster support disabled");
    return enabled;
}

// Finds the address of this server: the one that the settings announce, or else the one that this
// client is connected to.
static void find_node(const struct session *s, struct node *node)
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

// The name of this node: 40 hexadecimal digits.
static const char *node_id(const struct session *s)
{
    return s->service->group->run_id;
}

// CRC-16/XMODEM (polynomial 0x1021, initial value 0), which the Redis Cluster specification
// prescribes. Each step processes four bits.
static unsigned crc16(const char *text, size_t len)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                       0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                       0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        crc = (crc << 4 ^ table[(crc >> 12 ^ byte >> 4) & 15]) & 0xffff;
        crc = (crc << 4 ^ table[(crc >> 12 ^ byte) & 15]) & 0xffff;
    }
    return crc;
}

// Returns the slot of a key. If text stands between the first '{' and the next '}', only that text
// decides, as in Redis, so that related keys can share a slot.
static unsigned slot_of(struct span key)
{
    const char *open = key.len > 0 ? memchr(key.ptr, '{', key.len) : NULL;
    if (open != NULL) {
        size_t rest = key.len - (size_t)(open + 1 - key.ptr);
        const char *close = rest > 0 ? memchr(open + 1, '}', rest) : NULL;
        if (close != NULL && close > open + 1)
            key = span_of(open + 1, (size_t)(close - open - 1));
    }
    return crc16(key.ptr, key.len) % SLOTS;
}

static bool is_slot(int64_t number)
{
    return number >= 0 && number < SLOTS;
}

static enum command_result cluster_help_command(struct session *s, const struct resp_request *r)
{
    return is_enabled(s) ? help_command(s, r) : COMMAND_DONE;
}

// Refuses the subcommands that would change the cluster. Refuses COUNT-FAILURE-REPORTS too, because
// there is no other node that could report a failure.
static enum command_result cluster_change_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (is_enabled(s))
        resp_error(&s->reply, "ERR This cluster has one node and does not change");
    return COMMAND_DONE;
}

static enum command_result asking_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (is_enabled(s))
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

static enum command_result cluster_slots_command(struct session *s, const struct resp_request *r)
{
    struct resp_writer *w = &s->reply;
    struct node node;
    (void)r;
    if (!is_enabled(s))
        return COMMAND_DONE;
    find_node(s, &node);
    resp_array(w, 1);
    resp_array(w, 3);
    resp_integer(w, 0);
    resp_integer(w, SLOTS - 1);
    resp_array(w, 4);
    resp_bulk_text(w, node.host);
    resp_integer(w, node.port);
    resp_bulk_text(w, node_id(s));
    resp_map(w, 0);
    return COMMAND_DONE;
}

static void reply_pair(struct resp_writer *w, const char *name, const char *value)
{
    resp_bulk_text(w, name);
    resp_bulk_text(w, value);
}

static enum command_result cluster_shards_command(struct session *s, const struct resp_request *r)
{
    struct resp_writer *w = &s->reply;
    struct node node;
    (void)r;
    if (!is_enabled(s))
        return COMMAND_DONE;
    find_node(s, &node);
    resp_array(w, 1);
    resp_map(w, 2);
    resp_bulk_text(w, "slots");
    resp_array(w, 2);
    resp_integer(w, 0);
    resp_integer(w, SLOTS - 1);
    resp_bulk_text(w, "nodes");
    resp_array(w, 1);
    resp_map(w, 7);
    reply_pair(w, "id", node_id(s));
    resp_bulk_text(w, "port");
    resp_integer(w, node.port);
    reply_pair(w, "ip", node.host);
    reply_pair(w, "endpoint", node.host);
    reply_pair(w, "role", "master");
    resp_bulk_text(w, "replication-offset");
    resp_integer(w, 0);
    reply_pair(w, "health", "online");
    return COMMAND_DONE;
}

static enum command_result cluster_nodes_command(struct session *s, const struct resp_request *r)
{
    char line[CLIENT_ADDRESS_TEXT + 128];
    struct node node;
    (void)r;
    if (!is_enabled(s))
        return COMMAND_DONE;
    find_node(s, &node);
    int len = snprintf(line, sizeof line, "%s %s:%u@%u myself,master - 0 0 1 connected 0-%d\n",
                       node_id(s), node.host, node.port, node.port + CLUSTER_BUS_OFFSET, SLOTS - 1);
    resp_verbatim(&s->reply, span_of(line, (size_t)len));
    return COMMAND_DONE;
}

static enum command_result cluster_info_command(struct session *s, const struct resp_request *r)
{
    static const char text[] = "cluster_state:ok\r\n"
                               "cluster_slots_assigned:16384\r\n"
                               "cluster_slots_ok:16384\r\n"
                               "cluster_slots_pfail:0\r\n"
                               "cluster_slots_fail:0\r\n"
                               "cluster_known_nodes:1\r\n"
                               "cluster_size:1\r\n"
                               "cluster_current_epoch:1\r\n"
                               "cluster_my_epoch:1\r\n"
                               "cluster_stats_messages_sent:0\r\n"
                               "cluster_stats_messages_received:0\r\n"
                               "total_cluster_links_buffer_limit_exceeded:0\r\n";
    (void)r;
    if (is_enabled(s))
        resp_verbatim(&s->reply, span_text(text));
    return COMMAND_DONE;
}

static enum command_result cluster_myid_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (is_enabled(s))
        resp_bulk_text(&s->reply, node_id(s));
    return COMMAND_DONE;
}

// REPLICAS, SLAVES and LINKS list nothing, because there are no other nodes.
static enum command_result cluster_empty_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (is_enabled(s))
        resp_array(&s->reply, 0);
    return COMMAND_DONE;
}

static enum command_result cluster_keyslot_command(struct session *s, const struct resp_request *r)
{
    struct span key = resp_arg(r, 2);
    if (is_enabled(s)) {
        resp_integer(&s->reply, slot_of(key));
        session_charge(s, key.len / 64);
    }
    return COMMAND_DONE;
}

// Writes the key at the request's cursor to `text` (UUID_TEXT_LEN bytes). The cursor is the rank of
// a key, which must exist. Returns LOOKUP_FOUND if the key is in the slot, and LOOKUP_MISSED if it
// is not, or cannot be read.
static enum lookup find_key_in_slot(struct session *s, int64_t slot, char *text)
{
    struct uuid id;
    uint64_t last = dataset_figures(session_dataset(s))->keys - 1;
    enum lookup lookup = session_at(s, s->request.cursor, last, &id, NULL);
    if (lookup != LOOKUP_FOUND)
        return lookup;
    uuid_format(id, text);
    return slot_of(span_of(text, UUID_TEXT_LEN)) == slot ? LOOKUP_FOUND : LOOKUP_MISSED;
}

// Visits all keys, some in each turn, because no index lists the keys of a slot.
// `s->request.cursor` is the rank of the next key, and `s->request.sum` is the number of keys
// found.
static enum command_result cluster_countkeysinslot_command(struct session *s,
                                                           const struct resp_request *r)
{
    char text[UUID_TEXT_LEN];
    int64_t slot;
    if (!is_enabled(s) || !reply_unless_integer(s, resp_arg(r, 2), &slot))
        return COMMAND_DONE;
    if (!is_slot(slot)) {
        resp_error(&s->reply, "ERR Invalid slot");
        return COMMAND_DONE;
    }
    for (; s->request.cursor < dataset_figures(session_dataset(s))->keys; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum lookup lookup = find_key_in_slot(s, slot, text);
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        s->request.sum += lookup == LOOKUP_FOUND;
    }
    resp_integer(&s->reply, (int64_t)s->request.sum);
    return COMMAND_DONE;
}

// Visits the keys in order until it has collected enough. `s->request.cursor` is the rank of the
// next key.
static enum command_result cluster_getkeysinslot_command(struct session *s,
                                                         const struct resp_request *r)
{
    char text[UUID_TEXT_LEN];
    int64_t slot;
    int64_t count;
    if (!is_enabled(s) || !reply_unless_integer(s, resp_arg(r, 2), &slot) ||
        !reply_unless_integer(s, resp_arg(r, 3), &count))
        return COMMAND_DONE;
    if (!is_slot(slot) || count < 0) {
        resp_error(&s->reply, "ERR Invalid slot or number of keys");
        return COMMAND_DONE;
    }
    uint64_t limit = count < KEYS_IN_SLOT_MAX ? (uint64_t)count : KEYS_IN_SLOT_MAX;
    for (; s->request.cursor < dataset_figures(session_dataset(s))->keys; s->request.cursor++) {
        if (s->request.collected.len == limit * UUID_TEXT_LEN || s->request.collected.oom)
            break;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum lookup lookup = find_key_in_slot(s, slot, text);
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        if (lookup == LOOKUP_FOUND)
            buf_append(&s->request.collected, span_of(text, sizeof text));
    }
    resp_array(&s->reply, s->request.collected.len / UUID_TEXT_LEN);
    for (size_t i = 0; i < s->request.collected.len; i += UUID_TEXT_LEN)
        resp_bulk(&s->reply, span_of(s->request.collected.ptr + i, UUID_TEXT_LEN));
    s->oom |= s->request.collected.oom;
    buf_release(&s->request.collected);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

const struct command cluster_commands[] = {
    {"asking", 1, FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, asking_command,
     "Returns OK in a cluster, and an error without a cluster", "O(1)"},
    {"cluster", -2, 0, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, NULL,
     "A container for the commands about the cluster", NULL,
     .deviation = "With `--cluster-enabled yes`, the server is a cluster of one node that owns "
                  "every slot, for clients that support only clusters. This cluster cannot be "
                  "changed."},
    {"cluster|addslots", -3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|addslotsrange", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "7.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|bumpepoch", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0",
     IN_SLOW, cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)",
     "nondeterministic_output"},
    {"cluster|count-failure-reports", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_change_command, "Returns an error, as there is no other node to report failures",
     "O(1)", "nondeterministic_output"},
    {"cluster|countkeysinslot", 3, STALE | ORDERED, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_countkeysinslot_command, "Returns the number of keys in a slot",
     "O(N) where N is the number of keys"},
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
    {"cluster|getkeysinslot", 4, STALE | ORDERED, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_getkeysinslot_command, "Returns some of the keys in a slot",
     "O(N) where N is the number of keys", "nondeterministic_output"},
    {"cluster|help", 2, LOADING | STALE, NO_KEYS, GROUP_CLUSTER, "5.0.0", IN_SLOW,
     cluster_help_command, "Returns a description of each subcommand", "O(1)"},
    {"cluster|info", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_info_command,
     "Returns the state of the cluster", "O(1)", "nondeterministic_output"},
    {"cluster|keyslot", 3, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_keyslot_command,
     "Returns the slot of a key", "O(1)"},
    {"cluster|links", 2, STALE, NO_KEYS, GROUP_CLUSTER, "7.0.0", IN_SLOW, cluster_empty_command,
     "Returns an empty list, as there are no other nodes", "O(1)", "nondeterministic_output"},
    {"cluster|meet", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_change_command, "Returns an error, as the cluster cannot be changed", "O(1)"},
    {"cluster|myid", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_myid_command,
     "Returns the ID of this node", "O(1)"},
    {"cluster|nodes", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_nodes_command,
     "Returns the nodes of the cluster and their slots as text", "O(1)", "nondeterministic_output"},
    {"cluster|replicas", 3, ADMIN | STALE, NO_KEYS, GROUP_CLUSTER, "5.0.0", IN_SLOW,
     cluster_empty_command, "Returns an empty list, as there are no replicas", "O(1)",
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
     cluster_empty_command, "Returns an empty list, as CLUSTER REPLICAS does", "O(1)",
     "nondeterministic_output", .doc_flags = "deprecated", .deprecated_since = "5.0.0",
     .replaced_by = "`CLUSTER REPLICAS`"},
    {"cluster|slots", 2, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_slots_command,
     "Returns which node owns which slots; this node owns all of them", "O(1)",
     "nondeterministic_output", .doc_flags = "deprecated", .deprecated_since = "7.0.0",
     .replaced_by = "`CLUSTER SHARDS`"},
    {0},
};
