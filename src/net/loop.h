// The things that the connections of one event loop share: the clock, the buffers for input and
// replies, the turns, the lists that connections are on, and the count of their memory.
//
// All of it belongs to the loop's thread, but for counters, which other threads may read. A worker
// (net/worker.h) owns a loop and drives its connections; a connection knows its loop only.
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
    // Bytes read from one client per turn of the loop, so that no client delays the others: as many
    // as SESSION_TURN_WORK pipelined GETs of a UUID have.
    LOOP_READ_MAX = 14 * 1024,
    // Bytes read from all clients before they are answered: a processor's own cache holds them.
    LOOP_INPUT_MAX = 8 * LOOP_READ_MAX,
    LOOP_TURNS = 256, // clients that are answered together
    // Bytes by which the connections of a loop may grow before the memory of all loops is summed
    // again: summing reads what other loops write.
    LOOP_MEMORY_STEP = 64 * 1024,
    MEMORY_CLASSES = 48, // powers of two, up to 256 TiB
};

// The things that a connection waits for from its client, which has limited time for each.
enum client_timeout {
    TIMEOUT_REQUEST, // the rest of a command
    TIMEOUT_WRITE,   // room for replies: the client must read those that were sent
    TIMEOUT_NONE,    // or something that may come at any time; the last of the enum
};

// Which connections are closed first when all clients together hold too much memory.
enum eviction {
    EVICT_FIRST,
    EVICT_LAST,  // those with CLIENT NO-EVICT
    EVICT_NEVER, // those that hold no more than an idle connection does; the last of the enum
};

// The memory of one connection, as its loop counts it. Part of the connection.
struct loop_memory {
    struct link class; // on the loop's list of connections that hold about as much
    size_t bytes;
};

// A client that has sent something, or has more work to be done, and waits for its answer.
struct turn {
    struct conn *conn;
    struct bytes input; // bytes to feed to its session
    size_t reply;       // bytes of the loop's output that are its reply
};

struct loop {
    struct ev_loop *ev;
    struct service service;
    // Set by the worker. Answers all clients in line; they may be freed by it.
    void (*take_turns)(struct loop *loop);
    // Set by the worker. Called when a connection has grown and all hold `check_at` bytes or more;
    // sets `check_at` anew.
    void (*over_memory)(struct loop *loop);

    // An idle connection needs no buffers: all active ones share these.
    char *input; // LOOP_INPUT_MAX bytes
    size_t input_used;
    struct output output; // replies not sent yet
    struct turn turns[LOOP_TURNS];
    unsigned turn_count;
    uint64_t now;   // monotonic ns, as last read in this turn of the loop; 0: not read yet
    ev_timer sweep; // closes idle and lingering connections; the worker sets its callback

    // Each connection is on one of these two.
    struct link active;    // the least recently active first
    struct link lingering; // all is sent; the client's end is awaited
    // A connection is on at most one of these two.
    struct link ready;    // they have something to do without input, the longest waiting first
    struct link to_close; // their sessions were killed
    struct link timeouts[TIMEOUT_NONE]; // they await the same, the longest waiting first

    struct link memory[EVICT_NEVER][MEMORY_CLASSES]; // by the logarithm of the memory they hold
    uint64_t check_at; // bytes; at most LOOP_MEMORY_STEP more than all hold
    uint64_t grown;    // bytes by which connections grew since freed memory was last given back

    // Connections that are gone, of all that were adopted. The thread that accepts reads it for
    // each new client, so it shares no cache line with data that is written for each request.
    _Alignas(MEMORY_LINE) struct counter closed_connections;
};

// Prepares a zeroed loop, with a service that it adds to `group`. False when memory is short.
// `ev` and `group` must outlive the loop. The caller then sets the two functions and the callback
// of `sweep`.
bool loop_init(struct loop *loop, struct ev_loop *ev, struct service_group *group);

// Gives back the buffers and the service. The loop must have no connections.
void loop_release(struct loop *loop);

// The time of this turn of the loop, in monotonic ns. (libev's own is the wall clock, which may
// jump.)
uint64_t loop_now(struct loop *loop);

// Memory for LOOP_READ_MAX bytes of a client's input, valid until the next call. May answer the
// clients in line first.
char *loop_input(struct loop *loop);

// Puts a client in line. The `len` bytes that it has sent are at loop_input's address; 0 is
// allowed. May answer the clients in line first.
void loop_add_turn(struct loop *loop, struct conn *conn, size_t len);

// Counts that a connection holds `bytes` bytes now. May call `over_memory`, which may evict
// connections, this one too.
void loop_count_memory(struct loop *loop, struct loop_memory *memory, size_t bytes,
                       enum eviction eviction);

// Starts the timer of the sweep unless it runs: a connection lingers or awaits something.
void loop_start_sweep(struct loop *loop);

#endif
