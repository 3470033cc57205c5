// The requests are numbered, and their times are evenly spaced. Each client in turn sends the next
// one. A client has a queue of the requests whose replies have not come. The expected reply of a
// request is made again when bytes of it arrive.
#include "bench/load/paced.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "bench/load/connect.h"
#include "bench/load/protocol.h"
#include "data/uuid_text.h"
#include "support/tap.h"

enum {
    QUEUE = 1 << 14, // most requests of a client without a reply; at 200 a second, 80 s
    INPUT = 1 << 16,
    PATIENCE_SECONDS = 60,
    WARM_UP = 10, // the warm-up is the measurement divided by this
};

struct waiting {
    uint64_t due_ns;
    uint64_t record;
    bool measured;
};

struct client {
    int fd;
    struct waiting *queue; // QUEUE entries; request n is in entry n % QUEUE
    uint64_t sent;         // number of requests sent
    uint64_t answered;
    struct buf received; // bytes of the first reply that has not come completely
};

struct run {
    const struct paced_settings *settings;
    struct paced_result *result;
    struct error *error;
    struct random random;
    struct client *clients;
    struct pollfd *polled;
    char *value; // room for a value
    struct buf request;
    struct buf reply;
    uint64_t start_ns;
    uint64_t next;    // number of the next request
    uint64_t waiting; // requests without a reply, of all clients
};

static bool fail(struct run *run, const char *what)
{
    error_set(run->error, "%s: %s", what, strerror(errno));
    return false;
}

// ---- requests and replies -----------------------------------------------------------------------

// Makes the request for a record, and its reply.
static bool make(struct run *run, uint64_t record)
{
    char key[UUID_TEXT_LEN];
    size_t len = working_set_record(run->settings->set, record, key, run->value);
    struct lookup lookup = {{key, UUID_TEXT_LEN}, {run->value, len}};
    run->request.len = 0;
    run->reply.len = 0;
    protocol_append(PROTOCOL_RESP, REQUEST_GET, &lookup, 1, &run->request, &run->reply);
    if (!run->request.oom && !run->reply.oom)
        return true;
    error_set(run->error, "no memory for a request");
    return false;
}

static bool send_request(struct run *run, struct client *c)
{
    const struct buf *request = &run->request;
    ssize_t n = send(c->fd, request->ptr, request->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == (ssize_t)request->len)
        return true;
    if (n >= 0 || errno == EAGAIN) {
        error_set(run->error, "the server does not keep up: it does not read the requests of a "
                              "paced client");
        return false;
    }
    return fail(run, "cannot write to the server");
}

static bool wrong(struct run *run, const struct client *c)
{
    char key[UUID_TEXT_LEN];
    uint64_t record = c->queue[c->answered % QUEUE].record;
    working_set_record(run->settings->set, record, key, run->value);
    error_set(run->error, "wrong reply to a paced GET of '%.*s', record %llu: '%.*s'",
              UUID_TEXT_LEN, key, (unsigned long long)record, (int)c->received.len,
              c->received.ptr);
    return false;
}

static void count_reply(struct run *run, struct client *c, uint64_t now)
{
    const struct waiting *w = &c->queue[c->answered++ % QUEUE];
    run->waiting--;
    if (w->measured)
        histogram_add(&run->result->latency, now - w->due_ns);
}

// Takes all complete replies from the received bytes.
static bool take(struct run *run, struct client *c)
{
    uint64_t now = clock_monotonic_ns();
    while (c->received.len > 0) {
        if (c->answered == c->sent) {
            error_set(run->error, "a reply without a request");
            return false;
        }
        if (!make(run, c->queue[c->answered % QUEUE].record))
            return false;
        size_t len = run->reply.len < c->received.len ? run->reply.len : c->received.len;
        if (memcmp(c->received.ptr, run->reply.ptr, len) != 0)
            return wrong(run, c);
        if (len < run->reply.len)
            return true;
        buf_remove_front(&c->received, len);
        count_reply(run, c, now);
    }
    return true;
}

static bool receive_some(struct run *run, struct client *c)
{
    char *at = buf_reserve(&c->received, INPUT);
    if (at == NULL) {
        error_set(run->error, "no memory for replies");
        return false;
    }
    ssize_t n = recv(c->fd, at, INPUT, MSG_DONTWAIT);
    if (n > 0) {
        c->received.len += (size_t)n;
        return take(run, c);
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0)
        return fail(run, "cannot read from the server");
    error_set(run->error, "the server closed the connection");
    return false;
}

// ---- the pace -----------------------------------------------------------------------------------

static uint64_t due_ns(const struct run *run, uint64_t number)
{
    const struct paced_settings *s = run->settings;
    return run->start_ns + number * CLOCK_SECOND / (s->rate * s->connections);
}

static uint64_t measured_from_ns(const struct run *run)
{
    return run->start_ns + run->settings->seconds * CLOCK_SECOND / WARM_UP;
}

static uint64_t end_ns(const struct run *run)
{
    return measured_from_ns(run) + run->settings->seconds * CLOCK_SECOND;
}

// Sends the next request, which is due.
static bool send_next(struct run *run, uint64_t now)
{
    const struct paced_settings *s = run->settings;
    struct client *c = &run->clients[run->next % s->connections];
    struct waiting w = {.due_ns = due_ns(run, run->next)};
    w.record = working_set_hot(s->set, random_below(&run->random, s->set->hot));
    w.measured = w.due_ns >= measured_from_ns(run);
    if (c->sent - c->answered == QUEUE) {
        error_set(run->error, "a paced client waits for %d replies", QUEUE);
        return false;
    }
    if (!make(run, w.record) || !send_request(run, c))
        return false;
    c->queue[c->sent++ % QUEUE] = w;
    run->next++;
    run->waiting++;
    if (w.measured)
        histogram_add(&run->result->late, now - w.due_ns);
    return true;
}

// Sends all requests that are due, and sets the time until the next one. After the last request,
// that is the longest time to wait for a reply.
static bool send_due(struct run *run, struct timespec *until_next)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        uint64_t due = due_ns(run, run->next);
        if (due >= end_ns(run)) {
            *until_next = (struct timespec){.tv_sec = PATIENCE_SECONDS};
            return true;
        }
        if (due > now) {
            *until_next = (struct timespec){.tv_nsec = (long)((due - now) % CLOCK_SECOND),
                                            .tv_sec = (time_t)((due - now) / CLOCK_SECOND)};
            return true;
        }
        if (!send_next(run, now))
            return false;
    }
}

static bool run_clients(struct run *run)
{
    size_t count = run->settings->connections;
    run->start_ns = clock_monotonic_ns();
    for (;;) {
        struct timespec timeout;
        if (!send_due(run, &timeout))
            return false;
        bool last = due_ns(run, run->next) >= end_ns(run);
        if (last && run->waiting == 0)
            return true;
        int ready = ppoll(run->polled, count, &timeout, NULL);
        if (ready < 0 && errno != EINTR)
            return fail(run, "ppoll");
        if (ready == 0 && last) {
            error_set(run->error, "no reply within %d seconds", PATIENCE_SECONDS);
            return false;
        }
        for (size_t i = 0; ready > 0 && i < count; i++)
            if (run->polled[i].revents != 0 && !receive_some(run, &run->clients[i]))
                return false;
    }
}

// ---- the run ------------------------------------------------------------------------------------

static bool prepare(struct run *run)
{
    const struct paced_settings *s = run->settings;
    run->clients = calloc(s->connections, sizeof *run->clients);
    run->polled = calloc(s->connections, sizeof *run->polled);
    run->value = malloc(working_set_room(s->set));
    bool made = run->clients != NULL && run->polled != NULL && run->value != NULL;
    for (size_t i = 0; made && i < s->connections; i++) {
        run->clients[i].fd = -1;
        run->clients[i].queue = calloc(QUEUE, sizeof *run->clients[i].queue);
        made = run->clients[i].queue != NULL;
    }
    if (!made) {
        error_set(run->error, "no memory for %zu paced connections", s->connections);
        return false;
    }
    for (size_t i = 0; i < s->connections; i++) {
        run->clients[i].fd = connect_to(s->address, run->error);
        if (run->clients[i].fd < 0)
            return false;
        run->polled[i] = (struct pollfd){.fd = run->clients[i].fd, .events = POLLIN};
    }
    return true;
}

static void release(struct run *run)
{
    for (size_t i = 0; run->clients != NULL && i < run->settings->connections; i++) {
        struct client *c = &run->clients[i];
        if (c->queue != NULL && c->fd >= 0)
            close(c->fd);
        free(c->queue);
        buf_release(&c->received);
    }
    free(run->clients);
    free(run->polled);
    free(run->value);
    buf_release(&run->request);
    buf_release(&run->reply);
}

// Sends one request and waits for its reply.
static bool ask(struct run *run, struct client *c, uint64_t record)
{
    if (!make(run, record) || !send_request(run, c))
        return false;
    c->queue[c->sent++ % QUEUE] = (struct waiting){.record = record};
    run->waiting++;
    while (run->waiting > 0) {
        int ready = poll(run->polled, 1, PATIENCE_SECONDS * 1000);
        if (ready == 0)
            error_set(run->error, "no reply within %d seconds", PATIENCE_SECONDS);
        if (ready == 0 || (ready > 0 && !receive_some(run, c)))
            return false;
    }
    return true;
}

bool paced_touch(const struct paced_settings *settings, unsigned times, struct error *error)
{
    struct paced_settings one = *settings;
    struct run run = {.settings = &one, .error = error};
    one.connections = 1;
    bool good = prepare(&run);
    for (uint64_t i = 0; good && i < times * one.set->hot; i++)
        good = ask(&run, &run.clients[0], working_set_hot(one.set, i % one.set->hot));
    release(&run);
    return good;
}

bool paced_run(const struct paced_settings *settings, struct paced_result *result,
               struct error *error)
{
    struct run run = {
        .settings = settings, .result = result, .error = error, .random = {settings->seed}};
    *result = (struct paced_result){0};
    bool good = prepare(&run) && run_clients(&run);
    release(&run);
    return good;
}
