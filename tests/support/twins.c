// All clients run in one thread. For each request that a client has sent, it keeps the reply of
// both files. The bytes that arrive are compared with both.
#include "support/twins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "support/server.h"
#include "support/talk.h"

enum {
    IN_FLIGHT_MAX = 16, // requests of a client that wait for their replies
    ASKERS_MAX = 512,
    PATIENCE_MS = 60000,
    MGET_MAX = 20,
    MGET_LONG = 700, // most keys of one MGET in ten; more than the server looks up in a turn
    EXEC_MAX = 6,
    SCAN_COUNT = 10,
    WRONG_SHOWN = 5,
    RECEIVED = 64 * 1024,
    EITHER = 2, // possible replies to a request, one from each file
};

// ---- the files ----------------------------------------------------------------------------------

static void append_key(struct buf *to, unsigned i)
{
    buf_printf(to, "00000000-0000-4000-8000-%012u", i);
}

static void append_value(struct buf *to, unsigned which, unsigned i)
{
    buf_printf(to, "%c%u:", which == 0 ? 'a' : 'b', i);
    append_bytes(to, which == 0 ? 'A' : 'B',
                 i % TWINS_LARGE_EACH == 0 ? TWINS_LARGE : (i * 37 + which * 11) % 200);
}

static const char *write_file(unsigned which, unsigned keys)
{
    struct buf lines = {0};
    for (unsigned n = 0; n < keys; n++) {
        unsigned i = which == 0 ? n : keys - 1 - n;
        append_key(&lines, i);
        buf_append_text(&lines, " ");
        append_value(&lines, which, i);
        buf_append_text(&lines, "\n");
    }
    const char *path = test_file(which == 0 ? "even.data" : "odd.data", buf_span(&lines));
    buf_release(&lines);
    return path;
}

static void put_in_place(const struct twins *t)
{
    const char *file = t->files[t->begun % 2];
    int made = t->by_link ? symlink(file, t->fresh) : link(file, t->fresh);
    require(made == 0 && rename(t->fresh, t->live) == 0, "cannot replace %s: %s", t->live,
            strerror(errno));
}

void twins_write(struct twins *t, unsigned keys, bool by_link)
{
    *t = (struct twins){.keys = keys, .by_link = by_link};
    t->files[0] = write_file(0, keys);
    t->files[1] = write_file(1, keys);
    t->live = test_path("live.data");
    t->fresh = test_path("fresh.data");
    unlink(t->live);
    put_in_place(t);
}

void twins_replace(struct twins *t)
{
    t->begun++;
    put_in_place(t);
}

void twins_acknowledge(struct twins *t)
{
    t->acknowledged = t->begun;
}

// ---- requests and their possible replies --------------------------------------------------------

// A request that waits for its reply.
struct flight {
    struct buf wanted[EITHER]; // reply from each file
    bool possible[EITHER];     // the bytes received so far agree with that reply
    unsigned from;             // least generation that may answer the request
    unsigned run;              // number of the askers_run that sent the request
};

// A client.
struct asker {
    int fd;
    struct buf to_send;
    size_t sent; // bytes of `to_send` that were sent
    struct flight flights[IN_FLIGHT_MAX];
    unsigned first;      // index of the oldest request in `flights`
    unsigned count;      // number of requests in `flights`
    size_t received;     // bytes received of the reply to the oldest request
    unsigned generation; // latest generation that the client has received a reply from
    unsigned fresh;      // number of replies to requests of this run
};

struct askers {
    const struct twins *twins;
    struct random *random;
    unsigned count;        // number of clients
    unsigned long replies; // number of replies since askers_replies
    unsigned wrong;        // number of wrong replies
    unsigned run;          // number of calls of askers_run
    struct asker each[ASKERS_MAX];
};

static void expect_value(struct flight *f, unsigned i)
{
    for (unsigned which = 0; which < EITHER; which++) {
        struct buf value = {0};
        append_value(&value, which, i);
        append_bulk(&f->wanted[which], buf_span(&value));
        buf_release(&value);
    }
}

static void expect_text(struct flight *f, const char *text)
{
    for (unsigned which = 0; which < EITHER; which++)
        buf_append_text(&f->wanted[which], text);
}

static void expect_count(struct flight *f, unsigned count)
{
    char text[32];
    snprintf(text, sizeof text, "*%u\r\n", count);
    expect_text(f, text);
}

static void append_key_argument(struct buf *to, unsigned i)
{
    struct buf key = {0};
    append_key(&key, i);
    append_bulk(to, buf_span(&key));
    buf_release(&key);
}

static void send_get(struct askers *a, struct buf *to, struct flight *f, bool queued)
{
    unsigned i = (unsigned)random_below(a->random, a->twins->keys);
    buf_append_text(to, "*2\r\n$3\r\nGET\r\n");
    append_key_argument(to, i);
    if (queued)
        expect_text(f, "+QUEUED\r\n");
    else
        expect_value(f, i);
}

static void send_mget(struct askers *a, struct buf *to, struct flight *f)
{
    unsigned most = random_below(a->random, 10) == 0 ? MGET_LONG : MGET_MAX;
    unsigned count = 1 + (unsigned)random_below(a->random, most);
    buf_printf(to, "*%u\r\n$4\r\nMGET\r\n", count + 1);
    expect_count(f, count);
    while (count-- > 0) {
        unsigned i = (unsigned)random_below(a->random, a->twins->keys);
        append_key_argument(to, i);
        expect_value(f, i);
    }
}

static void send_exec(struct askers *a, struct buf *to, struct flight *f)
{
    unsigned keys[EXEC_MAX];
    unsigned count = 1 + (unsigned)random_below(a->random, EXEC_MAX);
    append_request(to, "MULTI");
    expect_text(f, "+OK\r\n");
    for (unsigned k = 0; k < count; k++) {
        keys[k] = (unsigned)random_below(a->random, a->twins->keys);
        buf_append_text(to, "*2\r\n$3\r\nGET\r\n");
        append_key_argument(to, keys[k]);
        expect_text(f, "+QUEUED\r\n");
    }
    append_request(to, "EXEC");
    expect_count(f, count);
    for (unsigned k = 0; k < count; k++)
        expect_value(f, keys[k]);
}

// The reply is the same from both files.
static void send_scan(struct askers *a, struct buf *to, struct flight *f)
{
    char text[64];
    unsigned keys = a->twins->keys;
    unsigned cursor = (unsigned)random_below(a->random, keys);
    unsigned end = cursor + SCAN_COUNT < keys ? cursor + SCAN_COUNT : keys;
    snprintf(text, sizeof text, "SCAN %u COUNT %d", cursor, SCAN_COUNT);
    append_request(to, text);
    snprintf(text, sizeof text, "%u", end < keys ? end : 0);
    expect_text(f, "*2\r\n");
    for (unsigned which = 0; which < EITHER; which++)
        append_bulk(&f->wanted[which], span_text(text));
    expect_count(f, end - cursor);
    for (unsigned which = 0; which < EITHER; which++)
        for (unsigned i = cursor; i < end; i++)
            append_key_argument(&f->wanted[which], i);
}

static void send_request(struct askers *a, struct asker *c)
{
    struct flight *f = &c->flights[(c->first + c->count++) % IN_FLIGHT_MAX];
    f->from = a->twins->acknowledged;
    f->run = a->run;
    f->possible[0] = f->possible[1] = true;
    for (unsigned which = 0; which < EITHER; which++)
        f->wanted[which].len = 0;
    switch (random_below(a->random, 8)) {
    case 0: send_mget(a, &c->to_send, f); break;
    case 1: send_exec(a, &c->to_send, f); break;
    case 2: send_scan(a, &c->to_send, f); break;
    default: send_get(a, &c->to_send, f, false); break;
    }
}

// ---- replies ------------------------------------------------------------------------------------

static void wrong(struct askers *a, const struct asker *c, const char *why)
{
    if (a->wrong++ < WRONG_SHOWN)
        diag("client %d: %s (received generation %u, begun %u, acknowledged %u)",
             (int)(c - a->each), why, c->generation, a->twins->begun, a->twins->acknowledged);
}

// Checks the generation of a reply that is complete.
static void check_generation(struct askers *a, struct asker *c, const struct flight *f)
{
    a->replies++;
    c->fresh += f->run == a->run;
    if (f->possible[0] && f->possible[1])
        return;
    unsigned which = f->possible[1];
    unsigned least = f->from > c->generation ? f->from : c->generation;
    unsigned generation = least % 2 == which ? least : least + 1;
    if (generation > a->twins->begun)
        wrong(a, c, "an old value after a new one");
    else
        c->generation = generation;
}

// Compares received bytes with the replies that may come.
static void check_bytes(struct askers *a, struct asker *c, struct span bytes)
{
    while (bytes.len > 0) {
        struct flight *f = &c->flights[c->first];
        if (c->count == 0) {
            wrong(a, c, "a reply without a request");
            return;
        }
        size_t some = 0;
        for (unsigned which = 0; which < EITHER; which++) {
            struct span wanted = buf_span(&f->wanted[which]);
            size_t left = wanted.len - (c->received < wanted.len ? c->received : wanted.len);
            size_t len = left < bytes.len ? left : bytes.len;
            f->possible[which] = f->possible[which] && left > 0 &&
                                 memcmp(wanted.ptr + c->received, bytes.ptr, len) == 0;
            if (f->possible[which] && len > some)
                some = len;
        }
        if (!f->possible[0] && !f->possible[1]) {
            wrong(a, c, "a reply that is from neither file");
            diag("%.*s", (int)(bytes.len < 60 ? bytes.len : 60), bytes.ptr);
            require(false, "the next replies cannot be found");
        }
        c->received += some;
        bytes = span_of(bytes.ptr + some, bytes.len - some);
        unsigned which = f->possible[0] ? 0 : 1;
        if (c->received < f->wanted[which].len)
            continue;
        check_generation(a, c, f);
        c->received = 0;
        c->first = (c->first + 1) % IN_FLIGHT_MAX;
        c->count--;
    }
}

// ---- turns --------------------------------------------------------------------------------------

static void refill(struct askers *a, struct asker *c)
{
    if (c->count > 0 || c->sent < c->to_send.len)
        return;
    c->to_send.len = c->sent = 0;
    for (unsigned n = 1 + (unsigned)random_below(a->random, IN_FLIGHT_MAX); n > 0; n--)
        send_request(a, c);
}

static void turn(struct askers *a, struct asker *c, short events)
{
    static char received[RECEIVED];
    if ((events & POLLOUT) != 0) {
        ssize_t sent =
            send(c->fd, c->to_send.ptr + c->sent, c->to_send.len - c->sent, MSG_NOSIGNAL);
        require(sent > 0 || errno == EAGAIN, "a connection failed: %s", strerror(errno));
        c->sent += sent > 0 ? (size_t)sent : 0;
    }
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        ssize_t got = recv(c->fd, received, sizeof received, 0);
        require(got > 0 || (got < 0 && errno == EAGAIN), "a connection was closed: %s",
                got < 0 ? strerror(errno) : "end");
        if (got > 0)
            check_bytes(a, c, span_of(received, (size_t)got));
    }
}

// Sends and receives for all clients that can. Returns whether `fd` can be read.
static bool poll_once(struct askers *a, int fd, bool ask_more)
{
    struct pollfd waiting[ASKERS_MAX + 1];
    for (unsigned i = 0; i < a->count; i++) {
        struct asker *c = &a->each[i];
        if (ask_more)
            refill(a, c);
        short out = c->sent < c->to_send.len ? POLLOUT : 0;
        waiting[i] = (struct pollfd){c->fd, (short)(POLLIN | out), 0};
    }
    waiting[a->count] = (struct pollfd){fd, POLLIN, 0};
    require(poll(waiting, a->count + 1, PATIENCE_MS) > 0, "no reply comes any more");
    for (unsigned i = 0; i < a->count; i++)
        turn(a, &a->each[i], waiting[i].revents);
    return fd >= 0 && waiting[a->count].revents != 0;
}

static bool all_had(struct askers *a, unsigned replies)
{
    for (unsigned i = 0; i < a->count; i++)
        if (a->each[i].fresh < replies)
            return false;
    return true;
}

void askers_run(struct askers *a, int fd, unsigned replies)
{
    a->run++;
    for (unsigned i = 0; i < a->count; i++)
        a->each[i].fresh = 0;
    bool readable = fd < 0;
    while (!readable || !all_had(a, replies))
        readable |= poll_once(a, fd, true);
}

struct askers *askers_new(const struct twins *t, int port, unsigned count, struct random *r,
                          const char *password)
{
    struct buf auth = {0};
    if (password != NULL)
        buf_printf(&auth, "AUTH %s\r\n", password);
    struct askers *a = calloc(1, sizeof *a);
    require(a != NULL && count <= ASKERS_MAX, "no memory");
    *a = (struct askers){.twins = t, .random = r, .count = count};
    for (unsigned i = 0; i < count; i++) {
        a->each[i].fd = connect_tcp(port);
        if (password != NULL)
            require(answers(a->each[i].fd, buf_span(&auth), SPAN("+OK\r\n"), "AUTH"), "no AUTH");
        require(fcntl(a->each[i].fd, F_SETFL, O_NONBLOCK) == 0, "cannot set O_NONBLOCK");
        a->each[i].generation = t->acknowledged;
    }
    buf_release(&auth);
    return a;
}

unsigned long askers_replies(struct askers *a)
{
    unsigned long replies = a->replies;
    a->replies = 0;
    return replies;
}

unsigned askers_wrong(const struct askers *a)
{
    return a->wrong;
}

void askers_rest(struct askers *a)
{
    for (unsigned i = 0; i < a->count; i++)
        while (a->each[i].count > 0)
            poll_once(a, -1, false);
}

void askers_free(struct askers *a)
{
    askers_rest(a);
    for (unsigned i = 0; i < a->count; i++) {
        struct asker *c = &a->each[i];
        close(c->fd);
        buf_release(&c->to_send);
        for (unsigned f = 0; f < IN_FLIGHT_MAX; f++)
            for (unsigned which = 0; which < EITHER; which++)
                buf_release(&c->flights[f].wanted[which]);
    }
    free(a);
}

// ---- resources of a server ----------------------------------------------------------------------

struct holdings holdings_of(pid_t pid)
{
    char path[64];
    char line[1024];
    struct holdings h = {.resident = process_field(pid, "status", "RssAnon")};
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *fds = opendir(path);
    require(fds != NULL, "no %s", path);
    while (readdir(fds) != NULL)
        h.descriptors++;
    closedir(fds);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    require(maps != NULL, "no %s", path);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long long from;
        unsigned long long to;
        if (strstr(line, test_folder()) != NULL && sscanf(line, "%llx-%llx", &from, &to) == 2)
            h.mapped += (long long)(to - from);
    }
    fclose(maps);
    return h;
}
