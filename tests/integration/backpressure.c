// Clients that do not read, read a few bytes at a time, or write one byte at a time. The server's
// memory for them is bounded by the bytes that they have sent, and other clients are answered
// meanwhile. When they read at last, every byte is right.
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "data/uuid_text.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/tap.h"

enum {
    KiB = 1024,
    MiB = 1024 * 1024,
    PATIENCE_MS = 20000,
    FLOOD_GETS = CHECKED_BUILD ? 20000 : 100000, // 2 or 10 GB of replies
    FLOOD_MEMORY = 400 * KiB,                    // allowed besides the requests
    // For values that are copied, the output is in memory too, up to its high-water mark.
    FLOOD_GETS_COPIED = 20000,
    FLOOD_MEMORY_COPIED = 1 * MiB,
    MGET_LONG = 100000,
    MGET_LONGEST = 1024 * 1024 - 1, // together with MGET itself, the limit of arguments
    MGET_SLACK = 16 * MiB,
    // Values that are just small enough to be copied. The lookups of one turn would take 16 MiB.
    MGET_LARGE = 1000,
    MGET_LARGE_MEMORY = MiB,
    GONE_SLACK = 1 * MiB, // memory that malloc may keep after a client has disconnected
    // Numbers of round trips of another client. Each takes a turn of the server's loop.
    TURNS_WITHOUT_ROOM = 200,
    TURNS_TO_FREE = 20000,
    SLOW_COMMANDS = 300,
    BYTEWISE_KEYS = 1000,
};

// There is one key for each of these value sizes. From 16 KiB on, the server borrows a value
// instead of copying it.
static const size_t sizes[] = {1,     0,     7,     60,        1000,   4095,   4096, 16383,
                               16384, 16385, 65536, 100 * KiB, 262144, 300001, MiB};
enum {
    ITEMS = sizeof sizes / sizeof *sizes,
    ITEM_60 = 3,
    ITEM_1000 = 4,
    ITEM_16383 = 7,
    ITEM_100_KIB = 11
};

static struct item {
    char key[UUID_TEXT_LEN];
    struct span value;
} items[ITEMS];
static struct buf data; // the data file with all values
static const char *data_file;
static char absent_key[UUID_TEXT_LEN];

static void write_data(struct random *r)
{
    size_t total = 0;
    for (unsigned i = 0; i < ITEMS; i++)
        total += UUID_TEXT_LEN + 1 + sizes[i] + 1;
    char *at = buf_reserve(&data, total);
    require(at != NULL, "no memory");
    data.len = total;
    for (unsigned i = 0; i < ITEMS; i++) {
        uuid_format((struct uuid){random_next(r), random_next(r)}, at);
        memcpy(items[i].key, at, UUID_TEXT_LEN);
        at += UUID_TEXT_LEN;
        *at++ = ' ';
        items[i].value = span_of(at, sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++) {
            char byte = (char)random_next(r);
            *at++ = byte == '\n' ? '\r' : byte;
        }
        *at++ = '\n';
    }
    uuid_format((struct uuid){random_next(r), random_next(r)}, absent_key);
    data_file = test_file("data", buf_span(&data));
}

// ---- requests and their expected replies --------------------------------------------------------

static void add_bulk(struct buf *to, struct span s)
{
    buf_printf(to, "$%zu\r\n", s.len);
    buf_append(to, s);
    buf_append_text(to, "\r\n");
}

static void add_get(struct buf *request, struct buf *reply, const struct item *item)
{
    buf_append_text(request, "*2\r\n$3\r\nGET\r\n");
    add_bulk(request, span_of(item->key, UUID_TEXT_LEN));
    add_bulk(reply, item->value);
}

static void add_mget_start(struct buf *request, struct buf *reply, size_t keys)
{
    buf_printf(request, "*%zu\r\n$4\r\nMGET\r\n", keys + 1);
    buf_printf(reply, "*%zu\r\n", keys);
}

// Adds a random key, or in one of ten cases the absent key.
static void add_any_key(struct random *r, struct buf *request, struct buf *reply)
{
    const struct item *item = &items[random_below(r, ITEMS)];
    if (random_below(r, 10) == 0) {
        add_bulk(request, span_of(absent_key, UUID_TEXT_LEN));
        buf_append_text(reply, "$-1\r\n");
    } else {
        add_bulk(request, span_of(item->key, UUID_TEXT_LEN));
        add_bulk(reply, item->value);
    }
}

// ---- the other client, whose round trips also count turns of the loop ---------------------------

struct other {
    int fd;
    struct buf request;
    struct buf wanted;
    struct buf got;
};

static bool round_trip(struct other *o)
{
    o->got.len = 0;
    return send_all(o->fd, buf_span(&o->request)) && receive(o->fd, &o->got, o->wanted.len) &&
           span_equal(buf_span(&o->got), buf_span(&o->wanted));
}

static struct other other_connect(const struct server_process *server)
{
    struct other o = {.fd = connect_tcp(server->port)};
    add_get(&o.request, &o.wanted, &items[ITEM_60]);
    // After this the server has made its one-time allocations and touched its stack.
    for (unsigned i = 0; i < 100; i++)
        require(round_trip(&o), "the other client gets no answer");
    return o;
}

static void other_close(struct other *o)
{
    close(o->fd);
    buf_release(&o->request);
    buf_release(&o->wanted);
    buf_release(&o->got);
}

// ---- memory -------------------------------------------------------------------------------------

// Checks that the server has freed the memory of a client. It notices a disconnection, and frees
// memory, within some turns.
static void check_memory_freed(struct memory *m, struct other *o, const char *what,
                               const char *when)
{
    unsigned turns = 0;
    long long grown;
    if (!m->measured)
        return;
    while ((grown = memory_grown(m)) > GONE_SLACK && turns < TURNS_TO_FREE) {
        require(round_trip(o), "the other client gets no answer");
        turns++;
    }
    ok(grown <= GONE_SLACK, "%s: memory is freed when %s", what, when);
    diag("%lld KiB are left after %u turns, %d allowed", grown / KiB, turns, GONE_SLACK / KiB);
}

// ---- a client that does not read ----------------------------------------------------------------

// A client that repeats one request. `sent` of `send_total` bytes are sent, and `received` of
// `receive_total` bytes are received.
struct flood {
    int fd;
    struct buf requests; // many copies of the request, for large sends
    size_t request_len;
    struct buf reply;
    size_t sent, send_total;
    size_t received, receive_total;
    bool wrong;
};

// Sends as much as the socket takes. Returns false when the server has closed the connection.
static bool flood_send(struct flood *f)
{
    while (f->sent < f->send_total) {
        size_t from = f->sent % f->request_len;
        size_t len = f->requests.len - from;
        if (len > f->send_total - f->sent)
            len = f->send_total - f->sent;
        ssize_t count = send(f->fd, f->requests.ptr + from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN;
        f->sent += (size_t)count;
    }
    return true;
}

// Receives once and compares. Returns false when the server has closed the connection.
static bool flood_receive(struct flood *f)
{
    static char bytes[MiB];
    ssize_t count = recv(f->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count <= 0)
        return count < 0 && errno == EAGAIN;
    for (size_t at = 0; at < (size_t)count && !f->wrong;) {
        size_t from = f->received % f->reply.len;
        size_t len = f->reply.len - from;
        if (len > (size_t)count - at)
            len = (size_t)count - at;
        f->wrong = memcmp(bytes + at, f->reply.ptr + from, len) != 0;
        at += len;
        f->received += len;
    }
    return true;
}

// Sends all requests before any reply is read, while the other client sends requests too. Returns
// false when they cannot be sent in time, or the other client is not answered.
static bool flood_first(struct flood *f, struct other *o)
{
    struct pollfd waiting = {f->fd, POLLOUT, 0};
    uint64_t end = clock_monotonic_ns() + PATIENCE_MS / 1000 * CLOCK_SECOND;
    while (f->sent < f->send_total && clock_monotonic_ns() < end) {
        if (poll(&waiting, 1, 0) == 1)
            require(flood_send(f), "the server has closed the connection");
        if (!round_trip(o))
            return false;
    }
    return f->sent == f->send_total;
}

// Sends the rest and reads all replies.
static void flood_finish(struct flood *f, struct memory *m)
{
    bool alive = true;
    for (unsigned i = 0; alive && !f->wrong && f->received < f->receive_total; i++) {
        bool sending = f->sent < f->send_total;
        struct pollfd waiting = {f->fd, (short)(sending ? POLLIN | POLLOUT : POLLIN), 0};
        alive = poll(&waiting, 1, PATIENCE_MS) == 1;
        if (alive && (waiting.revents & POLLOUT) != 0)
            alive = flood_send(f);
        if (alive && (waiting.revents & ~POLLOUT) != 0)
            alive = flood_receive(f);
        if (i % 256 == 0)
            memory_grown(m);
    }
}

static void test_flood(bool measured, unsigned gets, const struct item *item, long long allowed)
{
    enum { AT_ONCE = 1024 };
    struct server_process server = server_start_measured(data_file, NULL, measured);
    struct other other = other_connect(&server);
    struct memory memory = memory_before(server.pid, measured);
    struct flood f = {.fd = connect_tcp(server.port)};
    // A small buffer, or the client's own kernel buffer may hold most of the requests.
    int room = 64 * KiB;
    setsockopt(f.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    struct buf once = {0};
    add_get(&once, &f.reply, item);
    for (unsigned i = 0; i < AT_ONCE; i++)
        buf_append(&f.requests, buf_span(&once));
    f.request_len = once.len;
    f.send_total = once.len * gets;
    f.receive_total = f.reply.len * gets;

    char what[64];
    snprintf(what, sizeof what, "%u GETs of %zu bytes", gets, item->value.len);
    ok(flood_first(&f, &other), "%s: all are sent while no reply is read, and others are answered",
       what);
    allowed += (long long)f.send_total;
    memory_grown(&memory);
    memory_is_within(&memory, allowed, what);
    flood_finish(&f, &memory);
    ok(!f.wrong, "%s: every byte of the replies is right", what);
    is_number((int64_t)f.received, (int64_t)f.receive_total, "%s: no byte is missing", what);
    memory_is_within(&memory, allowed, what);
    shutdown(f.fd, SHUT_WR);
    struct buf more = {0};
    ok(receive_to_end(f.fd, &more) && more.len == 0, "%s: no byte follows the last reply", what);
    close(f.fd);
    other_close(&other);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&once);
    buf_release(&more);
    buf_release(&f.requests);
    buf_release(&f.reply);
}

// ---- clients that read slowly -------------------------------------------------------------------

static const size_t odd_sizes[] = {1, 7, 1000};

struct slow_reader {
    int fd;
    size_t received;
    size_t reads;
};

// Reads `count` bytes and compares them with `wanted`. Each read takes at most `step` bytes; 0: the
// odd sizes in turn.
static bool slow_read(struct slow_reader *reader, const char *wanted, size_t count, size_t step)
{
    static char bytes[MiB];
    while (count > 0) {
        size_t part = step != 0 ? step : odd_sizes[reader->reads % 3];
        ssize_t got = recv(reader->fd, bytes, part < count ? part : count, 0);
        // Ends the test, because each later failure would take as long.
        require(got >= 0 || errno != EAGAIN, "no byte %zu within %d ms", reader->received,
                PATIENCE_MS);
        if (got <= 0 || memcmp(bytes, wanted, (size_t)got) != 0) {
            diag("%s byte %zu", got <= 0 ? "closed at" : "a difference at or after",
                 reader->received);
            return false;
        }
        reader->reads++;
        reader->received += (size_t)got;
        wanted += got;
        count -= (size_t)got;
    }
    return true;
}

static void test_short_writes(struct random *r, int fd, const char *what)
{
    struct buf request = {0}, wanted = {0};
    for (unsigned i = 0; i < SLOW_COMMANDS; i++) {
        if (random_below(r, 4) == 0) {
            size_t keys = 1 + random_below(r, 8);
            add_mget_start(&request, &wanted, keys);
            for (; keys > 0; keys--)
                add_any_key(r, &request, &wanted);
        } else {
            add_get(&request, &wanted, &items[random_below(r, ITEMS)]);
        }
    }
    require(!request.oom && !wanted.oom, "no memory");
    struct slow_reader reader = {.fd = fd};
    ok(send_all(fd, buf_span(&request)) && slow_read(&reader, wanted.ptr, wanted.len, 0),
       "%s: %d commands, values of 0 bytes to 1 MiB, read by 1, 7 and 1000 bytes", what,
       SLOW_COMMANDS);
    diag("%zu bytes in %zu reads", wanted.len, reader.reads);
    shutdown(fd, SHUT_WR);
    struct buf more = {0};
    ok(receive_to_end(fd, &more) && more.len == 0, "%s: no byte follows the last reply", what);
    close(fd);
    buf_release(&request);
    buf_release(&wanted);
    buf_release(&more);
}

// ---- long MGETs ---------------------------------------------------------------------------------

struct long_mget {
    size_t keys; // all the same key, so that the reply is far longer than the request
    const struct item *item;
    bool leave;       // the client disconnects when it has read half
    long long memory; // memory allowed; 0: twice the request and MGET_SLACK
};

// Sends the MGET and a GET after it. The first elements are read in odd sizes, the others in larger
// steps.
static void test_long_mget(const struct server_process *server, struct other *other, bool measured,
                           struct long_mget m)
{
    enum { TOGETHER = 200, ODDLY = 20 * TOGETHER }; // elements
    char what[80];
    struct buf request = {0}, start = {0}, one = {0}, many = {0}, end = {0}, key = {0};
    snprintf(what, sizeof what, "MGET of %zu keys, %zu bytes each%s", m.keys, m.item->value.len,
             m.leave ? ", left half-way" : "");
    add_mget_start(&request, &start, m.keys);
    add_bulk(&key, span_of(m.item->key, UUID_TEXT_LEN));
    for (size_t i = 0; i < m.keys; i++)
        buf_append(&request, buf_span(&key));
    add_bulk(&one, m.item->value);
    for (unsigned i = 0; i < TOGETHER; i++)
        buf_append(&many, buf_span(&one));
    add_get(&request, &end, &items[ITEM_100_KIB]);
    require(!request.oom && !many.oom, "no memory");

    struct memory memory = memory_before(server->pid, measured);
    struct slow_reader reader = {.fd = connect_tcp(server->port)};
    bool good = send_all(reader.fd, buf_span(&request));
    for (unsigned i = 0; i < TURNS_WITHOUT_ROOM && good; i++)
        good = round_trip(other);
    ok(good, "%s: while no reply is read, other clients are answered", what);
    memory_grown(&memory);
    good = slow_read(&reader, start.ptr, start.len, 0);
    size_t until = m.leave ? m.keys / 2 : m.keys;
    for (size_t i = 0; good && i < until;) {
        size_t count = until - i < TOGETHER ? until - i : TOGETHER;
        good = slow_read(&reader, many.ptr, count * one.len, i < ODDLY ? 0 : 9973);
        i += count;
        if (i / TOGETHER % 4 == 0)
            memory_grown(&memory);
    }
    if (good && !m.leave)
        good = slow_read(&reader, end.ptr, end.len, 0);
    ok(good, "%s: every byte is right", what);
    memory_grown(&memory);
    memory_is_within(&memory, m.memory > 0 ? m.memory : (long long)request.len * 2 + MGET_SLACK,
                     what);
    if (!m.leave)
        check_memory_freed(&memory, other, what, "all is read");
    close(reader.fd);
    check_memory_freed(&memory, other, what, "the client has disconnected");
    buf_release(&request);
    buf_release(&start);
    buf_release(&one);
    buf_release(&many);
    buf_release(&end);
    buf_release(&key);
}

static void test_long_mgets(bool measured)
{
    const struct long_mget cases[] = {
        {MGET_LARGE, &items[ITEM_16383], .memory = MGET_LARGE_MEMORY},
        {MGET_LONG, &items[ITEM_1000]},
        {MGET_LONGEST, &items[ITEM_60]},
        {MGET_LONGEST, &items[ITEM_60], .leave = true},
    };
    struct server_process server = server_start_measured(data_file, NULL, measured);
    struct other other = other_connect(&server);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        test_long_mget(&server, &other, measured, cases[i]);
    other_close(&other);
    is_number(server_stop(&server), 0, "the server's exit code");
}

// ---- input byte by byte -------------------------------------------------------------------------

// Sends an MGET byte by byte. With `wait_each`, the server has read each byte before the next one
// is sent; only unix sockets report that.
static void test_bytewise(struct random *r, int fd, bool wait_each, const char *what)
{
    struct buf request = {0}, wanted = {0}, got = {0};
    add_mget_start(&request, &wanted, BYTEWISE_KEYS);
    for (unsigned i = 0; i < BYTEWISE_KEYS; i++) {
        const struct item *item = &items[random_below(r, ITEM_1000 + 1)];
        add_bulk(&request, span_of(item->key, UUID_TEXT_LEN));
        add_bulk(&wanted, item->value);
    }
    bool good = true;
    for (size_t i = 0; i < request.len && good; i++) {
        int unread = 0;
        good = send_all(fd, span_of(request.ptr + i, 1));
        while (good && wait_each && ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0)
            sched_yield();
    }
    ok(good && receive(fd, &got, wanted.len), "%s: MGET of %d keys sent byte by byte", what,
       BYTEWISE_KEYS);
    is_bytes(buf_span(&got), buf_span(&wanted),
             "%s: the reply to an MGET sent byte by byte is right", what);
    close(fd);
    buf_release(&request);
    buf_release(&wanted);
    buf_release(&got);
}

static void test_small_pieces(struct random *r)
{
    const char *path = test_path("socket");
    const char *const options[] = {"--unixsocket", path, NULL};
    struct server_process server = server_start(data_file, options);
    test_short_writes(r, connect_narrow(server.port), "TCP");
    test_short_writes(r, connect_unix(path), "unix socket");
    int fd = connect_tcp(server.port), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    test_bytewise(r, fd, false, "TCP");
    test_bytewise(r, connect_unix(path), true, "unix socket");
    is_number(server_stop(&server), 0, "the server's exit code");
}

int main(void)
{
    struct random r = random_seeded();
    write_data(&r);
    test_small_pieces(&r);
    test_long_mgets(true);
    test_flood(true, FLOOD_GETS, &items[ITEM_100_KIB], FLOOD_MEMORY);
    test_flood(true, FLOOD_GETS_COPIED, &items[ITEM_16383], FLOOD_MEMORY_COPIED);
    if (CHECKED_BUILD) {
        test_long_mgets(false);
        test_flood(false, FLOOD_GETS, &items[ITEM_100_KIB], 0);
        test_flood(false, FLOOD_GETS_COPIED, &items[ITEM_16383], 0);
    }
    buf_release(&data);
    return done_testing();
}
