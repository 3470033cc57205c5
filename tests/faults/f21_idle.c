// Fault F21 (docs/faults.md): the memory of clients that do little: 10,000 clients that have been
// answered and send nothing more, and 100 clients that read a large value in small steps.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "data/uuid_text.h"
#include "support/crowd.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

enum {
    KiB = 1024,
    MiB = 1024 * 1024,
    PATIENCE_MS = 20000,

    IDLE = 10000,
    IDLE_CHECKED = 1000, // clients of the server that is built with a sanitizer (support/memory.h)
    IDLE_MEMORY = KiB,   // bytes that a client may take
    // Bytes that do not depend on the number of clients. They are added to the limit if fewer than
    // IDLE clients can be opened.
    IDLE_SLACK = 256 * KiB,
    IDLE_SPARE = 200, // descriptors for other purposes, here and in the server
    PIPELINE = 100,   // requests
    WARM_UP = 64,     // clients before the measurement, so that each loop has had some

    // GETs of item 1 in one pipeline. The values are copied into the replies. Together they exceed
    // the loop's output and the socket's buffer.
    COPIES = 30,
    FEW = 100, // one idle client in FEW sends such a pipeline

    SLOW = 100,             // clients that request the large value
    SLOW_WHOLE = 2,         // how many of the SLOW clients read the whole value
    SLOW_MEMORY = 25 * MiB, // bytes that all SLOW clients together may take
    SLOW_READ = 4 * KiB,    // bytes of one read of a client that reads slowly
    WHOLE_READ = 64 * KiB,  // bytes of one read of a client that reads the whole value

    LARGE = 64 * MiB, // bytes of the value that is read slowly
    KEYS = 50,
    COPIED = 16383, // bytes of the longest value that is copied
};

static struct item {
    char key[UUID_TEXT_LEN + 1];
    struct span value;
} items[KEYS]; // item 0 has LARGE bytes, and item 1 has COPIED bytes
static struct buf data;
static const char *data_file;

static size_t size_of(unsigned item)
{
    return item == 0 ? LARGE : item == 1 ? COPIED : item * 7;
}

static void write_data(struct random *r)
{
    size_t total = 0;
    for (unsigned i = 0; i < KEYS; i++)
        total += UUID_TEXT_LEN + 1 + size_of(i) + 1;
    char *at = buf_reserve(&data, total);
    require(at != NULL, "no memory");
    data.len = total;
    for (unsigned i = 0; i < KEYS; i++) {
        uuid_format((struct uuid){random_next(r), random_next(r)}, items[i].key);
        memcpy(at, items[i].key, UUID_TEXT_LEN);
        at += UUID_TEXT_LEN;
        *at++ = ' ';
        items[i].value = span_of(at, size_of(i));
        uint64_t word = 0;
        for (size_t j = 0; j < size_of(i); j++, word >>= 8) {
            word = j % 8 == 0 ? random_next(r) : word;
            *at++ = (char)word == '\n' ? '\r' : (char)word;
        }
        *at++ = '\n';
    }
    data_file = test_file("data", buf_span(&data));
}

static void add_get(struct buf *request, struct buf *reply, const struct item *item)
{
    buf_append_text(request, "*2\r\n$3\r\nGET\r\n");
    append_bulk(request, span_text(item->key));
    if (reply != NULL)
        append_bulk(reply, item->value);
}

// ---- idle clients -------------------------------------------------------------------------------

// A pipeline and its replies, with the offsets at which each request and each reply ends.
struct pipeline {
    struct buf requests, replies;
    size_t request_ends[PIPELINE], reply_ends[PIPELINE];
};

static void pipeline_init(struct pipeline *p)
{
    *p = (struct pipeline){0};
    for (unsigned i = 0; i < PIPELINE; i++) {
        add_get(&p->requests, &p->replies, &items[2 + i % (KEYS - 2)]);
        p->request_ends[i] = p->requests.len;
        p->reply_ends[i] = p->replies.len;
    }
}

// Sends the pipeline with a pause in the middle of a request, so that the server has to keep its
// beginning. The pause lasts until the replies to the previous requests have come.
static bool converses_cut(int fd, const struct pipeline *p, struct random *r)
{
    unsigned whole = 1 + (unsigned)random_below(r, PIPELINE - 1);
    size_t asked = p->request_ends[whole - 1], answered = p->reply_ends[whole - 1];
    size_t cut = asked + 1 + random_below(r, p->request_ends[whole] - asked - 1);
    struct buf got = {0};
    bool good = send_all(fd, span_of(p->requests.ptr, cut)) && receive(fd, &got, answered) &&
                send_all(fd, span_of(p->requests.ptr + cut, p->requests.len - cut)) &&
                receive(fd, &got, p->replies.len - answered) &&
                span_equal(buf_span(&got), buf_span(&p->replies));
    buf_release(&got);
    return good;
}

static void test_idle(struct random *r, bool measured, unsigned count, const char *threads)
{
    static int fds[IDLE];
    struct pipeline pipeline;
    char what[80], most[16];
    struct buf copies = {0}, copied = {0};
    snprintf(most, sizeof most, "%u", count + WARM_UP);
    snprintf(what, sizeof what, "%u idle clients, %s", count,
             threads != NULL ? "one loop" : "a loop for each processor");
    const char *options[] = {"--maxclients", most, threads != NULL ? "--threads" : NULL, threads,
                             NULL};
    pipeline_init(&pipeline);
    for (unsigned i = 0; i < COPIES; i++)
        add_get(&copies, &copied, &items[1]);
    struct server_process server = server_start_measured(data_file, options, measured);
    unsigned wrong = 0;
    for (unsigned i = 0; i < WARM_UP; i++) {
        fds[i] = crowd_connect(i, server.port);
        wrong += !converses_cut(fds[i], &pipeline, r);
        wrong += !crowd_converses(fds[i], buf_span(&copies), buf_span(&copied));
    }
    for (unsigned i = 0; i < WARM_UP; i++)
        close(fds[i]);
    server_await_idle(&server);

    struct memory memory = memory_before(server.pid, measured);
    for (unsigned i = 0; i < count; i++) {
        // A few clients have small socket buffers, so the server has to keep replies for a while.
        bool narrow = i % FEW == 0;
        fds[i] = narrow ? connect_narrow(server.port) : crowd_connect(i, server.port);
        if (narrow)
            wrong += !crowd_converses(fds[i], buf_span(&copies), buf_span(&copied));
        if (i % 2 == 0)
            wrong += !converses_cut(fds[i], &pipeline, r);
        else
            wrong +=
                !crowd_converses(fds[i], buf_span(&pipeline.requests), buf_span(&pipeline.replies));
        if (i % 500 == 0)
            memory_grown(&memory);
    }
    is_number(wrong, 0, "%s: all replies are right", what);
    server_await_idle(&server);
    long long during = memory_grown(&memory);
    memory_is_within(&memory, (long long)count * IDLE_MEMORY + (count < IDLE ? IDLE_SLACK : 0),
                     what);
    // The clients are still connected.
    for (unsigned i = 0; i < count; i += 97)
        wrong += !crowd_converses(fds[i], SPAN("PING\r\n"), SPAN("+PONG\r\n"));
    is_number(wrong, 0, "%s: they are answered again", what);
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    server_await_idle(&server);
    if (measured)
        diag("RssAnon: %lld KiB before, %lld KiB with them (%lld bytes each), %lld KiB after",
             memory.before / KiB, (memory.before + during) / KiB, during / count,
             (memory.before + memory_grown(&memory)) / KiB);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&pipeline.requests);
    buf_release(&pipeline.replies);
    buf_release(&copies);
    buf_release(&copied);
}

// ---- clients that read slowly -------------------------------------------------------------------

struct slow {
    int fd;
    size_t received;
};

// Reads what has been received, at most `most` bytes. Returns false if it is not the next part of
// `wanted`, or if the server has closed the connection.
static bool slow_read(struct slow *s, size_t most, struct span wanted)
{
    static char bytes[WHOLE_READ];
    size_t left = wanted.len - s->received;
    ssize_t count = recv(s->fd, bytes, most < left ? most : left, MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN;
    bool good = count > 0 && memcmp(bytes, wanted.ptr + s->received, (size_t)count) == 0;
    s->received += (size_t)count;
    return good;
}

// Reads until the first SLOW_WHOLE clients have all of the value. The others read a little now and
// then. Returns the number of errors.
static unsigned read_slowly(struct slow *slow, struct span wanted, struct memory *memory)
{
    unsigned wrong = 0, next = 0, whole = 0;
    // First, all clients receive the beginning of their reply.
    for (unsigned i = 0; i < SLOW; i++) {
        struct pollfd begun = {slow[i].fd, POLLIN, 0};
        wrong += poll(&begun, 1, PATIENCE_MS) < 1 || !slow_read(&slow[i], SLOW_READ, wanted);
    }
    memory_grown(memory);
    for (unsigned rounds = 0; whole < SLOW_WHOLE && wrong == 0; rounds++) {
        struct pollfd waiting[SLOW_WHOLE];
        whole = 0;
        for (unsigned i = 0; i < SLOW_WHOLE; i++)
            waiting[i] =
                (struct pollfd){slow[i].received < wanted.len ? slow[i].fd : -1, POLLIN, 0};
        wrong += poll(waiting, SLOW_WHOLE, PATIENCE_MS) < 1;
        for (unsigned i = 0; i < SLOW_WHOLE; i++) {
            if (waiting[i].revents != 0)
                wrong += !slow_read(&slow[i], WHOLE_READ, wanted);
            whole += slow[i].received == wanted.len;
        }
        wrong += !slow_read(&slow[SLOW_WHOLE + next], SLOW_READ, wanted);
        next = (next + 1) % (SLOW - SLOW_WHOLE);
        if (rounds % 64 == 0)
            memory_grown(memory);
    }
    return wrong;
}

// If `pipelines` is set, another client requests many copied values before each slow client sends
// its request, so that the loop needs much memory for its output. No slow client may keep that
// memory.
static void test_slow(bool measured, bool pipelines)
{
    static struct slow slow[SLOW];
    const char *options[] = {"--threads", "1", NULL};
    const char *what =
        pipelines ? "a large value, read slowly, beside pipelines" : "a large value, read slowly";
    struct buf request = {0}, wanted = {0}, copies = {0}, copied = {0};
    add_get(&request, &wanted, &items[0]);
    for (unsigned i = 0; i < COPIES; i++)
        add_get(&copies, &copied, &items[1]);
    require(!wanted.oom && !copied.oom, "no memory");
    struct server_process server = server_start_measured(data_file, options, measured);
    int other = connect_tcp(server.port);
    for (unsigned i = 0; i < 4; i++)
        require(crowd_converses(other, buf_span(&copies), buf_span(&copied)), "no answer");
    server_await_idle(&server);

    struct memory memory = memory_before(server.pid, measured);
    unsigned wrong = 0;
    for (unsigned i = 0; i < SLOW; i++) {
        slow[i] = (struct slow){.fd = i < SLOW_WHOLE ? connect_tcp(server.port)
                                                     : connect_narrow(server.port)};
        if (pipelines)
            wrong += !crowd_converses(other, buf_span(&copies), buf_span(&copied));
        wrong += !send_all(slow[i].fd, buf_span(&request));
    }
    wrong += read_slowly(slow, buf_span(&wanted), &memory);
    is_number(wrong, 0, "%s: every byte is right", what);
    unsigned begun = 0;
    size_t received = 0;
    for (unsigned i = 0; i < SLOW; i++) {
        begun += slow[i].received > 0;
        received += slow[i].received;
    }
    ok(slow[0].received == wanted.len && slow[1].received == wanted.len,
       "%s: two clients have all %zu bytes", what, wanted.len);
    is_number(begun, SLOW, "%s: all clients have received some", what);
    ok(crowd_converses(other, buf_span(&copies), buf_span(&copied)),
       "%s: another client is answered", what);
    long long during = memory_grown(&memory);
    memory_is_within(&memory, SLOW_MEMORY, what);
    for (unsigned i = 0; i < SLOW; i++)
        close(slow[i].fd);
    server_await_idle(&server);
    if (measured)
        diag("RssAnon: %lld KiB before, %lld KiB with them (most %lld), %lld KiB after; the %d "
             "clients received %zu bytes together",
             memory.before / KiB, (memory.before + during) / KiB, memory.most / KiB,
             (memory.before + memory_grown(&memory)) / KiB, SLOW, received);
    close(other);
    is_number(server_stop(&server), 0, "the server's exit code");
    buf_release(&request);
    buf_release(&wanted);
    buf_release(&copies);
    buf_release(&copied);
}

int main(void)
{
    struct random r = random_seeded();
    write_data(&r);
    unsigned clients = crowd_allowed(IDLE, IDLE_SPARE);
    test_idle(&r, true, clients, "1");
    test_idle(&r, true, clients, NULL);
    test_slow(true, false);
    test_slow(true, true);
    if (CHECKED_BUILD) {
        test_idle(&r, false, clients < IDLE_CHECKED ? clients : IDLE_CHECKED, NULL);
        test_slow(false, true);
    }
    buf_release(&data);
    return done_testing();
}
