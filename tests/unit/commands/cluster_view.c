// Requests during which the topology is replaced, and nodes go down and come up. Replies of CLUSTER
// in a cluster of many nodes and ranges take several turns: each is still complete, and from one
// topology. EXEC does not read keys that have moved to another node since they were queued.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "data/dataset.h"
#include "serve/cluster.h"
#include "support/cluster.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

enum {
    NODES = 999,
    NODES_PER_SHARD = 3,
    SHARDS = NODES / NODES_PER_SHARD,
    TURN_MAX = 128 * 1024, // bytes of replies in one turn; a turn of 0.1 ms writes fewer
    ROUNDS = 5,
    ROLES = 2000,
};

static const char line[] = "00000000-0000-4000-8000-000000000001 one\n";

static unsigned self; // number of this node
static struct settings settings;
static struct dataset *dataset;
static struct loops loops;

// Makes the loop use a topology. With `large`, neighbouring slots belong to different shards.
static void use_topology(bool large)
{
    struct buf text = {0};
    buf_append_text(&text, "epoch 1\n");
    if (!large)
        buf_append_text(&text, "shard 0-16383\nnode n0 h:1\n");
    for (unsigned shard = 0; large && shard < SHARDS; shard++) {
        buf_append_text(&text, "shard");
        for (unsigned slot = shard; slot < SLOTS; slot += SHARDS)
            buf_printf(&text, " %u", slot);
        for (unsigned i = 0; i < NODES_PER_SHARD; i++)
            buf_printf(&text, "\nnode n%u h:%u", shard * NODES_PER_SHARD + i,
                       1 + shard * NODES_PER_SHARD + i);
        buf_append_text(&text, "\n");
    }
    cluster_replace(&loops.group.cluster, view_of(buf_span(&text), self, true));
    cluster_announce(&loops.group.cluster);
    service_take_view(&loops.service[0]);
    buf_release(&text);
}

// Skips a reply. Returns NULL if its bytes are no complete reply.
static const char *skip_reply(const char *at, const char *end)
{
    long elements = 1;
    while (elements-- > 0) {
        const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        long number = newline != NULL ? strtol(at + 1, NULL, 10) : 0;
        if (newline == NULL || number < 0)
            return NULL;
        if (*at == '*')
            elements += number;
        else if (*at == '$')
            newline += number + 2;
        else if (*at != ':')
            return NULL;
        at = newline + 1;
        if (at > end)
            return NULL;
    }
    return at;
}

static bool is_one_reply(struct span received)
{
    return skip_reply(received.ptr, received.ptr + received.len) == received.ptr + received.len;
}

// ---- nodes go down and come up ------------------------------------------------------------------

static atomic_bool ended;

static void *flip_nodes(void *argument)
{
    struct cluster_view *view = argument;
    for (unsigned i = 0; !atomic_load(&ended); i++)
        cluster_set_down(view, 1 + i % (NODES - 1), i / (NODES - 1) % 2 == 0);
    return NULL;
}

static void *flip_primary(void *argument)
{
    for (unsigned i = 0; !atomic_load(&ended); i++)
        cluster_set_down(argument, 0, i % 2 == 0);
    return NULL;
}

// A reply announces how many nodes a range has, and then lists them.
static void check_flips(struct party *p, const char *request)
{
    pthread_t thread;
    struct cluster_view *view = cluster_take(&loops.group.cluster);
    unsigned good = 0;
    unsigned masters = 0;
    atomic_store(&ended, false);
    require(pthread_create(&thread, NULL, flip_nodes, view) == 0, "no thread");
    for (unsigned i = 0; i < ROUNDS; i++) {
        party_send(p, request);
        loops_run(&loops);
        struct span received = party_receive(p);
        good += is_one_reply(received);
        masters += occurrences(received, "master");
    }
    atomic_store(&ended, true);
    pthread_join(thread, NULL);
    is_number(good, ROUNDS, "%s while nodes go down and come up: each reply is complete", request);
    if (strstr(request, "SLOTS") == NULL)
        is_number(masters, ROUNDS * SHARDS, "%s: each shard has one master", request);
    cluster_view_close(view);
}

// The primary of this node's shard goes down and comes up. This node is never its own replica.
static void check_roles(struct party *p)
{
    static const char *const requests[] = {"ROLE", "INFO replication"};
    pthread_t thread;
    self = 1;
    use_topology(true);
    self = 0;
    struct cluster_view *view = cluster_take(&loops.group.cluster);
    atomic_store(&ended, false);
    require(pthread_create(&thread, NULL, flip_primary, view) == 0, "no thread");
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        unsigned wrong = 0;
        for (unsigned round = 0; round < ROLES; round++) {
            party_send(p, requests[i]);
            loops_run(&loops);
            struct span received = party_receive(p);
            wrong += occurrences(received, "slave\r\n$1\r\nh\r\n:2\r\n");
            wrong += occurrences(received, "master_port:2\r\n");
        }
        is_number(wrong, 0, "%s: this node is not its own replica", requests[i]);
    }
    atomic_store(&ended, true);
    pthread_join(thread, NULL);
    cluster_view_close(view);
}

// ---- the topology is replaced -------------------------------------------------------------------

static void check_turns(struct party *p, const char *request)
{
    unsigned turns = 0;
    size_t largest = 0;
    use_topology(true);
    party_send(p, request);
    loops_run(&loops);
    struct span received = party_receive(p);
    struct buf wanted = {0};
    buf_append(&wanted, received);
    struct buf got = {0};
    party_send(p, request);
    do {
        party_turn(p);
        struct span part = party_receive(p);
        buf_append(&got, part);
        largest = part.len > largest ? part.len : largest;
        use_topology(turns++ % 2 != 0);
    } while (p->status == FEED_TURN_OVER || p->status == FEED_OUTPUT_FULL);
    ok(turns > 10, "%s takes several turns: %u", request, turns);
    ok(strstr(request, "NODES") != NULL || largest < TURN_MAX, "of at most %zu bytes", largest);
    ok(span_equal(buf_span(&wanted), buf_span(&got)),
       "%s: the reply is as before, while the topology is replaced", request);
    buf_release(&wanted);
    buf_release(&got);
}

// A key of a transaction moves to another node between its request and EXEC.
static void check_transaction(struct party *p)
{
    static const char key[] = "00000000-0000-4000-8000-000000000001";
    static const char upper[] = "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF"; // its home is slot 6291
    char requests[256];
    char wanted[64];
    unsigned slot = slot_of(span_text(key));
    unsigned shard = slot % SHARDS;
    use_topology(false);
    snprintf(requests, sizeof requests, "MULTI\nGET %s\nMGET a %s", key, key);
    replies(p, requests, "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    use_topology(false);
    replies(p, "EXEC", "*2\r\n$3\r\none\r\n*2\r\n$-1\r\n$3\r\none\r\n");

    snprintf(requests, sizeof requests, "MULTI\nPING\nMGET %s %s", key, key);
    replies(p, requests, "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    use_topology(true);
    require(shard != 0, "the key stays");
    snprintf(wanted, sizeof wanted, "-MOVED %u h:%u\r\n", slot, 1 + shard * NODES_PER_SHARD);
    replies(p, "EXEC", wanted);
    replies(p, "EXEC\nMULTI\nPING\nEXEC",
            "-ERR EXEC without MULTI\r\n+OK\r\n+QUEUED\r\n"
            "*1\r\n+PONG\r\n");

    use_topology(false);
    snprintf(requests, sizeof requests, "MULTI\nGET %s", upper);
    replies(p, requests, "+OK\r\n+QUEUED\r\n");
    use_topology(true);
    snprintf(wanted, sizeof wanted, "-MOVED 6291 h:%u\r\n", 1 + 6291 % SHARDS * NODES_PER_SHARD);
    replies(p, "EXEC", wanted);
}

int main(void)
{
    static const char *const requests[] = {"CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES"};
    dataset = loops_dataset(line);
    settings = test_settings;
    settings.cluster_enabled = true;
    settings.port = 1;
    loops_init(&loops, 1, &settings, dataset);
    struct party *p = party_new(&loops, 0);
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        use_topology(true);
        check_flips(p, requests[i]);
        check_turns(p, requests[i]);
    }
    check_roles(p);
    check_transaction(p);
    use_topology(true);
    party_send(p, "CLUSTER SLOTS");
    party_turn(p);
    ok(p->status != FEED_NEEDS_INPUT, "a client leaves in the middle of a reply");
    party_end(p);
    loops_release(&loops);
    dataset_close(dataset);
    return done_testing();
}
