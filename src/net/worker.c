// A loop's connections in the order of their last activity, and of what they wait for, and the
// sweep that ends those whose time is over. And by what they hold of memory: that of all loops
// together is limited, and the loops that have more than their share close the largest until it is
// kept.
#include "net/worker.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/conn.h"

enum {
    DESCRIPTORS_BESIDES = 64, // those of clients
    WAKES_PER_TURN = 64,      // half a millisecond, when each is sent a message
    WAKES_BYTES = 512 * 1024, // that wait for them
    CROWD = 100,              // clients that are closed in one sweep
    // Bytes of room for replies that stay from turn to turn.
    OUTPUT_KEPT = 1024 * 1024,
};

static const ev_tstamp SWEEP_INTERVAL = 0.25;         // seconds: how late a timeout may come
static const uint64_t LINGER_TIME = CLOCK_SECOND / 2; // that a closed connection may still send
// Between lines of the log that tell of clients closed for their memory.
static const uint64_t EVICTION_LOG_INTERVAL = 60 * CLOCK_SECOND;
// Bytes that the clients of a loop hold more before those of all loops are summed again, which
// reads what other loops write.
static const uint64_t CHECK_STEP = 64 * 1024;
// Bytes that they take before freed memory is given back to the system, while they hold a good part
// of what they may: this, or so much of what they may if that is more. The allocator keeps what is
// freed between blocks in use, and without this that came to as much as they held.
static const uint64_t GIVE_BACK_BYTES = 2 * 1024 * 1024;
enum { GIVE_BACK_PART = 16 };

static struct conn *conn_of(struct link *link)
{
    return container_of(link, struct conn, link);
}

static void be_active(struct conn *c, uint64_t now)
{
    c->active_at = now;
    link_move_last(&c->worker->active, &c->link);
}

// Closes the connections of `list` that were last active `age` ns ago or more, if they may be.
static void close_older(struct worker *worker, struct link *list, uint64_t age)
{
    uint64_t now = worker_now(worker);
    for (struct link *link = list->next; link != list && now - conn_of(link)->active_at >= age;) {
        struct conn *c = conn_of(link);
        link = link->next;
        if (!c->lingering && !session_may_idle_out(&c->session))
            continue;
        if (c->lingering || !conn_has_unread(c))
            conn_free(c);
        else // it is we who have not come to it, being held up or stopped
            be_active(c, now);
    }
}

static struct conn *conn_of_wait(struct link *link)
{
    return container_of(link, struct conn, wait);
}

static struct conn *conn_of_wake(struct link *link)
{
    return container_of(link, struct conn, wake);
}

static struct conn *conn_of_holding(struct link *link)
{
    return container_of(link, struct conn, holding);
}

// In ns; 0: none.
static uint64_t time_for(const struct worker *worker, enum awaited what)
{
    const struct runtime_settings *runtime = &worker->service.group->runtime;
    const _Atomic int64_t *seconds =
        what == AWAITS_REQUEST ? &runtime->request_timeout : &runtime->write_timeout;
    return (uint64_t)runtime_get(seconds) * CLOCK_SECOND;
}

// Closes the connections whose client has not done its part in time.
static void close_overdue(struct worker *worker, enum awaited what, struct counter *closed)
{
    struct link *list = &worker->waiting[what];
    uint64_t allowed = time_for(worker, what);
    uint64_t now = worker_now(worker);
    while (allowed > 0 && !link_is_empty(list)) {
        struct conn *c = conn_of_wait(list->next);
        if (now - c->waits_since < allowed)
            break;
        if (!conn_is_overdue(c))
            continue; // it is the last now
        log_write(LOG_VERBOSE, "client id=%llu closed: it %s in time",
                  (unsigned long long)c->session.id,
                  what == AWAITS_REQUEST ? "did not complete its request"
                                         : "took nothing of its replies");
        counter_add(closed, 1);
        conn_free(c);
    }
}

// Whether somebody's time runs.
static bool must_sweep(const struct worker *worker)
{
    bool must = runtime_get(&worker->service.group->runtime.timeout) > 0;
    must |= !link_is_empty(&worker->lingering);
    for (enum awaited what = 0; what < AWAITS_NOTHING; what++)
        must |= time_for(worker, what) > 0 && !link_is_empty(&worker->waiting[what]);
    return must;
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    uint64_t timeout = (uint64_t)runtime_get(&worker->service.group->runtime.timeout);
    uint64_t gone = counter_get(&worker->gone);
    (void)events;
    worker_take_turns(worker);
    if (timeout > 0)
        close_older(worker, &worker->active, timeout * CLOCK_SECOND);
    close_overdue(worker, AWAITS_REQUEST, &worker->service.stats.request_timeouts);
    close_overdue(worker, AWAITS_READING, &worker->service.stats.write_timeouts);
    close_older(worker, &worker->lingering, LINGER_TIME);
    // By itself the allocator gives back only what lies behind the last block in use.
    if (counter_get(&worker->gone) - gone >= CROWD)
        memory_trim();
    if (!must_sweep(worker))
        ev_timer_stop(loop, timer);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    (void)loop;
    (void)events;
    if (worker->service.paused_until != worker->pause_end)
        return; // it has just been made longer
    worker->pause_end = 0;
    session_end_pause(&worker->service);
}

// The clients of a loop have been paused, for longer than before, or not any more.
static void follow_pause(struct worker *worker)
{
    if (worker->drained != NULL) // those who are still here shall be done
        session_end_pause(&worker->service);
    uint64_t until = worker->service.paused_until;
    uint64_t now = clock_monotonic_ns();
    worker->pause_end = until;
    ev_timer_stop(worker->loop, &worker->pause);
    if (until == 0)
        return;
    // A little late rather than early, when it would find clients still paused.
    ev_tstamp left = until > now ? (ev_tstamp)(until - now) / 1e9 + 0.001 : 0;
    ev_now_update(worker->loop);
    ev_timer_set(&worker->pause, left, 0);
    ev_timer_start(worker->loop, &worker->pause);
}

static void on_hurry(struct ev_loop *loop, ev_idle *idle, int events)
{
    (void)loop;
    (void)idle;
    (void)events;
}

// Some of those that were woken by others have a turn; the sockets that are ready come between them
// and the next ones, however many a message or a reload has woken. But those that are to be closed
// are, as they hold memory that is not counted any more.
static void attend_woken(struct worker *worker)
{
    while (!link_is_empty(&worker->doomed))
        conn_attend(conn_of_wake(worker->doomed.next));
    size_t waits = 0;
    for (unsigned i = 0; i < WAKES_PER_TURN && waits < WAKES_BYTES; i++) {
        if (link_is_empty(&worker->woken))
            break;
        struct conn *c = conn_of_wake(worker->woken.next);
        waits += c->session.pushes.len; // at least as much as is sent now
        conn_attend(c);
    }
    worker_take_turns(worker);
}

static void on_turn_end(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct worker *worker = prepare->data;
    (void)events;
    worker_take_turns(worker);
    attend_woken(worker);
    if (worker->service.paused_until != worker->pause_end)
        follow_pause(worker);
    if (link_is_empty(&worker->woken) && link_is_empty(&worker->doomed))
        ev_idle_stop(loop, &worker->hurry);
    else
        ev_idle_start(loop, &worker->hurry);
    worker->now = 0;
}

// Gives freed memory back, if clients have taken much since and hold half of what they may.
static void give_back(struct worker *worker)
{
    struct service *service = &worker->service;
    uint64_t most = service_clients_memory_max(service);
    if (worker->taken < GIVE_BACK_BYTES || worker->taken < most / GIVE_BACK_PART)
        return;
    worker->taken = 0;
    if (service_total(service, offsetof(struct stats, clients_memory)) > most / 2)
        memory_trim();
}

// Sends the replies of turns `first` to `end` - 1. The time since the last reading of the clock is
// that of the commands in them: sending is none of it.
static void send_replies(struct worker *worker, unsigned first, unsigned end)
{
    service_flush_timing(&worker->service);
    worker->now = worker->service.timing.since_ns;
    for (unsigned i = first; i < end; i++)
        conn_send(worker->turns[i].conn, worker->turns[i].reply);
}

// Answers turns `first` to `end` - 1, which have been read ahead.
static void answer(struct worker *worker, unsigned first, unsigned end)
{
    struct output *out = &worker->output;
    unsigned sent = first;
    for (unsigned i = first; i < end; i++) {
        struct turn *turn = &worker->turns[i];
        size_t before = output_pending(out);
        bool alive = conn_answer(turn->conn, turn->heard, out);
        turn->reply = output_pending(out) - before;
        if (alive && output_pending(out) < WORKER_REPLIES)
            continue;
        send_replies(worker, sent, alive ? i + 1 : i);
        sent = i + 1;
        if (!alive) {
            output_release(out); // what was left was for this one
            conn_free(turn->conn);
        }
        if (i + 1 < end)
            timing_begin(&worker->service.timing, clock_monotonic_ns());
    }
    send_replies(worker, sent, end);
}

// The clients in line, some at a time: all their requests are read, then all the keys in them are
// looked up together, then they are answered.
void worker_take_turns(struct worker *worker)
{
    struct service *service = &worker->service;
    unsigned count = worker->turn_count;
    for (unsigned done = 0; done < count;) {
        unsigned end = done;
        timing_begin(&service->timing, clock_monotonic_ns());
        while (end < count && (end == done || !batch_is_full(&service->batch))) {
            conn_read_ahead(worker->turns[end].conn, &worker->turns[end].heard);
            end++;
        }
        batch_look_up(&service->batch, service->dataset);
        answer(worker, done, end);
        done = end;
    }
    worker->turn_count = 0;
    worker->input_used = 0;
    give_back(worker);
    if (worker->output.owned.cap > OUTPUT_KEPT && output_pending(&worker->output) == 0)
        output_release(&worker->output);
}

char *worker_input(struct worker *worker)
{
    if (worker->turn_count == WORKER_TURNS ||
        WORKER_INPUT_MAX - worker->input_used < WORKER_READ_MAX)
        worker_take_turns(worker);
    return worker->input + worker->input_used;
}

void worker_add_turn(struct worker *worker, struct conn *conn, size_t len)
{
    if (worker->turn_count == WORKER_TURNS) {
        assert(len == 0); // who reads has made room
        worker_take_turns(worker);
    }
    struct bytes fresh = {worker->input + worker->input_used, len};
    worker->turns[worker->turn_count++] = (struct turn){.conn = conn, .heard = fresh};
    worker->input_used += len;
}

uint64_t worker_now(struct worker *worker)
{
    if (worker->now == 0)
        worker->now = clock_monotonic_ns();
    return worker->now;
}

// libev ends the process when it cannot enlarge a table. The one that grows with the descriptors is
// given its size here, before there are clients, by watching the highest one for a moment. (Others
// grow with the sockets that are ready at once: a few bytes each.)
static void reserve_watchers(struct ev_loop *loop, const struct settings *settings)
{
    ev_io highest;
    unsigned descriptors =
        (unsigned)runtime_get(&settings->runtime.maxclients) + DESCRIPTORS_BESIDES;
    ev_io_init(&highest, NULL, (int)descriptors, EV_READ);
    ev_io_start(loop, &highest);
    ev_io_stop(loop, &highest);
}

struct worker *worker_new(struct ev_loop *loop, struct service_group *group, struct error *error)
{
    struct worker *worker = memory_aligned(sizeof *worker);
    char *input = malloc(WORKER_INPUT_MAX);
    if (worker == NULL || input == NULL) {
        error_set(error, "no memory for a loop's buffers");
        free(worker);
        free(input);
        return NULL;
    }
    worker->loop = loop;
    worker->input = input;
    link_init(&worker->active);
    link_init(&worker->lingering);
    link_init(&worker->woken);
    link_init(&worker->doomed);
    service_init(&worker->service, group);
    for (unsigned i = 0; i < AWAITS_NOTHING; i++)
        link_init(&worker->waiting[i]);
    for (unsigned i = 0; i < HOLDING_CLASSES; i++) {
        link_init(&worker->holding[false][i]);
        link_init(&worker->holding[true][i]);
    }
    worker->service.owner = (struct client_owner){conn_wake, conn_describe, conn_grown};
    ev_timer_init(&worker->sweep, on_sweep, SWEEP_INTERVAL, SWEEP_INTERVAL);
    worker->sweep.data = worker;
    // Behind the sockets that are readable: libev would call it first, and who has just sent
    // something is not idle.
    ev_set_priority(&worker->sweep, EV_MINPRI);
    ev_timer_init(&worker->pause, on_pause_over, 0, 0);
    worker->pause.data = worker;
    ev_prepare_init(&worker->turn_end, on_turn_end);
    worker->turn_end.data = worker;
    ev_prepare_start(loop, &worker->turn_end);
    ev_idle_init(&worker->hurry, on_hurry);
    reserve_watchers(loop, group->settings);
    worker_settings_changed(worker);
    return worker;
}

// ---- memory -------------------------------------------------------------------------------------

// Of those that hold the most one; those that are not to be closed come last. NULL: none holds any.
static struct conn *largest(struct worker *worker)
{
    for (unsigned kept = 0; kept < 2; kept++)
        for (unsigned i = HOLDING_CLASSES; i-- > 0;)
            if (!link_is_empty(&worker->holding[kept][i]))
                return conn_of_holding(worker->holding[kept][i].next);
    return NULL;
}

static void evict(struct worker *worker, struct conn *c)
{
    static _Atomic uint64_t logged_at; // by any loop; monotonic ns
    uint64_t now = worker_now(worker);
    uint64_t last = atomic_load(&logged_at);
    if ((last == 0 || (now > last && now - last >= EVICTION_LOG_INTERVAL)) &&
        atomic_compare_exchange_strong(&logged_at, &last, now))
        log_write(LOG_WARNING,
                  "clients exceed maxmemory-clients: closed client id=%llu, which held %zu bytes "
                  "(logged once a minute)",
                  (unsigned long long)c->session.id, c->held);
    counter_add(&worker->service.stats.evicted_clients, 1);
    worker_account(worker, c, 0);
    conn_evict(c);
}

void worker_leave_behind(struct worker *worker)
{
    uint64_t oldest = service_oldest_snapshot(&worker->service);
    unsigned count = 0;
    if (oldest == 0)
        return;
    for (struct link *link = worker->active.next; link != &worker->active; link = link->next) {
        struct conn *c = conn_of(link);
        if (c->session.killed || !conn_reads_before(c, oldest))
            continue;
        worker_account(worker, c, 0);
        conn_evict(c);
        count++;
    }
    counter_add(&worker->service.stats.outdated_clients, count);
    if (count > 0)
        log_write(LOG_NOTICE, "closed %u clients that read data of more than %d reloads ago", count,
                  OLDER_SNAPSHOTS_MAX);
}

// Bytes that the clients of this loop may hold, if those of all hold too much.
static uint64_t memory_share(const struct worker *worker)
{
    return service_clients_memory_max(&worker->service) / worker->service.group->count;
}

// Has the loop keep its share of the limit, as far as the limit is exceeded. What all hold then.
static uint64_t limit_memory(struct worker *worker)
{
    struct service *service = &worker->service;
    struct counter *own = &service->stats.clients_memory;
    uint64_t most = service_clients_memory_max(service);
    uint64_t share = memory_share(worker);
    uint64_t all = service_total(service, offsetof(struct stats, clients_memory));
    struct conn *c;
    while (all > most && counter_get(own) > share && (c = largest(worker)) != NULL) {
        all -= c->held < all ? c->held : all;
        evict(worker, c);
    }
    worker->checked_to = counter_get(own) + CHECK_STEP;
    return all;
}

void worker_account(struct worker *worker, struct conn *c, size_t held)
{
    struct service *service = &worker->service;
    struct counter *own = &service->stats.clients_memory;
    bool grown = held > c->held;
    worker->taken += grown ? held - c->held : 0;
    counter_set(own, counter_get(own) - c->held + held);
    c->held = held;
    // One that does nothing counts, but is not closed for others.
    if (held > CONN_MEMORY) {
        unsigned class = 63 - (unsigned)__builtin_clzll(held);
        link_move_last(&worker->holding[c->session.no_evict]
                                       [class < HOLDING_CLASSES ? class : HOLDING_CLASSES - 1],
                       &c->holding);
    } else {
        link_remove(&c->holding);
    }
    if (counter_get(own) + CHECK_STEP < worker->checked_to)
        worker->checked_to = counter_get(own) + CHECK_STEP;
    // Where this loop has no more than its share, others have.
    if (grown && counter_get(own) >= worker->checked_to &&
        limit_memory(worker) > service_clients_memory_max(service) &&
        service->group->settings_changed != NULL)
        service->group->settings_changed(service->group->settings_context);
}

void worker_settings_changed(struct worker *worker)
{
    if (must_sweep(worker))
        worker_sweeps(worker);
    if (counter_get(&worker->service.stats.clients_memory) > memory_share(worker))
        limit_memory(worker);
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    worker->drained = NULL;
    while (!link_is_empty(&worker->active))
        conn_free(conn_of(worker->active.next));
    while (!link_is_empty(&worker->lingering))
        conn_free(conn_of(worker->lingering.next));
    ev_timer_stop(worker->loop, &worker->sweep);
    ev_prepare_stop(worker->loop, &worker->turn_end);
    ev_idle_stop(worker->loop, &worker->hurry);
    ev_timer_stop(worker->loop, &worker->pause);
    output_release(&worker->output);
    service_release(&worker->service);
    free(worker->input);
    free(worker);
}

void worker_adopt(struct worker *worker, int fd, uint64_t id, bool local)
{
    counter_add(&worker->service.stats.connections_received, 1);
    if (conn_new(worker, fd, id, local) == NULL) {
        log_write(LOG_WARNING, "no memory for a connection");
        counter_add(&worker->gone, 1);
    }
}

void worker_sweeps(struct worker *worker)
{
    if (!ev_is_active(&worker->sweep))
        ev_timer_again(worker->loop, &worker->sweep);
}

static void tell_when_drained(struct worker *worker)
{
    if (worker->drained != NULL && link_is_empty(&worker->active) &&
        link_is_empty(&worker->lingering))
        worker->drained(worker);
}

void worker_lost(struct worker *worker)
{
    counter_add(&worker->gone, 1);
    tell_when_drained(worker);
}

void worker_drain(struct worker *worker, void (*drained)(struct worker *worker))
{
    session_end_pause(&worker->service);
    worker_take_turns(worker);
    while (!link_is_empty(&worker->lingering)) // they have all their replies
        conn_free(conn_of(worker->lingering.next));
    // One that has more to be done goes to the end of the list.
    while (!link_is_empty(&worker->active) && !conn_of(worker->active.next)->draining)
        conn_drain(conn_of(worker->active.next));
    worker->drained = drained;
    tell_when_drained(worker);
}
