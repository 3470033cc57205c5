// Tests of cluster/topology.h: what is read, and each error with its line.
#include "cluster/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "support/server.h"
#include "support/tap.h"

static const char example[] =
    "epoch 7                                   # grows with each change\n"
    "shard 0-5460\n"
    "  node a1 10.0.0.1:7001 hostname=a1.kv.example az=eu-1a\n"
    "  node a2 10.0.0.2:7001 az=eu-1b\n"
    "\n"
    "shard 5461-10922\r\n"
    "\tnode b1 10.0.0.2:7002\n"
    "# a comment\n"
    "  node b2 10.0.0.3:7002 id=0123456789abcdef0123456789abcdef01234567\n"
    "shard 10923-16000 16003-16383 16001 16002\n"
    "  node c1 [2001:db8::3]:7003";

static const struct {
    const char *text;
    const char *message;
} errors[] = {
    {"", "f:1: no shard has the slots from 0 to 16383"},
    {"epoch 1\nshard 0-16382\nnode a h:1\n", "f:3: no shard has the slots from 16383 to 16383"},
    {"epoch 1\nshard 0-9 20-16383\nnode a h:1\n", "f:3: no shard has the slots from 10 to 19"},
    {"shard 0-16383\nnode a h:1", "f:2: there is no epoch"},
    {"epoch 1\nepoch 2", "f:2: a second epoch"},
    {"epoch", "f:1: an epoch is a number from 1 on"},
    {"epoch 0", "f:1: an epoch is a number from 1 on"},
    {"epoch 1 2", "f:1: unknown word '2'"},
    {"epoch 1\nshard 0-9\nnode a h:1\nshard 9-16383\nnode b h:2", "f:4: slot 9 is taken twice"},
    {"epoch 1\nshard 5-4", "f:2: the range '5-4' is reversed"},
    {"epoch 1\nshard 0-16384", "f:2: '0-16384' is no range of slots from 0 to 16383"},
    {"epoch 1\nshard 0-", "f:2: '0-' is no range of slots from 0 to 16383"},
    {"epoch 1\nshard x", "f:2: 'x' is no range of slots from 0 to 16383"},
    {"epoch 1\nshard", "f:2: this shard has no slots"},
    {"epoch 1\nshard 0-9\n\nshard 10-16383\nnode b h:2", "f:2: this shard has no node"},
    {"epoch 1\nshard 0-16383\n\n", "f:2: this shard has no node"},
    {"node a h:1", "f:1: a node before the first shard"},
    {"epoch 1\nshard 0-16383\nnode",
     "f:3: a node needs a name: 1 to 64 letters, digits, '.', '_' or '-'"},
    {"epoch 1\nshard 0-16383\nnode a/b h:1",
     "f:3: a node needs a name: 1 to 64 letters, digits, '.', '_' or '-'"},
    {"epoch 1\nshard 0-16383\nnode a", "f:3: node 'a' has no address"},
    {"epoch 1\nshard 0-16383\nnode a h", "f:3: 'h' is not HOST:PORT"},
    {"epoch 1\nshard 0-16383\nnode a h:0", "f:3: 'h:0' has no port from 1 to 65535"},
    {"epoch 1\nshard 0-16383\nnode a h:65536", "f:3: 'h:65536' has no port from 1 to 65535"},
    {"epoch 1\nshard 0-16383\nnode a ::1:7", "f:3: an IPv6 address needs brackets: '::1:7'"},
    {"epoch 1\nshard 0-16383\nnode a :7",
     "f:3: ':7' has a host that is empty, too long, or has a blank, ',', '@' or '?'"},
    {"epoch 1\nshard 0-16383\nnode a h,i:7",
     "f:3: 'h,i:7' has a host that is empty, too long, or has a blank, ',', '@' or '?'"},
    {"epoch 1\nshard 0-16383\nnode a h:1 color=red", "f:3: unknown attribute 'color=red'"},
    {"epoch 1\nshard 0-16383\nnode a h:1 hostname=a@b", "f:3: 'hostname=a@b' is no host name"},
    {"epoch 1\nshard 0-16383\nnode a h:1 id=1",
     "f:3: 'id=1' is no id: 40 digits from 0 to 9 and a to f"},
    {"epoch 1\nshard 0-16383\nnode a h:1\nnode a h:2", "f:4: there are two nodes 'a'"},
    {"epoch 1\nshard 0-16383\nnode a h:1\nnode b h:1", "f:4: 'a' and 'b' have the same address"},
    {"epoch 1\nshards 0-16383", "f:2: unknown word 'shards'"},
};

static void check_example(void)
{
    struct error error = {""};
    struct topology *t = topology_parse(span_text(example), "f", &error);
    require(t != NULL, "%s", error.text);
    is_number((int64_t)t->epoch, 7, "the epoch");
    is_number(t->shard_count, 3, "the shards");
    is_number(t->node_count, 5, "the nodes");
    is_text(t->nodes[0].name, "a1", "a name");
    is_text(t->nodes[0].host, "10.0.0.1", "a host");
    is_number(t->nodes[0].port, 7001, "a port");
    is_text(t->nodes[0].hostname, "a1.kv.example", "a host name");
    is_text(t->nodes[1].zone, "eu-1b", "a zone");
    is_text(t->nodes[3].id, "0123456789abcdef0123456789abcdef01234567", "an id");
    is_text(t->nodes[4].host, "2001:db8::3", "an IPv6 address loses its brackets");
    is_number((int64_t)strlen(t->nodes[0].id), 40, "an id that is derived from the name");
    is_text(t->nodes[0].id, "2f671eff226f40c5fb50c86e6909a565b8be8463", "it never changes");
    ok(t->owner[0] == 0 && t->owner[5460] == 0 && t->owner[5461] == 1 && t->owner[16383] == 2,
       "the owners of slots");
    is_number(t->range_count, 3, "ranges that follow one another are one");
    is_number(t->shards[1].first_range, 1, "the range of a shard");
    is_number(t->next_range[1], 3, "it has no other");
    is_number(t->shards[2].slots, 16384 - 10923, "the number of slots of a shard");
    is_number(topology_find(t, span_text("b2")), 3, "a node is found by its name");
    is_number(topology_find(t, span_text("b")), 5, "another is not");
    topology_close(t);
}

static void check_errors(void)
{
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct error error = {""};
        struct topology *t = topology_parse(span_text(errors[i].text), "f", &error);
        ok(t == NULL, "refused: %s", errors[i].message);
        is_text(error.text, errors[i].message, "the message");
        topology_close(t);
    }
}

// The largest file has 1,000 nodes.
static void check_most(void)
{
    struct buf text = {0};
    struct error error = {""};
    buf_append_text(&text, "epoch 1\nshard 0-16383\n");
    for (unsigned i = 0; i < TOPOLOGY_NODES_MAX; i++)
        buf_printf(&text, "node n%u host:%u\n", i, i + 1);
    struct topology *t = topology_parse(buf_span(&text), "f", &error);
    ok(t != NULL && t->node_count == TOPOLOGY_NODES_MAX, "1,000 nodes");
    topology_close(t);
    buf_append_text(&text, "node one-more host:2000\n");
    t = topology_parse(buf_span(&text), "f", &error);
    ok(t == NULL, "one more is refused");
    is_text(error.text, "f:1003: there are more than 1000 nodes", "the message");
    buf_release(&text);
}

static void check_file(void)
{
    struct error error = {""};
    struct topology *t = topology_read(test_file("cluster.conf", span_text(example)), &error);
    ok(t != NULL, "a file is read");
    topology_close(t);
    t = topology_read(test_path("none"), &error);
    ok(t == NULL && strstr(error.text, "No such file") != NULL, "no file: %s", error.text);
    t = topology_read(test_file("bad", span_text("epoch 1\nshard 7-6\n")), &error);
    ok(t == NULL && strstr(error.text, "/bad:2: the range '7-6' is reversed") != NULL,
       "a bad file: %s", error.text);
}

int main(void)
{
    check_example();
    check_errors();
    check_most();
    check_file();
    return done_testing();
}
