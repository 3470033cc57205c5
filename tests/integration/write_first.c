// Clients that write all their requests before they read the first reply, as most client libraries
// do with a pipeline. However long the pipeline is, they can write all of it, and every reply is
// right.
#include <hiredis/hiredis.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "data/uuid_text.h"
#include "support/crowd.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

enum {
    KEYS = 1000,
    VALUE = 1000,
    GETS = CHECKED_BUILD ? 100 * 1000 : 300 * 1000,
    MGETS = 50,
    // Requests of the tests that do not use hiredis. Their replies take 10 or 30 MB, and the
    // sockets hold less than 1 MB.
    MANY = CHECKED_BUILD ? 10 * 1000 : 30 * 1000,
    // Requests before AUTH. Together they have less than 1 MiB, which the server keeps at most for
    // such a client.
    UNAUTHENTICATED = 10 * 1000,
    LONG_KEY = 1000,
    LONG_REQUESTS = 80 * 1000, // more than KEPT bytes
    KEPT = 64 * 1024 * 1024,   // bytes of requests that the server keeps at most for a client
    PATIENCE_SECONDS = 60,
};

#define PASSWORD "secret"

static char keys[KEYS][UUID_TEXT_LEN + 1];
static char values[KEYS][VALUE + 1];
static const char *data_file;

static void write_data(struct random *r)
{
    struct buf data = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        uuid_format((struct uuid){random_next(r), random_next(r)}, keys[i]);
        for (unsigned j = 0; j < VALUE; j++)
            values[i][j] = (char)('a' + random_below(r, 26));
        buf_printf(&data, "%s %s\n", keys[i], values[i]);
    }
    data_file = test_file("data", buf_span(&data));
    buf_release(&data);
}

// ---- hiredis ------------------------------------------------------------------------------------

static bool is_value(const redisReply *reply, unsigned i)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING && reply->len == VALUE &&
           memcmp(reply->str, values[i % KEYS], VALUE) == 0;
}

static void test_gets(redisContext *c, const char *where)
{
    unsigned right = 0;
    bool alive = true;
    for (unsigned i = 0; i < GETS; i++)
        redisAppendCommand(c, "GET %s", keys[i % KEYS]);
    for (unsigned i = 0; i < GETS && alive; i++) {
        void *reply = NULL;
        alive = redisGetReply(c, &reply) == REDIS_OK; // the first call writes all requests
        right += is_value(reply, i);
        freeReplyObject(reply);
    }
    is_number(right, GETS, "hiredis, %s: GETs, all written before the first read %s", where,
              c->errstr);
}

static void test_mgets(redisContext *c, const char *where)
{
    const char *words[1 + KEYS] = {"MGET"};
    unsigned right = 0;
    bool alive = true;
    for (unsigned i = 0; i < KEYS; i++)
        words[1 + i] = keys[i];
    for (unsigned i = 0; i < MGETS; i++)
        redisAppendCommandArgv(c, 1 + KEYS, words, NULL);
    for (unsigned i = 0; i < MGETS && alive; i++) {
        void *got = NULL;
        alive = redisGetReply(c, &got) == REDIS_OK;
        const redisReply *reply = got;
        for (unsigned j = 0; reply != NULL && j < reply->elements; j++)
            right += is_value(reply->element[j], j);
        freeReplyObject(got);
    }
    is_number(right, MGETS * KEYS,
              "hiredis, %s: values of MGETs, all written before the first read %s", where,
              c->errstr);
}

static void test_hiredis(int port, const char *path)
{
    redisContext *contexts[] = {redisConnect("127.0.0.1", port), redisConnectUnix(path)};
    for (unsigned i = 0; i < 2; i++) {
        redisContext *c = contexts[i];
        const char *where = i == 0 ? "TCP" : "a unix socket";
        require(c != NULL && c->err == 0, "cannot connect");
        redisSetTimeout(c, (struct timeval){PATIENCE_SECONDS, 0});
        test_gets(c, where);
        test_mgets(c, where);
        redisFree(c);
    }
}

// ---- pipelines of other commands ----------------------------------------------------------------

static struct buf request, wanted;

static void begin(void)
{
    request.len = 0;
    wanted.len = 0;
}

static void add(const char *words, const char *reply)
{
    append_request(&request, words);
    buf_append_text(&wanted, reply);
}

static void add_gets(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        buf_append_text(&request, "*2\r\n$3\r\nGET\r\n");
        append_bulk(&request, span_of(keys[i % KEYS], UUID_TEXT_LEN));
        append_bulk(&wanted, span_of(values[i % KEYS], VALUE));
    }
}

static void be_patient(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static int connect_patiently(const char *path)
{
    int fd = connect_unix(path);
    be_patient(fd);
    return fd;
}

static bool write_first(int fd)
{
    require(!request.oom && !wanted.oom, "no memory");
    return send_all(fd, buf_span(&request));
}

// Reads and compares all replies. With `to_end`, the connection must close after them.
static void check_replies(int fd, bool to_end, const char *name)
{
    struct buf got = {0};
    bool good = to_end ? receive_to_end(fd, &got) : receive(fd, &got, wanted.len);
    ok(good && span_equal(buf_span(&got), buf_span(&wanted)),
       "%s: %zu bytes of requests, %zu of "
       "replies (%zu arrived)",
       name, request.len, wanted.len, got.len);
    buf_release(&got);
}

static void test_plain(const char *path, const char *name)
{
    int fd = connect_patiently(path);
    ok(write_first(fd), "%s: all requests are written", name);
    check_replies(fd, false, name);
    close(fd);
}

static void test_kinds(const char *path)
{
    begin();
    add_gets(MANY);
    test_plain(path, "GETs");
    begin();
    for (unsigned i = 0; i < MANY; i++) {
        buf_printf(&request, "GET %s\r\n", keys[i % KEYS]);
        append_bulk(&wanted, span_of(values[i % KEYS], VALUE));
    }
    test_plain(path, "inline requests");
    begin();
    add_gets(1000);
    for (unsigned i = 0; i < 4 * MANY; i++)
        add("PUBLISH c m", ":0\r\n"); // each visits all loops
    add_gets(1000);
    test_plain(path, "commands that wait for other loops");
    begin();
    add("MULTI", "+OK\r\n");
    struct buf replies = {0};
    buf_printf(&replies, "*%d\r\n", MANY);
    for (unsigned i = 0; i < MANY; i++) {
        add("GET", "");
        request.len -= sizeof "*1\r\n$3\r\nGET\r\n" - 1;
        buf_append_text(&request, "*2\r\n$3\r\nGET\r\n");
        append_bulk(&request, span_of(keys[i % KEYS], UUID_TEXT_LEN));
        buf_append_text(&wanted, "+QUEUED\r\n");
        append_bulk(&replies, span_of(values[i % KEYS], VALUE));
    }
    add("EXEC", "");
    buf_append(&wanted, buf_span(&replies));
    buf_release(&replies);
    test_plain(path, "a transaction");
    begin();
    add("SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    for (unsigned i = 0; i < 4 * MANY; i++)
        add("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    test_plain(path, "a subscriber's PINGs");
}

// A request that ends the conversation does so when all requests before it are answered. Requests
// after it can still be written.
static void test_ends(const char *path)
{
    int fd = connect_patiently(path);
    begin();
    add_gets(MANY);
    ok(write_first(fd) && shutdown(fd, SHUT_WR) == 0, "half-closed: all requests are written");
    check_replies(fd, true, "half-closed");
    close(fd);
    static const struct {
        const char *words, *reply;
    } ends[] = {{"*1\r\n$4\r\nQUIT\r\n", "+OK\r\n"},
                {"*1\r\n@\r\n", "-ERR Protocol error: expected '$', got '@'\r\n"}};
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
        fd = connect_patiently(path);
        begin();
        add_gets(MANY);
        buf_append_text(&request, ends[i].words);
        buf_append_text(&wanted, ends[i].reply);
        size_t replies = wanted.len;
        add_gets(MANY);
        wanted.len = replies;
        ok(write_first(fd), "an end in the middle: all requests are written");
        check_replies(fd, true, "an end in the middle");
        close(fd);
    }
}

static void test_paused(const char *path, int other)
{
    int fd = connect_patiently(path);
    begin();
    add_gets(MANY);
    answers(other, SPAN("CLIENT PAUSE 200\r\n"), SPAN("+OK\r\n"), "all clients are paused");
    ok(write_first(fd), "paused: all requests are written");
    check_replies(fd, false, "paused");
    close(fd);
}

// ---- requests before AUTH -----------------------------------------------------------------------

static void test_unauthenticated(void)
{
    const char *path = test_path("unauthenticated");
    const char *options[] = {"--unixsocket", path, "--requirepass", PASSWORD, NULL};
    struct server_process server = server_start(data_file, options);
    begin();
    add("AUTH " PASSWORD, "+OK\r\n");
    add_gets(MANY);
    test_plain(path, "AUTH first");
    begin();
    for (unsigned i = 0; i < UNAUTHENTICATED; i++)
        add("GET x", "-NOAUTH Authentication required.\r\n");
    add("AUTH " PASSWORD, "+OK\r\n");
    add_gets(UNAUTHENTICATED);
    test_plain(path, "AUTH late");
    is_number(server_stop(&server), 0, "the server's exit code");
}

// ---- more requests than the server keeps --------------------------------------------------------

static void *write_all(void *argument)
{
    const int *fd = argument;
    bool good = write_first(*fd);
    return good ? argument : NULL;
}

// Returns the first number after `field` in the line of CLIENT LIST that begins with `start`.
static long long listed(int fd, const char *start, const char *field)
{
    struct buf reply = {0};
    require(send_all(fd, SPAN("CLIENT LIST\r\n")), "the server has closed the connection");
    while (reply.len < 2 || memcmp(reply.ptr + reply.len - 2, "\r\n", 2) != 0)
        require(receive(fd, &reply, 1), "no list");
    size_t rest = strtoul(reply.ptr + 1, NULL, 10) + 2;
    require(receive(fd, &reply, rest), "no list");
    buf_append(&reply, span_of("", 1));
    const char *line = strstr(reply.ptr, start);
    const char *at = line != NULL ? strstr(line, field) : NULL;
    long long number = at != NULL ? atoll(at + strlen(field)) : -1;
    buf_release(&reply);
    return number;
}

// A client is not closed for complete requests, however many. Requests beyond the limit stay in the
// client's socket until the client reads.
static void test_more_than_kept(const char *path, int other)
{
    static char key[LONG_KEY + 1];
    int fd = connect_patiently(path);
    pthread_t writer;
    void *written = NULL;
    struct buf one = {0};
    memset(key, 'x', LONG_KEY);
    buf_append_text(&one, "*2\r\n$3\r\nGET\r\n");
    append_bulk(&one, span_text(key));
    begin();
    add("CLIENT SETNAME writer", "+OK\r\n");
    add_gets(2000);
    for (unsigned i = 0; i < LONG_REQUESTS; i++) {
        buf_append(&request, buf_span(&one));
        buf_append_text(&wanted, "$-1\r\n");
    }
    require(pthread_create(&writer, NULL, write_all, &fd) == 0, "no thread");
    uint64_t end = clock_monotonic_ns() + PATIENCE_SECONDS * CLOCK_SECOND;
    long long kept = 0;
    while (kept < KEPT && clock_monotonic_ns() < end) {
        poll(NULL, 0, 10);
        kept = listed(other, "name=writer", " qbuf=");
    }
    ok(kept >= KEPT && kept <= KEPT + 128 * 1024, "the server keeps 64 MiB of requests: %lld bytes",
       kept);
    check_replies(fd, false, "more requests than the server keeps");
    pthread_join(writer, &written);
    ok(written != NULL, "more requests than the server keeps: all are written in the end");
    is_number(crowd_info(other, "client_query_buffer_limit_disconnections"), 0,
              "no client is closed for it");
    close(fd);
    buf_release(&one);
}

// ---- the server stops ---------------------------------------------------------------------------

// Requests that were written before SIGTERM are answered, if the client reads soon.
static void test_stop(void)
{
    const char *path = test_path("stopped");
    const char *options[] = {"--unixsocket", path, NULL};
    struct server_process server = server_start(data_file, options);
    int fd = connect_patiently(path);
    begin();
    add_gets(MANY);
    ok(write_first(fd), "SIGTERM: all requests are written before");
    kill(server.pid, SIGTERM);
    check_replies(fd, true, "SIGTERM");
    close(fd);
    is_number(server_stop(&server), 0, "the server's exit code");
}

int main(void)
{
    struct random r = random_seeded();
    write_data(&r);
    const char *path = test_path("socket");
    const char *options[] = {"--unixsocket", path, "--threads", "2", NULL};
    struct server_process server = server_start(data_file, options);
    int other = connect_tcp(server.port);
    test_hiredis(server.port, path);
    test_kinds(path);
    test_ends(path);
    test_paused(path, other);
    test_more_than_kept(path, other);
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
    test_unauthenticated();
    test_stop();
    buf_release(&request);
    buf_release(&wanted);
    return done_testing();
}
