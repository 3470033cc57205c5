// Tests connections on socket pairs, with a loop that the test runs turn by turn. Tested are
// replies through a send buffer so small that nearly every write is short, when a connection
// closes, many clients in one turn of the loop, which addresses are local, CLIENT PAUSE, and
// draining.
#include "net/conn.h"
#include "commands/groups.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "net/worker.h"
#include "support/keysets.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

enum { KEYS = 60, VALUE_MAX = 60000, SMALLEST_BUFFER = 1 };

static struct ev_loop *loop;
static struct service_group group;
static struct worker *worker;

// Connects a client and returns its end of the connection, which is nonblocking.
static int client_connect(bool small_send_buffer)
{
    int ends[2];
    int size = SMALLEST_BUFFER;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no socket pair");
    if (small_send_buffer) // the kernel raises it to its minimum
        require(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0,
                "cannot set SO_SNDBUF");
    worker_adopt(worker, ends[0], 1, true, false);
    return ends[1];
}

// Sends the request, running the loop and reading at most `piece` bytes in between, until `wanted`
// bytes have arrived or no more arrive.
static void converse(int fd, struct span request, size_t piece, size_t wanted, struct buf *got)
{
    size_t sent = 0;
    unsigned idle = 0;
    while (got->len < wanted && idle < 100) {
        ssize_t written = write(fd, request.ptr + sent, request.len - sent);
        sent += written > 0 ? (size_t)written : 0;
        ev_run(loop, EVRUN_NOWAIT);
        char *room = buf_reserve(got, piece);
        require(room != NULL, "no memory");
        ssize_t count = read(fd, room, piece);
        if (count == 0)
            return;
        got->len += count > 0 ? (size_t)count : 0;
        idle = count > 0 || written > 0 ? 0 : idle + 1;
    }
}

// Runs the loop until the server has closed the connection. Returns false when it does not.
static bool at_end(int fd)
{
    char byte;
    for (unsigned i = 0; i < 100; i++) {
        ev_run(loop, EVRUN_NOWAIT);
        ssize_t count = read(fd, &byte, 1);
        if (count == 0 || (count < 0 && errno == ECONNRESET))
            return true;
    }
    return false;
}

static void check_short_writes(struct random *r, const struct buf *text)
{
    struct buf request = {0};
    struct buf wanted = {0};
    const char *line = text->ptr;
    for (unsigned i = 0; i < KEYS; i++) {
        const char *value = line + UUID_TEXT_LEN + 1;
        const char *end = memchr(value, '\n', (size_t)(text->ptr + text->len - value));
        buf_append_text(&request, "get ");
        buf_append(&request, span_of(line, UUID_TEXT_LEN));
        buf_append_text(&request, "\n");
        buf_printf(&wanted, "$%zu\r\n", (size_t)(end - value));
        buf_append(&wanted, span_of(value, (size_t)(end - value)));
        buf_append_text(&wanted, "\r\n");
        line = end + 1;
    }
    const size_t pieces[] = {100000, 4096, 1000, 333};
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buf got = {0};
        uint64_t before = counter_get(&worker->loop.service.stats.net_output_bytes);
        int fd = client_connect(true);
        converse(fd, buf_span(&request), pieces[i], wanted.len, &got);
        ok(span_equal(buf_span(&got), buf_span(&wanted)),
           "all replies arrive whole, read %zu bytes at a time", pieces[i]);
        is_number((int64_t)(counter_get(&worker->loop.service.stats.net_output_bytes) - before),
                  (int64_t)wanted.len, "net_output_bytes counts them");
        shutdown(fd, SHUT_WR);
        ok(at_end(fd), "the connection closes when the client has shut down its side");
        close(fd);
        buf_release(&got);
    }
    is_number((int64_t)counter_get(&worker->loop.service.stats.connected_clients), 0,
              "all connections are closed");
    // Clients that close their socket in the middle of a reply.
    for (unsigned i = 0; i < 20; i++) {
        struct buf got = {0};
        int fd = client_connect(true);
        converse(fd, buf_span(&request), 4096, random_below(r, wanted.len), &got);
        close(fd);
        for (unsigned turn = 0; turn < 10; turn++)
            ev_run(loop, EVRUN_NOWAIT);
        buf_release(&got);
    }
    is_number((int64_t)counter_get(&worker->loop.service.stats.connected_clients), 0,
              "connections of clients that leave in the middle of a reply are closed");
    buf_release(&request);
    buf_release(&wanted);
}

static void check_half_close(void)
{
    struct buf got = {0};
    int fd = client_connect(false);
    require(write(fd, "PING\r\nPING\r\nPI", 14) == 14, "cannot write");
    shutdown(fd, SHUT_WR);
    converse(fd, span_of(NULL, 0), 100, 14, &got);
    is_bytes(buf_span(&got), span_text("+PONG\r\n+PONG\r\n"),
             "after a half-close, complete requests are answered");
    ok(at_end(fd), "after a half-close, the connection closes");
    close(fd);
    got.len = 0;
    fd = client_connect(false);
    require(write(fd, "QUIT\r\nPING\r\n", 12) == 12, "cannot write");
    converse(fd, span_of(NULL, 0), 100, 5, &got);
    is_bytes(buf_span(&got), span_text("+OK\r\n"),
             "QUIT is answered, and the request after it is not");
    ok(at_end(fd), "after QUIT, the connection closes");
    close(fd);
    buf_release(&got);
}

// Simulates what libev does when the kernel refuses to watch a socket: it stops the watcher and
// reports EV_ERROR.
static void check_unwatched(void)
{
    int fd = client_connect(false);
    struct conn *c =
        (struct conn *)((char *)worker->loop.active.next - offsetof(struct conn, link));
    ev_io_stop(loop, &c->io);
    ev_feed_event(loop, &c->io, EV_ERROR | EV_READ | EV_WRITE);
    ev_run(loop, EVRUN_NOWAIT);
    ok(at_end(fd), "a socket that cannot be watched is closed");
    is_number((int64_t)counter_get(&worker->loop.service.stats.connected_clients), 0,
              "its connection is freed");
    close(fd);
}

// ---- many clients in one turn of the loop -------------------------------------------------------

// A client that has sent requests, with the replies that it must receive.
struct asker {
    int fd;
    struct conn *conn;
    struct buf wanted;
};

// Sends a TYPE of a word with `padding` bytes, which is no key, and a STRLEN of `keys` random keys.
// Appends the expected replies to `a->wanted`.
static void ask(struct random *r, struct asker *a, const struct buf *text, unsigned keys,
                size_t padding)
{
    struct buf request = {0};
    buf_printf(&request, "*2\r\n$4\r\nTYPE\r\n$%zu\r\n", padding);
    append_bytes(&request, 'x', padding);
    buf_append_text(&request, "\r\n");
    buf_append_text(&a->wanted, "+none\r\n");
    for (unsigned i = 0; i < keys; i++) {
        const char *line = text->ptr;
        for (uint64_t skip = random_below(r, KEYS); skip > 0; skip--)
            line = (const char *)memchr(line, '\n', (size_t)(text->ptr + text->len - line)) + 1;
        const char *value = line + UUID_TEXT_LEN + 1;
        const char *end = memchr(value, '\n', (size_t)(text->ptr + text->len - value));
        buf_append_text(&request, "*2\r\n$6\r\nSTRLEN\r\n$36\r\n");
        buf_append(&request, span_of(line, UUID_TEXT_LEN));
        buf_append_text(&request, "\r\n");
        buf_printf(&a->wanted, ":%zu\r\n", (size_t)(end - value));
    }
    require(write(a->fd, request.ptr, request.len) == (ssize_t)request.len, "cannot write");
    buf_release(&request);
}

// Reports input on all connections, as the loop would, but does not end the turn.
static void make_all_ready(void)
{
    for (struct link *link = worker->loop.active.next; link != &worker->loop.active;
         link = link->next) {
        struct conn *c = (struct conn *)((char *)link - offsetof(struct conn, link));
        ev_feed_event(loop, &c->io, EV_READ);
    }
    ev_invoke_pending(loop);
}

// Reads once and returns true when exactly the expected replies have arrived.
static bool has_replies(const struct asker *a)
{
    struct buf got = {0};
    char *room = buf_reserve(&got, a->wanted.len + 1);
    ssize_t count = room != NULL ? read(a->fd, room, a->wanted.len + 1) : 0;
    bool same = count >= 0 && span_equal(span_of(got.ptr, (size_t)count), buf_span(&a->wanted));
    buf_release(&got);
    return same;
}

// Checks that all requests of `clients` clients are answered at the end of the turn, and that each
// client gets its own replies, however many batches it takes.
static void check_together(struct random *r, const struct buf *text, unsigned clients,
                           unsigned keys, size_t padding)
{
    struct asker *askers = calloc(clients, sizeof *askers);
    require(askers != NULL, "no memory");
    for (unsigned i = 0; i < clients; i++) {
        askers[i].fd = client_connect(false);
        askers[i].conn =
            (struct conn *)((char *)worker->loop.active.previous - offsetof(struct conn, link));
        ask(r, &askers[i], text, 1 + (unsigned)random_below(r, keys), padding);
    }
    make_all_ready();
    unsigned waiting = worker->loop.turn_count, wrong = 0;
    ok(waiting > 0 && waiting <= LOOP_TURNS,
       "%u of %u clients are queued until the end of the turn", waiting, clients);
    worker_take_turns(worker);
    ok(worker->loop.turn_count == 0 && worker->loop.input_used == 0,
       "at the end of the turn the queue is empty");
    for (unsigned i = 0; i < clients; i++) {
        wrong += askers[i].conn->queued;
        wrong += !has_replies(&askers[i]);
        close(askers[i].fd);
        buf_release(&askers[i].wanted);
    }
    is_number(wrong, 0, "each client has received its own replies");
    for (unsigned i = 0; i < 10; i++)
        ev_run(loop, EVRUN_NOWAIT);
    is_number((int64_t)counter_get(&worker->loop.service.stats.connected_clients), 0,
              "all connections are closed");
    free(askers);
}

// Checks which clients' requests were in the last batch. Each client's requests have a size of
// their own, which tells them apart.
static void check_batches(void)
{
    enum { CLIENTS = 30, REQUESTS = 10, SHORTEST = 100 };
    int fds[CLIENTS];
    struct conn *conns[CLIENTS];
    struct batch *batch = &worker->loop.service.batch;
    struct buf request = {0}, wanted = {0};
    require(CLIENTS * REQUESTS > BATCH_REQUESTS, "more than one batch is needed");
    for (unsigned i = 0; i < REQUESTS; i++)
        buf_append_text(&wanted, "+none\r\n");
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(false);
        conns[i] =
            (struct conn *)((char *)worker->loop.active.previous - offsetof(struct conn, link));
        request.len = 0;
        for (unsigned j = 0; j < REQUESTS; j++) {
            buf_printf(&request, "*2\r\n$4\r\nTYPE\r\n$%u\r\n", SHORTEST + i);
            append_bytes(&request, 'x', SHORTEST + i);
            buf_append_text(&request, "\r\n");
        }
        require(write(fds[i], request.ptr, request.len) == (ssize_t)request.len, "cannot write");
    }
    const size_t shortest = request.len / REQUESTS - (CLIENTS - 1);
    make_all_ready();
    // libev reports the events in an order of its own.
    unsigned order[CLIENTS] = {0};
    require(worker->loop.turn_count == CLIENTS, "not all are queued");
    for (unsigned i = 0; i < CLIENTS; i++)
        while (order[i] < CLIENTS && conns[order[i]] != worker->loop.turns[i].conn)
            order[i]++;
    memset(batch->request, 0, sizeof batch->request);
    worker_take_turns(worker);
    // The first batch takes some requests of its last client. The next batch begins after that
    // client.
    unsigned first = BATCH_REQUESTS / REQUESTS + (BATCH_REQUESTS % REQUESTS > 0), wrong = 0;
    for (unsigned i = 0; i < (CLIENTS - first) * REQUESTS; i++)
        wrong += batch->request[i].size != shortest + order[first + i / REQUESTS];
    is_number(wrong, 0, "the last %u clients were answered together", CLIENTS - first);
    for (unsigned i = (CLIENTS - first) * REQUESTS; i < BATCH_REQUESTS; i++)
        wrong += batch->request[i].size != shortest + order[i / REQUESTS];
    is_number(wrong, 0, "as many clients before them as a batch has room for");
    wrong = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        wrong += !has_replies(&(struct asker){.fd = fds[i], .wanted = wanted});
        close(fds[i]);
    }
    is_number(wrong, 0, "each client has received its own replies");
    for (unsigned i = 0; i < 10; i++)
        ev_run(loop, EVRUN_NOWAIT);
    buf_release(&request);
    buf_release(&wanted);
}

static void check_many(struct random *r, const struct buf *text)
{
    check_together(r, text, 1, 3, 0);
    check_together(r, text, 2, 3, 0);
    check_together(r, text, 50, 1, 0);
    check_together(r, text, 50, 15, 0);    // several batches, with no more work than a turn allows
    check_together(r, text, 20, 3, 12000); // more input than the loop has room for
    check_together(r, text, LOOP_TURNS, 1, 0);
    check_together(r, text, LOOP_TURNS + 1, 1, 0);
    check_together(r, text, LOOP_TURNS + 40, 5, 0);
}

static void check_local(void)
{
    static const struct {
        const char *address;
        bool local;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.255.0.9", true},
        {"128.0.0.1", false},
        {"10.0.0.1", false},
        {"0.0.0.0", false},
        {"::1", true},
        {"::2", false},
        {"fe80::1", false},
        {"::ffff:127.0.0.1", true},
        {"::ffff:10.0.0.1", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool is_v4 = inet_pton(AF_INET, cases[i].address, &v4.sin_addr) == 1;
        if (!is_v4)
            inet_pton(AF_INET6, cases[i].address, &v6.sin6_addr);
        bool local = address_is_local(is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6);
        ok(local == cases[i].local, "%s is%s this machine", cases[i].address,
           cases[i].local ? "" : " not");
    }
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    ok(address_is_local((struct sockaddr *)&un), "the peer of a unix socket is this machine");
}

// A pause that is extended just after its end goes on.
static void check_pause(void)
{
    struct service *service = &worker->loop.service;
    const uint64_t millisecond = 1000 * 1000;
    uint64_t now = clock_monotonic_ns();
    service->paused_until = now + millisecond;
    ev_run(loop, EVRUN_NOWAIT);
    while (clock_monotonic_ns() < now + 10 * millisecond)
        ;
    uint64_t longer = clock_monotonic_ns() + 3600 * CLOCK_SECOND;
    service->paused_until = longer;
    ev_run(loop, EVRUN_NOWAIT);
    ok(service->paused_until == longer, "an extended pause goes on");
    service->paused_until = clock_monotonic_ns() + millisecond;
    for (now = clock_monotonic_ns();
         service->paused_until != 0 && clock_monotonic_ns() < now + CLOCK_SECOND;)
        ev_run(loop, EVRUN_NOWAIT);
    ok(service->paused_until == 0, "the pause ends by itself");
}

static bool all_drained;

static void on_drained(struct worker *drained)
{
    (void)drained;
    all_drained = true;
}

// A message that was published before the server began to stop reaches its subscribers.
static void check_drain(void)
{
    struct span subscribed = SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    struct span message = SPAN("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
    struct buf got = {0};
    int publisher = client_connect(false);
    int listener = client_connect(false);
    converse(listener, SPAN("SUBSCRIBE c\r\n"), 100, subscribed.len, &got);
    is_bytes(buf_span(&got), subscribed, "a client subscribes");
    require(write(publisher, "PUBLISH c m\r\n", 13) == 13, "cannot write");
    worker_drain(worker, on_drained);
    got.len = 0;
    converse(listener, SPAN(""), 100, message.len, &got);
    is_bytes(buf_span(&got), message, "the subscriber receives a message while the loop drains");
    got.len = 0;
    converse(publisher, SPAN(""), 100, 4, &got);
    is_bytes(buf_span(&got), SPAN(":1\r\n"), "the publisher gets its reply");
    close(listener);
    close(publisher);
    for (unsigned i = 0; i < 100 && !all_drained; i++)
        ev_run(loop, EVRUN_NOWAIT);
    ok(all_drained, "then all connections are closed");
    buf_release(&got);
}

int main(void)
{
    struct random r = random_seeded();
    struct error error = {""};
    struct uuid keys[KEYS];
    struct buf text = {0};
    keyset_fill(&keysets[0], &r, keys, KEYS);
    keys_write_lines(&r, keys, KEYS, VALUE_MAX, &text);
    struct dataset *dataset =
        dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    signal(SIGPIPE, SIG_IGN); // as the server does
    loop = ev_default_loop(EVFLAG_AUTO);
    service_group_init(&group, &test_settings, dataset, command_groups);
    worker = worker_new(loop, &group, &error);
    require(worker != NULL, "%s", error.text);
    check_short_writes(&r, &text);
    check_half_close();
    check_unwatched();
    check_many(&r, &text);
    check_batches();
    check_local();
    check_pause();
    check_drain();
    worker_free(worker);
    ev_loop_destroy(loop);
    dataset_close(dataset);
    buf_release(&text);
    return done_testing();
}
