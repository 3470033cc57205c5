// A connection is driven by one watcher. On an event it reads once and gets in its loop's line. In
// its turn, after all clients that were ready have been read, it feeds its session and writes once.
// It asks for EV_WRITE only after a short write, or when the session has more to do than one turn
// allows: the socket, being writable, then comes up again after the other clients.
//
// A client may write all its requests before it reads the first reply. When the system takes no
// more of our replies, further input goes into the backlog, so that the client can finish writing.
// The session is fed from there, a turn's worth at a time, as the client reads.
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
#include "base/escape.h"
#include "base/log.h"

enum {
    WRITE_SEGMENTS = 64, // iovecs per write; replies seldom need more
    // Bytes per write, so that no client delays the others: some 0.05 ms of copying.
    WRITE_MAX = 128 * 1024,
    // Bytes that are read from a client that waits for something else than its own input, so that
    // its disconnection is noticed.
    WAITING_INPUT_MAX = 64 * 1024,
    // Bytes that are read at once into a backlog: some 10 µs of copying.
    BACKLOG_READ_MAX = 64 * 1024,
    // Bytes of an unfinished request after which its client gets new time. A large request over a
    // slow line may take long; a byte now and then gains no time.
    REQUEST_STEP = 64 * 1024,
};

static const uint64_t FOREIGN_PROTOCOL_LOG_INTERVAL =
    60 * CLOCK_SECOND; // as Redis logs such clients
static const uint64_t REFUSED_LOG_INTERVAL = 60 * CLOCK_SECOND;

static void on_event(struct ev_loop *loop, ev_io *io, int events);

static void count_memory(struct conn *c, size_t bytes)
{
    // An idle connection counts, but is not closed so that others have memory.
    enum eviction eviction = bytes <= CONN_MEMORY  ? EVICT_NEVER
                             : c->session.no_evict ? EVICT_LAST
                                                   : EVICT_FIRST;
    loop_count_memory(c->loop, &c->memory, bytes, eviction);
}

// Counts the memory that it holds now.
static void update_memory(struct conn *c)
{
    size_t bytes = CONN_MEMORY + c->input.cap + c->backlog.memory + output_memory(&c->output) +
                   session_memory(&c->session);
    if (c->session.killed)
        bytes = 0;
    if (bytes != c->memory.bytes)
        count_memory(c, bytes);
}

struct conn *conn_new(struct loop *loop, int fd, uint64_t id, bool local)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->loop = loop;
    c->status = FEED_NEEDS_INPUT;
    session_init(&c->session, &loop->service, id, local);
    ev_io_init(&c->io, on_event, fd, EV_READ);
    c->io.data = c;
    ev_io_start(loop->ev, &c->io);
    counter_add(&loop->service.stats.connected_clients, 1);
    c->active_at = loop_now(loop);
    c->session.created_ns = c->active_at;
    link_init(&c->link);
    link_move_last(&loop->active, &c->link);
    link_init(&c->timeout_link);
    link_init(&c->memory.class);
    link_init(&c->wake);
    c->timeout = TIMEOUT_NONE;
    update_memory(c);
    return c;
}

static void stop_timeout(struct conn *c)
{
    link_remove(&c->timeout_link);
    c->timeout = TIMEOUT_NONE;
}

void conn_free(struct conn *c)
{
    ev_io_stop(c->loop->ev, &c->io);
    close(c->io.fd);
    if (!c->lingering)
        counter_sub(&c->loop->service.stats.connected_clients, 1);
    session_release(&c->session);
    buf_release(&c->input);
    backlog_release(&c->backlog);
    output_release(&c->output);
    link_remove(&c->link);
    link_remove(&c->wake);
    stop_timeout(c);
    count_memory(c, 0);
    counter_add(&c->loop->closed_connections, 1);
    free(c);
}

static struct conn *conn_of_session(const struct session *s)
{
    return container_of(s, struct conn, session);
}

void conn_wake(struct session *s)
{
    struct conn *c = conn_of_session(s);
    if (s->killed)
        link_move_last(&c->loop->to_close, &c->wake);
    else if (link_is_empty(&c->wake))
        link_move_last(&c->loop->ready, &c->wake);
}

static void format_address(char to[CLIENT_ADDRESS_TEXT], const struct conn *c,
                           int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char text[ADDRESS_TEXT] = "";
    if (get(c->io.fd, (struct sockaddr *)&address, &len) == 0)
        address_format((struct sockaddr *)&address, len, text);
    // As in Redis, the address of a unix socket's client is the socket's path.
    const char *path = c->loop->service.settings->unixsocket;
    bool is_unix = address.ss_family == AF_UNIX;
    snprintf(to, CLIENT_ADDRESS_TEXT, "%s%s", is_unix ? path : text, is_unix ? ":0" : "");
    escape_in_place(to, CLIENT_ADDRESS_TEXT);
}

// Bytes that the client has sent and that are not answered yet.
static size_t unanswered(const struct conn *c)
{
    return c->input.len + c->backlog.len;
}

void conn_describe(const struct session *s, struct client_facts *facts)
{
    const struct conn *c = conn_of_session(s);
    *facts = (struct client_facts){
        .fd = c->io.fd,
        .active_ns = c->active_at,
        .input = unanswered(c),
        .input_memory = c->input.cap + c->backlog.memory,
        .output = output_pending(&c->output),
        .output_memory = output_memory(&c->output),
        .memory = CONN_MEMORY,
        .reading = ev_is_active(&c->io) && (c->io.events & EV_READ) != 0,
        .writing = ev_is_active(&c->io) && (c->io.events & EV_WRITE) != 0,
    };
    format_address(facts->address, c, getpeername);
    format_address(facts->local_address, c, getsockname);
}

// Waits for exactly these events.
static void set_events(struct conn *c, int events)
{
    if (events == 0) {
        ev_io_stop(c->loop->ev, &c->io);
        return;
    }
    if ((c->io.events & (EV_READ | EV_WRITE)) == events && ev_is_active(&c->io))
        return;
    ev_io_stop(c->loop->ev, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(c->loop->ev, &c->io);
}

// Reads once into `room` and sets `*len` to the bytes read. False when the connection is dead.
static bool read_into(struct conn *c, struct bytes room, size_t *len)
{
    struct stats *stats = &c->loop->service.stats;
    ssize_t count = recv(c->io.fd, room.ptr, room.len, 0);
    *len = count > 0 ? (size_t)count : 0;
    counter_add(&stats->reads, *len > 0);
    counter_add(&stats->net_input_bytes, *len);
    c->ended |= count == 0;
    return count >= 0 || errno == EAGAIN || errno == EINTR;
}

// Reads once into the loop's input, to be answered in this turn; results as above.
static bool read_input(struct conn *c, size_t *len)
{
    struct bytes room = {loop_input(c->loop), LOOP_READ_MAX};
    bool alive = read_into(c, room, len);
    // When the server stops, the requests that have arrived are answered. The first read that
    // finds nothing is the last.
    c->ended |= *len == 0 && c->draining;
    return alive;
}

// Reads once into the backlog. False when the connection is dead or memory is short.
static bool read_to_backlog(struct conn *c)
{
    size_t len;
    struct bytes room = backlog_room(&c->backlog, BACKLOG_READ_MAX);
    if (room.ptr == NULL)
        return false;
    bool alive = read_into(c, room, &len);
    backlog_add(&c->backlog, len);
    return alive;
}

// Reads once and drops the bytes. False when the connection is dead.
static bool read_and_drop(struct conn *c)
{
    size_t len;
    return read_into(c, (struct bytes){loop_input(c->loop), LOOP_READ_MAX}, &len);
}

// True when the files of the borrowed values in `out` are as they were when the values were put
// there. Otherwise the bytes still to be sent may not belong to those already sent.
static bool borrowed_is_intact(const struct output *out)
{
    const struct ref *owner;
    unsigned damage_stamp;
    for (size_t i = 0; (owner = output_segment_owner(out, i, &damage_stamp)) != NULL; i++)
        if (!snapshot_is_intact(owner, damage_stamp))
            return false;
    return true;
}

// Writes once, at most the first `bytes` bytes of `out`; takes the `*sent` bytes that were written
// out of it. False when the connection is dead, or a value could not be read from its file (found
// here, or by EFAULT).
static bool write_once(struct conn *c, struct output *out, size_t bytes, size_t *sent)
{
    struct iovec vectors[WRITE_SEGMENTS];
    size_t count =
        output_iovecs(out, bytes < WRITE_MAX ? bytes : WRITE_MAX, vectors, WRITE_SEGMENTS);
    *sent = 0;
    if (count == 0)
        return true;
    if (output_has_borrowed(out) && !borrowed_is_intact(out))
        return false;
    ssize_t written = count == 1 ? send(c->io.fd, vectors->iov_base, vectors->iov_len, 0)
                                 : writev(c->io.fd, vectors, (int)count);
    if (written < 0)
        return errno == EAGAIN || errno == EINTR;
    *sent = (size_t)written;
    if (c->timeout == TIMEOUT_WRITE)
        stop_timeout(c);
    counter_add(&c->loop->service.stats.writes, 1);
    counter_add(&c->loop->service.stats.net_output_bytes, *sent);
    output_take(out, *sent);
    return true;
}

// Tries again to send the replies that could not be sent at once. False as above.
static bool send_pending(struct conn *c)
{
    size_t sent;
    bool alive = write_once(c, &c->output, output_pending(&c->output), &sent);
    if (alive && output_pending(&c->output) == 0)
        output_release(&c->output);
    return alive;
}

void conn_read_ahead(struct conn *c, struct bytes *input)
{
    c->ready = false;
    if (c->input.len > 0) {
        buf_append(&c->input, span_of(input->ptr, input->len));
        *input = (struct bytes){c->input.ptr, c->input.len};
    }
    if (!c->input.oom)
        session_read_ahead(&c->session, *input);
}

// Keeps the bytes of `input` that the session has not consumed. False when memory is short, or the
// request is longer than the client may send.
static bool keep_unconsumed(struct conn *c, struct bytes input, size_t consumed)
{
    if (c->input.len > 0)
        buf_remove_front(&c->input, consumed);
    else
        buf_append(&c->input, span_of(input.ptr + consumed, input.len - consumed));
    if (c->input.len == 0 && c->input.cap > 0 && !c->input.oom)
        buf_release(&c->input);
    if (c->input.len > session_input_max(&c->session)) {
        log_write(LOG_NOTICE, "client id=%llu closed: its request exceeds %zu bytes",
                  (unsigned long long)c->session.id, session_input_max(&c->session));
        counter_add(&c->loop->service.stats.input_limit_hits, 1);
        return false;
    }
    return !c->input.oom;
}

// False when the connection is to be freed.
static bool feed(struct conn *c, struct bytes input, struct output *out)
{
    if (c->input.oom || c->session.killed)
        return false;
    struct feed_result result = session_feed(&c->session, input, out);
    c->status = result.status;
    if (result.consumed > 0 && c->timeout == TIMEOUT_REQUEST)
        stop_timeout(c);
    if (c->status == FEED_CLOSE)
        backlog_release(&c->backlog);
    if (!keep_unconsumed(c, input, c->status == FEED_CLOSE ? input.len : result.consumed))
        return false;
    // An unfinished reply may hold much memory, and many clients may be answered before it is sent.
    if (c->status != FEED_NEEDS_INPUT)
        update_memory(c);
    return !session_oom(&c->session, out) && !c->session.killed;
}

bool conn_answer(struct conn *c, struct bytes input, struct output *out)
{
    bool alive = feed(c, input, output_pending(&c->output) > 0 ? &c->output : out);
    c->queued = false;
    return alive;
}

// Logs that the client is no Redis client but speaks another protocol.
static void log_foreign_protocol(struct conn *c)
{
    static _Atomic uint64_t logged_at; // by any loop; monotonic ns
    if (c->session.close_reason == NULL ||
        !log_is_due(&logged_at, loop_now(c->loop), FOREIGN_PROTOCOL_LOG_INTERVAL))
        return;
    log_write(LOG_WARNING,
              "possible attack: client id=%llu speaks %s instead of RESP; connection closed "
              "(logged once a minute)",
              (unsigned long long)c->session.id, c->session.close_reason);
}

void conn_refused(const struct session *s, const struct command_entry *entry)
{
    static _Atomic uint64_t logged_at[COMMANDS_MAX]; // by any loop; monotonic ns
    char address[CLIENT_ADDRESS_TEXT];
    if (!log_is_due(&logged_at[entry->number], clock_monotonic_ns(), REFUSED_LOG_INTERVAL))
        return;
    session_address(s, address);
    log_write(LOG_WARNING,
              "refused the administrative command '%s' to client id=%llu addr=%s: see "
              "--admin-commands (logged once a minute)",
              entry->command->name, (unsigned long long)s->id, address);
}

// Shuts down our side after all is sent, and goes on reading. Closing the socket now, with input
// unread, could make the kernel send a reset that destroys our last reply before the client reads
// it.
static void linger(struct conn *c)
{
    log_foreign_protocol(c);
    shutdown(c->io.fd, SHUT_WR);
    session_leave(&c->session);
    stop_timeout(c);
    count_memory(c, 0);
    counter_sub(&c->loop->service.stats.connected_clients, 1);
    c->lingering = true;
    c->active_at = loop_now(c->loop);
    link_move_last(&c->loop->lingering, &c->link);
    loop_start_sweep(c->loop);
    set_events(c, EV_READ);
}

// True when there is more to do with bytes that the client has sent already.
static bool has_more_work(const struct conn *c)
{
    return c->status == FEED_OUTPUT_FULL || c->status == FEED_TURN_OVER ||
           (c->status == FEED_NEEDS_INPUT && c->backlog.len > 0);
}

// True when more input is to be read from the socket. While there is work with earlier input, that
// matters for a client that does not read its replies: it may begin to, once it has written all its
// requests. So it is read from as far as its input may grow.
static bool may_read_more(const struct conn *c)
{
    size_t most = SIZE_MAX;
    if (c->status == FEED_WAITS && output_pending(&c->output) == 0)
        most = WAITING_INPUT_MAX;
    else if (c->status == FEED_WAITS || has_more_work(c))
        most = session_input_max(&c->session);
    return !c->ended && unanswered(c) < most;
}

// The events that the connection waits for.
static int events_for(const struct conn *c)
{
    int events = output_pending(&c->output) > 0 || has_more_work(c) ? EV_WRITE : 0;
    if (may_read_more(c))
        events |= EV_READ;
    if (c->draining && c->status == FEED_NEEDS_INPUT && !has_more_work(c) && !c->ended)
        events |= EV_READ | EV_WRITE;
    return events;
}

// Bytes of replies that the system has taken from us and the client's side has not acknowledged.
static uint32_t unacknowledged(const struct conn *c)
{
    int bytes = 0;
    return ioctl(c->io.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

bool conn_has_unread(const struct conn *c)
{
    int bytes = 0;
    return ioctl(c->io.fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

// Begins the client's time for `what`.
static void start_timeout(struct conn *c, enum client_timeout what)
{
    c->timeout = what;
    c->timeout_since = loop_now(c->loop);
    c->timeout_bytes = what == TIMEOUT_REQUEST ? (uint32_t)c->input.len : unacknowledged(c);
    link_move_last(&c->loop->timeouts[what], &c->timeout_link);
    loop_start_sweep(c->loop);
}

// Finds out what the connection awaits now. The time to complete a request does not run while
// replies wait to be sent, nor while we do not read.
static void update_timeout(struct conn *c)
{
    enum client_timeout what = TIMEOUT_NONE;
    if (output_pending(&c->output) > 0)
        what = TIMEOUT_WRITE;
    else if (c->status == FEED_NEEDS_INPUT && c->input.len > 0 && c->backlog.len == 0)
        what = TIMEOUT_REQUEST;
    if (what == TIMEOUT_NONE)
        stop_timeout(c);
    else if (what != c->timeout ||
             (what == TIMEOUT_REQUEST && c->input.len - c->timeout_bytes >= REQUEST_STEP))
        start_timeout(c, what);
}

// A socket takes more only when a good part of its buffer is free. So a client that reads slowly
// may have taken a lot since our last write.
bool conn_has_timed_out(struct conn *c)
{
    if (c->timeout == TIMEOUT_WRITE ? unacknowledged(c) >= c->timeout_bytes : !conn_has_unread(c))
        return true;
    start_timeout(c, c->timeout);
    return false;
}

void conn_evict(struct conn *c)
{
    count_memory(c, 0);
    session_kill(&c->session);
    backlog_release(&c->backlog);
    if (c->session.turn.out != NULL)
        return;
    output_release(&c->output);
    if (c->queued) // its requests may have been read ahead, and the session points into them
        return;
    buf_release(&c->input);
    session_shed(&c->session);
}

bool conn_reads_older_than(const struct conn *c, uint64_t number)
{
    const struct ref *owner;
    unsigned damage_stamp;
    bool reads = c->session.snapshot != NULL && c->session.snapshot->number < number;
    for (size_t i = 0;
         !reads && (owner = output_segment_owner(&c->output, i, &damage_stamp)) != NULL; i++)
        reads = snapshot_of(owner)->number < number;
    return reads;
}

void conn_grown(struct session *s)
{
    update_memory(conn_of_session(s));
}

// Closes the connection after something was read or sent, or waits for the next event.
static void after_io(struct conn *c)
{
    c->active_at = loop_now(c->loop);
    link_move_last(&c->loop->active, &c->link);
    size_t pending = output_pending(&c->output);
    bool done = !has_more_work(c) && c->status != FEED_WAITS && pending == 0;
    if (done && (c->status == FEED_CLOSE || (c->draining && c->ended))) {
        linger(c);
    } else if (done && c->ended) {
        conn_free(c);
    } else {
        set_events(c, events_for(c));
        update_timeout(c);
        update_memory(c);
    }
}

void conn_send(struct conn *c, size_t reply)
{
    struct output *out = &c->loop->output;
    size_t sent = 0;
    bool alive =
        output_pending(&c->output) > 0 ? send_pending(c) : write_once(c, out, reply, &sent);
    output_move(&c->output, out, reply - sent);
    if (alive && !output_oom(&c->output))
        after_io(c);
    else
        conn_free(c);
}

static void queue_turn(struct conn *c, size_t len)
{
    assert(!c->queued);
    c->queued = true;
    loop_add_turn(c->loop, c, len);
}

// True when the peer is gone.
static bool has_failed(const struct conn *c)
{
    int reason = 0;
    socklen_t len = sizeof reason;
    return getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &reason, &len) != 0 || reason != 0;
}

// Sends older replies when the socket takes more. False when the connection is dead.
static bool send_or_probe(struct conn *c, int events)
{
    // A client that is sent nothing for long would not be found gone by sending.
    if (has_more_work(c) && output_pending(&c->output) == 0)
        return !has_failed(c);
    return (events & EV_WRITE) == 0 || send_pending(c);
}

// True when the session goes on without more input.
static bool may_resume(const struct conn *c)
{
    return (has_more_work(c) || c->ready) && output_pending(&c->output) <= SESSION_OUTPUT_LOW;
}

// The ways to get input.
enum reading {
    READ_NOTHING,
    READ_BACKLOG,   // from the backlog, to be answered in this turn
    READ_INPUT,     // from the socket, to be answered in this turn
    READ_FOR_LATER, // from the socket into the backlog
    READ_AND_DROP,  // from the socket, to find the client's end
};

// How to get input now. `resume`: the session goes on without it.
static enum reading choose_reading(const struct conn *c, int events, bool resume)
{
    bool needs_input = c->status == FEED_NEEDS_INPUT;
    if (needs_input && c->backlog.len > 0 && resume)
        return READ_BACKLOG;
    bool waits = needs_input && c->backlog.len == 0;
    // While draining, a turn comes even if there is nothing to read, to find that out.
    if (c->ended || ((events & EV_READ) == 0 && !(c->draining && waits)))
        return READ_NOTHING;
    if (waits)
        return READ_INPUT;
    if (resume || !may_read_more(c))
        return READ_NOTHING;
    bool takes_replies = output_pending(&c->output) == 0 || (events & EV_WRITE) != 0;
    if (c->status == FEED_WAITS)
        return takes_replies && c->backlog.len == 0 ? READ_INPUT : READ_FOR_LATER;
    if (takes_replies)
        return READ_NOTHING;
    return c->status == FEED_CLOSE ? READ_AND_DROP : READ_FOR_LATER;
}

// Sets `*len` to the bytes in the loop's input that are to be answered in this turn. False when the
// connection is dead or memory is short.
static bool get_input(struct conn *c, enum reading reading, size_t *len)
{
    *len = 0;
    switch (reading) {
    case READ_NOTHING: return true;
    case READ_BACKLOG:
        *len = backlog_take(&c->backlog, loop_input(c->loop), LOOP_READ_MAX);
        return true;
    case READ_INPUT: return read_input(c, len);
    case READ_FOR_LATER: return read_to_backlog(c);
    case READ_AND_DROP: return read_and_drop(c);
    }
    assert(false);
    return false;
}

// Sends and reads, and gets in line if there is something to answer.
static void on_ready(struct conn *c, int events)
{
    size_t len = 0;
    if (!send_or_probe(c, events)) {
        conn_free(c);
        return;
    }
    bool resume = may_resume(c);
    if (!get_input(c, choose_reading(c, events, resume), &len))
        conn_free(c);
    else if (len > 0 || resume)
        queue_turn(c, len);
    else
        after_io(c);
}

static void discard_input(struct conn *c)
{
    ssize_t count = recv(c->io.fd, loop_input(c->loop), LOOP_READ_MAX, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        conn_free(c);
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct conn *c = io->data;
    if (c->lingering)
        discard_input(c);
    else if (c->queued)
        return;                                             // it is about to be answered
    else if (c->session.killed || (events & EV_ERROR) != 0) // libev could not watch it
        conn_free(c);
    else
        on_ready(c, events);
}

void conn_handle_wake(struct conn *c)
{
    link_remove(&c->wake);
    if (c->lingering || c->queued)
        return;
    if (c->session.killed) {
        conn_free(c);
    } else if (!has_more_work(c)) { // otherwise a turn is coming after those of the others
        c->ready |= c->status != FEED_CLOSE;
        on_ready(c, 0);
    }
}

void conn_drain(struct conn *c)
{
    size_t len = 0;
    bool alive = !c->lingering;
    c->draining = true;
    bool waits = c->status == FEED_NEEDS_INPUT && c->backlog.len == 0; // for input
    if (alive && waits && !c->ended)
        alive = read_input(c, &len);
    bool idle = waits && output_pending(&c->output) == 0;
    bool has_messages = waits && c->session.pushes.len > 0;
    if (alive && (len > 0 || has_messages))
        queue_turn(c, len);
    else if (alive && !idle)
        after_io(c);
    else
        conn_free(c);
}
