// A connection on one end of a socket pair, its loop turned by hand: replies through a send buffer
// so small that nearly every write is short, the accept policy's idea of a local peer, and when a
// connection closes.
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "data/dataset.h"
#include "net/worker.h"
#include "support/keysets.h"
#include "support/tap.h"

enum { KEYS = 60, VALUE_MAX = 60000, SMALLEST_BUFFER = 1 };

static const struct service_settings settings = {
    .executable = "", .bind = "", .unixsocket = "", .loglevel = "notice", .logfile = ""};

static struct ev_loop *loop;
static struct service_group group;
static struct worker *worker;

// The client's end of a new connection; nonblocking.
static int client_connect(bool small_send_buffer)
{
    int ends[2];
    int size = SMALLEST_BUFFER;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no socket pair");
    if (small_send_buffer) // the kernel makes it its own smallest
        require(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0,
                "cannot set SO_SNDBUF");
    worker_adopt(worker, ends[0], 1, true);
    return ends[1];
}

// Sends the request, turns the loop and reads in between, at most `piece` bytes each time, until
// `wanted` bytes have come or nothing comes any more.
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
        uint64_t before = counter_get(&worker->service.stats.net_output_bytes);
        int fd = client_connect(true);
        converse(fd, buf_span(&request), pieces[i], wanted.len, &got);
        ok(span_equal(buf_span(&got), buf_span(&wanted)), "every byte, read by %zu", pieces[i]);
        is_number((int64_t)(counter_get(&worker->service.stats.net_output_bytes) - before),
                  (int64_t)wanted.len, "and counted");
        shutdown(fd, SHUT_WR);
        ok(at_end(fd), "it closes when the client has shut down");
        close(fd);
        buf_release(&got);
    }
    is_number((int64_t)counter_get(&worker->service.stats.connected_clients), 0,
              "no client is left");
    // A client that goes away in the middle of a reply takes nothing with it.
    for (unsigned i = 0; i < 20; i++) {
        struct buf got = {0};
        int fd = client_connect(true);
        converse(fd, buf_span(&request), 4096, random_below(r, wanted.len), &got);
        close(fd);
        for (unsigned turn = 0; turn < 10; turn++)
            ev_run(loop, EVRUN_NOWAIT);
        buf_release(&got);
    }
    is_number((int64_t)counter_get(&worker->service.stats.connected_clients), 0,
              "clients that leave in the middle are gone");
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
    is_bytes(buf_span(&got), span_text("+PONG\r\n+PONG\r\n"), "what is complete is answered");
    ok(at_end(fd), "then it closes");
    close(fd);
    got.len = 0;
    fd = client_connect(false);
    require(write(fd, "QUIT\r\nPING\r\n", 12) == 12, "cannot write");
    converse(fd, span_of(NULL, 0), 100, 5, &got);
    is_bytes(buf_span(&got), span_text("+OK\r\n"), "QUIT is answered, what follows is not");
    ok(at_end(fd), "and its end comes");
    close(fd);
    buf_release(&got);
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
    ok(address_is_local((struct sockaddr *)&un), "a unix socket's peer is this machine");
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
    service_group_init(&group, &settings, dataset);
    worker = worker_new(loop, &group, &error);
    require(worker != NULL, "%s", error.text);
    check_short_writes(&r, &text);
    check_half_close();
    check_local();
    worker_free(worker);
    ev_loop_destroy(loop);
    dataset_close(dataset);
    buf_release(&text);
    return done_testing();
}
