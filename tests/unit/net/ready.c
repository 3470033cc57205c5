// Tests connections that become ready without input, because another client publishes to them or
// kills them. None is forgotten, whatever its connection does at that moment, and many of them do
// not delay the other clients.
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
#include "support/crowd.h"
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

// A client gets a message, or is killed, in the same turn in which the rest of a long reply is sent
// and its watcher changes from writing and reading to reading only. `after`: the loop handles the
// client that publishes or kills after this client, otherwise before it.
static void check_changing(bool after, bool killed)
{
    const char *name = killed ? "killed by a client" : "published to by a client";
    const char *order = after ? "handled after it" : "handled before it";
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
    // libev handles the event that was fed last first.
    ev_feed_event(pairs.loop, after ? &other.conn->io : &c.conn->io,
                  EV_READ | (after ? 0 : EV_WRITE));
    ev_feed_event(pairs.loop, after ? &c.conn->io : &other.conn->io,
                  EV_READ | (after ? EV_WRITE : 0));
    ev_invoke_pending(pairs.loop);
    pairs_turn(&pairs, 5);
    bool open = client_receive(&c, &got);
    if (killed)
        ok(!open, "%s %s: the connection is closed", name, order);
    else
        ok(ends_with(&got, "news\r\n$5\r\ntoday\r\n") || ends_with(&got, "+PONG\r\n"),
           "%s %s: all replies have arrived", name, order);
    is_number(memmem(got.ptr, got.len, "today", 5) != NULL, !killed,
              "%s %s: the message arrives unless it was killed", name, order);
    close(c.fd);
    close(other.fd);
    pairs_turn(&pairs, 5);
    is_number((int64_t)counter_get(&pairs.worker->loop.service.stats.connected_clients), 0,
              "all connections are closed");
    buf_release(&got);
}

// A message to many subscribers: in between, other clients are answered in each turn, and the loop
// does not wait for events before all subscribers have the message.
static void check_many(void)
{
    require(crowd_allowed(2 * LISTENERS, 100) == 2 * LISTENERS, "too few files may be open");
    struct client *listeners = calloc(LISTENERS, sizeof *listeners);
    struct client publisher = client_connect(&pairs);
    struct client other = client_connect(&pairs);
    struct buf got = {0}, pongs = {0};
    unsigned received = 0, turns = 0, first = 0;
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
    alarm(ALARM); // ends the test if the loop waits for events
    while (received < LISTENERS) {
        client_send(&other, "PING\r\n");
        ev_run(pairs.loop, EVRUN_ONCE);
        client_receive(&other, &pongs);
        turns++;
        // Requests that are read in one turn are answered at the beginning of the next.
        require(pongs.len >= (turns - 1) * strlen("+PONG\r\n"),
                "a client is not answered in turn %u", turns);
        unsigned before = received;
        for (unsigned i = 0; i < LISTENERS; i++) {
            got.len = 0;
            client_receive(&listeners[i], &got);
            received += got.len > 0;
        }
        first = first == 0 ? received : first;
        require(received > before || turns == 1, "no subscriber gets the message in turn %u",
                turns);
    }
    alarm(0);
    ok(turns >= 10 && first < LISTENERS / 4,
       "%u subscribers get the message in %u turns, %u of them in the first", received, turns,
       first);
    // All subscribers disconnect while a message makes them ready.
    client_send(&publisher, "PUBLISH news tomorrow\r\n");
    for (unsigned i = 0; i < LISTENERS; i++)
        close(listeners[i].fd);
    pairs_turn(&pairs, LISTENERS);
    is_number((int64_t)counter_get(&pairs.worker->loop.service.stats.connected_clients), 2,
              "only the two other clients are left");
    close(publisher.fd);
    close(other.fd);
    pairs_turn(&pairs, 3);
    free(listeners);
    buf_release(&got);
    buf_release(&pongs);
}

// Messages pile up for a slow reader. They are sent after the replies in the connection's own
// output, or if that is empty, through the loop's output, which then becomes large. The loop must
// not keep such a large buffer. Which way is taken depends on the message size, so several sizes
// are tried.
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
    ok(slow.conn->session.pushes.len > 3000000, "messages of %zu bytes have piled up", size);
    for (unsigned i = 0; i < 10000 && got.len < messages * size; i++) {
        client_receive(&slow, &got);
        pairs_turn(&pairs, 1);
    }
    ok(got.len > messages * size, "all messages arrive");
    pairs_turn(&pairs, 3);
    ok(pairs.worker->loop.output.owned.cap <= 1024 * 1024,
       "the loop keeps a buffer of only %zu bytes", pairs.worker->loop.output.owned.cap);
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
        check_changing(i % 2 == 0, i < 2);
    check_many();
    for (size_t size = 260000; size <= 400000; size += 20000)
        check_room(size);
    worker_free(pairs.worker);
    ev_loop_destroy(pairs.loop);
    dataset_close(dataset);
    buf_release(&text);
    return done_testing();
}
