// Connections are on lists by their last activity, by the timeout that runs, and by the memory that
// they hold. So the sweep reads only connections whose timeout may be over, and eviction finds the
// largest connection at once. The limit of memory is for all loops together. When it is exceeded,
// each loop with more than its share closes its largest connections.
#include "net/worker.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/conn.h"
#include "serve/replication.h"

enum {
    // Bytes of replies that are collected before they are sent. The kernel then copies them from
    // the processor's first-level cache.
    REPLIES_AT_ONCE = 8 * 1024,
    OTHER_DESCRIPTORS = 64, // descriptors that are not clients' sockets
    // Limits for one turn. They are for connections that have work although their client has sent
    // nothing, such as a message to deliver. The first is the number of such connections; sending a
    // message to each takes about 0.5 ms. The second is the bytes of messages for them.
    WAKES_PER_TURN = 64,
    WAKE_BYTES_PER_TURN = 512 * 1024,
    // Sweeps trim memory when they have closed this many connections, or connections that held this
    // many bytes, since the last time.
    TRIM_AFTER_CLOSED = 100,
    TRIM_AFTER_BYTES = 2 * 1024 * 1024,
    OUTPUT_KEPT = 1024 * 1024, // largest output buffer, in bytes, that is kept for the next turn
};

// Seconds between two sweeps. A timeout is noticed at most this much too late.
static const ev_tstamp SWEEP_INTERVAL = 0.25;
static const uint64_t LINGER_TIME = CLOCK_SECOND / 2; // for a client to close its side
static const uint64_t EVICTION_LOG_INTERVAL = 60 * CLOCK_SECOND;
// The allocator keeps freed memory between blocks in use: in a test, as much as was in use. So
// memory_trim returns it to the system while clients hold more than half of the limit of memory. It
// is called whenever this loop's connections have grown by TRIM_GROWTH_MIN bytes, or by the limit
// divided by TRIM_GROWTH_DIVISOR if that is more.
static const uint64_t TRIM_GROWTH_MIN = 2 * 1024 * 1024;
enum { TRIM_GROWTH_DIVISOR = 16 };

static struct conn *conn_of(struct link *link)
{
    return container_of(link, struct conn, link);
}

static struct conn *conn_of_timeout(struct link *link)
{
    return container_of(link, struct conn, timeout_link);
}

static struct conn *conn_of_wake(struct link *link)
{
    return container_of(link, struct conn, wake);
}

static struct conn *conn_of_memory(struct link *link)
{
    return container_of(link, struct conn, memory.class);
}

// ---- timeouts -----------------------------------------------------------------------------------

// Closes the connections of `list` that were last active `age` ns ago or more, except those that
// session_may_idle_out exempts.
static void close_older(struct loop *loop, struct link *list, uint64_t age)
{
    uint64_t now = loop_now(loop);
    for (struct link *link = list->next; link != list && now - conn_of(link)->active_at >= age;) {
        struct conn *c = conn_of(link);
        link = link->next;
        if (!c->lingering && !session_may_idle_out(&c->session))
            continue;
        if (c->lingering || !conn_has_unread(c)) {
            conn_free(c);
            continue;
        }
        // The client is not idle: it has sent bytes that this loop has not read yet, because the
        // loop was delayed or the process stopped.
        c->active_at = now;
        link_move_last(&loop->active, &c->link);
    }
}

// Returns the length of a timeout in ns; 0: it is disabled.
static uint64_t time_allowed(const struct loop *loop, enum client_timeout what)
{
    const struct runtime_settings *runtime = &loop->service.group->runtime;
    const _Atomic int64_t *seconds =
        what == TIMEOUT_REQUEST ? &runtime->request_timeout : &runtime->write_timeout;
    return (uint64_t)runtime_get(seconds) * CLOCK_SECOND;
}

// Closes the connections whose timeout `what` is over.
static void close_timed_out(struct loop *loop, enum client_timeout what, struct counter *closed)
{
    struct link *list = &loop->timeouts[what];
    uint64_t allowed = time_allowed(loop, what);
    uint64_t now = loop_now(loop);
    while (allowed > 0 && !link_is_empty(list)) {
        struct conn *c = conn_of_timeout(list->next);
        if (now - c->timeout_since < allowed)
            break;
        if (!conn_has_timed_out(c))
            continue; // its timeout has started again, and it is now the last of the list
        conn_log_late(c);
        counter_add(closed, 1);
        conn_free(c);
    }
}

// Returns true when the sweep may have connections to close: idle ones (option `timeout`),
// lingering ones, or those whose request or write timeout runs. It also has work when there are
// replicas, which get PINGs.
static bool must_sweep(const struct loop *loop)
{
    bool must = runtime_get(&loop->service.group->runtime.timeout) > 0;
    must |= !link_is_empty(&loop->lingering) || !link_is_empty(&loop->service.replicas);
    for (enum client_timeout what = 0; what < TIMEOUT_NONE; what++)
        must |= time_allowed(loop, what) > 0 && !link_is_empty(&loop->timeouts[what]);
    return must;
}

static void on_sweep(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    struct loop *loop = &worker->loop;
    struct stats *stats = &loop->service.stats;
    uint64_t timeout = (uint64_t)runtime_get(&loop->service.group->runtime.timeout);
    (void)events;
    worker_take_turns(worker);
    uint64_t closed = counter_get(&loop->closed_connections);
    uint64_t bytes = counter_get(&stats->clients_memory);
    if (timeout > 0)
        close_older(loop, &loop->active, timeout * CLOCK_SECOND);
    close_timed_out(loop, TIMEOUT_REQUEST, &stats->request_timeouts);
    close_timed_out(loop, TIMEOUT_WRITE, &stats->write_timeouts);
    close_older(loop, &loop->lingering, LINGER_TIME);
    replicas_tick(&loop->service, loop_now(loop));
    worker->swept += counter_get(&loop->closed_connections) - closed;
    worker->swept_bytes += bytes - counter_get(&stats->clients_memory);
    // By itself the allocator returns only memory above the highest block in use.
    if (worker->swept >= TRIM_AFTER_CLOSED || worker->swept_bytes >= TRIM_AFTER_BYTES) {
        worker->swept = 0;
        worker->swept_bytes = 0;
        memory_trim();
    }
    if (!must_sweep(loop))
        ev_timer_stop(ev, timer);
}

// ---- CLIENT PAUSE -------------------------------------------------------------------------------

static void on_pause_over(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    (void)ev;
    (void)events;
    if (worker->loop.service.paused_until != worker->pause_end)
        return; // CLIENT PAUSE has changed the end; on_turn_end sets the timer
    worker->pause_end = 0;
    session_end_pause(&worker->loop.service);
}

// Sets the timer after CLIENT PAUSE or CLIENT UNPAUSE has changed the end of the pause.
static void update_pause_timer(struct worker *worker)
{
    struct service *service = &worker->loop.service;
    struct ev_loop *ev = worker->loop.ev;
    if (worker->drained != NULL) // the server is stopping, so paused requests must be answered now
        session_end_pause(service);
    uint64_t until = service->paused_until;
    uint64_t now = clock_monotonic_ns();
    worker->pause_end = until;
    ev_timer_stop(ev, &worker->pause);
    if (until == 0)
        return;
    // 1 ms late, because clients would still be paused if the timer ended early.
    ev_tstamp left = until > now ? (ev_tstamp)(until - now) / 1e9 + 0.001 : 0;
    ev_now_update(ev);
    ev_timer_set(&worker->pause, left, 0);
    ev_timer_start(ev, &worker->pause);
}

// ---- turns --------------------------------------------------------------------------------------

// An active idle watcher keeps the loop from waiting; there is nothing else to do.
static void on_busy(struct ev_loop *ev, ev_idle *idle, int events)
{
    (void)ev;
    (void)idle;
    (void)events;
}

// Closes the connections of killed sessions, all of them in this turn: they hold memory that is no
// longer counted. Then gives a turn to connections that have work although their client has sent
// nothing, but only to some. A message or a reload may give work to many, so the rest wait until
// sockets with input were served.
static void handle_wakes(struct worker *worker)
{
    struct loop *loop = &worker->loop;
    while (!link_is_empty(&loop->to_close))
        conn_handle_wake(conn_of_wake(loop->to_close.next));
    size_t bytes = 0;
    for (unsigned i = 0; i < WAKES_PER_TURN && bytes < WAKE_BYTES_PER_TURN; i++) {
        if (link_is_empty(&loop->ready))
            break;
        struct conn *c = conn_of_wake(loop->ready.next);
        bytes += c->session.pushes.len; // at least these bytes are sent in this turn
        conn_handle_wake(c);
    }
    worker_take_turns(worker);
}

// Calls `drained` once, when the server is stopping and no connection is left.
static void report_drained(struct worker *worker)
{
    struct loop *loop = &worker->loop;
    if (worker->drained == NULL || worker->reported || !link_is_empty(&loop->active) ||
        !link_is_empty(&loop->lingering))
        return;
    worker->reported = true;
    worker->drained(worker);
}

// Ends a turn of the loop: answers the queued clients. Called before the loop waits for events.
static void on_turn_end(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    struct worker *worker = prepare->data;
    struct loop *loop = &worker->loop;
    (void)events;
    worker_take_turns(worker);
    handle_wakes(worker);
    if (loop->service.paused_until != worker->pause_end)
        update_pause_timer(worker);
    if (link_is_empty(&loop->ready) && link_is_empty(&loop->to_close))
        ev_idle_stop(ev, &worker->busy);
    else
        ev_idle_start(ev, &worker->busy);
    report_drained(worker);
    loop->now = 0;
}

// Returns freed memory to the system when connections have grown much since the last time and hold
// more than half of the memory that they may hold.
static void trim_after_growth(struct loop *loop)
{
    struct service *service = &loop->service;
    uint64_t most = service_clients_memory_max(service);
    if (loop->grown < TRIM_GROWTH_MIN || loop->grown < most / TRIM_GROWTH_DIVISOR)
        return;
    loop->grown = 0;
    if (service_total(service, offsetof(struct stats, clients_memory)) > most / 2)
        memory_trim();
}

// Sends the replies of turns `first` to `end` - 1. Before that, it divides the time since the last
// reading of the clock among their commands, so that durations of commands include no sending.
static void send_replies(struct loop *loop, unsigned first, unsigned end)
{
    service_flush_timing(&loop->service);
    loop->now = loop->service.timing.since_ns;
    for (unsigned i = first; i < end; i++)
        conn_send(loop->turns[i].conn, loop->turns[i].reply);
}

// Answers turns `first` to `end` - 1, whose requests were read ahead and whose keys were looked up.
static void answer(struct loop *loop, unsigned first, unsigned end)
{
    struct output *out = &loop->output;
    unsigned sent = first;
    for (unsigned i = first; i < end; i++) {
        struct turn *turn = &loop->turns[i];
        size_t before = output_pending(out);
        bool alive = conn_answer(turn->conn, turn->input, out);
        turn->reply = output_pending(out) - before;
        if (alive && output_pending(out) < REPLIES_AT_ONCE)
            continue;
        send_replies(loop, sent, alive ? i + 1 : i);
        sent = i + 1;
        if (!alive) {
            output_release(out); // all that is left in it was for this client
            conn_free(turn->conn);
        }
        if (i + 1 < end)
            timing_begin(&loop->service.timing, clock_monotonic_ns());
    }
    send_replies(loop, sent, end);
}

// Answers all queued clients, a group at a time. A group is as many clients as fill the batch:
// their requests are read first, then their keys are looked up together, and then they are
// answered.
static void take_turns(struct loop *loop)
{
    struct service *service = &loop->service;
    unsigned count = loop->turn_count;
    for (unsigned done = 0; done < count;) {
        unsigned end = done;
        timing_begin(&service->timing, clock_monotonic_ns());
        if (done == 0)
            service_update_view(service);
        if (done == 0)
            cold_update(&service->cold, service->timing.since_ns);
        while (end < count && (end == done || !batch_is_full(&service->batch))) {
            conn_read_ahead(loop->turns[end].conn, &loop->turns[end].input);
            end++;
        }
        batch_look_up(&service->batch, service->cold.active ? NULL : service->dataset);
        answer(loop, done, end);
        done = end;
    }
    loop->turn_count = 0;
    loop->input_used = 0;
    trim_after_growth(loop);
    if (loop->output.owned.cap > OUTPUT_KEPT && output_pending(&loop->output) == 0)
        output_release(&loop->output);
}

void worker_take_turns(struct worker *worker)
{
    take_turns(&worker->loop);
}

// ---- memory -------------------------------------------------------------------------------------

// Returns a connection of those that hold the most memory. Connections with CLIENT NO-EVICT are
// considered only when there are no others. Returns NULL when all hold no more than an idle one.
static struct conn *largest_conn(struct loop *loop)
{
    for (enum eviction order = EVICT_FIRST; order < EVICT_NEVER; order++)
        for (unsigned i = MEMORY_CLASSES; i-- > 0;)
            if (!link_is_empty(&loop->memory[order][i]))
                return conn_of_memory(loop->memory[order][i].next);
    return NULL;
}

// Closes a connection because of the limit of memory, and logs it once a minute.
static void evict(struct loop *loop, struct conn *c)
{
    static _Atomic uint64_t logged_at; // time of the last such line of any loop; monotonic ns
    if (log_is_due(&logged_at, loop_now(loop), EVICTION_LOG_INTERVAL))
        log_write(LOG_WARNING,
                  "clients exceed maxmemory-clients: closed client id=%llu, which held %zu bytes "
                  "(logged once a minute)",
                  (unsigned long long)c->session.id, c->memory.bytes);
    counter_add(&loop->service.stats.evicted_clients, 1);
    conn_evict(c);
}

// Returns this loop's share of the limit of memory, in bytes. While the limit is exceeded, the
// loop's connections may hold no more than that.
static uint64_t memory_share(const struct loop *loop)
{
    return service_clients_memory_max(&loop->service) / loop->service.group->count;
}

// Evicts connections until all loops together keep the limit, or this loop keeps its share. Returns
// the bytes that the connections of all loops then hold.
static uint64_t limit_memory(struct loop *loop)
{
    struct service *service = &loop->service;
    struct counter *own = &service->stats.clients_memory;
    uint64_t most = service_clients_memory_max(service);
    uint64_t share = memory_share(loop);
    uint64_t all = service_total(service, offsetof(struct stats, clients_memory));
    struct conn *c;
    while (all > most && counter_get(own) > share && (c = largest_conn(loop)) != NULL) {
        all -= c->memory.bytes < all ? c->memory.bytes : all;
        evict(loop, c);
    }
    loop->check_at = counter_get(own) + LOOP_MEMORY_STEP;
    return all;
}

// Evicts connections of this loop. If the limit is still exceeded, another loop has more than its
// share. This function then wakes the other loops, which check the limit too.
static void on_over_memory(struct loop *loop)
{
    struct service_group *group = loop->service.group;
    if (limit_memory(loop) > service_clients_memory_max(&loop->service) &&
        group->settings_changed != NULL)
        group->settings_changed(group->settings_context);
}

void worker_close_outdated(struct worker *worker)
{
    struct loop *loop = &worker->loop;
    uint64_t oldest = service_oldest_snapshot(&loop->service);
    unsigned count = 0;
    if (oldest == 0)
        return;
    for (struct link *link = loop->active.next; link != &loop->active; link = link->next) {
        struct conn *c = conn_of(link);
        if (c->session.killed || !conn_reads_older_than(c, oldest))
            continue;
        conn_evict(c);
        count++;
    }
    counter_add(&loop->service.stats.outdated_clients, count);
    if (count > 0)
        log_write(LOG_NOTICE,
                  "closed %u clients that still read data from more than %d reloads ago", count,
                  OLDER_SNAPSHOTS_MAX);
}

void worker_settings_changed(struct worker *worker)
{
    struct loop *loop = &worker->loop;
    if (must_sweep(loop))
        loop_start_sweep(loop);
    if (counter_get(&loop->service.stats.clients_memory) > memory_share(loop))
        limit_memory(loop);
}

// ---- the worker itself --------------------------------------------------------------------------

// Makes libev's table of descriptors as large as it can become. libev ends the process when it
// cannot enlarge a table, so this happens before there are clients. Watching the highest descriptor
// for a moment is enough. The other tables of libev are not enlarged here, because they are small:
// a few bytes for each socket that is ready at the same time.
static void reserve_watchers(struct ev_loop *ev, const struct settings *settings)
{
    ev_io highest;
    unsigned descriptors = (unsigned)runtime_get(&settings->runtime.maxclients) + OTHER_DESCRIPTORS;
    ev_io_init(&highest, NULL, (int)descriptors, EV_READ);
    ev_io_start(ev, &highest);
    ev_io_stop(ev, &highest);
}

struct worker *worker_new(struct ev_loop *ev, struct service_group *group, struct error *error)
{
    struct worker *worker = memory_aligned(sizeof *worker);
    if (worker == NULL || !loop_init(&worker->loop, ev, group)) {
        error_set(error, "no memory for a loop's buffers");
        free(worker);
        return NULL;
    }
    struct loop *loop = &worker->loop;
    loop->take_turns = take_turns;
    loop->over_memory = on_over_memory;
    loop->service.owner = (struct client_owner){conn_wake, conn_describe, conn_grown};
    ev_timer_init(&loop->sweep, on_sweep, SWEEP_INTERVAL, SWEEP_INTERVAL);
    loop->sweep.data = worker;
    // With the lowest priority, the sweep runs after sockets with input were read. Otherwise libev
    // would call the timer first, and a client that has just sent something would look idle.
    ev_set_priority(&loop->sweep, EV_MINPRI);
    ev_timer_init(&worker->pause, on_pause_over, 0, 0);
    worker->pause.data = worker;
    ev_prepare_init(&worker->turn_end, on_turn_end);
    worker->turn_end.data = worker;
    ev_prepare_start(ev, &worker->turn_end);
    ev_idle_init(&worker->busy, on_busy);
    reserve_watchers(ev, group->settings);
    worker_settings_changed(worker);
    return worker;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    struct loop *loop = &worker->loop;
    while (!link_is_empty(&loop->active))
        conn_free(conn_of(loop->active.next));
    while (!link_is_empty(&loop->lingering))
        conn_free(conn_of(loop->lingering.next));
    ev_timer_stop(loop->ev, &loop->sweep);
    ev_prepare_stop(loop->ev, &worker->turn_end);
    ev_idle_stop(loop->ev, &worker->busy);
    ev_timer_stop(loop->ev, &worker->pause);
    loop_release(loop);
    free(worker);
}

void worker_adopt(struct worker *worker, int fd, uint64_t id, bool local, bool proxied)
{
    counter_add(&worker->loop.service.stats.connections_received, 1);
    struct conn *c = conn_new(&worker->loop, fd, id, local);
    if (c == NULL) {
        log_write(LOG_WARNING, "no memory for a connection");
        counter_add(&worker->loop.closed_connections, 1);
    } else if (proxied) {
        conn_await_header(c);
    }
}

void worker_drain(struct worker *worker, void (*drained)(struct worker *worker))
{
    struct loop *loop = &worker->loop;
    session_end_pause(&loop->service);
    worker_take_turns(worker);
    while (!link_is_empty(&loop->lingering)) // all their replies are sent
        conn_free(conn_of(loop->lingering.next));
    // A connection that is not done yet moves to the end of the list, with `draining` set.
    while (!link_is_empty(&loop->active) && !conn_of(loop->active.next)->draining) {
        conn_drain(conn_of(loop->active.next));
        worker_take_turns(worker);
    }
    worker->drained = drained;
    report_drained(worker);
}
