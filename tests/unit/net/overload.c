// Tests the request timeout, the write timeout, and the limit of clients' memory, on socket pairs.
// The test runs the loop turn by turn. It lets time pass by moving the start of a timeout back.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "net/conn.h"
#include "net/worker.h"
#include "serve/session.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

#define KEY "0f8fad5b-d9cb-469f-a165-70867728950e"

enum { REQUEST_TIMEOUT = 3, WRITE_TIMEOUT = 5, KiB = 1024, LARGE = 1000 * KiB, PIECE = 16000 };

static struct settings settings;

static struct ev_loop *loop;
static struct service_group group;
static struct worker *worker;

static void turn(void)
{
    for (unsigned i = 0; i < 20; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

// Connects a client and returns its end of the connection. The server's send buffer has `room`
// bytes; 0: the system's default.
static int client_with_room(int room)
{
    static uint64_t last_id;
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no socket pair");
    if (room > 0)
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    worker_adopt(worker, ends[0], ++last_id, true, false);
    return ends[1];
}

static int client_new(void)
{
    return client_with_room(1); // the system raises it to its minimum
}

static void send_span(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t count = write(fd, bytes.ptr, bytes.len);
        require(count > 0 || errno == EAGAIN, "cannot write: %s", strerror(errno));
        if (count > 0)
            bytes = span_of(bytes.ptr + count, bytes.len - (size_t)count);
        turn();
    }
    turn();
}

static void send_bytes(int fd, size_t count)
{
    struct buf bytes = {0};
    append_bytes(&bytes, 'x', count);
    send_span(fd, buf_span(&bytes));
    buf_release(&bytes);
}

// Sends about `bytes` bytes of PINGs.
static void send_pings(int fd, size_t bytes)
{
    struct buf pings = {0};
    while (pings.len < bytes)
        buf_append_text(&pings, "PING\r\n");
    send_span(fd, buf_span(&pings));
    buf_release(&pings);
}

// Reads up to `most` bytes and returns their number.
static size_t receive(int fd, size_t most)
{
    static char bytes[PIECE];
    size_t received = 0;
    while (received < most) {
        size_t part = most - received < sizeof bytes ? most - received : sizeof bytes;
        ssize_t count = read(fd, bytes, part);
        if (count <= 0)
            break;
        received += (size_t)count;
        turn();
    }
    return received;
}

// Returns true when the server has closed the connection.
static bool was_closed(int fd)
{
    char byte;
    while (read(fd, &byte, 1) == 1)
        ;
    bool closed = errno != EAGAIN || recv(fd, &byte, 1, MSG_PEEK) == 0;
    return closed;
}

// Returns the number of clients whose timeout `what` runs.
static unsigned count_running(enum client_timeout what)
{
    unsigned count = 0;
    for (struct link *link = worker->loop.timeouts[what].next; link != &worker->loop.timeouts[what];
         link = link->next)
        count++;
    return count;
}

// Moves the start of the oldest timeout back by `seconds`, and sweeps.
static void pass(enum client_timeout what, unsigned seconds)
{
    struct link *first = worker->loop.timeouts[what].next;
    require(first != &worker->loop.timeouts[what], "no timeout runs");
    struct conn *c = (struct conn *)((char *)first - offsetof(struct conn, timeout_link));
    c->timeout_since -= seconds * CLOCK_SECOND;
    require(ev_is_active(&worker->loop.sweep), "no sweep is coming");
    ev_feed_event(loop, &worker->loop.sweep, EV_TIMER);
    turn();
}

// Checks how many timeouts of each kind run.
static void check_running(unsigned request, unsigned reading, const char *name)
{
    is_number(count_running(TIMEOUT_REQUEST), request, "%s: request timeouts that run", name);
    is_number(count_running(TIMEOUT_WRITE), reading, "%s: write timeouts that run", name);
}

// Checks that no timeout runs, and that no timer wakes the loop.
static void check_none_runs(const char *name)
{
    check_running(0, 0, name);
    if (ev_is_active(&worker->loop.sweep))
        ev_feed_event(loop, &worker->loop.sweep, EV_TIMER);
    turn();
    ok(!ev_is_active(&worker->loop.sweep), "%s: no timer runs", name);
}

static void check_requests(void)
{
    static const char *const begun[] = {"P", "*", "*2\r\n$3\r\nGET\r\n", "AUTH x y",
                                        "*1048575\r\n$1048576\r\n"};
    struct counter *closed = &worker->loop.service.stats.request_timeouts;
    check_none_runs("no client");
    for (unsigned i = 0; i < sizeof begun / sizeof *begun; i++) {
        int fd = client_new();
        send_span(fd, SPAN("PING\r\n"));
        check_none_runs("an idle client");
        uint64_t before = counter_get(closed);
        send_span(fd, span_text(begun[i]));
        check_running(1, 0, "an unfinished request");
        pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
        ok(!was_closed(fd), "an unfinished request may take some time");
        send_bytes(fd, 1);
        pass(TIMEOUT_REQUEST, 1);
        ok(was_closed(fd), "another byte does not restart the timeout: the connection is closed");
        is_number((int64_t)(counter_get(closed) - before), 1, "request_timeouts counts it");
        close(fd);
    }
    int fd = client_new();
    send_span(fd, SPAN("PI"));
    pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
    send_span(fd, SPAN("NG\r\nPING\r\nPI"));
    check_running(1, 0, "the next request");
    pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
    ok(!was_closed(fd), "the next request has a timeout of its own");
    send_span(fd, SPAN("NG\r\n"));
    check_none_runs("a complete request");
    send_span(fd, SPAN("*2\r\n$4\r\nECHO\r\n$1000000\r\n"));
    for (unsigned i = 0; i < 3; i++) {
        pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
        send_bytes(fd, 64 * KiB);
    }
    ok(!was_closed(fd), "64 KiB of a request restart the timeout");
    send_bytes(fd, 60 * KiB);
    pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT);
    ok(was_closed(fd), "fewer bytes do not restart it");
    close(fd);
    fd = client_new();
    atomic_store(&group.runtime.request_timeout, 0);
    send_span(fd, SPAN("P"));
    pass(TIMEOUT_REQUEST, 1000 * REQUEST_TIMEOUT);
    ok(!was_closed(fd), "with request-timeout 0 a request may take any time");
    ok(!ev_is_active(&worker->loop.sweep), "with request-timeout 0 no timer runs");
    atomic_store(&group.runtime.request_timeout, REQUEST_TIMEOUT);
    worker_settings_changed(worker);
    ev_feed_event(loop, &worker->loop.sweep, EV_TIMER);
    turn();
    ok(was_closed(fd), "after setting request-timeout again the connection is closed");
    close(fd);
    turn();
}

static void check_readers(void)
{
    struct counter *closed = &worker->loop.service.stats.write_timeouts;
    uint64_t before = counter_get(closed);
    int fd = client_new();
    send_span(fd, SPAN("GET " KEY "\r\n"));
    check_running(0, 1, "a client that does not read");
    send_span(fd, SPAN("PING\r\nPI"));
    check_running(0, 1, "a client that does not read, but sends more");
    pass(TIMEOUT_WRITE, WRITE_TIMEOUT - 1);
    ok(!was_closed(fd), "a client that does not read has some time");
    close(fd);
    turn();
    // What this client reads makes room in the send buffer at once.
    fd = client_with_room(50000);
    send_span(fd, SPAN("GET " KEY "\r\n"));
    for (unsigned i = 0; i < 5; i++) {
        pass(TIMEOUT_WRITE, WRITE_TIMEOUT - 1);
        require(receive(fd, 100000) == 100000, "nothing to read");
    }
    check_running(0, 1, "a client that reads a little");
    is_number((int64_t)(counter_get(closed) - before), 0,
              "a client that reads a little each time is not closed");
    close(fd);
    turn();
    fd = client_with_room(50000);
    send_span(fd, SPAN("GET " KEY "\r\n"));
    struct conn *c = (struct conn *)((char *)worker->loop.timeouts[TIMEOUT_WRITE].next -
                                     offsetof(struct conn, timeout_link));
    size_t kept = output_pending(&c->output);
    require(receive(fd, 4 * PIECE) == 4 * PIECE, "nothing to read");
    is_number((int64_t)output_pending(&c->output), (int64_t)kept,
              "(a slow reader's first bytes make no room in the send buffer)");
    pass(TIMEOUT_WRITE, WRITE_TIMEOUT);
    is_number((int64_t)(counter_get(closed) - before), 0,
              "reading restarts the timeout all the same");
    send_pings(fd, 100 * KiB);
    pass(TIMEOUT_WRITE, WRITE_TIMEOUT);
    is_number((int64_t)(counter_get(closed) - before), 1,
              "a client that reads nothing is closed, whatever it sends, and counted");
    close(fd);
    turn();
    fd = client_new();
    send_span(fd, SPAN("GET " KEY "\r\nPI"));
    check_running(0, 1, "half a request after a long reply");
    receive(fd, LARGE + 20);
    check_running(1, 0, "the request timeout begins when the reply was read");
    close(fd);
    turn();
    check_none_runs("no client is left");
}

// ---- memory -------------------------------------------------------------------------------------

static struct counter *held(void)
{
    return &worker->loop.service.stats.clients_memory;
}

static uint64_t evicted(void)
{
    return counter_get(&worker->loop.service.stats.evicted_clients);
}

static void check_memory(void)
{
    uint64_t before = evicted();
    is_number((int64_t)counter_get(held()), 0, "without clients no memory is held");
    int small = client_new(), large = client_new(), kept = client_new(), idle = client_new();
    send_span(idle, SPAN("PING\r\n"));
    uint64_t bare = counter_get(held()) / 4;
    ok(bare > 0 && bare <= KiB && counter_get(held()) == 4 * bare,
       "an idle client holds the memory of its connection: %llu bytes", (unsigned long long)bare);
    send_span(small, SPAN("*2\r\n$4\r\nECHO\r\n$1000000\r\n"));
    send_bytes(small, 20 * KiB);
    uint64_t of_small = counter_get(held()) - 3 * bare;
    ok(of_small >= 20 * KiB && of_small < 100 * KiB, "an unfinished request counts: %llu bytes",
       (unsigned long long)of_small);
    send_span(kept, SPAN("CLIENT NO-EVICT ON\r\n*2\r\n$4\r\nECHO\r\n$1000000\r\n"));
    send_bytes(kept, 600 * KiB);
    uint64_t of_kept = counter_get(held()) - of_small - 2 * bare;
    send_span(large, SPAN("MULTI\r\n*2\r\n$4\r\nECHO\r\n$200000\r\n"));
    send_bytes(large, 200000);
    send_span(large, SPAN("\r\n"));
    uint64_t of_large = counter_get(held()) - of_small - of_kept - bare;
    ok(of_large >= 200000, "requests queued for EXEC count: %llu bytes",
       (unsigned long long)of_large);

    atomic_store(&group.runtime.maxmemory_clients,
                 (int64_t)(bare + of_small + of_large + of_kept + KiB));
    worker_settings_changed(worker);
    turn();
    is_number((int64_t)(evicted() - before), 0, "within the limit no client is closed");
    atomic_store(&group.runtime.maxmemory_clients,
                 (int64_t)(bare + of_small + of_large + of_kept - KiB));
    worker_settings_changed(worker);
    turn();
    ok(was_closed(large) && !was_closed(small) && !was_closed(kept) && !was_closed(idle),
       "above the limit, the largest client without NO-EVICT is closed");
    is_number((int64_t)counter_get(held()), (int64_t)(bare + of_small + of_kept),
              "its memory does not count any more");
    // A client that grows exceeds the limit.
    send_bytes(small, 150 * KiB);
    ok(!was_closed(small), "a client that grows within the limit stays");
    send_bytes(small, 150 * KiB);
    ok(was_closed(small) && !was_closed(kept), "a client that grows beyond the limit is closed");
    atomic_store(&group.runtime.maxmemory_clients, 100 * KiB);
    worker_settings_changed(worker);
    turn();
    ok(was_closed(kept), "a client with NO-EVICT is closed when no other is left");
    is_number((int64_t)(evicted() - before), 3, "evicted_clients counts them");
    ok(!was_closed(idle), "an idle client is never closed");
    is_number((int64_t)counter_get(held()), (int64_t)bare, "only the idle client holds memory");

    // An evicted client frees its replies at once.
    int reader = client_new();
    send_span(reader, SPAN("GET " KEY "\r\n"));
    struct conn *c = (struct conn *)((char *)worker->loop.timeouts[TIMEOUT_WRITE].next -
                                     offsetof(struct conn, timeout_link));
    require(output_pending(&c->output) > 0, "no replies are pending");
    conn_evict(c);
    is_number((int64_t)output_pending(&c->output), 0,
              "an evicted client frees its replies at once");
    turn();
    ok(was_closed(reader), "an evicted connection is closed soon");
    close(reader);

    // Requests of a client that does not read count, and are freed at once, too.
    atomic_store(&group.runtime.maxmemory_clients, 3000 * KiB);
    reader = client_new();
    send_span(reader, SPAN("GET " KEY "\r\n"));
    c = (struct conn *)((char *)worker->loop.timeouts[TIMEOUT_WRITE].next -
                        offsetof(struct conn, timeout_link));
    uint64_t unread = counter_get(held());
    send_pings(reader, 1000 * KiB);
    uint64_t asked = counter_get(held()) - unread;
    ok(asked >= 1000 * KiB && asked <= 1250 * KiB + 32 * KiB,
       "1000 KiB of requests after an unread reply count: %llu bytes", (unsigned long long)asked);
    conn_evict(c);
    is_number((int64_t)c->backlog.memory, 0, "an evicted client frees its requests at once");
    turn();
    ok(was_closed(reader), "an evicted connection is closed soon");
    is_number((int64_t)counter_get(held()), (int64_t)bare, "only the idle client holds memory");
    close(reader);

    // Messages count as memory of the client that is to receive them.
    int listening[4];
    struct buf publish = {0};
    buf_append_text(&publish, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1000000\r\n");
    append_bytes(&publish, 'm', 1000000);
    buf_append_text(&publish, "\r\n");
    for (unsigned i = 0; i < 4; i++) {
        listening[i] = client_new();
        send_span(listening[i], SPAN("SUBSCRIBE c\r\n"));
    }
    send_span(idle, buf_span(&publish));
    ok(evicted() > before + 3, "clients with unread messages are closed");
    ok(counter_get(held()) <= 3000 * KiB + 64 * KiB, "the memory of unread messages is limited");
    for (unsigned i = 0; i < 4; i++)
        close(listening[i]);
    turn();
    ok(counter_get(held()) <= bare, "unread messages of closed clients are freed");
    atomic_store(&group.runtime.maxmemory_clients, 0);
    close(small);
    close(large);
    close(kept);
    close(idle);
    turn();
    buf_release(&publish);
}

int main(void)
{
    struct error error = {""};
    struct buf text = {0};
    signal(SIGPIPE, SIG_IGN);
    buf_append_text(&text, KEY " ");
    append_bytes(&text, 'v', LARGE);
    buf_append_text(&text, "\n");
    struct dataset *dataset =
        dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    settings = test_settings;
    settings.runtime.request_timeout = REQUEST_TIMEOUT;
    settings.runtime.write_timeout = WRITE_TIMEOUT;
    service_group_init(&group, &settings, dataset, command_groups);
    loop = ev_loop_new(EVFLAG_AUTO);
    worker = worker_new(loop, &group, &error);
    require(worker != NULL, "%s", error.text);
    check_requests();
    check_readers();
    check_memory();
    worker_free(worker);
    ev_loop_destroy(loop);
    dataset_close(dataset);
    buf_release(&text);
    return done_testing();
}
