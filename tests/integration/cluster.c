// A node of a cluster that a file describes (--cluster-config): which requests it answers, and
// where it sends the others. What it says about the cluster, and what a new file changes.
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/slot.h"
#include "data/uuid_text.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { KEYS = 3000, SHARDS = 3, SEARCHED = 2000 };

static const unsigned last_slot[SHARDS] = {5460, 10922, 16383};
static const struct table table = {29, KEYS};
static const char topology[] = "epoch 7\n"
                               "shard 0-5460\n"
                               "  node a1 10.0.0.1:7001 hostname=a1.example az=eu-1a\n"
                               "shard 5461-10922\n"
                               "  node b1 10.0.0.2:7002\n"
                               "  node b2 10.0.0.3:7002 hostname=b2.example\n"
                               "shard 10923-16383\n"
                               "  node c1 [2001:db8::3]:7003\n";

static char keys[KEYS][UUID_TEXT_LEN + 1];
static char values[KEYS][TABLE_VALUE + 1];

static unsigned shard_of(unsigned slot)
{
    unsigned shard = 0;
    while (slot > last_slot[shard])
        shard++;
    return shard;
}

// Returns the part of the data that belongs to a shard.
static const char *part_of(unsigned shard)
{
    struct buf text = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        uuid_format(table_key(&table, i), keys[i]);
        table_value(&table, i, values[i]);
        if (shard_of(slot_of(span_text(keys[i]))) == shard)
            buf_printf(&text, "%s %s\n", keys[i], values[i]);
    }
    const char *path = test_file("part.data", buf_span(&text));
    buf_release(&text);
    return path;
}

// Returns the number of the key after `from` that belongs to a shard.
static unsigned key_of(unsigned shard, unsigned from)
{
    for (unsigned i = from; i < KEYS; i++)
        if (shard_of(slot_of(span_text(keys[i]))) == shard)
            return i;
    require(false, "no key of shard %u", shard);
    return 0;
}

static redisContext *c;

// Sends a command and returns the reply as text. An array is in brackets, a nil is "nil".
static const char *ask(const char *format, ...)
{
    static char text[16 * 1024];
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(c, format, args);
    va_end(args);
    require(reply != NULL, "no reply: %s", c->errstr);
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < (reply->type == REDIS_REPLY_ARRAY ? reply->elements : 1); i++) {
        const redisReply *one = reply->type == REDIS_REPLY_ARRAY ? reply->element[i] : reply;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", i > 0 ? " " : "");
        if (one->type == REDIS_REPLY_INTEGER)
            len += (size_t)snprintf(text + len, sizeof text - len, "%lld", one->integer);
        else
            len += (size_t)snprintf(text + len, sizeof text - len, "%s",
                                    one->type == REDIS_REPLY_NIL ? "nil"
                                    : one->str != NULL           ? one->str
                                                                 : "[]");
    }
    freeReplyObject(reply);
    return text;
}

static bool has(const char *text, const char *part)
{
    bool there = strstr(text, part) != NULL;
    if (!there)
        diag("'%s' is not in '%s'", part, text);
    return there;
}

static const char *moved(unsigned i, const char *address)
{
    static char text[128];
    snprintf(text, sizeof text, "MOVED %u %s", slot_of(span_text(keys[i])), address);
    return text;
}

// The upper-case text of a key, whose slot is in shard `slot` while the key is in shard `home`.
// Returns the number of the key.
static unsigned upper_case(unsigned slot, unsigned home, char *text)
{
    for (unsigned i = 0; i < KEYS; i++) {
        for (unsigned k = 0; k <= UUID_TEXT_LEN; k++)
            text[k] = (char)(keys[i][k] >= 'a' && keys[i][k] <= 'f' ? keys[i][k] - 32 : keys[i][k]);
        if (strcmp(text, keys[i]) != 0 && shard_of(slot_of(span_text(text))) == slot &&
            shard_of(slot_of(span_text(keys[i]))) == home)
            return i;
    }
    require(false, "no such key");
    return 0;
}

static void check_routing(void)
{
    char upper[UUID_TEXT_LEN + 1];
    unsigned own = key_of(1, 0);
    unsigned other = key_of(1, own + 1);
    unsigned foreign = key_of(0, 0);
    unsigned last = key_of(2, 0);
    is_text(ask("GET %s", keys[own]), values[own], "a key of this shard, on a replica");
    is_text(ask("GET %s", keys[foreign]), moved(foreign, "10.0.0.1:7001"), "a key of another");
    is_text(ask("GET %s", keys[last]), moved(last, "2001:db8::3:7003"), "an IPv6 address");
    char both[64];
    snprintf(both, sizeof both, "%s %s", values[own], values[other]);
    is_text(ask("MGET %s %s", keys[own], keys[other]), both, "two slots of this shard");
    is_text(ask("MGET %s %s", keys[own], keys[foreign]),
            "CROSSSLOT Keys in request don't hash to the same slot", "slots of two shards");
    is_text(ask("EXISTS %s %s", keys[foreign], keys[foreign]), moved(foreign, "10.0.0.1:7001"),
            "twice the same key of another shard");
    unsigned i = upper_case(1, 1, upper);
    is_text(ask("GET %s", upper), values[i], "upper case, slot and home are ours");
    i = upper_case(0, 1, upper);
    is_text(ask("GET %s", upper), values[i], "upper case, only the home is ours");
    upper_case(1, 0, upper);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "ASK %u 10.0.0.1:7001", slot_of(span_text(upper)));
    is_text(ask("GET %s", upper), wanted, "upper case, only the slot is ours");
    upper_case(2, 0, upper);
    snprintf(wanted, sizeof wanted, "MOVED %u 2001:db8::3:7003", slot_of(span_text(upper)));
    is_text(ask("GET %s", upper), wanted, "upper case, neither is ours");
    is_text(ask("ASKING"), "OK", "ASKING");
    is_text(ask("GET %s", keys[own]), values[own], "changes nothing");
    is_text(ask("PING"), "PONG", "a command without keys");
    is_text(ask("GET"), "ERR wrong number of arguments for 'get' command", "arity comes first");
}

static void check_writes_and_transactions(void)
{
    unsigned own = key_of(1, 0);
    unsigned foreign = key_of(0, 0);
    is_text(ask("SET %s x", keys[foreign]), moved(foreign, "10.0.0.1:7001"),
            "a write to another shard");
    is_text(ask("SET %s x", keys[own]),
            "NOPERM User default has no permissions to run the 'set' command", "a write to ours");
    is_text(ask("MULTI"), "OK", "MULTI");
    is_text(ask("GET %s", keys[own]), "QUEUED", "one of our keys");
    is_text(ask("GET %s", keys[foreign]), moved(foreign, "10.0.0.1:7001"), "and another's");
    is_text(ask("EXEC"), "EXECABORT Transaction discarded because of previous errors.", "EXEC");
    is_text(ask("MULTI"), "OK", "MULTI");
    is_text(ask("GET %s", keys[own]), "QUEUED", "one of our keys");
    is_text(ask("EXEC"), values[own], "EXEC");
    is_text(ask("SSUBSCRIBE foo"), "MOVED 12182 2001:db8::3:7003", "a channel of another shard");
    is_text(ask("SPUBLISH foo x"), "MOVED 12182 2001:db8::3:7003", "SPUBLISH to it");
    is_text(ask("SINTERCARD 2 %s %s", keys[foreign], keys[foreign]),
            moved(foreign, "10.0.0.1:7001"), "keys that follow their number");
}

// Pipelined requests of all shards: each reply is right, in order.
static void check_pipeline(void)
{
    unsigned wrong = 0;
    static const char *const addresses[] = {"10.0.0.1:7001", NULL, "2001:db8::3:7003"};
    for (unsigned i = 0; i < SEARCHED; i++)
        redisAppendCommand(c, "GET %s", keys[i]);
    for (unsigned i = 0; i < SEARCHED; i++) {
        redisReply *reply = NULL;
        require(redisGetReply(c, (void **)&reply) == REDIS_OK, "no reply");
        const char *address = addresses[shard_of(slot_of(span_text(keys[i])))];
        wrong += strcmp(reply->str, address != NULL ? moved(i, address) : values[i]) != 0;
        freeReplyObject(reply);
    }
    is_number(wrong, 0, "%d requests in a pipeline are answered or sent on", SEARCHED);
}

// A request of so many keys that looking at all of them takes several turns. The last key decides.
static void check_many_keys(void)
{
    enum { MANY = 20000 };
    static const char *words[MANY + 1];
    unsigned own = key_of(1, 0);
    unsigned foreign = key_of(0, 0);
    words[0] = "MGET";
    for (unsigned i = 1; i <= MANY; i++)
        words[i] = keys[own];
    redisReply *reply = redisCommandArgv(c, MANY + 1, words, NULL);
    require(reply != NULL, "no reply");
    ok(reply->type == REDIS_REPLY_ARRAY && reply->elements == MANY &&
           strcmp(reply->element[MANY - 1]->str, values[own]) == 0,
       "MGET of %d keys", MANY);
    freeReplyObject(reply);
    words[MANY] = keys[foreign];
    redisAppendCommandArgv(c, MANY + 1, words, NULL);
    redisAppendCommand(c, "GET %s", keys[own]);
    require(redisGetReply(c, (void **)&reply) == REDIS_OK, "no reply");
    is_text(reply->str, "CROSSSLOT Keys in request don't hash to the same slot",
            "the last key is another shard's");
    freeReplyObject(reply);
    require(redisGetReply(c, (void **)&reply) == REDIS_OK, "no reply");
    is_text(reply->str, values[own], "the request after it is answered");
    freeReplyObject(reply);
}

static void check_replies(void)
{
    is_text(ask("CLUSTER MYID"), "7a1c4bb535f35c1bc4dec5c7c7f63d418c21ed7a", "MYID");
    is_text(ask("CLUSTER MYSHARDID"), "9aeebc989b9fdfac2a8174384de4a814cdb0ab19", "MYSHARDID");
    is_text(
        ask("CLUSTER NODES"),
        "2f671eff226f40c5fb50c86e6909a565b8be8463 10.0.0.1:7001@17001,a1.example master - 0 0 7 "
        "connected 0-5460\n"
        "9aeebc989b9fdfac2a8174384de4a814cdb0ab19 10.0.0.2:7002@17002 master - 0 0 7 connected "
        "5461-10922\n"
        "7a1c4bb535f35c1bc4dec5c7c7f63d418c21ed7a 10.0.0.3:7002@17002,b2.example myself,slave "
        "9aeebc989b9fdfac2a8174384de4a814cdb0ab19 0 0 7 connected\n"
        "baca8e85db30262cb5d39dfdb0866cdb75e69132 2001:db8::3:7003@17003 master - 0 0 7 "
        "connected 10923-16383\n",
        "NODES");
    const char *info = ask("CLUSTER INFO");
    ok(has(info, "cluster_state:ok\r\n") && has(info, "cluster_slots_ok:16384\r\n") &&
           has(info, "cluster_known_nodes:4\r\n") && has(info, "cluster_size:3\r\n") &&
           has(info, "cluster_current_epoch:7\r\n"),
       "INFO");
    is_text(ask("CLUSTER REPLICAS 9aeebc989b9fdfac2a8174384de4a814cdb0ab19"),
            "7a1c4bb535f35c1bc4dec5c7c7f63d418c21ed7a 10.0.0.3:7002@17002,b2.example myself,slave "
            "9aeebc989b9fdfac2a8174384de4a814cdb0ab19 0 0 7 connected",
            "REPLICAS");
    is_text(ask("CLUSTER REPLICAS 7a1c4bb535f35c1bc4dec5c7c7f63d418c21ed7a"),
            "ERR The specified node is not a master", "REPLICAS of a replica");
    is_text(ask("CLUSTER REPLICAS x"), "ERR Unknown node x", "REPLICAS of nobody");
    is_text(ask("CLUSTER MEET 10.0.0.9 7000"), "ERR This cluster is static: change its file",
            "MEET");
    is_text(ask("CLUSTER COUNT-FAILURE-REPORTS 2f671eff226f40c5fb50c86e6909a565b8be8463"), "0",
            "COUNT-FAILURE-REPORTS");
    is_text(ask("CLUSTER COUNTKEYSINSLOT 5"), "0", "COUNTKEYSINSLOT of another shard");
    unsigned own = key_of(1, 0);
    ok(has(ask("CLUSTER GETKEYSINSLOT %u 10", slot_of(span_text(keys[own]))), keys[own]),
       "GETKEYSINSLOT of ours");
    is_text(ask("CLUSTER COUNTKEYSINSLOT 16384"), "ERR Invalid slot", "an invalid slot");
}

// STELE.CLUSTER tells clients and publishers which data the nodes serve. The other nodes of this
// test do not exist.
static void check_state(void)
{
    char version[64] = "";
    char hash[64] = "";
    long long served = 0;
    long long made_at = 0;
    char wanted[256];
    int fields = 0;
    int end = 0;
    // The hash comes some moments after the start, and the number of foreign keys after it.
    for (unsigned tries = 0; end == 0 && tries < 100000; tries++)
        fields = sscanf(ask("STELE.CLUSTER STATE"), "b2 7 1 %63s %63s %lld 0 0 %lld%n", version,
                        hash, &served, &made_at, &end);
    ok(fields == 4 && end > 0, "STATE has its fields");
    ok(strlen(version) == 16 && version[8] == 'T' && version[15] == 'Z', "the version: %s",
       version);
    is_number((int64_t)strlen(hash), 16, "the hash: %s", hash);
    is_number(served, atoll(ask("DBSIZE")), "the keys");
    snprintf(wanted, sizeof wanted, "dataset_version:%s\r\ndataset_hash:%s\r\n%s", version, hash,
             "dataset_foreign_keys:0\r\n");
    ok(has(ask("INFO dataset"), wanted), "INFO says the same");
    snprintf(wanted, sizeof wanted, "dataset_made_at:%lld\r\n", made_at);
    ok(has(ask("INFO dataset"), wanted), "also when the data was made");
    redisReply *reply = redisCommand(c, "STELE.CLUSTER NODES");
    require(reply != NULL && reply->elements == 4, "four nodes");
    const redisReply *self = reply->element[2];
    const redisReply *other = reply->element[0];
    ok(self->elements == 11 && strcmp(self->element[0]->str, "b2") == 0 &&
           strcmp(self->element[4]->str, hash) == 0 && strcmp(self->element[9]->str, "up") == 0,
       "NODES has this node");
    ok(other->elements == 11 && strcmp(other->element[0]->str, "a1") == 0 &&
           strcmp(other->element[4]->str, "") == 0 && other->element[10]->integer == -1,
       "and one that has not answered yet");
    freeReplyObject(reply);
}

static void check_role(void)
{
    is_text(ask("ROLE"), "slave 10.0.0.2 7002 connected 1", "ROLE of a replica");
    const char *info = ask("INFO replication");
    ok(has(info, "role:slave\r\nmaster_host:10.0.0.2\r\nmaster_port:7002\r\n") &&
           has(info, "master_link_status:up\r\n") && has(info, "slave_repl_offset:1\r\n"),
       "INFO replication of a replica");
    ok(has(ask("HELLO 2"), "mode cluster role replica"), "HELLO of a replica");
    info = ask("INFO cluster");
    ok(has(info, "cluster_enabled:1\r\ncluster_node:b2\r\ncluster_shard:1\r\n") &&
           has(info, "cluster_epoch:7\r\n") && strstr(info, "_moved:0\r\n") == NULL,
       "INFO cluster");
}

static bool command_info_has(const char *command, const char *tip)
{
    redisReply *reply = redisCommand(c, "COMMAND INFO %s", command);
    require(reply != NULL && reply->elements == 1, "no COMMAND INFO");
    const redisReply *tips = reply->element[0]->element[7];
    bool there = false;
    for (size_t i = 0; i < tips->elements; i++)
        there |= strcmp(tips->element[i]->str, tip) == 0;
    freeReplyObject(reply);
    return there;
}

// Clients that read tips divide an MGET only if there are several shards.
static void check_tips(bool several)
{
    static const char tip[] = "request_policy:multi_shard";
    ok(command_info_has("MGET", tip) == several && command_info_has("EXISTS", tip) == several &&
           command_info_has("DEL", tip) && command_info_has("EXISTS", "response_policy:agg_sum"),
       "COMMAND INFO %s",
       several ? "says that keys may be on several shards"
               : "with one shard does not say that keys may be on several");
}

// Replaces the file and waits for the line of the log that the reload writes.
static void reload(const struct server_process *s, const char *text, const char *logged)
{
    test_file("cluster.conf", span_text(text));
    kill(s->pid, SIGHUP);
    log_await(s->log_path, logged);
}

static void check_reload(const struct server_process *s)
{
    unsigned foreign = key_of(0, 0);
    reload(s, "epoch 8\nshard 0-16382\nnode b2 10.0.0.3:7002\n",
           "cluster.conf:3: no shard has the slots from 16383 to 16383");
    is_text(ask("GET %s", keys[foreign]), moved(foreign, "10.0.0.1:7001"),
            "a bad file changes nothing");
    reload(s, "epoch 6\nshard 0-16383\nnode b2 10.0.0.3:7002\n", "has epoch 6, which is lower");
    is_text(ask("GET %s", keys[foreign]), moved(foreign, "10.0.0.1:7001"), "nor does an older one");
    reload(s, "epoch 8\nshard 0-16383\nnode a 10.0.0.3:7002\n", "has no node 'b2'");
    is_text(ask("GET %s", keys[foreign]), moved(foreign, "10.0.0.1:7001"),
            "nor does one without this node");
    reload(
        s,
        "epoch 8\nshard 0-5460\nnode d1 10.0.0.9:7001\nshard 5461-16383\nnode b2 10.0.0.3:7002\n",
        "the topology of the cluster has changed: epoch 8, 2 shards, 2 nodes");
    is_text(ask("GET %s", keys[foreign]), moved(foreign, "10.0.0.9:7001"), "a new file is used");
    is_text(ask("GET %s", keys[key_of(2, 0)]), "nil", "slots that have become ours");
    is_text(ask("ROLE"), "master 0 []", "the node has become a primary");
    reload(s, "epoch 9\nshard 0-16383\nnode b2 10.0.0.3:7002\n", "epoch 9, 1 shards, 1 nodes");
    check_tips(false);
    reload(s, "epoch 10\nshard 0-16382\nnode d1 h:1\nshard 16383\nnode b2 10.0.0.3:7002\n",
           "is it the right part for node b2?");
    const char *info = ask("INFO dataset");
    ok(has(info, "dataset_foreign_keys:") && strstr(info, "dataset_foreign_keys:0\r\n") == NULL,
       "keys of other shards are counted, and the log warns");
}

// With --watch, a new file is read without being told.
static void check_watch(const char *data, const char *config)
{
    test_file("cluster.conf", span_text(topology));
    struct server_process s =
        server_start(data, WORDS("--index", "none", "--watch", "--cluster-config", config,
                                 "--cluster-node", "b2"));
    const char *next = test_file("next.conf", SPAN("epoch 8\nshard 0-16383\nnode b2 h:1\n"));
    require(rename(next, config) == 0, "cannot rename");
    log_await(s.log_path, "the topology of the cluster has changed: epoch 8, 1 shards, 1 nodes");
    ok(log_has(s.log_path, "cluster.conf has changed: reloading"), "--watch: a new file is used");
    is_number(server_stop(&s), 0, "--watch: the server ends well");
}

static void check_start_fails(const char *data, const char *const *options, const char *message)
{
    struct buf out = {0};
    const char *argv[16] = {server_program(), data, "--port", "0"};
    unsigned used = 4;
    while (*options != NULL)
        argv[used++] = *options++;
    int code = run_program(argv, &out, &out);
    buf_append(&out, span_of("", 1));
    ok(code == 1 && has(out.ptr, message), "a start is refused: %s", message);
    buf_release(&out);
}

int main(void)
{
    const char *config = test_file("cluster.conf", span_text(topology));
    char path[256];
    snprintf(path, sizeof path, "%s", config);
    const char *data = part_of(1);
    struct server_process s = server_start(
        data, WORDS("--index", "none", "--cluster-config", path, "--cluster-node", "b2"));
    c = redisConnect("127.0.0.1", s.port);
    require(c != NULL && c->err == 0, "cannot connect");
    check_routing();
    check_writes_and_transactions();
    check_pipeline();
    check_many_keys();
    check_replies();
    check_state();
    check_role();
    check_tips(true);
    check_reload(&s);
    redisFree(c);
    is_number(server_stop(&s), 0, "the server ends well");
    check_watch(data, path);

    check_start_fails(data, WORDS("--cluster-config", path, "--cluster-node", "x"),
                      "has no node 'x'");
    check_start_fails(data, WORDS("--cluster-config", path), "no node of '");
    check_start_fails(data, WORDS("--cluster-node", "x"), "--cluster-node needs --cluster-config");
    check_start_fails(data, WORDS("--cluster-config", test_path("none")), "No such file");
    return done_testing();
}
