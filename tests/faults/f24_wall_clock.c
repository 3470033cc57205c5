// Fault F24 (docs/faults.md): the wall clock jumps by a day, forward and back, while a server runs
// in this process. Durations are not affected: timeouts of clients, CLIENT PAUSE, ages, uptime, the
// slow log and latency events. Only dates follow the clock.
#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "net/publisher.h"
#include "net/server.h"
#include "options.h"
#include "support/crowd.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"

#define LARGE_KEY "0f8fad5b-d9cb-469f-a165-70867728950e"

enum {
    DAY = 86400,
    LARGE = 32 * 1024 * 1024, // bytes of a value: more than the kernel buffers
};

static const struct table table = {1, 100};

// ---- the clock ----------------------------------------------------------------------------------

static atomic_llong ahead;       // seconds by which the wall clock is ahead of the real one
static atomic_ulong wall_clocks; // number of times that the wall clock was read

// These two functions replace those of the C library, also for libev.
int clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (clock == CLOCK_REALTIME) {
        t->tv_sec += ahead;
        wall_clocks++;
    }
    return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    int result = (int)syscall(SYS_gettimeofday, t, zone);
    t->tv_sec += ahead;
    wall_clocks++;
    return result;
}

// ---- the server ---------------------------------------------------------------------------------

static struct server *server;

static void *run(void *argument)
{
    server_run(argument);
    return NULL;
}

static pthread_t start(struct options *options, const char *file, struct dataset **dataset)
{
    static char words[][32] = {"stele-server", "--port=0",    "--bind=127.0.0.1",
                               "--threads=2",  "--timeout=2", "--enable-debug-command=local"};
    char *argv[] = {
        words[0], (char *)(uintptr_t)file, words[1], words[2], words[3], words[4], words[5], NULL};
    struct error error = {""};
    struct dataset_settings settings = {.index = DATASET_INDEX_NONE};
    const struct dataset_source source = {.path = file};
    pthread_t thread;
    require(options_parse(options, 7, argv, &error), "%s", error.text);
    server = server_open(&options->settings, command_groups, &error);
    require(server != NULL, "%s", error.text);
    *dataset = dataset_open(file, &settings, NULL, &error);
    require(*dataset != NULL && server_listen(server, &source, *dataset, &error), "%s", error.text);
    require(pthread_create(&thread, NULL, run, server) == 0, "no thread");
    return thread;
}

static redisContext *client(void)
{
    redisContext *c = redisConnect("127.0.0.1", atoi(strchr(server_address(server), ':') + 1));
    require(c != NULL && c->err == 0, "cannot connect");
    return c;
}

static redisReply *ask(redisContext *c, const char *command)
{
    redisReply *reply = redisCommand(c, command);
    require(reply != NULL, "no reply to %s: %s", command, c->errstr);
    return reply;
}

static void expect_ok(redisContext *c, const char *command)
{
    redisReply *reply = ask(c, command);
    ok(reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0, "%s", command);
    freeReplyObject(reply);
}

// Returns the number that follows `name` in a reply, or -1.
static long long number_of(const redisReply *text, const char *name)
{
    const char *at = text->str != NULL ? strstr(text->str, name) : NULL;
    return at != NULL ? atoll(at + strlen(name)) : -1;
}

static uint64_t since_ms(uint64_t start_ns)
{
    return (clock_monotonic_ns() - start_ns) / 1000000;
}

// ---- checks -------------------------------------------------------------------------------------

static long long date(redisContext *c)
{
    redisReply *reply = ask(c, "TIME");
    long long seconds = reply->elements == 2 ? atoll(reply->element[0]->str) : 0;
    freeReplyObject(reply);
    return seconds;
}

// Runs two slow commands. The clock jumps between them.
static void check_slow_log(redisContext *c, long long jump)
{
    expect_ok(c, "CONFIG SET slowlog-log-slower-than 5000 latency-monitor-threshold 5");
    expect_ok(c, "SLOWLOG RESET");
    long long ids[2];
    long long dates[2];
    expect_ok(c, "DEBUG SLEEP 0.01");
    ahead += jump;
    expect_ok(c, "DEBUG SLEEP 0.01");
    redisReply *reply = ask(c, "SLOWLOG GET");
    if (ok(reply->elements == 2, "two slow commands are logged")) {
        bool short_enough = true;
        for (unsigned i = 0; i < 2; i++) {
            const redisReply *entry = reply->element[i];
            ids[i] = entry->element[0]->integer;
            dates[i] = entry->element[1]->integer;
            long long us = entry->element[2]->integer;
            short_enough = short_enough && us >= 10000 && us < 10000000;
        }
        ok(short_enough, "the entries have the right durations");
        is_number(ids[0], ids[1] + 1, "the later entry comes first, and has the next ID");
        ok(llabs(dates[0] - dates[1] - jump) < 10,
           "the entries have the dates of the jumping clock");
    }
    freeReplyObject(reply);
    reply = ask(c, "LATENCY LATEST");
    bool right = reply->elements > 0;
    for (size_t i = 0; i < reply->elements; i++)
        right = right && reply->element[i]->element[3]->integer < 10000;
    ok(right, "latency events have the right durations");
    freeReplyObject(reply);
    reply = ask(c, "LATENCY GRAPH command");
    ok(reply->type != REDIS_REPLY_ERROR, "LATENCY GRAPH draws them");
    freeReplyObject(reply);
}

static void check_pause(redisContext *c, long long jump)
{
    redisContext *other = client();
    freeReplyObject(ask(other, "PING"));
    uint64_t began = clock_monotonic_ns();
    expect_ok(c, "CLIENT PAUSE 400 ALL");
    redisAppendCommand(other, "PING");
    redisAppendCommand(c, "PING");
    int done = 0;
    while (done == 0)
        redisBufferWrite(other, &done);
    redisBufferWrite(c, &done);
    ahead += jump;
    for (unsigned i = 0; i < 2; i++) {
        void *reply = NULL;
        ok(redisGetReply(i == 0 ? c : other, &reply) == REDIS_OK && reply != NULL,
           "a paused client is served in the end");
        uint64_t waited = since_ms(began);
        ok(waited >= 399 && waited < 10000, "it has waited for %llu ms",
           (unsigned long long)waited);
        if (reply != NULL)
            freeReplyObject(reply);
    }
    redisFree(other);
}

static void check_ages(redisContext *c)
{
    redisReply *reply = ask(c, "INFO server");
    long long uptime = number_of(reply, "uptime_in_seconds:");
    ok(uptime >= 0 && uptime < 60, "uptime: %lld s", uptime);
    freeReplyObject(reply);
    reply = ask(c, "CLIENT LIST");
    long long age = number_of(reply, " age=");
    long long idle = number_of(reply, " idle=");
    ok(age >= 0 && age < 60 && idle >= 0 && idle < 60, "a client's age: %lld s, idle %lld s", age,
       idle);
    freeReplyObject(reply);
    char key[UUID_TEXT_LEN + 1] = "";
    uuid_format(table_key(&table, 1), key);
    const char *const commands[] = {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"};
    for (unsigned i = 0; i < 4; i++) {
        reply = redisCommand(c, "%s %s", commands[i], key);
        ok(reply->type == REDIS_REPLY_INTEGER && reply->integer == -1, "%s: no key expires",
           commands[i]);
        freeReplyObject(reply);
    }
}

// An idle client is closed after the two seconds of --timeout, not sooner and not much later.
static void check_idle(redisContext *idle, uint64_t began)
{
    struct pollfd closing = {idle->fd, POLLIN, 0};
    char byte;
    uint64_t passed = since_ms(began);
    if (passed < 1500 && poll(&closing, 1, (int)(1500 - passed)) != 0)
        ok(since_ms(began) >= 1999, "an idle client is closed too soon");
    ok(poll(&closing, 1, 10000) == 1 && recv(idle->fd, &byte, 1, 0) == 0,
       "an idle client is closed");
    uint64_t waited = since_ms(began);
    ok(waited >= 1999 && waited < 10000, "it is closed after %llu ms", (unsigned long long)waited);
}

static int raw_client(int (*connect_to)(int port))
{
    return connect_to(atoi(strchr(server_address(server), ':') + 1));
}

// One client has sent half a request, another does not read its reply. The clock jumps, and each
// client is closed after two seconds, not sooner and not much later. INFO counts which timeout it
// was.
static void check_overdue(redisContext *c, long long jump)
{
    enum { HALF, UNREAD, BOTH };
    static const char *const fields[] = {"request_timeout_disconnections",
                                         "write_timeout_disconnections"};
    static const char *const names[] = {"half a request", "replies that are not read"};
    struct buf got = {0};
    long long before[BOTH];
    uint64_t waited[BOTH] = {0};
    unsigned closed = 0;
    expect_ok(c, "CONFIG SET timeout 0 request-timeout 2 write-timeout 2");
    for (unsigned i = 0; i < BOTH; i++)
        before[i] = crowd_info(c->fd, fields[i]);
    int half = raw_client(connect_tcp);
    int unread = raw_client(connect_narrow);
    uint64_t began = clock_monotonic_ns();
    require(crowd_converses(half, SPAN("PING\r\n*2\r\n$3\r\nGET"), SPAN("+PONG\r\n")) &&
                crowd_converses(unread, SPAN("GET " LARGE_KEY "\r\n"), SPAN("$")),
            "no reply");
    freeReplyObject(ask(c, "PING"));
    ahead += jump;
    while (closed < BOTH && since_ms(began) < 15000) {
        for (unsigned i = 0; i < BOTH; i++)
            if (waited[i] == 0 && crowd_info(c->fd, fields[i]) > before[i]) {
                waited[i] = since_ms(began);
                closed++;
            }
        poll(NULL, 0, 5);
    }
    for (unsigned i = 0; i < BOTH; i++) {
        ok(waited[i] >= 1999 && waited[i] < 10000, "%s: closed after %llu ms", names[i],
           (unsigned long long)waited[i]);
        is_number(crowd_info(c->fd, fields[i]) - before[i], 1, "%s: counted once", names[i]);
    }
    ok(closed < BOTH || is_closed(half), "%s: the connection is closed", names[HALF]);
    ok(closed < BOTH || (receive_to_end(unread, &got) && got.len < LARGE),
       "%s: the connection is closed", names[UNREAD]);
    buf_release(&got);
    close(half);
    close(unread);
    expect_ok(c, "CONFIG SET timeout 2 request-timeout 30 write-timeout 60");
}

static void check_jump(long long jump)
{
    redisContext *c = client();
    redisContext *idle = client();
    uint64_t began = clock_monotonic_ns();
    freeReplyObject(ask(idle, "PING"));
    long long before = date(c);
    diag("%s", jump > 0 ? "a day forward" : "a day back");
    ahead += jump;
    ok(llabs(date(c) - before - jump) < 10, "the date has jumped");
    check_ages(c);
    check_pause(c, jump);
    check_slow_log(c, jump);
    check_ages(c);
    check_idle(idle, began);
    redisFree(idle);
    redisFree(c);
    c = client();
    check_overdue(c, jump);
    redisFree(c);
}

int main(void)
{
    static struct options options;
    struct dataset *dataset;
    struct error error;
    require(log_open(test_path("log"), LOG_NOTICE, &error), "no log");
    struct buf lines = {0};
    table_append(&table, &lines);
    buf_append_text(&lines, LARGE_KEY " ");
    append_bytes(&lines, 'v', LARGE);
    buf_append_text(&lines, "\n");
    const char *file = test_file("table.data", buf_span(&lines));
    buf_release(&lines);
    pthread_t thread = start(&options, file, &dataset);
    unsigned long seen = wall_clocks;
    check_jump(DAY);
    check_jump(-DAY);
    ok(wall_clocks > seen, "the server has read this wall clock");
    ahead += DAY;
    uint64_t began = clock_monotonic_ns();
    kill(getpid(), SIGTERM);
    require(pthread_join(thread, NULL) == 0, "the server does not end");
    ok(since_ms(began) < 4000, "SIGTERM ends the server at once");
    server_close(server);
    return done_testing();
}
