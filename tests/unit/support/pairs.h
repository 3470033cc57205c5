// Clients that are connected to one worker, each by a socket pair. The test runs the event loop of
// the worker.
#ifndef STELE_TESTS_UNIT_PAIRS_H
#define STELE_TESTS_UNIT_PAIRS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct conn;
struct worker;

struct pairs {
    struct ev_loop *loop;
    struct worker *worker;
    uint64_t last_id; // id of the newest client
};

struct client {
    int fd; // the client's end, nonblocking
    struct conn *conn;
};

// Connects a client to the worker. Ends the test when it cannot.
struct client client_connect(struct pairs *p);

// Writes `text` to the server whole, or ends the test.
void client_send(const struct client *c, const char *text);

// Appends everything that has arrived to `to`. Returns false when the connection is closed.
bool client_receive(const struct client *c, struct buf *to);

// Runs the loop `times` times without waiting.
void pairs_turn(const struct pairs *p, unsigned times);

#endif
