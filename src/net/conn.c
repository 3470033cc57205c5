// A connection is driven by one watcher. An event: read once and get in the worker's line. A turn,
// when many that were ready have been read: feed the session, write once. EV_WRITE is asked for
// only after a short write, or when the session has more to do than one turn allows: being
// writable, the socket then comes up again behind the other clients.
//
// A client may write all its requests before it reads the first reply. When the system takes no
// more of our replies, what the client still sends goes into its backlog, so that it comes to the
// end of its writing. From there it is read, a turn's worth at a time, as the client reads.
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
#include "net/worker.h"

enum {
    WRITE_SEGMENTS = 64, // iovecs per write; replies seldom need more
    // Bytes per write, so that no client holds the others up: some 0.05 ms of copying.
    WRITE_MAX = 128 * 1024,
    // Bytes that are read from a client who waits for something else than its own input, so that
    // its end is noticed.
    WAITING_INPUT_MAX = 64 * 1024,
    // Bytes that are read at once into a backlog: some 10 us of copying.
    BACKLOG_READ_MAX = 64 * 1024,
    // Bytes of an unfinished request that give its client new time: a large one over a slow line
    // takes longer, but who sends a byte now and then does not get any.
    REQUEST_STEP = 64 * 1024,
};

static const uint64_t FOREIGN_LOG_INTERVAL = 60 * CLOCK_SECOND; // as Redis logs such clients
static const uint64_t REFUSED_LOG_INTERVAL = 60 * CLOCK_SECOND;

static void on_event(struct ev_loop *loop, ev_io *io, int events);

static void account(struct conn *c)
{
    size_t held = CONN_MEMORY + c->input.cap + c->backlog.memory + output_memory(&c->output) +
                  session_memory(&c->session);
    if (c->session.killed)
        held = 0;
    if (held != c->held)
        worker_account(c->worker, c, held);
}

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
    account(c);
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
        counter_sub(&c->worker->service.stats.connected_clients, 1);
    session_release(&c->session);
    buf_release(&c->input);
    backlog_release(&c->backlog);
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
    return container_of(s, struct conn, session);
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
    escape_in_place(to, CLIENT_ADDRESS_TEXT);
}

// Bytes that the client has sent and that are not answered.
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

// Reads once, into `room`; `*len` bytes. False when the connection is dead.
static bool read_into(struct conn *c, struct bytes room, size_t *len)
{
    struct stats *stats = &c->worker->service.stats;
    ssize_t count = recv(c->io.fd, room.ptr, room.len, 0);
    *len = count > 0 ? (size_t)count : 0;
    counter_add(&stats->reads, *len > 0);
    counter_add(&stats->net_input_bytes, *len);
    c->ended |= count == 0;
    return count >= 0 || errno == EAGAIN || errno == EINTR;
}

// Reads once, into the worker's input; as above.
static bool read_once(struct conn *c, size_t *len)
{
    struct bytes room = {worker_input(c->worker), WORKER_READ_MAX};
    bool alive = read_into(c, room, len);
    // When the server stops, what has arrived is answered; the read that finds nothing is the last.
    c->ended |= *len == 0 && c->draining;
    return alive;
}

// Reads once, into the backlog. False when the connection is dead or memory is short.
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

// Reads once what is of no use any more. False when the connection is dead.
static bool read_in_vain(struct conn *c)
{
    size_t len;
    return read_into(c, (struct bytes){worker_input(c->worker), WORKER_READ_MAX}, &len);
}

// Whether the files that values wait to leave from are as they were when the values were lent.
// Otherwise it is not known whether what is still to be sent belongs to what has been sent.
static bool loans_stand(const struct output *out)
{
    const struct ref *owner;
    unsigned damage;
    for (size_t i = 0; (owner = output_loan(out, i, &damage)) != NULL; i++)
        if (!snapshot_stands(owner, damage))
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

// False when the connection is to be freed.
static bool feed(struct conn *c, struct bytes heard, struct output *out)
{
    if (c->input.oom || c->session.killed)
        return false;
    struct feed_result result = session_feed(&c->session, heard, out);
    c->status = result.status;
    if (result.consumed > 0 && c->awaits == AWAITS_REQUEST)
        await_nothing(c);
    if (c->status == FEED_CLOSE)
        backlog_release(&c->backlog);
    if (!keep_rest(c, heard, c->status == FEED_CLOSE ? heard.len : result.consumed))
        return false;
    // What is not finished may hold much, and many may be answered before it is sent.
    if (c->status != FEED_NEEDS_INPUT)
        account(c);
    return !session_oom(&c->session, out) && !c->session.killed;
}

bool conn_answer(struct conn *c, struct bytes heard, struct output *out)
{
    bool alive = feed(c, heard, output_pending(&c->output) > 0 ? &c->output : out);
    c->in_line = false;
    return alive;
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

void conn_refused(const struct session *s, const struct command_entry *entry)
{
    static _Atomic uint64_t logged_at[COMMANDS_MAX]; // by any loop; monotonic ns
    char name[COMMAND_FULL_NAME_MAX];
    char address[CLIENT_ADDRESS_TEXT];
    uint64_t now = clock_monotonic_ns();
    uint64_t last = atomic_load(&logged_at[entry->number]);
    if ((last > 0 && (now < last || now - last < REFUSED_LOG_INTERVAL)) ||
        !atomic_compare_exchange_strong(&logged_at[entry->number], &last, now))
        return;
    session_address(s, address);
    log_write(LOG_WARNING,
              "refused the administrative command '%s' to client id=%llu addr=%s: see "
              "--admin-commands (logged once a minute)",
              command_full_name(entry, name), (unsigned long long)s->id, address);
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
    counter_sub(&c->worker->service.stats.connected_clients, 1);
    c->lingering = true;
    c->active_at = worker_now(c->worker);
    link_move_last(&c->worker->lingering, &c->link);
    worker_sweeps(c->worker);
    watch(c, EV_READ);
}

// There is more to do with what the client has sent already.
static bool is_unfinished(const struct conn *c)
{
    return c->status == FEED_OUTPUT_FULL || c->status == FEED_TURN_OVER ||
           (c->status == FEED_NEEDS_INPUT && c->backlog.len > 0);
}

// Whether it is to be known that the client has sent more. Where there is something to do with what
// it has sent before, that matters when it does not take its replies: it may be about to, once it
// has written all it has to say. So it is read from as far as its input may grow.
static bool is_heard(const struct conn *c)
{
    size_t most = SIZE_MAX;
    if (c->status == FEED_WAITS && output_pending(&c->output) == 0)
        most = WAITING_INPUT_MAX;
    else if (c->status == FEED_WAITS || is_unfinished(c))
        most = session_input_max(&c->session);
    return !c->ended && unanswered(c) < most;
}

// What there is to be waited for.
static int events_for(const struct conn *c)
{
    int events = output_pending(&c->output) > 0 || is_unfinished(c) ? EV_WRITE : 0;
    if (is_heard(c))
        events |= EV_READ;
    if (c->draining && c->status == FEED_NEEDS_INPUT && !is_unfinished(c) && !c->ended)
        events |= EV_READ | EV_WRITE;
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
    else if (c->status == FEED_NEEDS_INPUT && c->input.len > 0 && c->backlog.len == 0)
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

void conn_evict(struct conn *c)
{
    session_kill(&c->session);
    backlog_release(&c->backlog);
    if (c->session.out != NULL)
        return;
    output_release(&c->output);
    if (c->in_line) // its requests may have been read ahead, where they stand
        return;
    buf_release(&c->input);
    session_shed(&c->session);
}

bool conn_reads_before(const struct conn *c, uint64_t number)
{
    const struct ref *owner;
    unsigned mark;
    bool reads = c->session.snapshot != NULL && c->session.snapshot->number < number;
    for (size_t i = 0; !reads && (owner = output_loan(&c->output, i, &mark)) != NULL; i++)
        reads = snapshot_of(owner)->number < number;
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

// Takes from the backlog what is to be answered next; how many bytes, in the worker's input.
static size_t hear_backlog(struct conn *c)
{
    char *to = worker_input(c->worker);
    return backlog_take(&c->backlog, to, WORKER_READ_MAX);
}

// Reads from the socket, if that is to be done; `*len` bytes that are to be answered next, in the
// worker's input. `resume`: the session goes on now anyway. False when the connection is dead.
static bool hear_socket(struct conn *c, int events, bool resume, size_t *len)
{
    bool waits = c->status == FEED_NEEDS_INPUT && c->backlog.len == 0;
    // While draining, a turn comes even if there is nothing to read, to find that out.
    if (c->ended || ((events & EV_READ) == 0 && !(c->draining && waits)))
        return true;
    if (waits)
        return read_once(c, len);
    if (resume || !is_heard(c))
        return true;
    bool takes = output_pending(&c->output) == 0 || (events & EV_WRITE) != 0; // its replies
    if (c->status == FEED_WAITS)
        return takes && c->backlog.len == 0 ? read_once(c, len) : read_to_backlog(c);
    if (takes)
        return true;
    return c->status == FEED_CLOSE ? read_in_vain(c) : read_to_backlog(c);
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
    bool resume = unfinished && output_pending(&c->output) <= SESSION_OUTPUT_LOW;
    if (alive && resume && c->status == FEED_NEEDS_INPUT && c->backlog.len > 0)
        len = hear_backlog(c);
    else if (alive)
        alive = hear_socket(c, events, resume, &len);
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
    bool waits = c->status == FEED_NEEDS_INPUT && c->backlog.len == 0; // for input
    if (alive && waits && !c->ended)
        alive = read_once(c, &len);
    bool idle = waits && output_pending(&c->output) == 0;
    bool told = waits && c->session.pushes.len > 0;
    if (alive && (len > 0 || told)) {
        get_in_line(c, len);
        worker_take_turns(c->worker);
    } else if (alive && !idle) {
        settle(c);
    } else {
        conn_free(c);
    }
}
