// A cluster of one node: the replies that client libraries check before they use a cluster, and the
// slots of keys. Without --cluster-enabled, every subcommand is an error.
#include <stdio.h>

#include "data/dataset.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define DISABLED "-ERR This instance has cluster support disabled\r\n"
#define FIXED "-ERR This cluster has one node and does not change\r\n"

static const char lines[] = "00000000-0000-4000-8000-000000000001 one\n"
                            "00000000-0000-4000-8000-000000000002 two\n"
                            "00000000-0000-4000-8000-000000000003 three\n";

static struct settings settings;
static struct dataset *dataset;
static struct loops loops;

static void check_case(const char *requests, const char *wanted)
{
    struct party *p = party_new(&loops, 0);
    replies(p, requests, wanted);
    party_end(p);
}

static void begin(bool enabled, const char *ip, unsigned port)
{
    settings = test_settings;
    settings.port = 7000;
    settings.cluster_enabled = enabled;
    settings.cluster_announce_ip = ip;
    settings.cluster_announce_port = port;
    loops_init(&loops, 1, &settings, dataset);
}

// Checks a reply that contains the node's id between `before` and `after`.
static void check_named(const char *request, const char *before, const char *after)
{
    char wanted[1024];
    snprintf(wanted, sizeof wanted, "%s%s%s", before, loops.group.run_id, after);
    check_case(request, wanted);
}

static void check_disabled(void)
{
    begin(false, NULL, 0);
    check_case("CLUSTER SLOTS\nCLUSTER SHARDS\nCLUSTER NODES\nCLUSTER INFO\nCLUSTER MYID\n"
               "CLUSTER KEYSLOT a\nCLUSTER COUNTKEYSINSLOT 1\nCLUSTER HELP\nCLUSTER MEET a b\n"
               "CLUSTER REPLICAS a\nASKING",
               DISABLED DISABLED DISABLED DISABLED DISABLED DISABLED DISABLED DISABLED DISABLED
                   DISABLED DISABLED);
    check_case("CLUSTER\nCLUSTER KEYSLOT\nCLUSTER NOTHING\nSELECT 1",
               "-ERR wrong number of arguments for 'cluster' command\r\n"
               "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"
               "-ERR unknown subcommand 'NOTHING'. Try CLUSTER HELP.\r\n"
               "-ERR DB index is out of range\r\n");
    loops_release(&loops);
}

static void check_topology(void)
{
    begin(true, "node.example", 6400);
    check_named("CLUSTER SLOTS",
                "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$12\r\nnode.example\r\n:6400\r\n"
                "$40\r\n",
                "\r\n*0\r\n");
    check_named("CLUSTER SHARDS",
                "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n*14\r\n"
                "$2\r\nid\r\n$40\r\n",
                "\r\n$4\r\nport\r\n:6400\r\n$2\r\nip\r\n$12\r\nnode.example\r\n"
                "$8\r\nendpoint\r\n$12\r\nnode.example\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
                "$18\r\nreplication-offset\r\n:0\r\n$6\r\nhealth\r\n$6\r\nonline\r\n");
    check_named("CLUSTER NODES", "$105\r\n",
                " node.example:6400@16400 myself,master - 0 0 1 connected "
                "0-16383\n\r\n");
    check_named("CLUSTER MYID", "$40\r\n", "\r\n");
    check_case("CLUSTER REPLICAS a\nCLUSTER LINKS\nASKING\nREADONLY", "*0\r\n*0\r\n+OK\r\n+OK\r\n");
    check_case("CLUSTER MEET a 1\nCLUSTER ADDSLOTS 1\nCLUSTER FAILOVER\nCLUSTER RESET",
               FIXED FIXED FIXED FIXED);
    check_case("SELECT 0\nSELECT 1", "+OK\r\n-ERR SELECT is not allowed in cluster mode\r\n");
    check_case("INFO cluster", "$30\r\n# Cluster\r\ncluster_enabled:1\r\n\r\n");
    check_case("CONFIG GET cluster-enabled", "*2\r\n$15\r\ncluster-enabled\r\n$3\r\nyes\r\n");
    loops_release(&loops);

    // Without an announced address, the node is where the client has connected to.
    begin(true, NULL, 0);
    check_named("CLUSTER SLOTS",
                "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$8\r\n10.9.9.9\r\n:2\r\n"
                "$40\r\n",
                "\r\n*0\r\n");
    loops_release(&loops);
}

// The expected slots come from Redis's documentation and from CLUSTER KEYSLOT of redis-server.
static void check_slots(void)
{
    begin(true, NULL, 0);
    check_case("CLUSTER KEYSLOT 123456789\nCLUSTER KEYSLOT hash_tag\nCLUSTER KEYSLOT "
               "any{hash_tag}\nCLUSTER KEYSLOT {}hash_tag\nCLUSTER KEYSLOT a{}{hash_tag}\n"
               "CLUSTER KEYSLOT {hash_tag\nCLUSTER KEYSLOT {hash_tag}{x}",
               ":12739\r\n:2515\r\n:2515\r\n:6206\r\n:8400\r\n:9907\r\n:2515\r\n");
    check_case("CLUSTER KEYSLOT 00000000-0000-4000-8000-000000000002", ":10391\r\n");
    check_case("CLUSTER COUNTKEYSINSLOT 10391\nCLUSTER COUNTKEYSINSLOT 10392\n"
               "CLUSTER GETKEYSINSLOT 10391 10\nCLUSTER GETKEYSINSLOT 10391 0\n"
               "CLUSTER GETKEYSINSLOT 10392 10",
               ":1\r\n:0\r\n*1\r\n$36\r\n00000000-0000-4000-8000-000000000002\r\n*0\r\n*0\r\n");
    check_case("CLUSTER COUNTKEYSINSLOT x\nCLUSTER COUNTKEYSINSLOT -1\n"
               "CLUSTER COUNTKEYSINSLOT 16384\nCLUSTER GETKEYSINSLOT 1 -1",
               "-ERR value is not an integer or out of range\r\n-ERR Invalid slot\r\n"
               "-ERR Invalid slot\r\n-ERR Invalid slot or number of keys\r\n");
    loops_release(&loops);
}

int main(void)
{
    dataset = loops_dataset(lines);
    check_disabled();
    check_topology();
    check_slots();
    dataset_close(dataset);
    return done_testing();
}
