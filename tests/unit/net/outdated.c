// Tests when a worker closes connections. One that still reads a dataset replaced many reloads ago
// is closed, so that the memory for old datasets is bounded. One whose client has vanished is
// closed even while nothing is sent to it. One that only seems idle, because the loop was late,
// stays open.
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "net/worker.h"
#include "support/service.h"
#include "support/tap.h"
#include "unit/support/pairs.h"

enum { LARGE = 1000000, MORE = 5 };

static const char key[] = "00000000-0000-4000-8000-000000000001";
static struct service_group group;
static struct pairs pairs;
static struct buf text;
static unsigned datasets_freed;

static void on_unread(void *context, struct dataset *d)
{
    (void)context;
    datasets_freed++;
    dataset_free(d);
}

static struct dataset *open_one(void)
{
    struct error error = {""};
    struct dataset *d =
        dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(d != NULL, "%s", error.text);
    dataset_on_unreferenced(d, on_unread, NULL);
    return d;
}

// Replaces the dataset by another of the same content.
static void publish(void)
{
    struct dataset *d = open_one();
    require(service_prepare(&pairs.worker->loop.service, d), "no memory");
    dataset_close(d); // the snapshot has a reference of its own
    service_publish(&pairs.worker->loop.service);
    worker_close_outdated(pairs.worker);
    pairs_turn(&pairs, 2);
}

static int64_t connected(void)
{
    return (int64_t)counter_get(&pairs.worker->loop.service.stats.connected_clients);
}

// Each of the readers sends `request` and then holds a dataset of its own. There are more datasets
// than may be held, so the readers of the oldest ones must be closed.
static void check_readers(const char *request, const char *name)
{
    enum { READERS = OLDER_SNAPSHOTS_MAX + MORE };
    struct client readers[READERS];
    struct buf got = {0};
    unsigned freed = datasets_freed, open = 0;
    struct client idle = client_connect(&pairs);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = client_connect(&pairs);
        client_send(&readers[i], request);
        pairs_turn(&pairs, 3);
        publish();
    }
    is_number((int64_t)(datasets_freed - freed), MORE, "%s: number of datasets freed", name);
    is_number(connected(), READERS - MORE + 1, "%s: number of connections left", name);
    is_number((int64_t)counter_get(&pairs.worker->loop.service.stats.outdated_clients), MORE,
              "%s: outdated_clients counts the closed readers", name);
    counter_set(&pairs.worker->loop.service.stats.outdated_clients, 0);
    for (unsigned i = 0; i < READERS; i++) {
        got.len = 0;
        for (unsigned j = 0; j < 200 && client_receive(&readers[i], &got); j++)
            pairs_turn(&pairs, 1);
        bool is_open = got.len > LARGE;
        open += is_open;
        if (is_open != (i >= MORE))
            diag("%s: reader %u has %zu bytes", name, i, got.len);
        close(readers[i].fd);
    }
    is_number(open, READERS - MORE, "%s: the other readers get their whole reply", name);
    client_send(&idle, "PING\r\n");
    pairs_turn(&pairs, 3);
    got.len = 0;
    ok(client_receive(&idle, &got) && span_is(buf_span(&got), "+PONG\r\n"),
       "%s: an idle client stays connected", name);
    close(idle.fd);
    pairs_turn(&pairs, 3);
    publish();
    is_number(connected(), 0, "all connections are closed");
    buf_release(&got);
}

// A client vanishes while its long transaction runs without replies. No write can fail, so the
// server must notice it in another way.
static void check_gone(void)
{
    char request[128];
    struct linger reset = {1, 0};
    // A reset needs a TCP connection, as a socket pair has none.
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    require(bind(listening, (struct sockaddr *)&address, len) == 0 && listen(listening, 1) == 0 &&
                getsockname(listening, (struct sockaddr *)&address, &len) == 0,
            "cannot listen");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(connect(fd, (struct sockaddr *)&address, len) == 0, "cannot connect");
    int accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    require(accepted >= 0, "not accepted");
    worker_adopt(pairs.worker, accepted, ++pairs.last_id, true, false);
    struct client c = {fd, NULL};
    client_send(&c, "CLIENT REPLY OFF\r\nMULTI\r\n");
    snprintf(request, sizeof request, "BITCOUNT %s\r\n", key);
    for (unsigned i = 0; i < 2000; i++)
        client_send(&c, request);
    client_send(&c, "EXEC\r\n");
    pairs_turn(&pairs, 50);
    is_number(connected(), 1, "(the transaction is running)");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    pairs_turn(&pairs, 3);
    is_number(connected(), 0, "the connection of a client that has vanished is closed");
    close(listening);
}

// A loop is blocked for longer than the idle timeout, and finds input of some clients afterwards.
static void check_late(void)
{
    enum { CLIENTS = 200 }; // more than the system reports at once
    struct client clients[CLIENTS];
    struct buf got = {0};
    unsigned answered = 0;
    group.runtime.timeout = 1;
    worker_settings_changed(pairs.worker);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_connect(&pairs);
        client_send(&clients[i], "PING\r\n");
    }
    pairs_turn(&pairs, 5);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_receive(&clients[i], &got);
        if (i % 2 == 0)
            client_send(&clients[i], "PING\r\n");
    }
    // Blocks the loop.
    require(nanosleep(&(struct timespec){1, 300000000}, NULL) == 0, "no sleep");
    ev_now_update(pairs.loop);
    ev_feed_event(pairs.loop, &pairs.worker->loop.sweep, EV_TIMER);
    ev_invoke_pending(pairs.loop);
    pairs_turn(&pairs, 10);
    for (unsigned i = 0; i < CLIENTS; i++) {
        got.len = 0;
        bool open = client_receive(&clients[i], &got);
        answered += open && span_is(buf_span(&got), "+PONG\r\n");
        close(clients[i].fd);
    }
    is_number(answered, CLIENTS / 2, "clients that had sent a request are answered");
    pairs_turn(&pairs, 10);
    is_number(connected(), 0, "clients that had not are closed");
    buf_release(&got);
}

int main(void)
{
    struct error error = {""};
    char request[512];
    buf_append_text(&text, key);
    buf_append_text(&text, " ");
    for (unsigned i = 0; i < LARGE; i++)
        buf_append_text(&text, "v");
    buf_append_text(&text, "\n");
    struct dataset *dataset = open_one();
    signal(SIGPIPE, SIG_IGN); // as the server does
    pairs.loop = ev_default_loop(EVFLAG_AUTO);
    service_group_init(&group, &test_settings, dataset, command_groups);
    pairs.worker = worker_new(pairs.loop, &group, &error);
    require(pairs.worker != NULL, "%s", error.text);
    dataset_close(dataset); // the snapshot has a reference of its own
    snprintf(request, sizeof request, "GET %s\r\n", key);
    check_readers(request, "a value that is being sent");
    snprintf(request, sizeof request, "MULTI\r\nGET %s\r\nGET %s\r\nGET %s\r\nEXEC\r\n", key, key,
             key);
    check_readers(request, "an unfinished transaction");
    check_gone();
    check_late();
    worker_free(pairs.worker);
    service_group_release(&group);
    ev_loop_destroy(pairs.loop);
    buf_release(&text);
    return done_testing();
}
