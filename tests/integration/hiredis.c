// Commands through hiredis, the C client of Redis, over TCP and a unix socket: one at a time, ten
// thousand in a pipeline, and asynchronously on a libev loop.
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "data/uuid_text.h"
#include "support/keysets.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#include <hiredis/adapters/libev.h>

enum {
    KEYS = 400,
    VALUE_MAX = 200,
    LONG_VALUE = 100 * 1000, // long enough to be borrowed from the mapping
    PIPELINED = 10000,
    ASYNC_CONNECTIONS = 10,
    ASYNC_COMMANDS = 1000, // on each connection
};

static const char absent[] = "ffffffff-eeee-4ddd-8ccc-bbbbbbbbbbbb";
static const char not_a_uuid[] = "__Booksleeve_TieBreak";

// The content of the data file, found without the code under test.
static struct {
    struct buf lines;
    char keys[KEYS][UUID_TEXT_LEN + 1];
    struct span values[KEYS];
    size_t count;
} written;

static void write_data(struct random *r)
{
    struct uuid keys[KEYS];
    size_t count = keyset_fill(&keysets[0], r, keys, KEYS - 1);
    count = keys_sort(keys, count);
    keys_shuffle(r, keys, count);
    keys_write_lines(r, keys, count, VALUE_MAX, &written.lines);
    buf_append_text(&written.lines, "0123abcd-4567-4def-89ab-cdef01234567 ");
    append_bytes(&written.lines, 'v', LONG_VALUE);
    buf_append_text(&written.lines, "\n");
    const char *line = written.lines.ptr;
    const char *end = line + written.lines.len;
    for (; line < end; written.count++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        memcpy(written.keys[written.count], line, UUID_TEXT_LEN);
        written.values[written.count] =
            span_of(line + UUID_TEXT_LEN + 1, (size_t)(newline - line) - UUID_TEXT_LEN - 1);
        line = newline + 1;
    }
}

static struct span text_of(const redisReply *reply)
{
    return reply != NULL && reply->str != NULL ? span_of(reply->str, reply->len) : span_of("", 0);
}

static bool is_value(const redisReply *reply, struct span value)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING && span_equal(text_of(reply), value);
}

static int type_of(const redisReply *reply)
{
    return reply != NULL ? reply->type : -1;
}

static redisReply *ask(redisContext *c, const char *text)
{
    // Words are separated by single spaces, and no word contains a '%'.
    redisReply *reply = redisCommand(c, text);
    require(reply != NULL, "'%s' broke the connection: %s", text, c->errstr);
    return reply;
}

// ---- one command at a time ----------------------------------------------------------------------

struct question {
    const char *command;
    int type;
    const char *text; // expected text of a string, a status or an error; NULL: any
    long long number;
};

static const struct question questions[] = {
    {"PING", REDIS_REPLY_STATUS, "PONG", 0},
    {"ping hello", REDIS_REPLY_STRING, "hello", 0},
    {"PING a b", REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'ping' command", 0},
    {"ECHO hello", REDIS_REPLY_STRING, "hello", 0},
    {"SELECT 0", REDIS_REPLY_STATUS, "OK", 0},
    {"SELECT 1", REDIS_REPLY_ERROR, "ERR DB index is out of range", 0},
    {"SELECT -1", REDIS_REPLY_ERROR, "ERR DB index is out of range", 0},
    {"SELECT x", REDIS_REPLY_ERROR, "ERR value is not an integer or out of range", 0},
    {"CLIENT GETNAME", REDIS_REPLY_NIL, NULL, 0},
    {"CLIENT SETNAME tester", REDIS_REPLY_STATUS, "OK", 0},
    {"CLIENT GETNAME", REDIS_REPLY_STRING, "tester", 0},
    {"CLIENT SETINFO LIB-NAME hiredis", REDIS_REPLY_STATUS, "OK", 0},
    {"client setinfo lib-ver 0.14", REDIS_REPLY_STATUS, "OK", 0},
    {"CLIENT SETINFO lib-mood good", REDIS_REPLY_ERROR, "ERR Unrecognized option 'lib-mood'", 0},
    {"CLIENT MAINT_NOTIFICATIONS ON", REDIS_REPLY_ERROR,
     "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.", 0},
    {"CLIENT", REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'client' command", 0},
    {"GET", REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'get' command", 0},
    {"GET a b", REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'get' command", 0},
    {"MGET", REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'mget' command", 0},
    {"EXISTS nothing", REDIS_REPLY_INTEGER, NULL, 0},
    {"STRLEN nothing", REDIS_REPLY_INTEGER, NULL, 0},
    {"TYPE nothing", REDIS_REPLY_STATUS, "none", 0},
    {"AUTH default anything", REDIS_REPLY_STATUS, "OK", 0},
    {"AUTH somebody anything", REDIS_REPLY_ERROR,
     "WRONGPASS invalid username-password pair or user is disabled.", 0},
    {"AUTH password", REDIS_REPLY_ERROR,
     "ERR AUTH <password> called without any password configured for the default user. Are you "
     "sure your configuration is correct?",
     0},
    {"RESET", REDIS_REPLY_STATUS, "RESET", 0},
    {"CLIENT GETNAME", REDIS_REPLY_NIL, NULL, 0},
};

static void simple_questions(redisContext *c, const char *over)
{
    for (unsigned i = 0; i < sizeof questions / sizeof *questions; i++) {
        const struct question *q = &questions[i];
        redisReply *reply = ask(c, q->command);
        bool good = reply->type == q->type && reply->integer == q->number &&
                    (q->text == NULL || span_equal(text_of(reply), span_text(q->text)));
        if (!ok(good, "%s: %s", over, q->command))
            diag("got type %d, number %lld, text '%s'", reply->type, reply->integer,
                 reply->str != NULL ? reply->str : "");
        freeReplyObject(reply);
    }
}

static void key_questions(redisContext *c, const char *over)
{
    unsigned got = 0;
    unsigned got_upper = 0;
    unsigned lengths = 0;
    unsigned types = 0;
    unsigned exist = 0;
    for (size_t i = 0; i < written.count; i++) {
        char upper[UUID_TEXT_LEN + 1] = "";
        for (unsigned j = 0; j < UUID_TEXT_LEN; j++)
            upper[j] = ascii_upper(written.keys[i][j]);
        redisReply *reply = redisCommand(c, "GET %s", written.keys[i]);
        got += is_value(reply, written.values[i]);
        freeReplyObject(reply);
        reply = redisCommand(c, "get %s", upper);
        got_upper += is_value(reply, written.values[i]);
        freeReplyObject(reply);
        reply = redisCommand(c, "STRLEN %s", written.keys[i]);
        lengths += type_of(reply) == REDIS_REPLY_INTEGER &&
                   reply->integer == (long long)written.values[i].len;
        freeReplyObject(reply);
        reply = redisCommand(c, "TYPE %s", upper);
        types +=
            type_of(reply) == REDIS_REPLY_STATUS && span_equal(text_of(reply), span_text("string"));
        freeReplyObject(reply);
        reply = redisCommand(c, "EXISTS %s %s %s %s %s", written.keys[i], absent, upper, not_a_uuid,
                             written.keys[(i + 1) % written.count]);
        exist += type_of(reply) == REDIS_REPLY_INTEGER && reply->integer == 3;
        freeReplyObject(reply);
    }
    int64_t all = (int64_t)written.count;
    is_number(got, all, "%s: GET of every key", over);
    is_number(got_upper, all, "%s: GET of every key in upper case", over);
    is_number(lengths, all, "%s: STRLEN of every key", over);
    is_number(types, all, "%s: TYPE of every key", over);
    is_number(exist, all, "%s: EXISTS counts a repeated key each time", over);
    const char *const missing[] = {absent, not_a_uuid, ""};
    for (unsigned i = 0; i < 3; i++) {
        redisReply *reply = redisCommand(c, "GET %s", missing[i]);
        is_number(type_of(reply), REDIS_REPLY_NIL, "%s: GET '%s' is nil", over, missing[i]);
        freeReplyObject(reply);
    }
}

// Returns the key at place `i` of the MGET. Of five keys, one is absent, one is no UUID, and one is
// repeated.
static const char *mget_key(size_t i)
{
    switch (i % 5) {
    case 1: return absent;
    case 2: return not_a_uuid;
    case 3: return written.keys[i - 3]; // the same as three places before
    default: return written.keys[i];
    }
}

static void mget(redisContext *c, const char *over)
{
    const char *words[KEYS + 1] = {"MGET"};
    unsigned right = 0;
    for (size_t i = 0; i < written.count; i++)
        words[i + 1] = mget_key(i);
    redisReply *reply = redisCommandArgv(c, (int)written.count + 1, words, NULL);
    require(type_of(reply) == REDIS_REPLY_ARRAY && reply->elements == written.count,
            "%s: the reply to MGET does not have an element for each key", over);
    for (size_t i = 0; i < written.count; i++) {
        const redisReply *element = reply->element[i];
        bool is_absent = i % 5 == 1 || i % 5 == 2;
        size_t wanted = i % 5 == 3 ? i - 3 : i;
        right += is_absent ? element->type == REDIS_REPLY_NIL
                           : is_value(element, written.values[wanted]);
    }
    is_number(right, (int64_t)written.count,
              "%s: MGET of present, absent, repeated and non-UUID keys, in order", over);
    freeReplyObject(reply);
}

static void binary_values(redisContext *c, struct random *r, const char *over)
{
    char message[256];
    unsigned right = 0;
    for (unsigned i = 0; i < 256; i++)
        message[i] = (char)i;
    for (size_t len = 0; len <= sizeof message; len += 1 + random_below(r, 16)) {
        redisReply *reply = redisCommand(c, "ECHO %b", message, len);
        right += !is_value(reply, span_of(message, len));
        freeReplyObject(reply);
    }
    is_number(right, 0, "%s: ECHO returns every byte value", over);
}

static void time_and_size(redisContext *c, const char *over)
{
    // The test does not use time(), which may be late by a tick.
    int64_t before = (int64_t)(clock_wall_us() / 1000000);
    redisReply *reply = ask(c, "TIME");
    int64_t after = (int64_t)(clock_wall_us() / 1000000);
    bool pair = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply->element[0]->type == REDIS_REPLY_STRING &&
                reply->element[1]->type == REDIS_REPLY_STRING;
    if (ok(pair, "%s: TIME is two bulk strings", over)) {
        long seconds = strtol(reply->element[0]->str, NULL, 10);
        long micros = strtol(reply->element[1]->str, NULL, 10);
        ok(seconds >= before && seconds <= after && micros >= 0 && micros < 1000000,
           "%s: TIME is the time", over);
    }
    freeReplyObject(reply);
    reply = ask(c, "DBSIZE");
    is_number(reply->integer, (int64_t)written.count, "%s: DBSIZE", over);
    freeReplyObject(reply);
}

static void identity(redisContext *c, redisContext *other, const char *over)
{
    redisReply *first = ask(c, "CLIENT ID");
    redisReply *again = ask(c, "CLIENT ID");
    redisReply *foreign = ask(other, "CLIENT ID");
    ok(first->type == REDIS_REPLY_INTEGER && first->integer > 0 &&
           first->integer == again->integer && first->integer != foreign->integer,
       "%s: CLIENT ID stays the same, and no other connection has it", over);
    freeReplyObject(first);
    freeReplyObject(again);
    freeReplyObject(foreign);
}

// ---- what the server reports --------------------------------------------------------------------

static void info(redisContext *c, int port)
{
    static const char *const fields[] = {
        "redis_version:7.4.0", "redis_mode:standalone", "role:master", "loading:0",
        "cluster_enabled:0",   "maxmemory:0",           "os:Linux",    "connected_clients:2",
        "blocked_clients:0",   "maxclients:10000",
    };
    static const char *const sections[] = {"Server",   "Clients",     "Memory", "Persistence",
                                           "Stats",    "Replication", "CPU",    "Cluster",
                                           "Keyspace", "Dataset"};
    char line[128];
    redisReply *reply = ask(c, "INFO");
    require(reply->type == REDIS_REPLY_STRING, "INFO is no string");
    struct span text = text_of(reply);
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        snprintf(line, sizeof line, "\r\n%s", fields[i]);
        is_number(occurrences(text, line), 1, "INFO has %s", fields[i]);
    }
    for (unsigned i = 0; i < sizeof sections / sizeof *sections; i++) {
        snprintf(line, sizeof line, "# %s\r\n", sections[i]);
        is_number(occurrences(text, line), 1, "INFO has section %s", sections[i]);
    }
    snprintf(line, sizeof line, "\r\ntcp_port:%d\r\n", port);
    is_number(occurrences(text, line), 1, "INFO has the real port");
    snprintf(line, sizeof line, "\r\ndb0:keys=%zu,expires=0,avg_ttl=0\r\n", written.count);
    is_number(occurrences(text, line), 1, "INFO has the number of keys");
    const char *run_id = strstr(reply->str, "\r\nrun_id:");
    is_number(run_id != NULL ? (int64_t)strspn(run_id + 9, "0123456789abcdef") : 0, 40,
              "run_id has 40 hexadecimal digits");
    is_number(occurrences(text, "# Commandstats"), 0, "a plain INFO leaves Commandstats out");
    freeReplyObject(reply);
    reply = ask(c, "INFO keyspace COMMANDSTATS nothing");
    text = text_of(reply);
    ok(occurrences(text, "# ") == 2 && occurrences(text, "\r\ncmdstat_get:calls=") == 1,
       "INFO of two sections has only these");
    freeReplyObject(reply);
    reply = ask(c, "INFO nothing");
    is_bytes(text_of(reply), SPAN(""), "INFO of an unknown section is empty");
    freeReplyObject(reply);
}

static void config_get(redisContext *c)
{
    static const char *const pairs[][2] = {
        {"databases", "1"},
        {"save", ""},
        {"appendonly", "no"},
        {"timeout", "0"},
        {"maxclients", "10000"},
        {"maxmemory", "0"},
        {"replica-read-only", "yes"},
        {"slave-read-only", "yes"},
        {"TimeOut", "0"},
    };
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        redisReply *reply = redisCommand(c, "CONFIG GET %s", pairs[i][0]);
        ok(type_of(reply) == REDIS_REPLY_ARRAY && reply->elements == 2 &&
               is_value(reply->element[0], span_text(pairs[i][0])) &&
               is_value(reply->element[1], span_text(pairs[i][1])),
           "CONFIG GET %s is '%s'", pairs[i][0], pairs[i][1]);
        freeReplyObject(reply);
    }
    redisReply *reply = ask(c, "CONFIG GET nothing");
    ok(reply->type == REDIS_REPLY_ARRAY && reply->elements == 0, "CONFIG GET of an unknown name");
    freeReplyObject(reply);
    reply = ask(c, "CONFIG GET *-read-only maxmem* databases");
    is_number((int64_t)reply->elements, 12, "CONFIG GET of several patterns");
    freeReplyObject(reply);
}

static void command_table(redisContext *c)
{
    redisReply *all = ask(c, "COMMAND");
    redisReply *count = ask(c, "COMMAND COUNT");
    unsigned tens = 0;
    unsigned documented = 0;
    is_number(count->integer, (int64_t)all->elements, "COMMAND COUNT counts COMMAND");
    for (size_t i = 0; i < all->elements; i++)
        tens += all->element[i]->type == REDIS_REPLY_ARRAY && all->element[i]->elements == 10;
    is_number(tens, (int64_t)all->elements, "each command has ten elements");
    for (size_t i = 0; i < all->elements; i++) {
        const char *name = all->element[i]->element[0]->str;
        // The documentation of CLIENT is nested deeper than old versions of hiredis can read; that
        // of Redis is, too.
        if (strcmp(name, "client") == 0) {
            documented++;
            continue;
        }
        char text[64];
        snprintf(text, sizeof text, "COMMAND DOCS %s", name);
        redisReply *docs = ask(c, text);
        documented += docs->elements == 2 && is_value(docs->element[0], span_text(name));
        freeReplyObject(docs);
    }
    is_number(documented, (int64_t)all->elements, "COMMAND DOCS has each command");
    freeReplyObject(all);
    freeReplyObject(count);

    redisReply *some = ask(c, "COMMAND INFO get nothing MGET client|setname");
    ok(some->elements == 4 && some->element[1]->type == REDIS_REPLY_NIL &&
           some->element[0]->elements == 10 && some->element[2]->elements == 10 &&
           is_value(some->element[0]->element[0], SPAN("get")) &&
           some->element[0]->element[1]->integer == 2 &&
           is_value(some->element[2]->element[0], SPAN("mget")) &&
           some->element[2]->element[1]->integer == -2 &&
           is_value(some->element[3]->element[0], SPAN("client|setname")),
       "COMMAND INFO of commands, a subcommand and an unknown name");
    freeReplyObject(some);
    some = ask(c, "COMMAND DOCS get nothing strlen");
    ok(some->elements == 4 && is_value(some->element[0], SPAN("get")) &&
           is_value(some->element[2], SPAN("strlen")) &&
           is_value(some->element[1]->element[0], SPAN("summary")),
       "COMMAND DOCS leaves out unknown names");
    freeReplyObject(some);
}

// ---- many commands in flight --------------------------------------------------------------------

static void pipeline(redisContext *c, struct random *r, unsigned count, const char *over)
{
    static size_t asked[PIPELINED];
    size_t last = written.count - 1; // the key with the long value, replaced by an absent key
    unsigned right = 0;
    for (unsigned i = 0; i < count; i++) {
        asked[i] = random_below(r, written.count);
        redisAppendCommand(c, "GET %s", asked[i] != last ? written.keys[asked[i]] : absent);
    }
    for (unsigned i = 0; i < count; i++) {
        void *reply = NULL;
        require(redisGetReply(c, &reply) == REDIS_OK, "%s: pipeline broke at %u: %s", over, i,
                c->errstr);
        right += asked[i] != last ? is_value(reply, written.values[asked[i]])
                                  : type_of(reply) == REDIS_REPLY_NIL;
        freeReplyObject(reply);
    }
    is_number(right, count, "%s: %u pipelined GETs are answered in order", over, count);
}

static struct {
    unsigned right;
    unsigned answered;
    unsigned failed;
    unsigned disconnected;
} flight;

static void on_disconnected(const redisAsyncContext *c, int status)
{
    (void)c;
    flight.disconnected++;
    flight.failed += status != REDIS_OK;
}

static void on_reply(redisAsyncContext *c, void *reply, void *asked)
{
    size_t *left = c->data;
    flight.answered++;
    flight.right += is_value(reply, written.values[(size_t)(uintptr_t)asked]);
    if (--*left == 0)
        redisAsyncDisconnect(c);
}

static void asynchronous(int port, const char *path, const char *over)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    size_t left[ASYNC_CONNECTIONS];
    memset(&flight, 0, sizeof flight);
    for (unsigned i = 0; i < ASYNC_CONNECTIONS; i++) {
        redisAsyncContext *c =
            path != NULL ? redisAsyncConnectUnix(path) : redisAsyncConnect("127.0.0.1", port);
        require(c != NULL && c->err == 0, "%s: cannot connect asynchronously", over);
        redisLibevAttach(loop, c);
        redisAsyncSetDisconnectCallback(c, on_disconnected);
        left[i] = ASYNC_COMMANDS;
        c->data = &left[i];
        for (unsigned j = 0; j < ASYNC_COMMANDS; j++) {
            size_t key = (i * 37 + j) % (written.count - 1); // without the long value
            redisAsyncCommand(c, on_reply, (void *)(uintptr_t)key, "GET %s", written.keys[key]);
        }
    }
    ev_run(loop, 0);
    ev_loop_destroy(loop);
    is_number(flight.answered, ASYNC_CONNECTIONS * ASYNC_COMMANDS,
              "%s: %d commands in flight on each of %d connections are answered", over,
              ASYNC_COMMANDS, ASYNC_CONNECTIONS);
    is_number(flight.right, flight.answered, "%s: each reply has the right value", over);
    ok(flight.disconnected == ASYNC_CONNECTIONS && flight.failed == 0,
       "%s: the connections end without an error", over);
}

static redisContext *connected(redisContext *c)
{
    struct timeval patience = {20, 0};
    require(c != NULL && c->err == 0, "cannot connect: %s", c != NULL ? c->errstr : "no memory");
    redisSetTimeout(c, patience);
    return c;
}

int main(void)
{
    struct random r = random_seeded();
    const char *path = test_path("socket");
    write_data(&r);
    const char *data_file = test_file("data", buf_span(&written.lines));
    const char *const options[] = {"--unixsocket", path, NULL};
    struct server_process s = server_start(data_file, options);

    redisContext *tcp = connected(redisConnect("127.0.0.1", s.port));
    redisContext *local = connected(redisConnectUnix(path));
    const struct {
        redisContext *c;
        redisContext *other;
        unsigned pipelined;
        const char *name;
    } ways[] = {{tcp, local, PIPELINED, "TCP"}, {local, tcp, PIPELINED, "unix"}};
    for (unsigned i = 0; i < 2; i++) {
        simple_questions(ways[i].c, ways[i].name);
        key_questions(ways[i].c, ways[i].name);
        mget(ways[i].c, ways[i].name);
        binary_values(ways[i].c, &r, ways[i].name);
        time_and_size(ways[i].c, ways[i].name);
        identity(ways[i].c, ways[i].other, ways[i].name);
        pipeline(ways[i].c, &r, ways[i].pipelined, ways[i].name);
    }
    info(tcp, s.port);
    config_get(tcp);
    command_table(tcp);
    asynchronous(s.port, NULL, "TCP");
    asynchronous(s.port, path, "unix");

    redisFree(tcp);
    redisFree(local);
    is_number(server_stop(&s), 0, "the server ends well");
    buf_release(&written.lines);
    return done_testing();
}
