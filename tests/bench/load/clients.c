// A client has two batches: one that is in flight, and the next one, which it makes while the
// server works on the first. So the next batch is sent as soon as the last byte of a reply
// has arrived.
//
// A latency includes the time that this program spends on other connections that became ready at
// the same time. With many connections, this is so in every load generator with a single thread.
#include "bench/load/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "bench/load/connect.h"

enum {
    INPUT = 1 << 18, // bytes read at once; enough for the reply to a batch of small values
    EVENTS = 256,
    PATIENCE_SECONDS = 60,
    WARM_UP = 10, // the warm-up is the measurement divided by this
};

#define PROGRESS_NS (CLOCK_SECOND / 5)

struct client {
    int fd;
    struct batch flying;
    struct batch next;
    size_t written;  // bytes of the batch in flight that were sent
    size_t received; // bytes of its reply that were received
    uint64_t sent_ns;
    bool blocked; // the socket accepts no more bytes at present
};

struct run {
    const struct clients_settings *settings;
    struct clients_result *result;
    struct error *error;
    struct batch_source source;
    struct client *clients;
    int epoll;
    char *input;
    clockid_t server_clock;
    uint64_t done; // number of finished lookups
    bool measuring;
    bool finished;
    uint64_t began_ns;    // monotonic time when the warm-up, or the measurement, began
    uint64_t began_at;    // value of `done` at that time
    uint64_t reported_ns; // monotonic time of the last report of progress
};

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

static bool fail(struct run *run, const char *what)
{
    error_set(run->error, "%s: %s", what, strerror(errno));
    return false;
}

// ---- measuring ----------------------------------------------------------------------------------

static void begin(struct run *run, uint64_t now)
{
    run->began_ns = now;
    run->began_at = run->done;
}

// Returns the processor time so far. The difference of two calls is reported.
static void read_cpu(const struct run *run, uint64_t *server, uint64_t *own)
{
    *server = run->settings->pid != 0 ? cpu_ns(run->server_clock) : 0;
    *own = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void begin_measuring(struct run *run, uint64_t now)
{
    run->measuring = true;
    begin(run, now);
    read_cpu(run, &run->result->server_cpu_ns, &run->result->own_cpu_ns);
}

static void end_measuring(struct run *run, uint64_t now)
{
    uint64_t server;
    uint64_t own;
    read_cpu(run, &server, &own);
    run->finished = true;
    run->result->server_cpu_ns = server - run->result->server_cpu_ns;
    run->result->own_cpu_ns = own - run->result->own_cpu_ns;
    run->result->lookups = run->done - run->began_at;
    run->result->ns = now - run->began_ns;
}

// Returns the part of the warm-up, or of the measurement, that is over; 1 or more when
// all of it is.
static double part_done(const struct run *run, uint64_t now)
{
    const struct clients_settings *s = run->settings;
    double part = s->lookups > 0
                      ? (double)(run->done - run->began_at) / (double)s->lookups
                      : (double)(now - run->began_ns) / ((double)s->seconds * (double)CLOCK_SECOND);
    return run->measuring ? part : part * WARM_UP;
}

static void report_progress(struct run *run, uint64_t now, double part)
{
    if (!run->settings->progress || now - run->reported_ns < PROGRESS_NS)
        return;
    run->reported_ns = now;
    double rate = (double)(run->done - run->began_at) * 1e9 / (double)(now - run->began_ns + 1);
    fprintf(stderr, "\r\033[K%s %3.0f %%  %.0f lookups/s", run->measuring ? "measuring" : "warm-up",
            part * 100, rate);
}

// Counts a batch whose reply is complete.
static void count_batch(struct run *run, const struct client *c, uint64_t now)
{
    run->done += load_lookups(&run->source.load);
    if (run->measuring)
        histogram_add(&run->result->latency, now - c->sent_ns);
    double part = part_done(run, now);
    report_progress(run, now, part);
    if (part < 1)
        return;
    if (run->measuring)
        end_measuring(run, now);
    else
        begin_measuring(run, now);
}

// ---- one client ---------------------------------------------------------------------------------

static bool watch(struct run *run, struct client *c, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | (c->blocked ? EPOLLOUT : 0), .data.ptr = c};
    return epoll_ctl(run->epoll, operation, c->fd, &event) == 0 || fail(run, "epoll");
}

static bool write_request(struct run *run, struct client *c)
{
    const struct buf *request = &c->flying.request;
    bool blocked = false;
    while (c->written < request->len && !blocked) {
        ssize_t n = send(c->fd, request->ptr + c->written, request->len - c->written, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail(run, "cannot write to the server");
        blocked = n < 0 && errno == EAGAIN;
        c->written += n > 0 ? (size_t)n : 0;
    }
    if (blocked == c->blocked)
        return true;
    c->blocked = blocked;
    return watch(run, c, EPOLL_CTL_MOD);
}

static bool fill(struct run *run, struct batch *b)
{
    if (batch_fill(b, &run->source))
        return true;
    error_set(run->error, "no memory for requests");
    return false;
}

// Sends the next batch and makes the one after it.
static bool advance(struct run *run, struct client *c)
{
    struct batch answered = c->flying;
    c->flying = c->next;
    c->next = answered;
    c->written = 0;
    c->received = 0;
    c->sent_ns = clock_monotonic_ns();
    return write_request(run, c) && fill(run, &c->next);
}

static bool take(struct run *run, struct client *c, struct span got)
{
    const struct buf *reply = &c->flying.reply;
    if (got.len > reply->len - c->received ||
        memcmp(got.ptr, reply->ptr + c->received, got.len) != 0) {
        batch_explain(&c->flying, c->received, got, run->error);
        return false;
    }
    c->received += got.len;
    if (c->received < reply->len)
        return true;
    count_batch(run, c, clock_monotonic_ns());
    return run->finished || advance(run, c);
}

static bool read_reply(struct run *run, struct client *c)
{
    ssize_t n = recv(c->fd, run->input, INPUT, 0);
    if (n > 0)
        return take(run, c, span_of(run->input, (size_t)n));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0)
        return fail(run, "cannot read from the server");
    error_set(run->error, "the server closed the connection");
    return false;
}

static bool client_start(struct run *run, struct client *c)
{
    c->fd = connect_to(run->settings->address, run->error);
    if (c->fd < 0)
        return false;
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        return fail(run, "fcntl");
    return watch(run, c, EPOLL_CTL_ADD) && fill(run, &c->next);
}

// ---- all clients --------------------------------------------------------------------------------

static bool serve_events(struct run *run, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count && !run->finished; i++) {
        struct client *c = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) && !write_request(run, c))
            return false;
        if ((events[i].events & ~(uint32_t)EPOLLOUT) && !read_reply(run, c))
            return false;
    }
    return true;
}

static bool run_clients(struct run *run)
{
    struct epoll_event events[EVENTS];
    while (!run->finished) {
        int count = epoll_wait(run->epoll, events, EVENTS, PATIENCE_SECONDS * 1000);
        if (count < 0 && errno != EINTR)
            return fail(run, "epoll");
        if (count == 0) {
            error_set(run->error, "no reply within %d seconds", PATIENCE_SECONDS);
            return false;
        }
        if (!serve_events(run, events, count))
            return false;
    }
    return true;
}

static bool prepare(struct run *run)
{
    const struct clients_settings *s = run->settings;
    int unknown = s->pid != 0 ? clock_getcpuclockid(s->pid, &run->server_clock) : 0;
    if (unknown != 0) {
        error_set(run->error, "no process %d: %s", (int)s->pid, strerror(unknown));
        return false;
    }
    run->clients = calloc(s->connections, sizeof *run->clients);
    run->input = malloc(INPUT);
    for (size_t i = 0; run->clients != NULL && i < s->connections; i++)
        run->clients[i].fd = -1;
    if (!batch_source_init(&run->source, &s->load, s->seed) || run->clients == NULL ||
        run->input == NULL) {
        error_set(run->error, "no memory for %zu connections", s->connections);
        return false;
    }
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    return run->epoll >= 0 || fail(run, "epoll");
}

static bool start(struct run *run)
{
    size_t count = run->settings->connections;
    for (size_t i = 0; i < count; i++)
        if (!client_start(run, &run->clients[i]))
            return false;
    begin(run, clock_monotonic_ns());
    for (size_t i = 0; i < count; i++)
        if (!advance(run, &run->clients[i]))
            return false;
    return true;
}

static void release(struct run *run)
{
    for (size_t i = 0; run->clients != NULL && i < run->settings->connections; i++) {
        struct client *c = &run->clients[i];
        batch_release(&c->flying);
        batch_release(&c->next);
        if (c->fd >= 0)
            close(c->fd);
    }
    free(run->clients);
    free(run->input);
    batch_source_release(&run->source);
    if (run->epoll >= 0)
        close(run->epoll);
}

bool clients_run(const struct clients_settings *settings, struct clients_result *result,
                 struct error *error)
{
    struct run run = {.settings = settings, .result = result, .error = error, .epoll = -1};
    *result = (struct clients_result){0};
    bool good = prepare(&run) && start(&run) && run_clients(&run);
    if (settings->progress)
        fputs("\r\033[K", stderr);
    release(&run);
    return good;
}
