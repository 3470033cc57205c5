// Fault F17 (docs/faults.md): a thousand clients pipeline GETs and MGETs of large values and never
// read a reply. The server keeps what the formula of docs/limits.md allows: their requests, and
// replies up to the high-water mark. It answers other clients. At the write timeout it closes the
// clients that do not read. From a client that writes without end it reads up to a bound. If the
// memory of all clients is limited, it stays within the limit, whatever they request.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "data/uuid_text.h"
#include "support/beside.h"
#include "support/crowd.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

enum {
    KiB = 1024,
    MiB = 1024 * 1024,
    CLIENTS = 1000,
    CLIENTS_CHECKED = 100, // clients of the server built with a sanitizer (support/memory.h)
    SPARE = 100,           // descriptors for other purposes
    KEYS = 20,             // even keys have BORROWED bytes, odd keys COPIED bytes
    BORROWED = 100 * 1000, // bytes of a value that is sent from the mapping
    COPIED = 16383,        // bytes of the longest value that is copied
    REQUEST = 64 * KiB,    // bytes of requests that a client sends again and again
    ASKED = 2 * REQUEST,   // bytes that each client sends in all
    PUSHED = 1 * MiB,      // bytes that each client sends in test_asked_together
    KEPT = 64 * MiB,       // bytes of one client's requests that the server keeps
    // What docs/limits.md adds for each client to the bytes of its requests. INPUT: the bytes that
    // the server reads at once, and the memory of the connection. OUTPUT: the bytes up to the
    // high-water mark, and one piece of a reply.
    INPUT = 17 * KiB,
    LEFT = 4 * KiB, // memory that may stay for each client that was closed
    OUTPUT = 256 * KiB + COPIED,
    SLACK = 4 * MiB,
    LIMIT = 32 * MiB,       // --maxmemory-clients
    LIMIT_SLACK = 24 * MiB, // memory of the loops, and memory that the allocator keeps
    ASKERS = 1000,
    SUBSCRIBERS = 300,
    ROUNDS = 20,
    SILENCE_MS = 1500, // milliseconds in which no client reads
    WAIT_MS = 25,      // most milliseconds that another client may wait
    PATIENCE = 20,     // seconds
};

static char keys[KEYS][UUID_TEXT_LEN + 1];
static struct buf data;
static const char *data_file;
static struct buf ping_request, ping_reply; // of a client that reads its replies

static void write_data(struct random *r)
{
    for (unsigned i = 0; i < KEYS; i++) {
        uuid_format((struct uuid){random_next(r), random_next(r)}, keys[i]);
        buf_append(&data, span_of(keys[i], UUID_TEXT_LEN));
        buf_append_text(&data, " ");
        append_bytes(&data, (char)('a' + i), i % 2 == 0 ? BORROWED : COPIED);
        buf_append_text(&data, "\n");
    }
    data_file = test_file("data", buf_span(&data));
    append_request(&ping_request, "ECHO hello");
    buf_append_text(&ping_request, "*2\r\n$3\r\nGET\r\n");
    append_bulk(&ping_request, span_of(keys[0], UUID_TEXT_LEN));
    append_bulk(&ping_reply, span_text("hello"));
    struct buf value = {0};
    append_bytes(&value, 'a', BORROWED);
    append_bulk(&ping_reply, buf_span(&value));
    buf_release(&value);
}

// Returns the requests of client `number`: GETs of large values, MGETs, or GETs of copied values,
// which take most memory.
static struct buf request_of(unsigned number)
{
    struct buf request = {0};
    for (unsigned i = number; request.len < REQUEST; i++) {
        unsigned even = i * 2 % KEYS;
        if (number % 4 == 1) {
            buf_append_text(&request, "*9\r\n$4\r\nMGET\r\n");
            for (unsigned j = 0; j < 8; j++)
                append_bulk(&request, span_of(keys[(even + j) % KEYS], UUID_TEXT_LEN));
        } else {
            buf_append_text(&request, "*2\r\n$3\r\nGET\r\n");
            append_bulk(&request, span_of(keys[even + number % 2], UUID_TEXT_LEN));
        }
    }
    return request;
}

static long long allowed_for(unsigned clients)
{
    // Borrowed values take no memory. Of four clients, two get only borrowed values. The client
    // that sends MGETs gets as many borrowed values as copied ones, which are much shorter, so it
    // is counted with a quarter of OUTPUT. The fourth gets only copied values, and is counted with
    // OUTPUT.
    return (long long)clients * (ASKED + INPUT) + (long long)clients / 4 * (OUTPUT + OUTPUT / 4) +
           SLACK;
}

struct unread {
    int fd;
    struct buf request;
    size_t sent;
};

// Sends until the socket takes no more, or `most` bytes have been sent in all. Returns the number
// of bytes sent now, or -1 if the server has closed the connection.
static long long push(struct unread *u, size_t most)
{
    long long sent = 0;
    while (u->sent < most) {
        size_t from = u->sent % u->request.len;
        size_t part =
            u->request.len - from < most - u->sent ? u->request.len - from : most - u->sent;
        ssize_t count = send(u->fd, u->request.ptr + from, part, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN ? sent : -1;
        sent += count;
        u->sent += (size_t)count;
    }
    return sent;
}

static bool is_answered(int fd)
{
    return crowd_converses(fd, buf_span(&ping_request), buf_span(&ping_reply));
}

static void test_unread(bool measured, unsigned clients)
{
    static struct unread unread[CLIENTS];
    const char *path = test_path(measured ? "measured" : "checked");
    const char *options[] = {"--unixsocket", path, "--write-timeout", "0", NULL};
    struct server_process server = server_start_measured(data_file, options, measured);
    int other = connect_tcp(server.port);
    require(is_answered(other), "no answer");
    server_await_idle(&server);
    long long alone = crowd_info(other, "mem_clients_normal");
    struct memory memory = memory_before(server.pid, measured);
    // Most clients use a unix socket, as the kernel would buffer some MB for each TCP connection.
    for (unsigned i = 0; i < clients; i++)
        unread[i] = (struct unread){i % 10 == 0 ? connect_narrow(server.port) : connect_unix(path),
                                    request_of(i % 4), 0};
    bool answered = true;
    long long taken = 0;
    for (unsigned round = 0; round < ROUNDS && taken < (long long)clients * ASKED; round++) {
        for (unsigned i = 0; i < clients; i++) {
            long long sent = push(&unread[i], ASKED);
            require(sent >= 0, "a client was closed before its time");
            taken += sent;
            if (i % 100 == 0)
                answered &= is_answered(other);
        }
        server_await_idle(&server);
        memory_grown(&memory);
    }
    is_number(taken, (long long)clients * ASKED,
              "the requests of %u clients that do not read are taken", clients);
    ok(answered, "another client was always answered");
    long long grown = memory_grown(&memory);
    if (measured)
        diag("RssAnon grew by %lld KiB, %lld for each client", grown / KiB, grown / KiB / clients);
    memory_is_within(&memory, allowed_for(clients), "their memory");
    ok(crowd_info(other, "mem_clients_normal") >= (long long)clients / 4 * OUTPUT,
       "INFO reports it");

    is_number(crowd_info(other, "connected_clients"), clients + 1,
              "all clients are still connected");
    // All of these clients have waiting requests. They must not keep the loop busy.
    struct beside *beside = beside_start(other);
    poll(NULL, 0, SILENCE_MS);
    struct waits waits = beside_stop(beside);
    ok(waits.answered && (!measured || waits.longest_ms < WAIT_MS),
       "another client does not wait long");
    answers(other, SPAN("CONFIG SET write-timeout 1\r\n"), SPAN("+OK\r\n"), "a short timeout");
    crowd_await_info(other, "write_timeout_disconnections", clients, "all of them are closed");
    ok(is_answered(other), "another client is still answered");
    is_number(crowd_info(other, "connected_clients"), 1, "it is the only client left");
    // Waits, because the client that reads INFO may hold memory for its own previous reply for a
    // moment.
    crowd_await_info(other, "mem_clients_normal", alone,
                     "no memory of the closed clients is counted");
    server_await_idle(&server);
    if (measured)
        // A little may stay, as the allocator cannot return gaps between other blocks.
        ok(memory_grown(&memory) <= (long long)clients * LEFT,
           "their memory is returned: %lld KiB are left", memory_grown(&memory) / KiB);
    for (unsigned i = 0; i < clients; i++) {
        close(unread[i].fd);
        buf_release(&unread[i].request);
    }
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
}

// ---- a client that writes without end -----------------------------------------------------------

// The server reads from it up to a bound. What it writes does not prolong its write timeout.
static void test_endless(void)
{
    const char *path = test_path("endless");
    const char *options[] = {"--unixsocket", path, "--write-timeout", "0", NULL};
    struct server_process server = server_start_measured(data_file, options, true);
    int other = connect_tcp(server.port);
    require(is_answered(other), "no answer");
    struct unread u = {connect_unix(path), request_of(1), 0};
    server_await_idle(&server);
    struct memory memory = memory_before(server.pid, true);
    struct beside *beside = beside_start(other);
    for (long long sent = 1; sent > 0;) {
        sent = push(&u, SIZE_MAX);
        require(sent >= 0, "a client was closed before its time");
        server_await_idle(&server);
        memory_grown(&memory);
    }
    struct waits waits = beside_stop(beside);
    ok(u.sent >= KEPT && u.sent <= KEPT + 2 * MiB,
       "%zu bytes are taken from a client that never reads", u.sent);
    ok(waits.answered && waits.longest_ms < WAIT_MS, "another client does not wait long");
    diag("RssAnon grew by %lld KiB", memory_grown(&memory) / KiB);
    memory_is_within(&memory, KEPT + OUTPUT + SLACK, "its memory");
    answers(other, SPAN("CONFIG SET write-timeout 1\r\n"), SPAN("+OK\r\n"), "a short timeout");
    crowd_await_info(other, "write_timeout_disconnections", 1, "the client is closed");
    server_await_idle(&server);
    ok(memory_grown(&memory) <= SLACK, "its memory is returned");
    // A client that never stops writing is closed just as early.
    struct unread busy = {connect_unix(path), request_of(1), 0};
    uint64_t began = clock_monotonic_ns();
    while (push(&busy, SIZE_MAX) >= 0 && clock_monotonic_ns() < began + PATIENCE * CLOCK_SECOND)
        busy.sent = 0;
    ok(clock_monotonic_ns() < began + PATIENCE * CLOCK_SECOND,
       "a client that always writes is closed in time");
    crowd_await_info(other, "write_timeout_disconnections", 2, "the timeout is counted");
    close(u.fd);
    close(busy.fd);
    close(other);
    buf_release(&u.request);
    buf_release(&busy.request);
    is_number(server_stop(&server), 0, "the server's exit code");
}

// ---- all clients together -----------------------------------------------------------------------

// Returns the highest memory so far, which includes memory that was held only for a moment.
static long long peak(const struct server_process *server)
{
    return process_field(server->pid, "status", "VmHWM");
}

// Clients request much and read nothing. CLIENT LIST must be produced in one piece, with a line for
// each client. A single client may have that memory, all clients together may not.
static void test_limit(const char *threads, const char *request, const char *name)
{
    static int fds[ASKERS];
    static unsigned sockets;
    char file[16], limit[16], what[64];
    snprintf(file, sizeof file, "socket%u", sockets++);
    const char *path = test_path(file);
    snprintf(limit, sizeof limit, "%d", LIMIT);
    snprintf(what, sizeof what, "%s, %s loops", name, threads);
    const char *options[] = {"--unixsocket", path, "--maxmemory-clients", limit, "--threads",
                             threads,        NULL};
    struct server_process server = server_start_measured(data_file, options, true);
    int other = connect_tcp(server.port);
    require(is_answered(other), "no answer");
    struct buf requests = {0};
    for (unsigned i = 0; i < 50; i++)
        buf_append_text(&requests, request);
    server_await_idle(&server);
    for (unsigned i = 0; i < ASKERS; i++) {
        fds[i] = connect_unix(path);
        require(crowd_converses(fds[i], SPAN("PING\r\n"), SPAN("+PONG\r\n")), "no answer");
    }
    server_await_idle(&server);
    long long before = peak(&server);
    kill(server.pid, SIGSTOP); // so that the server receives all requests at once
    for (unsigned i = 0; i < ASKERS; i++)
        send(fds[i], requests.ptr, requests.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    kill(server.pid, SIGCONT);
    ok(is_answered(other), "%s: another client is answered", what);
    server_await_idle(&server);
    long long grown = peak(&server) - before;
    ok(grown <= LIMIT + LIMIT_SLACK, "%s: the memory stays within the bound", what);
    diag("grew by %lld KiB of %d allowed", grown / KiB, (LIMIT + LIMIT_SLACK) / KiB);
    ok(crowd_info(other, "mem_clients_normal") <= LIMIT + 256 * KiB,
       "%s: the counted memory stays within the limit", what);
    long long evicted = crowd_info(other, "evicted_clients");
    ok(evicted > 0 && evicted < ASKERS, "%s: %lld clients were closed for it", what, evicted);
    is_number(crowd_info(other, "connected_clients"), ASKERS + 1 - evicted,
              "%s: no other client was closed", what);
    struct buf log = file_content(server.log_path);
    is_number(occurrences(buf_span(&log), "exceed maxmemory-clients"), 1,
              "%s: logged once a minute", what);
    for (unsigned i = 0; i < ASKERS; i++)
        close(fds[i]);
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&requests);
    buf_release(&log);
}

// Clients send requests without end and read nothing. A single client may do so up to a bound, all
// clients together may not.
static void test_asked_together(void)
{
    static struct unread unread[ASKERS];
    const char *path = test_path("together");
    char limit[16];
    snprintf(limit, sizeof limit, "%d", LIMIT);
    const char *options[] = {
        "--unixsocket", path, "--maxmemory-clients", limit, "--threads", "2", NULL};
    struct server_process server = server_start_measured(data_file, options, true);
    int other = connect_tcp(server.port);
    require(is_answered(other), "no answer");
    for (unsigned i = 0; i < ASKERS; i++)
        unread[i] = (struct unread){connect_unix(path), request_of(i % 4), 0};
    server_await_idle(&server);
    long long before = peak(&server);
    bool answered = true;
    long long sent = 0;
    unsigned closed = 0;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < ASKERS; i++) {
            long long taken = unread[i].fd >= 0 ? push(&unread[i], PUSHED) : 0;
            if (taken < 0) {
                close(unread[i].fd);
                unread[i].fd = -1;
                closed++;
            }
            sent += taken > 0 ? taken : 0;
            if (i % 100 == 0)
                answered &= is_answered(other);
        }
    server_await_idle(&server);
    long long grown = peak(&server) - before;
    ok(answered, "%u clients that write without end: another client is answered", ASKERS);
    ok(grown <= LIMIT + LIMIT_SLACK, "their memory stays within the bound");
    diag("%lld MiB were taken, %u clients were closed; grew by %lld KiB of %d allowed", sent / MiB,
         closed, grown / KiB, (LIMIT + LIMIT_SLACK) / KiB);
    ok(closed > 0 && crowd_info(other, "evicted_clients") >= closed, "some clients were closed");
    ok(crowd_info(other, "mem_clients_normal") <= LIMIT + 256 * KiB,
       "the counted memory stays within the limit");
    for (unsigned i = 0; i < ASKERS; i++) {
        if (unread[i].fd >= 0)
            close(unread[i].fd);
        buf_release(&unread[i].request);
    }
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
}

// Long messages are published to subscribers that do not read. A single client may have some
// waiting, all clients together may not.
static void test_messages(void)
{
    static int fds[SUBSCRIBERS];
    const char *path = test_path("messages");
    char limit[16];
    snprintf(limit, sizeof limit, "%d", LIMIT);
    const char *options[] = {
        "--unixsocket", path, "--maxmemory-clients", limit, "--threads", "2", NULL};
    struct server_process server = server_start_measured(data_file, options, true);
    int other = connect_tcp(server.port);
    struct buf message = {0};
    buf_append_text(&message, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1000000\r\n");
    append_bytes(&message, 'm', 1000000);
    buf_append_text(&message, "\r\n");
    // The sender holds as much as any subscriber, and must not be closed.
    answers(other, SPAN("CLIENT NO-EVICT ON\r\n"), SPAN("+OK\r\n"), "the sender is not closed");
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        fds[i] = connect_unix(path);
        require(crowd_converses(fds[i], SPAN("SUBSCRIBE c\r\n"),
                                SPAN("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")),
                "no answer");
    }
    server_await_idle(&server);
    long long before = peak(&server);
    ok(crowd_converses(other, buf_span(&message), SPAN(":")),
       "a long message is published to many clients");
    long long grown = peak(&server) - before;
    ok(grown <= LIMIT + LIMIT_SLACK, "its copies stay within the bound");
    diag("grew by %lld KiB of %d allowed", grown / KiB, (LIMIT + LIMIT_SLACK) / KiB);
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        close(fds[i]);
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&message);
}

int main(void)
{
    struct random r = random_seeded();
    char get[UUID_TEXT_LEN + 16];
    write_data(&r);
    test_unread(true, crowd_allowed(CLIENTS, SPARE));
    if (CHECKED_BUILD)
        test_unread(false, CLIENTS_CHECKED);
    test_endless();
    test_asked_together();
    snprintf(get, sizeof get, "GET %s\r\n", keys[1]);
    test_limit("1", get, "GETs");
    test_limit("3", get, "GETs");
    test_limit("1", "CLIENT LIST\r\n", "CLIENT LISTs");
    test_limit("3", "CLIENT LIST\r\n", "CLIENT LISTs");
    test_messages();
    buf_release(&data);
    buf_release(&ping_request);
    buf_release(&ping_reply);
    return done_testing();
}
