// What the connections of one event loop share: the clock, the buffers for input and replies, the
// queue of clients to be answered, the lists that connections are on, and the sum of their memory.
//
// In one turn, the loop reads each socket that is ready, queues its client, and then answers the
// queued clients. A client's entry in the queue is the client's turn (struct turn).
//
// All of it belongs to the loop's thread, except counters, which other threads may read. A worker
// (net/worker.h) owns the loop and drives its connections. A connection knows only its loop.
#ifndef STELE_NET_LOOP_H
#define STELE_NET_LOOP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/counter.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/output.h"
#include "serve/service.h"

struct conn;

enum {
    // The largest number of bytes read from one client in one turn of the loop. The limit keeps one
    // client from delaying the others. It is the length of SESSION_TURN_WORK pipelined GETs of a
    // UUID.
    LOOP_READ_MAX = 14 * 1024,
    // The largest number of bytes read from all clients before they are answered. They fit into the
    // cache of one processor.
    LOOP_INPUT_MAX = 8 * LOOP_READ_MAX,
    LOOP_TURNS = 256, // largest number of clients that are answered together
    // Bytes by which the connections of a loop may grow before the memory of all loops is summed
    // again. Summing is slow, because it reads cache lines that other loops write.
    LOOP_MEMORY_STEP = 64 * 1024,
    MEMORY_CLASSES = 48, // one per power of two, up to 256 TiB
};

// The timeout that runs for a client. The settings request-timeout and write-timeout set the
// lengths.
enum client_timeout {
    TIMEOUT_REQUEST, // the client must send the rest of a request
    TIMEOUT_WRITE,   // the client must read replies, because the system takes no more of them
    TIMEOUT_NONE,    // no timeout runs; must stay the last value
};

// The order in which connections are closed when all clients together hold too much memory.
enum eviction {
    EVICT_FIRST,
    // Connections with CLIENT NO-EVICT, closed when no others are left to close. Redis closes them
    // never.
    EVICT_LAST,
    EVICT_NEVER, // connections that hold no more than an idle one does; must stay the last value
};

// The memory of one connection, as its loop counts it. It is a part of struct conn.
struct loop_memory {
    struct link class; // on the loop's list of connections with about as much memory
    size_t bytes;
};

// The entry of a client in the loop's queue. The client has sent bytes, or has unfinished work, and
// is answered in this turn of the loop.
struct turn {
    struct conn *conn;
    struct bytes input; // bytes to feed to the client's session
    size_t reply;       // bytes of the client's reply in the loop's output
};

struct loop {
    struct ev_loop *ev;
    struct service service;
    // Answers all queued clients. This may free their connections. Set by the worker.
    void (*take_turns)(struct loop *loop);
    // Called when a connection has grown and the loop's connections together hold `check_at` bytes
    // or more. Checks the limit of memory and sets `check_at` anew. Set by the worker.
    void (*over_memory)(struct loop *loop);

    // All connections share these buffers, so that an idle connection needs none.
    char *input;                   // LOOP_INPUT_MAX bytes
    size_t input_used;             // bytes of `input` that belong to queued clients
    struct output output;          // replies not sent yet
    char *piece;                   // FETCH_PIECE bytes of a large value (net/fetch.h), or NULL
    struct turn turns[LOOP_TURNS]; // queued clients
    unsigned turn_count;
    uint64_t now;   // time of this turn of the loop, monotonic ns; 0: the clock was not read yet
    ev_timer sweep; // closes idle, lingering and timed-out connections

    // Each connection is on one of these two lists.
    struct link active;    // least recently active first
    struct link lingering; // connections that only wait for the client to close its side
    // A connection is also on `ready`, on `to_close` or on neither. `ready` has the connections
    // with work although their client has sent nothing, such as a message to deliver. The
    // connection that has waited longest is the first.
    struct link ready;
    struct link to_close; // connections whose session was killed
    // For each timeout, the connections for which it runs, the one whose timeout started first at
    // the front.
    struct link timeouts[TIMEOUT_NONE];

    // Connections by their order of eviction and the logarithm of their memory.
    struct link memory[EVICT_NEVER][MEMORY_CLASSES];
    // Bytes that this loop's connections hold when the limit of memory is checked next. It is at
    // most LOOP_MEMORY_STEP more than they hold now.
    uint64_t check_at;
    // Bytes by which connections have grown since freed memory was last returned to the system.
    uint64_t grown;

    // Number of connections that were closed since the start. The thread that accepts reads it for
    // each new client. So it shares no cache line with data that is written for each request.
    _Alignas(MEMORY_LINE) struct counter closed_connections;
};

// Prepares a zeroed loop, with a service that it adds to `group`. Returns false when memory is
// short. `ev` and `group` must outlive the loop. The caller then sets `take_turns`, `over_memory`
// and the callback of `sweep`.
bool loop_init(struct loop *loop, struct ev_loop *ev, struct service_group *group);

// Releases the buffers and the service. The loop must have no connections.
void loop_release(struct loop *loop);

// Returns the time of this turn of the loop, in monotonic ns. libev's own time is not used, because
// it is the wall clock, which may jump.
uint64_t loop_now(struct loop *loop);

// Returns memory for LOOP_READ_MAX bytes of a client's input. It is valid until the next call;
// loop_add_turn keeps it for the client's turn. May answer the queued clients first, to make room.
char *loop_input(struct loop *loop);

// Queues a client, whose `len` bytes of input are at the address that loop_input returned; 0 is
// allowed. With a `len` of 0 it may answer the queued clients first, to make room.
void loop_add_turn(struct loop *loop, struct conn *conn, size_t len);

// Counts the `bytes` bytes that a connection holds now. May call `over_memory`, which may evict
// connections, including this one.
void loop_count_memory(struct loop *loop, struct loop_memory *memory, size_t bytes,
                       enum eviction eviction);

// Starts the timer of the sweep unless it runs. Called when a connection lingers or a timeout
// starts.
void loop_start_sweep(struct loop *loop);

#endif
