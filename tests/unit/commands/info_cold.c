// What an operator sees of requests that wait for data which is not in memory: INFO cold, INFO
// latencystats, LATENCY, the slow log, and CONFIG RESETSTAT. Every page counts as missing until it
// has been read once, so the first lookup of a page waits. The test makes it wait for as long as it
// says, because it advances the clock and delivers the result itself.
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "serve/feed.h"
#include "support/server.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

#define A "00000000-0000-4000-8000-000000000001"
#define B "00000000-0000-4000-8000-000000000002"
#define LINES A " one\n" B " two\n"

enum { THREADS = 2, WAIT_MS = 30000 };

static struct service_group group;
static struct service service;

// Replaces the monotonic clock of the C library by one that is ahead.
static uint64_t ahead_ns;
int clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (clock == CLOCK_MONOTONIC) {
        uint64_t ns = (uint64_t)t->tv_sec * CLOCK_SECOND + (uint64_t)t->tv_nsec + ahead_ns;
        t->tv_sec = (time_t)(ns / CLOCK_SECOND);
        t->tv_nsec = (long)(ns % CLOCK_SECOND);
    }
    return result;
}

// A task that a reader thread has sent to the loop.
static struct loop_task *posted;
static sem_t posts;

static void post(void *context, unsigned number, struct loop_task *t)
{
    (void)context;
    (void)number;
    posted = t;
    sem_post(&posts);
}

static void start(struct dataset *d)
{
    struct error error = {""};
    service_group_init(&group, &test_settings, d, command_groups);
    group.memory_allowed = 1; // so the dataset does not fit
    group.readers = readers_new(THREADS, &error);
    group.router.post = post;
    group.runtime.slowlog_log_slower_than = 1000 * WAIT_MS;
    group.runtime.latency_monitor_threshold = WAIT_MS;
    require(group.readers != NULL && sem_init(&posts, 0, 0) == 0, "%s", error.text);
    service_init(&service, &group);
    cold_update(&service.cold, clock_monotonic_ns());
}

// A client.
struct client {
    struct session session;
    struct output out;
    struct buf input;
};

static void turn(struct client *c)
{
    struct feed_result result;
    timing_begin(&service.timing, clock_monotonic_ns());
    result = session_feed(&c->session, (struct bytes){c->input.ptr, c->input.len}, &c->out);
    service_flush_timing(&service);
    require(!session_oom(&c->session, &c->out), "memory");
    memmove(c->input.ptr, c->input.ptr + result.consumed, c->input.len - result.consumed);
    c->input.len -= result.consumed;
}

static void begin(struct client *c, const char *command)
{
    static uint64_t id;
    memset(c, 0, sizeof *c);
    session_init(&c->session, &service, ++id, true);
    buf_append_text(&c->input, command);
    buf_append_text(&c->input, "\r\n");
    turn(c);
}

// Ends a client. Returns the reply, NUL-terminated; the text is valid until the next call.
static const char *end(struct client *c)
{
    static struct buf reply;
    struct iovec vectors[8];
    reply.len = 0;
    size_t count = output_iovecs(&c->out, SIZE_MAX, vectors, 8);
    for (size_t i = 0; i < count; i++)
        buf_append(&reply, span_of(vectors[i].iov_base, vectors[i].iov_len));
    buf_append(&reply, span_of("", 1));
    output_release(&c->out);
    session_release(&c->session);
    buf_release(&c->input);
    return reply.ptr;
}

static const char *ask(const char *command)
{
    struct client c;
    begin(&c, command);
    for (unsigned turns = 1; c.input.len > 0 && turns < 100; turns++)
        turn(&c);
    return end(&c);
}

// Returns a field of INFO cold, -2 if it is not there.
static double field(const char *name)
{
    char line[128];
    const char *text = ask("INFO cold");
    snprintf(line, sizeof line, "\r\n%s:", name);
    const char *found = strstr(text, line);
    return found != NULL ? strtod(found + strlen(line), NULL) : -2;
}

static void is_field(const char *name, int64_t wanted, const char *when)
{
    is_number((int64_t)field(name), wanted, "%s: %s", when, name);
}

static bool replies_with(const char *command, const char *part)
{
    const char *reply = ask(command);
    bool found = strstr(reply, part) != NULL;
    if (!ok(found, "%s has '%.*s'", command, (int)strcspn(part, "\r"), part))
        diag("%s", reply);
    return found;
}

static void check_start(void)
{
    is_field("memory_allowed", 1, "at the start");
    is_field("dataset_fits_in_memory", 0, "at the start");
    is_field("dataset_index_locked", 0, "at the start");
    is_field("dataset_resident_bytes_sampled", sizeof LINES - 1, "a file of one page");
    ok(field("dataset_index_resident_bytes_sampled") > 0, "the index is in memory");
    is_field("cold_active_loops", 1, "at the start");
    is_field("cold_read_threads", THREADS, "at the start");
    is_field("total_cold_parked_requests", 0, "at the start");
    ok(strstr(ask("INFO cold"), "\r\ncold_wait_percentiles_usec:p50=0.000,p99=0.000,") != NULL,
       "no request has waited");
    ok(field("total_disk_read_bytes") >= 0 && field("total_major_page_faults") >= 0,
       "the figures of the process");
    ok(strstr(ask("INFO"), "\r\n# Cold\r\nmemory_allowed:1\r\n") != NULL, "INFO has the section");
    ok(strstr(ask("INFO latencystats"), "cold-read") == NULL, "no waits in INFO latencystats");
    is_text(ask("LATENCY HISTOGRAM cold-read"), "*0\r\n", "no waits in LATENCY HISTOGRAM");
}

static void check_wait(void)
{
    struct client c;
    begin(&c, "GET " A);
    ok(c.session.waiting && c.input.len > 0, "the request waits");
    sem_wait(&posts);
    is_field("cold_parked_requests", 1, "a request waits");
    is_field("total_cold_parked_requests", 1, "a request waits");
    is_field("total_cold_lookups", 1, "a request waits");
    is_field("cold_reads_waiting", 0, "the line was read");
    is_field("cold_reads_in_progress", 0, "the line was read");
    is_field("cold_wait_usec_per_request", 0, "a request waits");
    ahead_ns += WAIT_MS * (CLOCK_SECOND / 1000);
    loop_task_arrive(posted, &service, 0);
    turn(&c);
    is_text(end(&c), "$3\r\none\r\n", "the request has its reply");
    is_field("cold_parked_requests", 0, "the request has its reply");
    is_field("total_cold_parked_requests", 1, "the request has its reply");
    ok(field("cold_wait_usec_per_request") >= 1000 * WAIT_MS, "the mean of the waits");
    ok(field("cold_wait_percentiles_usec") == 0 &&
           strstr(ask("INFO cold"), "percentiles_usec:p50=0.000") == NULL,
       "the percentiles of the waits");
}

static void check_records(void)
{
    replies_with("INFO latencystats", "# Latencystats\r\nlatency_percentiles_usec_cold-read:p50=");
    replies_with("LATENCY HISTOGRAM", "\r\n$9\r\ncold-read\r\n*4\r\n$5\r\ncalls\r\n:1\r\n");
    replies_with("LATENCY HISTOGRAM get Cold-Read", "\r\n$9\r\ncold-read\r\n*4\r\n");
    replies_with("LATENCY LATEST", "*1\r\n*4\r\n$9\r\ncold-read\r\n:");
    replies_with("LATENCY DOCTOR", "cold-read: 1 samples, ");
    replies_with("SLOWLOG GET", "*2\r\n$3\r\nGET\r\n$36\r\n" A "\r\n");
    // The page was read a moment ago, so the next lookup only asks whether it is in memory.
    is_text(ask("GET " B), "$3\r\ntwo\r\n", "a lookup of the same page");
    is_field("total_cold_probes", 1, "a lookup of the same page");
    is_field("total_cold_parked_requests", 1, "a lookup of the same page");
    is_text(ask("SLOWLOG LEN"), ":1\r\n", "a lookup that did not wait is not slow");
}

static void check_reset(void)
{
    is_text(ask("CONFIG RESETSTAT"), "+OK\r\n", "CONFIG RESETSTAT");
    is_field("total_cold_parked_requests", 0, "after the reset");
    is_field("total_cold_lookups", 0, "after the reset");
    is_field("total_cold_probes", 0, "after the reset");
    is_field("cold_wait_usec_per_request", 0, "after the reset");
    is_field("cold_active_loops", 1, "after the reset");
    is_text(ask("LATENCY HISTOGRAM cold-read"), "*0\r\n", "after the reset: no waits");
}

int main(void)
{
    struct error error = {""};
    struct dataset_settings settings = {.index = DATASET_INDEX_NONE};
    const char *path = test_file("data", span_text(LINES));
    struct dataset *d = dataset_open(path, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    start(d);
    check_start();
    check_wait();
    check_records();
    check_reset();
    require(readers_stop(group.readers), "a reader thread hangs");
    readers_free(group.readers);
    service_release(&service);
    service_group_release(&group);
    dataset_close(d);
    return done_testing();
}
