// hiredis, the C client, with real connections to the servers of `with-server`, over TCP and over a
// unix socket. The server is restarted meanwhile.
#include <hiredis/hiredis.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/server.h"
#include "support/tap.h"

enum { KEYS_MAX = 4000, KEY_LEN = 36, POOL = 8, PATIENCE_SECONDS = 30 };

static const char absent[] = "ffffffff-eeee-4ddd-8ccc-bbbbbbbbbbbb";
static const char read_only[] = "READONLY You can't write against a read only replica.";

// The data that the server under test serves.
static struct {
    struct span keys[KEYS_MAX];
    struct span values[KEYS_MAX];
    unsigned seen[KEYS_MAX]; // how often a scan has returned the key
    size_t count;
} data;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    require(value != NULL, "run this by redis-compat/with-server");
    return value;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    require(file != NULL && fseek(file, 0, SEEK_END) == 0, "cannot read %s", path);
    *len = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*len + 1);
    require(text != NULL && fread(text, 1, *len, file) == *len, "cannot read %s", path);
    fclose(file);
    return text;
}

static char *load_data(void)
{
    size_t len;
    char *text = read_file(setting("COMPAT_DATA"), &len);
    for (char *at = text; at < text + len; data.count++) {
        char *end = memchr(at, '\n', (size_t)(text + len - at));
        require(end != NULL && data.count < KEYS_MAX, "strange data");
        data.keys[data.count] = span_of(at, KEY_LEN);
        data.values[data.count] = span_of(at + KEY_LEN + 1, (size_t)(end - at) - KEY_LEN - 1);
        at = end + 1;
    }
    return text;
}

// ---- connections --------------------------------------------------------------------------------

static redisContext *connected(redisContext *c)
{
    require(c != NULL && c->err == 0, "cannot connect: %s", c != NULL ? c->errstr : "no memory");
    redisSetTimeout(c, (struct timeval){PATIENCE_SECONDS, 0});
    return c;
}

static redisContext *connect_to_port(const char *port)
{
    return connected(redisConnect("127.0.0.1", atoi(port)));
}

static redisContext *over_tcp(void)
{
    return connect_to_port(setting("COMPAT_PORT"));
}

static redisContext *over_unix(void)
{
    return connected(redisConnectUnix(setting("COMPAT_SOCKET")));
}

// Sends a line to `with-server` and appends its reply to `answer`.
static void control(const char *line, struct buf *answer)
{
    int fd = connect_unix(setting("COMPAT_CONTROL"));
    require(fd >= 0 && send_all(fd, span_of(line, strlen(line))), "no with-server");
    require(receive_to_end(fd, answer), "no answer to %s", line);
    close(fd);
}

static void require_control(const char *line)
{
    struct buf answer = {0};
    control(line, &answer);
    require(answer.len >= 2 && memcmp(answer.ptr, "ok", 2) == 0, "with-server cannot %s", line);
    buf_release(&answer);
}

// ---- replies ------------------------------------------------------------------------------------

static redisReply *reply_of(redisContext *c)
{
    void *reply = NULL;
    require(redisGetReply(c, &reply) == REDIS_OK, "the connection broke: %s", c->errstr);
    return reply;
}

static redisReply *ask(redisContext *c, const char *text)
{
    redisReply *reply = redisCommand(c, text);
    require(reply != NULL, "'%s' broke the connection: %s", text, c->errstr);
    return reply;
}

static struct span text_of(const redisReply *reply)
{
    return reply->str != NULL ? span_of(reply->str, reply->len) : span_of("", 0);
}

static bool is_value(const redisReply *reply, struct span value)
{
    return reply->type == REDIS_REPLY_STRING && span_equal(text_of(reply), value);
}

static bool is_array(const redisReply *reply, size_t elements)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == elements;
}

static void is_error(redisContext *c, const char *command, const char *error, const char *name)
{
    redisReply *reply = ask(c, command);
    ok(reply->type == REDIS_REPLY_ERROR, "%s: %s is refused", name, command);
    is_bytes(text_of(reply), span_of(error, strlen(error)), "%s: the error", name);
    freeReplyObject(reply);
}

static void is_integer(redisContext *c, const char *command, long long number, const char *name)
{
    redisReply *reply = ask(c, command);
    is_number(reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1000, number, "%s: %s", name,
              command);
    freeReplyObject(reply);
}

static void is_status(redisContext *c, const char *command, const char *status, const char *name)
{
    redisReply *reply = ask(c, command);
    ok(reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, status) == 0, "%s: %s", name,
       command);
    freeReplyObject(reply);
}

static bool has(redisContext *c, size_t i)
{
    redisReply *reply = redisCommand(c, "GET %b", data.keys[i].ptr, data.keys[i].len);
    bool good = reply != NULL && is_value(reply, data.values[i]);
    freeReplyObject(reply);
    return good;
}

// ---- the checks ---------------------------------------------------------------------------------

static void check_lookups(redisContext *c)
{
    size_t good = 0;
    for (size_t i = 0; i < data.count; i++)
        good += has(c, i);
    is_number((int64_t)good, (int64_t)data.count, "lookups: GET finds every value");
    redisReply *reply = redisCommand(c, "GET %s", absent);
    ok(reply != NULL && reply->type == REDIS_REPLY_NIL, "lookups: GET misses");
    freeReplyObject(reply);
    reply = redisCommand(c, "GET %b", "\0\r\n", (size_t)3);
    ok(reply != NULL && reply->type == REDIS_REPLY_NIL, "lookups: GET of a key that is not a UUID");
    freeReplyObject(reply);
    reply = redisCommand(c, "MGET %b %s %s %b", data.keys[3].ptr, data.keys[3].len, absent, "x",
                         data.keys[4].ptr, data.keys[4].len);
    ok(reply != NULL && is_array(reply, 4) && is_value(reply->element[0], data.values[3]) &&
           reply->element[1]->type == REDIS_REPLY_NIL &&
           reply->element[2]->type == REDIS_REPLY_NIL &&
           is_value(reply->element[3], data.values[4]),
       "lookups: MGET of hits and misses, in order");
    freeReplyObject(reply);
    is_integer(c, "DBSIZE", (long long)data.count, "lookups");
}

static void check_mget(redisContext *c)
{
    static const char *argv[KEYS_MAX + 1] = {"MGET"};
    static size_t lens[KEYS_MAX + 1] = {4};
    for (size_t i = 0; i < data.count; i++) {
        argv[i + 1] = data.keys[i].ptr;
        lens[i + 1] = data.keys[i].len;
    }
    redisReply *reply = redisCommandArgv(c, (int)data.count + 1, argv, lens);
    size_t good = 0;
    for (size_t i = 0; reply != NULL && is_array(reply, data.count) && i < data.count; i++)
        good += is_value(reply->element[i], data.values[i]);
    is_number((int64_t)good, (int64_t)data.count, "lookups: MGET of every key");
    freeReplyObject(reply);
}

static void check_values(redisContext *c)
{
    size_t empty = data.count, binary = data.count, large = 0;
    for (size_t i = 0; i < data.count; i++) {
        struct span v = data.values[i];
        if (v.len == 0)
            empty = i;
        else if (memchr(v.ptr, '\0', v.len) != NULL)
            binary = i;
        if (v.len > data.values[large].len)
            large = i;
    }
    require(empty < data.count && binary < data.count, "strange data");
    ok(has(c, empty), "values: empty");
    ok(has(c, binary), "values: binary");
    ok(has(c, large), "values: %zu bytes", data.values[large].len);
}

static void check_pipelines(redisContext *c)
{
    for (size_t i = 0; i < data.count; i++)
        redisAppendCommand(c, "GET %b", data.keys[i].ptr, data.keys[i].len);
    size_t good = 0;
    for (size_t i = 0; i < data.count; i++) {
        redisReply *reply = reply_of(c);
        good += is_value(reply, data.values[i]);
        freeReplyObject(reply);
    }
    is_number((int64_t)good, (int64_t)data.count, "pipelines: %zu GETs in one", data.count);
    static const struct {
        const char *command;
        int type;
    } mixed[] = {
        {"PING", REDIS_REPLY_STATUS}, {"SET a b", REDIS_REPLY_ERROR},  {"GET a", REDIS_REPLY_NIL},
        {"NOPE", REDIS_REPLY_ERROR},  {"MGET a b", REDIS_REPLY_ARRAY},
    };
    enum { MIXED = sizeof mixed / sizeof *mixed };
    for (size_t i = 0; i < MIXED; i++)
        redisAppendCommand(c, mixed[i].command);
    good = 0;
    for (size_t i = 0; i < MIXED; i++) {
        redisReply *reply = reply_of(c);
        good += reply->type == mixed[i].type;
        freeReplyObject(reply);
    }
    is_number((int64_t)good, MIXED, "pipelines: errors do not affect other requests");
}

static void check_transactions(redisContext *c)
{
    is_status(c, "WATCH a b", "OK", "transactions");
    is_status(c, "MULTI", "OK", "transactions");
    redisReply *reply = redisCommand(c, "GET %b", data.keys[1].ptr, data.keys[1].len);
    ok(reply != NULL && reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "QUEUED") == 0,
       "transactions: GET is queued");
    freeReplyObject(reply);
    is_status(c, "MGET a b", "QUEUED", "transactions");
    reply = ask(c, "EXEC");
    ok(is_array(reply, 2) && is_value(reply->element[0], data.values[1]) &&
           is_array(reply->element[1], 2),
       "transactions: EXEC gives both replies");
    freeReplyObject(reply);
    is_status(c, "MULTI", "OK", "transactions");
    is_error(c, "SET a b", read_only, "transactions");
    is_error(c, "EXEC", "EXECABORT Transaction discarded because of previous errors.",
             "transactions");
    is_status(c, "MULTI", "OK", "transactions");
    is_status(c, "GET a", "QUEUED", "transactions");
    is_status(c, "DISCARD", "OK", "transactions");
    is_error(c, "EXEC", "ERR EXEC without MULTI", "transactions");
}

static void check_pool(void)
{
    redisContext *pool[POOL];
    for (size_t i = 0; i < POOL; i++)
        pool[i] = i % 2 == 0 ? over_tcp() : over_unix();
    // Each request is on its way before the reply to any is read.
    size_t good = 0;
    for (size_t from = 0; from + POOL <= data.count; from += POOL) {
        for (size_t i = 0; i < POOL; i++) {
            int written = 0;
            redisAppendCommand(pool[i], "GET %b", data.keys[from + i].ptr, data.keys[from + i].len);
            while (!written && redisBufferWrite(pool[i], &written) == REDIS_OK)
                ;
        }
        for (size_t i = 0; i < POOL; i++) {
            redisReply *reply = reply_of(pool[i]);
            good += is_value(reply, data.values[from + i]);
            freeReplyObject(reply);
        }
    }
    is_number((int64_t)good, (int64_t)(data.count - data.count % POOL),
              "pools: %d connections at once", POOL);
    for (size_t i = 0; i < POOL; i++)
        redisFree(pool[i]);
}

static void count_seen(const redisReply *keys)
{
    for (size_t i = 0; i < keys->elements; i++)
        for (size_t k = 0; k < data.count; k++)
            data.seen[k] += span_equal(text_of(keys->element[i]), data.keys[k]);
}

static void scan_all(redisContext *c, const char *options)
{
    char cursor[32] = "0", command[128];
    memset(data.seen, 0, sizeof data.seen);
    for (size_t calls = 0; calls == 0 || strcmp(cursor, "0") != 0; calls++) {
        snprintf(command, sizeof command, "SCAN %s %s", cursor, options);
        redisReply *reply = ask(c, command);
        require(is_array(reply, 2) && calls <= data.count, "SCAN has no end");
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        count_seen(reply->element[1]);
        freeReplyObject(reply);
    }
}

static void check_scans(redisContext *c)
{
    struct span prefix = span_of(data.keys[data.count - 1].ptr, 2);
    char match[64];
    snprintf(match, sizeof match, "MATCH %.2s* COUNT 100", prefix.ptr);
    const char *options[] = {"COUNT 100", match, "TYPE string COUNT 1000"};
    for (size_t o = 0; o < sizeof options / sizeof *options; o++) {
        scan_all(c, options[o]);
        size_t good = 0;
        for (size_t k = 0; k < data.count; k++)
            good += data.seen[k] ==
                    (options[o] != match || memcmp(data.keys[k].ptr, prefix.ptr, 2) == 0);
        is_number((int64_t)good, (int64_t)data.count, "scans: SCAN %s: each key exactly once",
                  options[o]);
    }
}

static void check_errors(redisContext *c)
{
    is_error(c, "SET a b", read_only, "errors");
    is_error(c, "DEL a", read_only, "errors");
    is_error(c, "GET", "ERR wrong number of arguments for 'get' command", "errors");
    is_error(c, "NOPE a", "ERR unknown command 'NOPE', with args beginning with: 'a' ", "errors");
    is_error(c, "SELECT x", "ERR value is not an integer or out of range", "errors");
}

static void check_auth(void)
{
    struct buf line = {0}, answer = {0};
    buf_append_text(&line, "spawn ");
    buf_append_text(&line, setting("COMPAT_DATA"));
    buf_append(&line, span_of(" secret\n", sizeof " secret\n")); // the NUL ends a C string
    control(line.ptr, &answer);
    buf_append(&answer, span_of("", 1));
    char port[8] = "";
    if (ok(sscanf(answer.ptr, "ok %7s", port) == 1, "auth: a server with a password")) {
        redisContext *c = connect_to_port(port);
        is_error(c, "GET a", "NOAUTH Authentication required.", "auth");
        is_error(c, "AUTH wrong", "WRONGPASS invalid username-password pair or user is disabled.",
                 "auth");
        is_status(c, "AUTH secret", "OK", "auth");
        ok(has(c, 1), "auth: GET after AUTH");
        is_status(c, "AUTH default secret", "OK", "auth");
        redisFree(c);
    } else {
        diag("%s", answer.ptr);
    }
    buf_release(&answer);
    buf_release(&line);
}

// Checks a message of three elements, and frees it. The last element is `text`, or `number` if
// `text` is NULL.
static void is_message(redisReply *reply, const char *kind, const char *channel, const char *text,
                       long long number)
{
    ok(is_array(reply, 3) && strcmp(reply->element[0]->str, kind) == 0 &&
           reply->element[1]->str != NULL && strcmp(reply->element[1]->str, channel) == 0 &&
           (text != NULL ? strcmp(reply->element[2]->str, text) == 0
                         : reply->element[2]->integer == number),
       "pub/sub: %s", kind);
    freeReplyObject(reply);
}

static void check_publish(redisContext *c)
{
    redisContext *subscriber = over_tcp();
    redisReply *reply = ask(subscriber, "SUBSCRIBE news");
    bool subscribed = is_array(reply, 3);
    is_message(reply, "subscribe", "news", NULL, 1);
    if (subscribed) {
        is_integer(c, "PUBLISH news today", 1, "pub/sub");
        is_message(reply_of(subscriber), "message", "news", "today", 0);
        is_message(ask(subscriber, "UNSUBSCRIBE news"), "unsubscribe", "news", NULL, 0);
        is_integer(c, "PUBLISH news again", 0, "pub/sub");
        is_status(subscriber, "PING", "PONG", "pub/sub");
    }
    redisFree(subscriber);
}

// In RESP2 and without REDIRECT, the client gets no invalidations. The commands still reply.
static void check_caching(redisContext *c)
{
    is_error(c, "CLIENT CACHING YES",
             "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN "
             "or OPTOUT mode enabled",
             "caching");
    is_status(c, "CLIENT TRACKING ON OPTIN", "OK", "caching");
    is_status(c, "CLIENT CACHING YES", "OK", "caching");
    ok(has(c, 2), "caching: GET");
    is_status(c, "CLIENT TRACKING OFF", "OK", "caching");
}

static void check_reconnect(redisContext *c, const char *name)
{
    ok(has(c, 5), "reconnect: %s: before the server stops", name);
    require_control("stop\n");
    redisReply *reply = redisCommand(c, "PING");
    ok(reply == NULL && c->err != 0, "reconnect: %s: while the server is stopped", name);
    freeReplyObject(reply);
    ok(redisReconnect(c) == REDIS_ERR, "reconnect: %s: no new connection is possible", name);
    require_control("start\n");
    ok(redisReconnect(c) == REDIS_OK && has(c, 5), "reconnect: %s: after the server has started",
       name);
    redisFree(c);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // hiredis writes to connections that the server has closed
    printf("# version %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    char *text = load_data();
    redisContext *connections[] = {over_tcp(), over_unix()};
    for (size_t i = 0; i < 2; i++) {
        redisContext *c = connections[i];
        is_status(c, "PING", "PONG", i == 0 ? "connect: TCP" : "connect: a unix socket");
        check_lookups(c);
        check_mget(c);
        check_values(c);
        check_pipelines(c);
        check_transactions(c);
        check_scans(c);
        check_errors(c);
        check_publish(c);
        check_caching(c);
        redisFree(c);
    }
    check_pool();
    check_auth();
    check_reconnect(over_tcp(), "TCP");
    check_reconnect(over_unix(), "a unix socket");
    free(text);
    return done_testing();
}
