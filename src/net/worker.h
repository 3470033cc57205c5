// One loop and its connections, on a thread of its own: everything in it belongs to that thread,
// but for counters, which others may read.
#ifndef STELE_NET_WORKER_H
#define STELE_NET_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/counter.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/output.h"
#include "net/conn.h"
#include "serve/service.h"

struct error;

struct conn;

enum {
    // Bytes read from one client per turn of the loop, so that no client holds the others up: what
    // SESSION_TURN_WORK pipelined GETs of a UUID take.
    WORKER_READ_MAX = 14 * 1024,
    // Bytes read from all of them before they are answered: within a processor's own cache.
    WORKER_INPUT_MAX = 8 * WORKER_READ_MAX,
    WORKER_TURNS = 256, // clients that are answered together
    // Bytes of replies that are sent before more clients are answered: the kernel then copies them
    // from the processor's first cache.
    WORKER_REPLIES = 8 * 1024,
    HOLDING_CLASSES = 48, // 256 TiB
};

// A client that has sent something, or has more to be done, and is still to be answered.
struct turn {
    struct conn *conn;
    struct bytes heard; // what its session is to be fed
    size_t reply;       // bytes of the worker's output that are for it
};

struct worker {
    struct ev_loop *loop;
    struct service service;
    struct link active;    // connections, least recently active first
    struct link lingering; // those on their way out
    // An idle connection needs no buffers: these are shared by all that are active.
    char *input; // WORKER_INPUT_MAX bytes
    size_t input_used;
    struct output output; // replies that are still to be sent
    struct turn turns[WORKER_TURNS];
    unsigned turn_count;
    ev_timer sweep; // closes idle and lingering connections
    uint64_t now;   // monotonic ns, as last read in this turn of the loop; 0: not yet
    ev_prepare turn_end;
    struct link woken;  // connections that have something to be told, the longest waiting first
    struct link doomed; // the same, which are to be closed
    ev_idle hurry;      // active while there are any: the loop then does not wait for sockets
    ev_timer pause;     // of CLIENT PAUSE
    uint64_t pause_end; // that it is set for; monotonic ns
    void (*drained)(struct worker *worker); // set while stopping: called when no connection is left
    void *owner;                            // for `drained`

    struct link waiting[AWAITS_NOTHING]; // connections that await the same, the longest first
    // Those that hold memory, by its logarithm; apart those that are not to be closed for it.
    struct link holding[2][HOLDING_CLASSES];
    uint64_t checked_to; // bytes they may hold until those of all loops are summed again
    uint64_t taken;      // bytes that they took since freed memory was given back last

    // Connections that are gone, of all that were adopted. Read by the thread that accepts for each
    // new client, so it does not share a line with what is written for each request.
    _Alignas(MEMORY_LINE) struct counter gone;
};

// A worker with a service of the group. NULL with a message when memory is short. `group` must
// outlive the worker.
struct worker *worker_new(struct ev_loop *loop, struct service_group *group, struct error *error);

// Closes all connections at once and frees the worker. NULL is accepted.
void worker_free(struct worker *worker);

// Takes over an accepted, nonblocking socket, of the client that CLIENT ID calls `id`. It is
// closed, and gone, when memory is short.
void worker_adopt(struct worker *worker, int fd, uint64_t id, bool local);

// WORKER_READ_MAX bytes to read a client's input into. May answer others.
char *worker_input(struct worker *worker);

// Puts a client in line with the bytes it has sent, `len` of them at worker_input's. May answer
// others.
void worker_add_turn(struct worker *worker, struct conn *conn, size_t len);

// CONFIG SET may have given the worker something to do, a timeout to watch; or clients of other
// loops hold too much, and those of this one may, too.
void worker_settings_changed(struct worker *worker);

// The dataset was replaced: closes those who still read one that is too old.
void worker_leave_behind(struct worker *worker);

// Answers all that are in line.
void worker_take_turns(struct worker *worker);

// Lets every connection finish what it has been asked, then calls `drained`, perhaps at once.
void worker_drain(struct worker *worker, void (*drained)(struct worker *worker));

// For connections: the time of this turn of the loop, monotonic ns. libev's own is the wall clock,
// which may jump.
uint64_t worker_now(struct worker *worker);
// For connections: one is gone.
void worker_lost(struct worker *worker);
// For connections: one holds so many bytes now. When all clients of all loops hold too much, those
// with the most are killed.
void worker_account(struct worker *worker, struct conn *conn, size_t held);
// For connections: one lingers or awaits something, so the sweep must run.
void worker_sweeps(struct worker *worker);

#endif
