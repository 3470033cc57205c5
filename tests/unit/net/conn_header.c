// Tests connections that must begin with a PROXY protocol header, on socket pairs, with a loop that
// the test runs turn by turn: a header in pieces, with requests after it, malformed, cut, late; the
// client's address, and whether the client is local; protected mode, kills and draining.
#include <signal.h>
#include <stdio.h>
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
#define GET "GET " KEY "\r\n"
#define VALUE "$5\r\nvalue\r\n"
#define V1 "PROXY TCP4 192.0.2.1 10.0.0.1 12345 6379\r\n"
#define V1_LOCAL "PROXY TCP6 ::1 ::1 12345 6379\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2 SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x30\x39\x18\xeb"
#define V2_LOCAL SIGNATURE "\x20\0\0\0"
#define OWN "/the/socket:0" // the address of the proxy itself

enum { REQUEST_TIMEOUT = 3 };

static struct settings settings;
static struct ev_loop *loop;
static struct service_group group;
static struct worker *worker;
static uint64_t last_id;

static void turn(void)
{
    for (unsigned i = 0; i < 10; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

static int proxy_connect(bool local)
{
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no socket pair");
    worker_adopt(worker, ends[0], ++last_id, local, true);
    return ends[1];
}

static void send_span(int fd, struct span bytes)
{
    require(write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len, "cannot write");
    turn();
}

// Returns what has arrived, valid until the next call. Sets `*closed` if the connection is closed.
static struct span received(int fd, bool *closed)
{
    static char bytes[4096];
    ssize_t count;
    size_t len = 0;
    turn();
    while ((count = read(fd, bytes + len, sizeof bytes - len)) > 0)
        len += (size_t)count;
    *closed = count == 0;
    return span_of(bytes, len);
}

static bool is_open(int fd)
{
    bool closed;
    struct span got = received(fd, &closed);
    return !closed && got.len == 0;
}

static bool is_ended(int fd)
{
    bool closed;
    struct span got = received(fd, &closed);
    return closed && got.len == 0;
}

static bool replies_with(int fd, struct span wanted)
{
    bool closed;
    struct span got = received(fd, &closed);
    return !closed && span_equal(got, wanted);
}

static uint64_t faults(void)
{
    return counter_get(&worker->loop.service.stats.proxy_header_errors);
}

static struct session *newest(void)
{
    return session_find(&worker->loop.service, last_id);
}

// The client's address, as CLIENT LIST shows it.
static const char *address(void)
{
    static char text[CLIENT_ADDRESS_TEXT];
    session_address(newest(), text);
    return text;
}

// A header in two pieces, cut at each byte, and byte by byte. The first request comes with the end
// of the header.
static void check_pieces(void)
{
    static const struct {
        struct span header;
        const char *address;
    } cases[] = {
        {BYTES(V1), "192.0.2.1:12345"},    {BYTES(V2), "192.0.2.1:12345"},
        {BYTES(V1_LOCAL), "[::1]:12345"},  {BYTES(V2_LOCAL), OWN},
        {BYTES("PROXY UNKNOWN\r\n"), OWN},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span header = cases[i].header;
        unsigned right = 0;
        for (size_t cut = 0; cut < header.len; cut++) {
            struct buf rest = {0};
            int fd = proxy_connect(true);
            if (cut > 0)
                send_span(fd, span_of(header.ptr, cut));
            bool waited = is_open(fd) && newest()->last == NULL;
            buf_append(&rest, span_of(header.ptr + cut, header.len - cut));
            buf_append(&rest, SPAN(GET GET));
            send_span(fd, buf_span(&rest));
            right += waited && replies_with(fd, SPAN(VALUE VALUE)) &&
                     strcmp(address(), cases[i].address) == 0;
            close(fd);
            turn();
            buf_release(&rest);
        }
        is_number(right, (int64_t)header.len, "header %u is found, wherever it is cut", i + 1);
        int fd = proxy_connect(true);
        for (size_t at = 0; at < header.len; at++)
            send_span(fd, span_of(header.ptr + at, 1));
        ok(is_open(fd), "header %u, byte by byte: no reply", i + 1);
        send_span(fd, SPAN(GET));
        ok(replies_with(fd, SPAN(VALUE)), "header %u: the client is answered", i + 1);
        shutdown(fd, SHUT_WR);
        ok(is_ended(fd), "header %u: the connection ends", i + 1);
        close(fd);
    }
    is_number((int64_t)faults(), 0, "no header was bad");
    int fd = proxy_connect(true);
    send_span(fd, SPAN(V1));
    send_span(fd, SPAN(V1 GET));
    bool closed;
    struct span got = received(fd, &closed);
    ok(got.len > 4 && memcmp(got.ptr, "-ERR", 4) == 0, "a second header is a wrong command");
    close(fd);
    turn();
}

static void check_bad(void)
{
    static const struct span bad[] = {
        SPAN(GET),
        SPAN("*1\r\n$4\r\nPING\r\n"),
        SPAN("PROXY TCP4 x\r\n" GET),
        SPAN(SIGNATURE "\x21\x11\xff\xff"),
        SPAN("\x16\x03\x01"),
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t before = faults();
        int fd = proxy_connect(true);
        send_span(fd, bad[i]);
        bool closed;
        struct span got = received(fd, &closed);
        // Unread input may reset the connection, which is no reply either.
        ok(got.len == 0 && session_find(&worker->loop.service, last_id) == NULL,
           "bad header %u: the connection is closed without a reply", i + 1);
        is_number((int64_t)(faults() - before), 1, "bad header %u is counted", i + 1);
        close(fd);
    }
    uint64_t before = faults();
    int fd = proxy_connect(true);
    send_span(fd, SPAN("PROXY TCP4 192.0"));
    shutdown(fd, SHUT_WR);
    ok(is_ended(fd), "a cut header: the connection is closed");
    is_number((int64_t)(faults() - before), 1, "it is counted");
    close(fd);
    fd = proxy_connect(true);
    shutdown(fd, SHUT_WR);
    ok(is_ended(fd), "a connection without a byte is closed");
    is_number((int64_t)(faults() - before), 1, "it is no error");
    close(fd);
    is_number((int64_t)counter_get(&worker->loop.service.stats.connected_clients), 0,
              "no connection is left");
}

// Moves the start of the oldest timeout back by `seconds`, and sweeps.
static void pass(unsigned seconds)
{
    struct link *first = worker->loop.timeouts[TIMEOUT_REQUEST].next;
    require(first != &worker->loop.timeouts[TIMEOUT_REQUEST], "no timeout runs");
    struct conn *c = (struct conn *)((char *)first - offsetof(struct conn, timeout_link));
    c->timeout_since -= seconds * CLOCK_SECOND;
    require(ev_is_active(&worker->loop.sweep), "no sweep is coming");
    ev_feed_event(loop, &worker->loop.sweep, EV_TIMER);
    turn();
}

static void check_late(void)
{
    static const struct span begun[] = {SPAN(""), SPAN("P"), SPAN(SIGNATURE "\x21")};
    for (unsigned i = 0; i < sizeof begun / sizeof *begun; i++) {
        uint64_t before = faults();
        int fd = proxy_connect(true);
        if (begun[i].len > 0)
            send_span(fd, begun[i]);
        pass(REQUEST_TIMEOUT - 1);
        ok(is_open(fd), "%zu bytes of a header may wait", begun[i].len);
        if (i == 1)
            send_span(fd, SPAN("R"));
        pass(1);
        ok(is_ended(fd), "but not longer, also if another byte comes");
        is_number((int64_t)(faults() - before), 1, "the late header is counted");
        close(fd);
    }
    int fd = proxy_connect(true);
    send_span(fd, SPAN(V2));
    ok(link_is_empty(&worker->loop.timeouts[TIMEOUT_REQUEST]), "a header stops the timeout");
    close(fd);
    turn();
    fd = proxy_connect(true);
    pass(REQUEST_TIMEOUT - 1);
    send_span(fd, SPAN(V2 "PI"));
    pass(REQUEST_TIMEOUT - 1);
    ok(is_open(fd), "an unfinished request after it has a timeout of its own");
    pass(1);
    ok(is_ended(fd), "which ends");
    close(fd);
}

// The client is local if both the proxy and the client are on this machine.
static void check_local(void)
{
    static const struct {
        bool proxy;
        struct span header;
        bool client;
    } cases[] = {
        {true, BYTES(V1_LOCAL), true},   {true, BYTES(V1), false},
        {false, BYTES(V1_LOCAL), false}, {false, BYTES(V1), false},
        {true, BYTES(V2_LOCAL), true},   {false, BYTES(V2_LOCAL), false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = proxy_connect(cases[i].proxy);
        send_span(fd, cases[i].header);
        ok(newest()->local == cases[i].client, "case %u: the client is %s", i + 1,
           cases[i].client ? "local" : "remote");
        close(fd);
        turn();
    }
    settings.protected_mode = true;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool closed;
        int fd = proxy_connect(cases[i].proxy);
        ok(is_open(fd), "case %u: protected mode waits for the header", i + 1);
        struct buf bytes = {0};
        buf_append(&bytes, cases[i].header);
        buf_append(&bytes, SPAN(GET));
        send_span(fd, buf_span(&bytes));
        buf_release(&bytes);
        struct span got = received(fd, &closed);
        bool served = !closed && span_equal(got, SPAN(VALUE));
        bool denied = closed && got.len > 8 && memcmp(got.ptr, "-DENIED ", 8) == 0;
        ok(cases[i].client ? served : denied, "case %u: the client is %s", i + 1,
           cases[i].client ? "served" : "told why it is refused");
        close(fd);
        turn();
    }
    settings.protected_mode = false;
}

static void check_killed(void)
{
    int fd = proxy_connect(true);
    send_span(fd, SPAN("PROXY "));
    session_kill(newest());
    ok(is_ended(fd), "a client is killed before its header has come");
    close(fd);
    fd = proxy_connect(true);
    int idle = proxy_connect(true);
    int slow = proxy_connect(true);
    send_span(slow, SPAN("PROXY "));
    // The header and the request have arrived, but the loop has not read them yet.
    require(write(fd, V1 GET, sizeof V1 GET - 1) == sizeof V1 GET - 1, "cannot write");
    // More than a turn takes has arrived after this header.
    struct buf many = {0};
    struct buf replies = {0};
    int busy = proxy_connect(true);
    buf_append(&many, SPAN(V1));
    for (unsigned i = 0; i < 200; i++) {
        buf_append(&many,
                   SPAN("STRLEN " KEY "-and-a-long-rest-that-makes-it-no-key-of-the-data\r\n"));
        buf_append(&replies, SPAN(":0\r\n"));
    }
    require(many.len > LOOP_READ_MAX, "a turn takes it all");
    require(write(busy, many.ptr, many.len) == (ssize_t)many.len, "cannot write");
    worker_drain(worker, NULL);
    bool closed;
    struct span got = received(fd, &closed);
    ok(closed && span_equal(got, SPAN(VALUE)),
       "a stop: a request that has arrived with its header is answered");
    got = received(busy, &closed);
    ok(closed && span_equal(got, buf_span(&replies)),
       "a stop: so are more requests than a turn takes");
    close(busy);
    buf_release(&many);
    buf_release(&replies);
    ok(is_ended(idle) && is_ended(slow), "a stop: connections without a header are closed");
    close(fd);
    close(idle);
    close(slow);
}

int main(void)
{
    struct error error = {""};
    struct dataset *dataset =
        dataset_open_memory(span_text(KEY " value\n"), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    signal(SIGPIPE, SIG_IGN); // as the server does
    loop = ev_default_loop(EVFLAG_AUTO);
    settings = test_settings;
    settings.runtime.request_timeout = REQUEST_TIMEOUT;
    settings.unixsocket = "/the/socket";
    service_group_init(&group, &settings, dataset, command_groups);
    worker = worker_new(loop, &group, &error);
    require(worker != NULL, "%s", error.text);
    check_pieces();
    check_bad();
    check_late();
    check_local();
    check_killed();
    worker_free(worker);
    ev_loop_destroy(loop);
    dataset_close(dataset);
    return done_testing();
}
