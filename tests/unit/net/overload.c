// What a loop does with clients that keep it waiting or make it hold much, on socket pairs, its
// loop turned by hand and time let pass by moving back when a client's began: whose time runs, what
// renews it, and who is closed when all clients together hold too much.
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

// The client's end of a new connection, to which the server can send `room` bytes ahead; 0: as many
// as the system has it.
static int client_with_room(int room)
{
    static uint64_t last_id;
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no socket pair");
    if (room > 0)
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    worker_adopt(worker, ends[0], ++last_id, true);
    return ends[1];
}

static int client_new(void)
{
    return client_with_room(1); // which the system makes its own smallest
}

static void say(int fd, struct span bytes)
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

static void say_bytes(int fd, size_t count)
{
    struct buf bytes = {0};
    append_bytes(&bytes, 'x', count);
    say(fd, buf_span(&bytes));
    buf_release(&bytes);
}

// Says PING in about so many bytes.
static void say_pings(int fd, size_t bytes)
{
    struct buf pings = {0};
    while (pings.len < bytes)
        buf_append_text(&pings, "PING\r\n");
    say(fd, buf_span(&pings));
    buf_release(&pings);
}

// Reads up to `most` bytes.
static size_t hear(int fd, size_t most)
{
    static char bytes[PIECE];
    size_t heard = 0;
    while (heard < most) {
        size_t part = most - heard < sizeof bytes ? most - heard : sizeof bytes;
        ssize_t count = read(fd, bytes, part);
        if (count <= 0)
            break;
        heard += (size_t)count;
        turn();
    }
    return heard;
}

static bool is_gone(int fd)
{
    char byte;
    while (read(fd, &byte, 1) == 1)
        ;
    bool closed = errno != EAGAIN || recv(fd, &byte, 1, MSG_PEEK) == 0;
    return closed;
}

static unsigned count_waiting(enum client_timeout what)
{
    unsigned count = 0;
    for (struct link *link = worker->loop.timeouts[what].next; link != &worker->loop.timeouts[what];
         link = link->next)
        count++;
    return count;
}

// Lets the first one's time begin `seconds` earlier, and sweeps.
static void pass(enum client_timeout what, unsigned seconds)
{
    struct link *first = worker->loop.timeouts[what].next;
    require(first != &worker->loop.timeouts[what], "nobody is waited for");
    struct conn *c = (struct conn *)((char *)first - offsetof(struct conn, timeout_link));
    c->timeout_since -= seconds * CLOCK_SECOND;
    require(ev_is_active(&worker->loop.sweep), "no sweep is coming");
    ev_feed_event(loop, &worker->loop.sweep, EV_TIMER);
    turn();
}

static void waits(unsigned request, unsigned reading, const char *name)
{
    is_number(count_waiting(TIMEOUT_REQUEST), request, "%s: requests waited for", name);
    is_number(count_waiting(TIMEOUT_WRITE), reading, "%s: readers waited for", name);
}

// Nobody's time runs, so the loop sleeps until a client says something.
static void sleeps(const char *name)
{
    waits(0, 0, name);
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
    sleeps("nobody");
    for (unsigned i = 0; i < sizeof begun / sizeof *begun; i++) {
        int fd = client_new();
        say(fd, SPAN("PING\r\n"));
        sleeps("one that is idle");
        uint64_t before = counter_get(closed);
        say(fd, span_text(begun[i]));
        waits(1, 0, "one that has begun");
        pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
        ok(!is_gone(fd), "it has some time");
        say_bytes(fd, 1);
        pass(TIMEOUT_REQUEST, 1);
        ok(is_gone(fd), "which a byte does not renew");
        is_number((int64_t)(counter_get(closed) - before), 1, "it is counted");
        close(fd);
    }
    int fd = client_new();
    say(fd, SPAN("PI"));
    pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
    say(fd, SPAN("NG\r\nPING\r\nPI"));
    waits(1, 0, "a next request");
    pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
    ok(!is_gone(fd), "has time of its own");
    say(fd, SPAN("NG\r\n"));
    sleeps("a complete request");
    say(fd, SPAN("*2\r\n$4\r\nECHO\r\n$1000000\r\n"));
    for (unsigned i = 0; i < 3; i++) {
        pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT - 1);
        say_bytes(fd, 64 * KiB);
    }
    ok(!is_gone(fd), "64 KiB give new time");
    say_bytes(fd, 60 * KiB);
    pass(TIMEOUT_REQUEST, REQUEST_TIMEOUT);
    ok(is_gone(fd), "fewer do not");
    close(fd);
    fd = client_new();
    atomic_store(&group.runtime.request_timeout, 0);
    say(fd, SPAN("P"));
    pass(TIMEOUT_REQUEST, 1000 * REQUEST_TIMEOUT);
    ok(!is_gone(fd), "without a timeout it may take as long as it likes");
    ok(!ev_is_active(&worker->loop.sweep), "and no timer runs");
    atomic_store(&group.runtime.request_timeout, REQUEST_TIMEOUT);
    worker_settings_changed(worker);
    ev_feed_event(loop, &worker->loop.sweep, EV_TIMER);
    turn();
    ok(is_gone(fd), "until there is one again");
    close(fd);
    turn();
}

static void check_readers(void)
{
    struct counter *closed = &worker->loop.service.stats.write_timeouts;
    uint64_t before = counter_get(closed);
    int fd = client_new();
    say(fd, SPAN("GET " KEY "\r\n"));
    waits(0, 1, "one that does not read");
    say(fd, SPAN("PING\r\nPI"));
    waits(0, 1, "and says more");
    pass(TIMEOUT_WRITE, WRITE_TIMEOUT - 1);
    ok(!is_gone(fd), "has some time");
    close(fd);
    turn();
    // What is read makes room for as much.
    fd = client_with_room(50000);
    say(fd, SPAN("GET " KEY "\r\n"));
    for (unsigned i = 0; i < 5; i++) {
        pass(TIMEOUT_WRITE, WRITE_TIMEOUT - 1);
        require(hear(fd, 100000) == 100000, "nothing to be heard");
    }
    waits(0, 1, "one that reads a little");
    is_number((int64_t)(counter_get(closed) - before), 0, "goes on");
    close(fd);
    turn();
    fd = client_with_room(50000);
    say(fd, SPAN("GET " KEY "\r\n"));
    struct conn *c = (struct conn *)((char *)worker->loop.timeouts[TIMEOUT_WRITE].next -
                                     offsetof(struct conn, timeout_link));
    size_t kept = output_pending(&c->output);
    require(hear(fd, 4 * PIECE) == 4 * PIECE, "nothing to be heard");
    is_number((int64_t)output_pending(&c->output), (int64_t)kept,
              "what a slow reader takes makes no room yet");
    pass(TIMEOUT_WRITE, WRITE_TIMEOUT);
    is_number((int64_t)(counter_get(closed) - before), 0, "but it gives new time");
    say_pings(fd, 100 * KiB);
    pass(TIMEOUT_WRITE, WRITE_TIMEOUT);
    is_number((int64_t)(counter_get(closed) - before), 1,
              "one that reads nothing is closed, whatever it says, and counted");
    close(fd);
    turn();
    fd = client_new();
    say(fd, SPAN("GET " KEY "\r\nPI"));
    waits(0, 1, "half a request behind a long reply");
    hear(fd, LARGE + 20);
    waits(1, 0, "its time begins when the reply is taken");
    close(fd);
    turn();
    sleeps("all have left");
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
    is_number((int64_t)counter_get(held()), 0, "nobody holds anything");
    int small = client_new(), large = client_new(), kept = client_new(), idle = client_new();
    say(idle, SPAN("PING\r\n"));
    uint64_t bare = counter_get(held()) / 4;
    ok(bare > 0 && bare <= KiB && counter_get(held()) == 4 * bare,
       "one that is idle holds its connection: %llu bytes", (unsigned long long)bare);
    say(small, SPAN("*2\r\n$4\r\nECHO\r\n$1000000\r\n"));
    say_bytes(small, 20 * KiB);
    uint64_t of_small = counter_get(held()) - 3 * bare;
    ok(of_small >= 20 * KiB && of_small < 100 * KiB, "half a request is held: %llu bytes",
       (unsigned long long)of_small);
    say(kept, SPAN("CLIENT NO-EVICT ON\r\n*2\r\n$4\r\nECHO\r\n$1000000\r\n"));
    say_bytes(kept, 600 * KiB);
    uint64_t of_kept = counter_get(held()) - of_small - 2 * bare;
    say(large, SPAN("MULTI\r\n*2\r\n$4\r\nECHO\r\n$200000\r\n"));
    say_bytes(large, 200000);
    say(large, SPAN("\r\n"));
    uint64_t of_large = counter_get(held()) - of_small - of_kept - bare;
    ok(of_large >= 200000, "what waits for EXEC is held: %llu bytes", (unsigned long long)of_large);

    atomic_store(&group.runtime.maxmemory_clients,
                 (int64_t)(bare + of_small + of_large + of_kept + KiB));
    worker_settings_changed(worker);
    turn();
    is_number((int64_t)(evicted() - before), 0, "within the limit nobody is closed");
    atomic_store(&group.runtime.maxmemory_clients,
                 (int64_t)(bare + of_small + of_large + of_kept - KiB));
    worker_settings_changed(worker);
    turn();
    ok(is_gone(large) && !is_gone(small) && !is_gone(kept) && !is_gone(idle),
       "beyond it the largest that may be is");
    is_number((int64_t)counter_get(held()), (int64_t)(bare + of_small + of_kept),
              "which holds no more");
    // Growing is what exceeds it, too.
    say_bytes(small, 150 * KiB);
    ok(!is_gone(small), "within it again");
    say_bytes(small, 150 * KiB);
    ok(is_gone(small) && !is_gone(kept), "then it is exceeded by one that grows");
    atomic_store(&group.runtime.maxmemory_clients, 100 * KiB);
    worker_settings_changed(worker);
    turn();
    ok(is_gone(kept), "one that is not to be closed is when nobody else is left");
    is_number((int64_t)(evicted() - before), 3, "they are counted");
    ok(!is_gone(idle), "one that is idle never is");
    is_number((int64_t)counter_get(held()), (int64_t)bare, "nobody else holds anything");

    // What is closed for it gives back its replies at once.
    int reader = client_new();
    say(reader, SPAN("GET " KEY "\r\n"));
    struct conn *c = (struct conn *)((char *)worker->loop.timeouts[TIMEOUT_WRITE].next -
                                     offsetof(struct conn, timeout_link));
    require(output_pending(&c->output) > 0, "nothing waits to be sent");
    conn_evict(c);
    is_number((int64_t)output_pending(&c->output), 0, "who is closed gives back its replies");
    turn();
    ok(is_gone(reader), "and is gone soon after");
    close(reader);

    // What one asks while it does not read counts, and is given back at once, too.
    atomic_store(&group.runtime.maxmemory_clients, 3000 * KiB);
    reader = client_new();
    say(reader, SPAN("GET " KEY "\r\n"));
    c = (struct conn *)((char *)worker->loop.timeouts[TIMEOUT_WRITE].next -
                        offsetof(struct conn, timeout_link));
    uint64_t unread = counter_get(held());
    say_pings(reader, 1000 * KiB);
    uint64_t asked = counter_get(held()) - unread;
    ok(asked >= 1000 * KiB && asked <= 1250 * KiB + 32 * KiB,
       "1000 KiB that wait behind a reply are held: %llu bytes", (unsigned long long)asked);
    conn_evict(c);
    is_number((int64_t)c->backlog.memory, 0, "who is closed gives them back");
    turn();
    ok(is_gone(reader), "and is gone soon after");
    is_number((int64_t)counter_get(held()), (int64_t)bare, "nobody else holds anything");
    close(reader);

    // What others send to one counts as its own.
    int listening[4];
    struct buf publish = {0};
    buf_append_text(&publish, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1000000\r\n");
    append_bytes(&publish, 'm', 1000000);
    buf_append_text(&publish, "\r\n");
    for (unsigned i = 0; i < 4; i++) {
        listening[i] = client_new();
        say(listening[i], SPAN("SUBSCRIBE c\r\n"));
    }
    say(idle, buf_span(&publish));
    ok(evicted() > before + 3, "messages that nobody reads");
    ok(counter_get(held()) <= 3000 * KiB + 64 * KiB, "are limited by that");
    for (unsigned i = 0; i < 4; i++)
        close(listening[i]);
    turn();
    ok(counter_get(held()) <= bare, "and are given back");
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
