// A connection is driven by one watcher. An event: read once and get in the worker's line. A turn,
// when many that were ready have been read: feed the session, write once. EV_WRITE is asked for
// only after a short write, or when the session has more to do than one turn allows: being
// writable, the socket then comes up again behind the other clients.
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/worker.h"

enum {
    WRITE_SEGMENTS = 64, // iovecs per write; replies seldom need more
    // Bytes per write, so that no client holds the others up: some 0.05 ms of copying.
    WRITE_MAX = 128 * 1024,
    // Bytes that are read from a client who waits for something else than its own input, so that
    // its end is noticed.
    WAITING_INPUT_MAX = 64 * 1024,
    // Bytes of an unfinished request that give its client new time: a large one over a slow line
    // takes longer, but who sends a byte now and then does not get any.
    REQUEST_STEP = 64 * 1024,
};

static const uint64_t FOREIGN_LOG_INTERVAL = 60 * CLOCK_SECOND; // as Redis logs such clients

static void on_event(struct ev_loop *loop, ev_io *io, int events);

struct conn *conn_new(struct worker *worker, int fd, uint64_t id, bool local)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->worker = worker;
    c->status = FEED_NEEDS_INPUT;
    session_init(&c->session, &worker->service, id, local);
    ev_io_init(&c->io, on_event, fd, EV_READ);
    c->io.data = c;
    ev_io_start(worker->loop, &c->io);
    counter_add(&worker->service.stats.connected_clients, 1);
    c->active_at = worker_now(worker);
    c->session.created_ns = c->active_at;
    link_init(&c->link);
    link_move_last(&worker->active, &c->link);
    link_init(&c->wait);
    link_init(&c->holding);
    link_init(&c->wake);
    c->awaits = AWAITS_NOTHING;
    return c;
}

static void await_nothing(struct conn *c)
{
    link_remove(&c->wait);
    c->awaits = AWAITS_NOTHING;
}

void conn_free(struct conn *c)
{
    ev_io_stop(c->worker->loop, &c->io);
    close(c->io.fd);
    if (!c->lingering)
        counter_take(&c->worker->service.stats.connected_clients, 1);
    session_release(&c->session);
    buf_release(&c->input);
    output_release(&c->output);
    link_remove(&c->link);
    link_remove(&c->wake);
    await_nothing(c);
    worker_account(c->worker, c, 0);
    worker_lost(c->worker);
    free(c);
}

static struct conn *conn_of_session(const struct session *s)
{
    return (struct conn *)((char *)s - offsetof(struct conn, session));
}

void conn_wake(struct session *s)
{
    struct conn *c = conn_of_session(s);
    if (s->killed)
        link_move_last(&c->worker->doomed, &c->wake);
    else if (link_is_empty(&c->wake))
        link_move_last(&c->worker->woken, &c->wake);
}

static void name_address(char to[CLIENT_ADDRESS_TEXT], const struct conn *c,
                         int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char text[ADDRESS_TEXT] = "";
    if (get(c->io.fd, (struct sockaddr *)&address, &len) == 0)
        address_format((struct sockaddr *)&address, len, text);
    // As Redis has it: a client of a unix socket is told by the path of the socket.
    const char *path = c->worker->service.settings->unixsocket;
    bool is_unix = address.ss_family == AF_UNIX;
    snprintf(to, CLIENT_ADDRESS_TEXT, "%s%s", is_unix ? path : text, is_unix ? ":0" : "");
}

void conn_describe(const struct session *s, struct client_facts *facts)
{
    const struct conn *c = conn_of_session(s);
    *facts = (struct client_facts){
        .fd = c->io.fd,
        .active_ns = c->active_at,
        .input = c->input.len,
        .input_memory = c->input.cap,
        .output = output_pending(&c->output),
        .output_memory = c->output.owned.cap,
        .memory = sizeof *c,
        .reading = ev_is_active(&c->io) && (c->io.events & EV_READ) != 0,
        .writing = ev_is_active(&c->io) && (c->io.events & EV_WRITE) != 0,
    };
    name_address(facts->address, c, getpeername);
    name_address(facts->local_address, c, getsockname);
}

static void watch(struct conn *c, int events)
{
    if (events == 0) {
        ev_io_stop(c->worker->loop, &c->io);
        return;
    }
    if ((c->io.events & (EV_READ | EV_WRITE)) == events && ev_is_active(&c->io))
        return;
    ev_io_stop(c->worker->loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(c->worker->loop, &c->io);
}

// Reads once, into the worker's input; `*len` bytes. False when the connection is dead.
static bool read_once(struct conn *c, size_t *len)
{
    struct worker *worker = c->worker;
    ssize_t count = recv(c->io.fd, worker_input(worker), WORKER_READ_MAX, 0);
    *len = count > 0 ? (size_t)count : 0;
    counter_add(&worker->service.stats.reads, *len > 0);
    counter_add(&worker->service.stats.net_input_bytes, *len);
    // When the server stops, what has arrived is answered; the read that finds nothing is the last.
    if (count == 0 || (count < 0 && errno == EAGAIN && c->draining))
        c->ended = true;
    return count >= 0 || errno == EAGAIN || errno == EINTR;
}

// Whether the files that values wait to leave from are as they were when the values were lent.
// Otherwise it is not known whether what is still to be sent belongs to what has been sent.
static bool loans_stand(const struct output *out)
{
    const struct ref *owner;
    unsigned damage;
    for (size_t i = 0; (owner = output_loan(out, i, &damage)) != NULL; i++)
        if (!view_stands(owner, damage))
            return false;
    return true;
}

// Writes once, from the first `bytes` bytes of `out`; `*sent` of them are gone. False when the
// connection is dead, also (here, or by EFAULT) because a value could not be read.
static bool write_once(struct conn *c, struct output *out, size_t bytes, size_t *sent)
{
    struct iovec vectors[WRITE_SEGMENTS];
    size_t count =
        output_iovecs(out, bytes < WRITE_MAX ? bytes : WRITE_MAX, vectors, WRITE_SEGMENTS);
    *sent = 0;
    if (count == 0)
        return true;
    if (output_lends(out) && !loans_stand(out))
        return false;
    ssize_t written = count == 1 ? send(c->io.fd, vectors->iov_base, vectors->iov_len, 0)
                                 : writev(c->io.fd, vectors, (int)count);
    if (written < 0)
        return errno == EAGAIN || errno == EINTR;
    *sent = (size_t)written;
    if (c->awaits == AWAITS_READING)
        await_nothing(c);
    counter_add(&c->worker->service.stats.writes, 1);
    counter_add(&c->worker->service.stats.net_output_bytes, *sent);
    output_take(out, *sent);
    return true;
}

// What could not be sent at once, once more; false as above.
static bool send_kept(struct conn *c)
{
    size_t sent;
    bool alive = write_once(c, &c->output, output_pending(&c->output), &sent);
    if (alive && output_pending(&c->output) == 0)
        output_release(&c->output);
    return alive;
}

void conn_read_ahead(struct conn *c, struct bytes *heard)
{
    c->in_line = false;
    c->woken = false;
    if (c->input.len > 0) {
        buf_append(&c->input, span_of(heard->ptr, heard->len));
        *heard = (struct bytes){c->input.ptr, c->input.len};
    }
    if (!c->input.oom)
        session_read_ahead(&c->session, *heard);
}

// Keeps what the session has not consumed. False when memory is short or the client has exceeded
// what it may make us keep.
static bool keep_rest(struct conn *c, struct bytes in, size_t consumed)
{
    if (c->input.len > 0)
        buf_remove_front(&c->input, consumed);
    else
        buf_append(&c->input, span_of(in.ptr + consumed, in.len - consumed));
    if (c->input.len == 0 && c->input.cap > 0 && !c->input.oom)
        buf_release(&c->input);
    if (c->input.len > session_input_max(&c->session)) {
        log_write(LOG_NOTICE, "client id=%llu closed: its request exceeds %zu bytes",
                  (unsigned long long)c->session.id, session_input_max(&c->session));
        counter_add(&c->worker->service.stats.input_limit_hits, 1);
        return false;
    }
    return !c->input.oom;
}

bool conn_answer(struct conn *c, struct bytes heard, struct output *out)
{
    if (output_pending(&c->output) > 0)
        out = &c->output;
    if (c->input.oom || c->session.killed)
        return false;
    struct feed_result result = session_feed(&c->session, heard, out);
    c->status = result.status;
    if (result.consumed > 0 && c->awaits == AWAITS_REQUEST)
        await_nothing(c);
    return keep_rest(c, heard, c->status == FEED_CLOSE ? heard.len : result.consumed) &&
           !session_oom(&c->session, out) && !c->session.killed;
}

static void log_foreign(struct conn *c)
{
    static _Atomic uint64_t logged_at; // by any loop; monotonic ns
    uint64_t now = worker_now(c->worker);
    uint64_t last = atomic_load(&logged_at);
    if (c->session.close_reason == NULL ||
        (last > 0 && (now < last || now - last < FOREIGN_LOG_INTERVAL)) ||
        !atomic_compare_exchange_strong(&logged_at, &last, now))
        return;
    log_write(LOG_WARNING,
              "possible attack: client id=%llu speaks %s instead of RESP; connection closed "
              "(logged once a minute)",
              (unsigned long long)c->session.id, c->session.close_reason);
}

// All is sent. Closing now could, with input unread, make the kernel send a reset that destroys
// our last reply before the client reads it; so our side is shut down and the rest read first.
static void linger(struct conn *c)
{
    log_foreign(c);
    shutdown(c->io.fd, SHUT_WR);
    session_leave(&c->session);
    await_nothing(c);
    worker_account(c->worker, c, 0);
    counter_take(&c->worker->service.stats.connected_clients, 1);
    c->lingering = true;
    c->active_at = worker_now(c->worker);
    link_move_last(&c->worker->lingering, &c->link);
    worker_sweeps(c->worker);
    watch(c, EV_READ);
}

// The session has more to do with what it has.
static bool is_unfinished(const struct conn *c)
{
    return c->status == FEED_OUTPUT_FULL || c->status == FEED_TURN_OVER;
}

// What there is to be waited for.
static int events_for(const struct conn *c)
{
    size_t pending = output_pending(&c->output);
    bool unfinished = is_unfinished(c);
    int events = pending > 0 || unfinished ? EV_WRITE : 0;
    bool reads = !c->ended && !unfinished && c->status != FEED_CLOSE &&
                 pending < SESSION_OUTPUT_HIGH &&
                 (c->status != FEED_WAITS || c->input.len < WAITING_INPUT_MAX);
    if (reads && c->draining && c->status != FEED_WAITS)
        events |= EV_READ | EV_WRITE;
    else if (reads)
        events |= EV_READ;
    return events;
}

// Bytes of replies that the system has taken for the client, but the client's side has not.
static uint32_t untaken(const struct conn *c)
{
    int bytes = 0;
    return ioctl(c->io.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

bool conn_has_unread(const struct conn *c)
{
    int bytes = 0;
    return ioctl(c->io.fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

static void await(struct conn *c, enum awaited what)
{
    c->awaits = what;
    c->waits_since = worker_now(c->worker);
    c->waits_at = what == AWAITS_REQUEST ? (uint32_t)c->input.len : untaken(c);
    link_move_last(&c->worker->waiting[what], &c->wait);
    worker_sweeps(c->worker);
}

// The time to complete a request does not run while replies wait to be taken, nor while it is we
// who do not read.
static void follow_wait(struct conn *c)
{
    enum awaited what = AWAITS_NOTHING;
    if (output_pending(&c->output) > 0)
        what = AWAITS_READING;
    else if (c->status == FEED_NEEDS_INPUT && c->input.len > 0)
        what = AWAITS_REQUEST;
    if (what == AWAITS_NOTHING)
        await_nothing(c);
    else if (what != c->awaits ||
             (what == AWAITS_REQUEST && c->input.len - c->waits_at >= REQUEST_STEP))
        await(c, what);
}

// A socket takes more only when a good part of it is free. So a client that reads slowly may have
// taken a lot since our last write.
bool conn_is_overdue(struct conn *c)
{
    if (c->awaits == AWAITS_READING ? untaken(c) >= c->waits_at : !conn_has_unread(c))
        return true;
    await(c, c->awaits);
    return false;
}

static void account(struct conn *c)
{
    size_t held = c->input.cap + c->output.owned.cap + session_memory(&c->session);
    if ((held | c->held) != 0)
        worker_account(c->worker, c, c->session.killed ? 0 : held);
}

void conn_evict(struct conn *c)
{
    session_kill(&c->session);
    if (c->session.out == NULL)
        output_release(&c->output);
}

bool conn_reads_before(const struct conn *c, uint64_t number)
{
    const struct ref *owner;
    unsigned mark;
    bool reads = c->session.view != NULL && c->session.view->number < number;
    for (size_t i = 0; !reads && (owner = output_loan(&c->output, i, &mark)) != NULL; i++)
        reads = view_of(owner)->number < number;
    return reads;
}

void conn_grown(struct session *s)
{
    account(conn_of_session(s));
}

// After something was read or sent: close, or wait for what comes next.
static void settle(struct conn *c)
{
    c->active_at = worker_now(c->worker);
    link_move_last(&c->worker->active, &c->link);
    size_t pending = output_pending(&c->output);
    bool done = !is_unfinished(c) && c->status != FEED_WAITS && pending == 0;
    if (done && (c->status == FEED_CLOSE || (c->draining && c->ended))) {
        linger(c);
    } else if (done && c->ended) {
        conn_free(c);
    } else {
        watch(c, events_for(c));
        follow_wait(c);
        account(c);
    }
}

void conn_send(struct conn *c, size_t reply)
{
    struct output *out = &c->worker->output;
    size_t sent = 0;
    bool alive = output_pending(&c->output) > 0 ? send_kept(c) : write_once(c, out, reply, &sent);
    output_move(&c->output, out, reply - sent);
    if (alive && !output_oom(&c->output))
        settle(c);
    else
        conn_free(c);
}

static void get_in_line(struct conn *c, size_t len)
{
    assert(!c->in_line);
    c->in_line = true;
    worker_add_turn(c->worker, c, len);
}

// Whether the peer is gone.
static bool has_failed(const struct conn *c)
{
    int reason = 0;
    socklen_t len = sizeof reason;
    return getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &reason, &len) != 0 || reason != 0;
}

// Sends, reads, and gets in line if there is something to answer.
static void on_ready(struct conn *c, int events, bool woken)
{
    size_t len = 0;
    bool alive = true;
    c->woken |= woken && c->status != FEED_CLOSE;
    bool unfinished = is_unfinished(c) || c->woken;
    // One who is answered nothing for long is not found gone by what is sent.
    if (is_unfinished(c) && output_pending(&c->output) == 0)
        alive = !has_failed(c);
    else if ((events & EV_WRITE) != 0)
        alive = send_kept(c);
    // While draining, a turn comes by EV_WRITE even if there is nothing to read, to find that out.
    bool look = c->draining && c->status == FEED_NEEDS_INPUT &&
                output_pending(&c->output) < SESSION_OUTPUT_HIGH;
    if (alive && !c->ended && ((events & EV_READ) != 0 || look))
        alive = read_once(c, &len);
    bool resume = unfinished && output_pending(&c->output) <= SESSION_OUTPUT_LOW;
    if (!alive)
        conn_free(c);
    else if (len > 0 || resume)
        get_in_line(c, len);
    else
        settle(c);
}

static void discard_input(struct conn *c)
{
    ssize_t count = recv(c->io.fd, worker_input(c->worker), WORKER_READ_MAX, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        conn_free(c);
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct conn *c = io->data;
    if (c->lingering)
        discard_input(c);
    else if (c->in_line)
        return;                                             // it is about to be answered
    else if (c->session.killed || (events & EV_ERROR) != 0) // libev could not watch it
        conn_free(c);
    else
        on_ready(c, events, false);
}

void conn_attend(struct conn *c)
{
    link_remove(&c->wake);
    if (c->lingering || c->in_line)
        return;
    if (c->session.killed)
        conn_free(c);
    else if (!is_unfinished(c)) // or a turn comes behind the others' anyway
        on_ready(c, 0, true);
}

void conn_drain(struct conn *c)
{
    size_t len = 0;
    bool alive = !c->lingering;
    c->draining = true;
    if (alive && c->status == FEED_NEEDS_INPUT && !c->ended)
        alive = read_once(c, &len);
    bool idle = c->status == FEED_NEEDS_INPUT && output_pending(&c->output) == 0;
    bool told = c->status == FEED_NEEDS_INPUT && c->session.pushes.len > 0;
    if (alive && (len > 0 || told)) {
        get_in_line(c, len);
        worker_take_turns(c->worker);
    } else if (alive && !idle) {
        settle(c);
    } else {
        conn_free(c);
    }
}
