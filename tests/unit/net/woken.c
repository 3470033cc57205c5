// Clients that others wake, to be told something or to be closed: none is forgotten, whatever its
// connection is doing meanwhile; and many of them do not keep the others waiting.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "net/conn.h"
#include "net/worker.h"
#include "support/service.h"
#include "support/tap.h"
#include "unit/support/pairs.h"

enum { LISTENERS = 1000, LARGE = 300000, ALARM = 60 };

static const char key[] = "00000000-0000-4000-8000-000000000001";

static struct service_group group;
static struct pairs pairs;

static bool ends_with(const struct buf *text, const char *end)
{
    size_t len = strlen(end);
    return text->len >= len && memcmp(text->ptr + text->len - len, end, len) == 0;
}

// Its connection waits to write and to read when, in one turn, all is sent, so that it waits to
// read only, and another client behind it (or before it) has woken it.
static void check_settling(bool behind, bool killed)
{
    const char *name = killed ? "killed" : "told";
    const char *order = behind ? "by one behind it" : "by one before it";
    char request[64];
    struct buf got = {0};
    struct client c = client_connect(&pairs);
    struct client other = client_connect(&pairs);
    client_send(&c, "HELLO 3\r\nSUBSCRIBE news\r\n");
    pairs_turn(&pairs, 3);
    snprintf(request, sizeof request, "GET %s\r\n", key);
    client_send(&c, request);
    while ((c.conn->io.events & EV_WRITE) == 0) {
        pairs_turn(&pairs, 1);
        require(counter_get(&pairs.worker->loop.service.stats.connected_clients) == 2,
                "a client is gone");
    }
    client_receive(&c, &got);
    client_send(&c, "PING\r\n");
    if (killed)
        snprintf(request, sizeof request, "CLIENT KILL ID %llu\r\n",
                 (unsigned long long)c.conn->session.id);
    client_send(&other, killed ? request : "PUBLISH news today\r\n");
    // libev calls for the latest first.
    ev_feed_event(pairs.loop, behind ? &other.conn->io : &c.conn->io,
                  EV_READ | (behind ? 0 : EV_WRITE));
    ev_feed_event(pairs.loop, behind ? &c.conn->io : &other.conn->io,
                  EV_READ | (behind ? EV_WRITE : 0));
    ev_invoke_pending(pairs.loop);
    pairs_turn(&pairs, 5);
    bool open = client_receive(&c, &got);
    if (killed)
        ok(!open, "%s %s: it is closed", name, order);
    else
        ok(ends_with(&got, "news\r\n$5\r\ntoday\r\n") || ends_with(&got, "+PONG\r\n"),
           "%s %s: it hears the message", name, order);
    is_number(memmem(got.ptr, got.len, "today", 5) != NULL, !killed, "%s %s: the message", name,
              order);
    close(c.fd);
    close(other.fd);
    pairs_turn(&pairs, 5);
    is_number((int64_t)counter_get(&pairs.worker->loop.service.stats.connected_clients), 0,
              "all are gone");
    buf_release(&got);
}

// However many are woken, sockets that are ready have their turn in between; and the loop does not
// wait for sockets before all are told.
static void check_many(void)
{
    struct client *listeners = calloc(LISTENERS, sizeof *listeners);
    struct client publisher = client_connect(&pairs);
    struct client asker = client_connect(&pairs);
    struct buf got = {0}, pongs = {0};
    unsigned told = 0, turns = 0, first = 0;
    require(listeners != NULL, "no memory");
    for (unsigned i = 0; i < LISTENERS; i++) {
        listeners[i] = client_connect(&pairs);
        client_send(&listeners[i], "SUBSCRIBE news\r\n");
        pairs_turn(&pairs, 1);
    }
    pairs_turn(&pairs, 5);
    for (unsigned i = 0; i < LISTENERS; i++)
        client_receive(&listeners[i], &got);
    client_send(&publisher, "PUBLISH news today\r\n");
    alarm(ALARM); // where the loop waits, it does for ever
    while (told < LISTENERS) {
        client_send(&asker, "PING\r\n");
        ev_run(pairs.loop, EVRUN_ONCE);
        client_receive(&asker, &pongs);
        turns++;
        // What is read in one turn is answered at the begin of the next.
        require(pongs.len >= (turns - 1) * strlen("+PONG\r\n"), "a client waits in turn %u", turns);
        unsigned before = told;
        for (unsigned i = 0; i < LISTENERS; i++) {
            got.len = 0;
            client_receive(&listeners[i], &got);
            told += got.len > 0;
        }
        first = first == 0 ? told : first;
        require(told > before || turns == 1, "nobody is told in turn %u", turns);
    }
    alarm(0);
    ok(turns >= 10 && first < LISTENERS / 4, "%u are told in %u turns, %u in the first", told,
       turns, first);
    // They leave in one turn, each of them woken.
    client_send(&publisher, "PUBLISH news tomorrow\r\n");
    for (unsigned i = 0; i < LISTENERS; i++)
        close(listeners[i].fd);
    pairs_turn(&pairs, LISTENERS);
    is_number((int64_t)counter_get(&pairs.worker->loop.service.stats.connected_clients), 2,
              "two are left");
    close(publisher.fd);
    close(asker.fd);
    pairs_turn(&pairs, 3);
    free(listeners);
    buf_release(&got);
    buf_release(&pongs);
}

// What had piled up for one that reads slowly is not kept for all. It is sent behind what waits for
// its socket or, where that has just been taken, with the others' replies: what is left of a
// message when a socket has taken all it can decides.
static void check_room(size_t size)
{
    struct buf got = {0};
    struct client slow = client_connect(&pairs);
    struct client publisher = client_connect(&pairs);
    char *message = malloc(size + 64);
    require(message != NULL, "no memory");
    client_send(&slow, "SUBSCRIBE news\r\n");
    pairs_turn(&pairs, 3);
    snprintf(message, 64, "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$%zu\r\n", size);
    size_t head = strlen(message), all = head + size + 2;
    memset(message + head, 'x', size);
    memcpy(message + head + size, "\r\n", 3);
    unsigned messages = (unsigned)(4000000 / size);
    for (unsigned i = 0; i < messages; i++) {
        for (size_t sent = 0; sent < all;) {
            ssize_t count = write(publisher.fd, message + sent, all - sent);
            sent += count > 0 ? (size_t)count : 0;
            pairs_turn(&pairs, 1);
        }
        pairs_turn(&pairs, 2);
    }
    ok(slow.conn->session.pushes.len > 3000000, "messages of %zu bytes: (much has piled up)", size);
    for (unsigned i = 0; i < 10000 && got.len < messages * size; i++) {
        client_receive(&slow, &got);
        pairs_turn(&pairs, 1);
    }
    ok(got.len > messages * size, "all of it is read");
    pairs_turn(&pairs, 3);
    ok(pairs.worker->loop.output.owned.cap <= 1024 * 1024, "%zu bytes are kept",
       pairs.worker->loop.output.owned.cap);
    close(slow.fd);
    close(publisher.fd);
    pairs_turn(&pairs, 3);
    free(message);
    buf_release(&got);
}

int main(void)
{
    struct error error = {""};
    struct buf text = {0};
    buf_append_text(&text, key);
    buf_append_text(&text, " ");
    for (unsigned i = 0; i < LARGE; i++)
        buf_append_text(&text, "v");
    buf_append_text(&text, "\n");
    struct dataset *dataset =
        dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    signal(SIGPIPE, SIG_IGN); // as the server does
    pairs.loop = ev_default_loop(EVFLAG_AUTO);
    service_group_init(&group, &test_settings, dataset, command_groups);
    pairs.worker = worker_new(pairs.loop, &group, &error);
    require(pairs.worker != NULL, "%s", error.text);
    for (unsigned i = 0; i < 4; i++)
        check_settling(i % 2 == 0, i < 2);
    check_many();
    for (size_t size = 260000; size <= 400000; size += 20000)
        check_room(size);
    worker_free(pairs.worker);
    ev_loop_destroy(pairs.loop);
    dataset_close(dataset);
    buf_release(&text);
    return done_testing();
}
