// On an event of its socket a connection reads once and queues for a turn. In its turn, after all
// sockets with input were read, it feeds its session and writes once. It waits for EV_WRITE only
// after a short write, or when the session has more work than one turn allows. In the second case
// the socket is usually writable already, so the event comes in the loop's next turn, after the
// other clients were answered.
//
// A client may write all its requests before it reads the first reply. While the system takes no
// more replies, further input goes into the backlog, so that the client can finish writing. As the
// client reads replies, the session is fed from the backlog, one turn's input at a time.
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn_internal.h"
#include "net/fetch.h"

enum {
    // iovecs per write: bytes in the output's own buffer, and one borrowed segment, which lies in
    // the mapped data file (base/output.h).
    SEND_SEGMENTS = 2,
    // The largest number of bytes sent by one call of write_output, so that no client delays the
    // others. Copying them takes about 0.05 ms.
    SEND_MAX = 128 * 1024,
    // While the session waits for another loop or for the end of CLIENT PAUSE, more input is read
    // only until this many bytes are unanswered. Reading shows whether the client has disconnected.
    WAITING_INPUT_MAX = 64 * 1024,
    // The largest number of bytes read at once into a backlog. Copying them takes about 10 µs.
    BACKLOG_READ_MAX = 64 * 1024,
    // Bytes of an unfinished request after which the request timeout starts again. A large request
    // over a slow line may take long, but a client that sends single bytes gains no time.
    REQUEST_STEP = 64 * 1024,
};

static void on_event(struct ev_loop *loop, ev_io *io, int events);
static void on_ready(struct conn *c, int events);

static void count_memory(struct conn *c, size_t bytes)
{
    // The memory of an idle connection counts, but closing it would not help the others.
    enum eviction eviction = bytes <= CONN_MEMORY  ? EVICT_NEVER
                             : c->session.no_evict ? EVICT_LAST
                                                   : EVICT_FIRST;
    loop_count_memory(c->loop, &c->memory, bytes, eviction);
}

void conn_update_memory(struct conn *c)
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
    conn_update_memory(c);
    return c;
}

void conn_stop_timeout(struct conn *c)
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
    fetch_drop(c->fetch);
    session_release(&c->session);
    buf_release(&c->input);
    backlog_release(&c->backlog);
    output_release(&c->output);
    link_remove(&c->link);
    link_remove(&c->wake);
    conn_stop_timeout(c);
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

// Sets the events that the watcher waits for; 0: none.
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

bool conn_read_into(struct conn *c, struct bytes room, size_t *len)
{
    struct stats *stats = &c->loop->service.stats;
    ssize_t count = recv(c->io.fd, room.ptr, room.len, 0);
    *len = count > 0 ? (size_t)count : 0;
    counter_add(&stats->reads, *len > 0);
    counter_add(&stats->net_input_bytes, *len);
    c->ended |= count == 0;
    return count >= 0 || errno == EAGAIN || errno == EINTR;
}

// Reads once into the loop's input, to be answered in this turn. Sets `*len` and returns as
// conn_read_into does.
static bool read_input(struct conn *c, size_t *len)
{
    struct bytes room = {loop_input(c->loop), LOOP_READ_MAX};
    bool alive = conn_read_into(c, room, len);
    // While the server is stopping, it still answers the requests that have arrived. A read that
    // finds no bytes shows that there are no others.
    c->ended |= *len == 0 && c->draining;
    return alive;
}

// Reads once into the backlog. Returns false when the connection has failed or memory is short.
static bool read_to_backlog(struct conn *c)
{
    size_t len;
    struct bytes room = backlog_room(&c->backlog, BACKLOG_READ_MAX);
    if (room.ptr == NULL)
        return false;
    bool alive = conn_read_into(c, room, &len);
    backlog_add(&c->backlog, len);
    return alive;
}

// Reads once and drops the bytes. Returns false when the connection has failed.
static bool read_and_drop(struct conn *c)
{
    size_t len;
    return conn_read_into(c, (struct bytes){loop_input(c->loop), LOOP_READ_MAX}, &len);
}

// Returns true when there is no borrowed segment in `out`, or its memory still shows what it did
// when the first one was appended. Otherwise a file of its dataset was truncated, overwritten or
// unreadable (data/dataset.h). The rest of the value might then not belong to the part that was
// already sent.
static bool borrowed_is_intact(const struct output *out)
{
    if (!output_has_borrowed(out))
        return true;
    unsigned damage_stamp;
    const struct ref *owner = output_segment_owner(out, 0, &damage_stamp);
    return snapshot_is_intact(owner, damage_stamp);
}

// Called when a reader thread has read a piece of a value. Sends it.
static void on_fetched(struct session *s)
{
    struct conn *c = conn_of_session(s);
    if (!c->queued && !c->session.killed) // otherwise its turn comes soon, or it is closed
        on_ready(c, EV_WRITE);
}

// Replaces borrowed bytes in the vectors by copies (fetch_vectors). Returns false with errno when
// nothing can be sent now. EAGAIN: a reader thread reads the next piece. EFAULT: it is lost.
static bool fetch_pieces(struct conn *c, const struct output *out, struct iovec *vectors,
                         size_t *count)
{
    bool there = fetch_vectors(c->loop, out, vectors, count, &c->fetch, &c->session, on_fetched);
    errno = there ? EAGAIN : EFAULT;
    return there && *count > 0 && !fetch_is_waiting(c->fetch);
}

// Sends at most the first `bytes` bytes of `out` with one call, and removes the bytes that were
// sent. Returns their number, or -1 with errno. EFAULT: the system could not read a borrowed
// segment, or damage was found while the system read it. `more`: the next call follows at once, so
// the system may put the bytes of both calls into one packet.
static ssize_t send_once(struct conn *c, struct output *out, size_t bytes, bool more)
{
    struct iovec vectors[SEND_SEGMENTS];
    size_t count = output_iovecs(out, bytes, vectors, SEND_SEGMENTS);
    if (c->loop->service.cold.active && output_has_borrowed(out) &&
        !fetch_pieces(c, out, vectors, &count))
        return -1;
    struct msghdr message = {.msg_iov = vectors};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count; // an int in musl
    int flags = more ? MSG_MORE : 0;
    ssize_t written = count == 1 ? send(c->io.fd, vectors->iov_base, vectors->iov_len, flags)
                                 : sendmsg(c->io.fd, &message, flags);
    if (written <= 0)
        return written;
    // The file may have been damaged while the system read the value from it. A client that does
    // not receive the rest of such a reply does not use it.
    if (!borrowed_is_intact(out)) {
        errno = EFAULT;
        return -1;
    }
    if (c->timeout == TIMEOUT_WRITE)
        conn_stop_timeout(c);
    counter_add(&c->loop->service.stats.writes, 1);
    counter_add(&c->loop->service.stats.net_output_bytes, (size_t)written);
    output_take(out, (size_t)written);
    return written;
}

// Writes the first `bytes` bytes of `out`, at most SEND_MAX, until the socket takes no more.
// Removes the `*sent` bytes that were written. No call of send goes past the end of a borrowed
// segment, so the files are checked again before the bytes after the segment are sent. Returns
// false when the connection has failed or a borrowed segment is damaged.
static bool write_output(struct conn *c, struct output *out, size_t bytes, size_t *sent)
{
    *sent = 0;
    if (bytes > SEND_MAX)
        bytes = SEND_MAX;
    while (*sent < bytes) {
        size_t part = output_through_borrowed(out, bytes - *sent);
        if (!borrowed_is_intact(out))
            return false;
        ssize_t written = send_once(c, out, part, part < bytes - *sent);
        if (written < 0)
            return errno == EAGAIN || errno == EINTR;
        *sent += (size_t)written;
        if ((size_t)written < part)
            break;
    }
    return true;
}

// Tries again to send the replies in the connection's own output. Returns false as write_output
// does.
static bool send_pending(struct conn *c)
{
    size_t sent;
    bool alive = write_output(c, &c->output, output_pending(&c->output), &sent);
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

// Keeps the bytes of `input` that the session has not consumed. Returns false when memory is short,
// or the unfinished request is longer than this client may send.
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

// Feeds `input` to the session. Returns false when the connection must be freed.
static bool feed(struct conn *c, struct bytes input, struct output *out)
{
    if (c->input.oom || c->session.killed)
        return false;
    struct feed_result result = session_feed(&c->session, input, out);
    c->status = result.status;
    if (result.consumed > 0 && c->timeout == TIMEOUT_REQUEST)
        conn_stop_timeout(c);
    if (c->status == FEED_CLOSE)
        backlog_release(&c->backlog);
    if (!keep_unconsumed(c, input, c->status == FEED_CLOSE ? input.len : result.consumed))
        return false;
    // An unfinished reply may hold much memory. It counts now, because many clients may be answered
    // before it is sent.
    if (c->status != FEED_NEEDS_INPUT)
        conn_update_memory(c);
    return !session_oom(&c->session, out) && !c->session.killed;
}

bool conn_answer(struct conn *c, struct bytes input, struct output *out)
{
    bool alive = feed(c, input, output_pending(&c->output) > 0 ? &c->output : out);
    c->queued = false;
    return alive;
}

// Shuts down our side after all replies are sent, but goes on reading. If the socket were closed
// while input is unread, the kernel might send a reset. The client could then lose the last reply.
static void linger(struct conn *c)
{
    conn_log_foreign_protocol(c);
    shutdown(c->io.fd, SHUT_WR);
    session_leave(&c->session);
    conn_stop_timeout(c);
    count_memory(c, 0);
    counter_sub(&c->loop->service.stats.connected_clients, 1);
    c->lingering = true;
    c->active_at = loop_now(c->loop);
    link_move_last(&c->loop->lingering, &c->link);
    loop_start_sweep(c->loop);
    set_events(c, EV_READ);
}

// Returns true when the session can go on with input that has arrived already.
static bool has_more_work(const struct conn *c)
{
    return c->status == FEED_OUTPUT_FULL || c->status == FEED_TURN_OVER ||
           (c->status == FEED_NEEDS_INPUT && c->backlog.len > 0);
}

// Returns true when more input may be read from the socket. It is read even while the session has
// work with earlier input, because some clients read no reply before they have written all their
// requests. So a client's unanswered input may grow to the limit for one request.
static bool may_read_more(const struct conn *c)
{
    size_t most = SIZE_MAX;
    if (c->status == FEED_WAITS && output_pending(&c->output) == 0)
        most = WAITING_INPUT_MAX;
    else if (c->status == FEED_WAITS || has_more_work(c))
        most = session_input_max(&c->session);
    return !c->ended && conn_unanswered(c) < most;
}

// Returns the events that the connection must wait for.
static int events_for(const struct conn *c)
{
    bool writes = output_pending(&c->output) > 0 || has_more_work(c);
    int events = writes && !fetch_is_waiting(c->fetch) ? EV_WRITE : 0;
    if (may_read_more(c))
        events |= EV_READ;
    if (c->draining && c->status == FEED_NEEDS_INPUT && !has_more_work(c) && !c->ended)
        events |= EV_READ | EV_WRITE;
    return events;
}

// Returns the bytes of replies that were written to the socket, but not acknowledged by the
// client's system.
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

void conn_start_timeout(struct conn *c, enum client_timeout what)
{
    c->timeout = what;
    c->timeout_since = loop_now(c->loop);
    c->timeout_bytes = what == TIMEOUT_REQUEST ? (uint32_t)c->input.len : unacknowledged(c);
    link_move_last(&c->loop->timeouts[what], &c->timeout_link);
    loop_start_sweep(c->loop);
}

// Starts, restarts or stops the timeout after something was read, written or answered. The request
// timeout does not run while replies are unsent, or while earlier input is not answered yet.
static void update_timeout(struct conn *c)
{
    enum client_timeout what = TIMEOUT_NONE;
    if (output_pending(&c->output) > 0 && !fetch_is_waiting(c->fetch))
        what = TIMEOUT_WRITE;
    else if (c->status == FEED_NEEDS_INPUT && c->input.len > 0 && c->backlog.len == 0)
        what = TIMEOUT_REQUEST;
    if (what == TIMEOUT_NONE)
        conn_stop_timeout(c);
    else if (what != c->timeout ||
             (what == TIMEOUT_REQUEST && c->input.len - c->timeout_bytes >= REQUEST_STEP))
        conn_start_timeout(c, what);
}

// For the write timeout, unacknowledged bytes show whether the client reads. Writable events do
// not: a socket becomes writable only when a good part of its buffer is free, and a slow client may
// have read much since the last write.
bool conn_has_timed_out(struct conn *c)
{
    if (c->timeout == TIMEOUT_WRITE ? unacknowledged(c) >= c->timeout_bytes : !conn_has_unread(c))
        return true;
    conn_start_timeout(c, c->timeout);
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
    if (c->queued) // the queued turn may refer to the bytes of `input`
        return;
    buf_release(&c->input);
    session_drop_work(&c->session);
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
    conn_update_memory(conn_of_session(s));
}

// Ends the handling of an event or a turn: closes the connection, or waits for its next event.
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
        conn_update_memory(c);
        if (c->session.replicates)
            loop_start_sweep(c->loop); // it sends the PINGs
    }
}

void conn_send(struct conn *c, size_t reply)
{
    struct output *out = &c->loop->output;
    size_t sent = 0;
    bool alive =
        output_pending(&c->output) > 0 ? send_pending(c) : write_output(c, out, reply, &sent);
    output_move(&c->output, out, reply - sent);
    if (alive && !output_oom(&c->output))
        after_io(c);
    else
        conn_free(c);
}

// Queues the connection for a turn with the `len` bytes in the loop's input.
static void queue_turn(struct conn *c, size_t len)
{
    assert(!c->queued);
    c->queued = true;
    loop_add_turn(c->loop, c, len);
}

// Returns true when the socket has an error, because the client has reset the connection or
// vanished.
static bool has_failed(const struct conn *c)
{
    int reason = 0;
    socklen_t len = sizeof reason;
    return getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &reason, &len) != 0 || reason != 0;
}

// Sends older replies when the socket is writable. Returns false when the connection has failed.
static bool send_or_probe(struct conn *c, int events)
{
    // When the session works long without replies, no write shows that the client has vanished.
    if (has_more_work(c) && output_pending(&c->output) == 0)
        return !has_failed(c);
    return (events & EV_WRITE) == 0 || send_pending(c);
}

// Returns true when the session can go on without more input, and its replies have room.
static bool may_resume(const struct conn *c)
{
    return (has_more_work(c) || c->ready) && output_pending(&c->output) <= SESSION_OUTPUT_LOW;
}

// The ways to get input.
enum reading {
    READ_NOTHING,
    READ_BACKLOG,   // takes bytes from the backlog, to be answered in this turn
    READ_INPUT,     // reads from the socket, to be answered in this turn
    READ_FOR_LATER, // reads from the socket into the backlog
    READ_AND_DROP,  // reads from the socket and drops the bytes, to notice a disconnection
};

// Chooses how to get input after `events`. `resume`: the session can go on without more input.
static enum reading choose_reading(const struct conn *c, int events, bool resume)
{
    bool needs_input = c->status == FEED_NEEDS_INPUT;
    if (needs_input && c->backlog.len > 0 && resume)
        return READ_BACKLOG;
    bool waits_for_input = needs_input && c->backlog.len == 0;
    // A draining connection reads without an event, too, to find out whether more has arrived.
    if (c->ended || ((events & EV_READ) == 0 && !(c->draining && waits_for_input)))
        return READ_NOTHING;
    if (waits_for_input)
        return READ_INPUT;
    if (resume || !may_read_more(c))
        return READ_NOTHING;
    bool takes_replies = output_pending(&c->output) == 0 || (events & EV_WRITE) != 0;
    if (c->status == FEED_WAITS)
        return takes_replies && c->backlog.len == 0 ? READ_INPUT : READ_FOR_LATER;
    // A client that reads replies can wait until its earlier input is answered.
    if (takes_replies)
        return READ_NOTHING;
    return c->status == FEED_CLOSE ? READ_AND_DROP : READ_FOR_LATER;
}

// Gets input. Sets `*len` to the bytes in the loop's input to be answered in this turn. Returns
// false when the connection has failed or memory is short.
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

// Handles `events` (0: none): sends older replies, reads, and queues for a turn if there is work.
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

// Drops input of a lingering connection, and frees it when the client has closed its side.
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
    else if (c->queued) // its turn comes soon
        return;
    else if (c->session.killed || (events & EV_ERROR) != 0) // EV_ERROR: libev cannot watch it
        conn_free(c);
    else
        on_ready(c, events);
}

void conn_begin_requests(struct conn *c)
{
    ev_set_cb(&c->io, on_event);
    on_ready(c, EV_READ);
}

void conn_handle_wake(struct conn *c)
{
    link_remove(&c->wake);
    if (c->lingering || c->queued)
        return;
    if (c->session.killed) {
        conn_free(c);
        return;
    }
    assert(!c->awaits_header); // without a request, the session has nothing to wait for
    if (!has_more_work(c)) {   // with more work, a turn comes at the next EV_WRITE anyway
        c->ready |= c->status != FEED_CLOSE;
        on_ready(c, 0);
    }
}

void conn_drain(struct conn *c)
{
    size_t len = 0;
    bool alive = !c->lingering;
    c->draining = true;
    if (alive && c->awaits_header) {
        alive = conn_read_header(c) && !c->awaits_header;
        ev_set_cb(&c->io, on_event); // what comes after the header are requests
    }
    bool waits_for_input = c->status == FEED_NEEDS_INPUT && c->backlog.len == 0;
    if (alive && waits_for_input && !c->ended)
        alive = read_input(c, &len);
    bool idle = waits_for_input && output_pending(&c->output) == 0;
    bool has_messages = waits_for_input && c->session.pushes.len > 0;
    if (alive && (len > 0 || has_messages))
        queue_turn(c, len);
    else if (alive && !idle)
        after_io(c);
    else
        conn_free(c);
}
