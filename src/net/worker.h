// A worker drives the connections of one loop (net/loop.h). It answers the queued clients, and
// those that got work without sending a request, such as a published message. It closes connections
// whose timeout is over, or that exceed the limit of memory. It drains all connections when the
// server stops.
//
// Each worker runs on a thread of its own, and all functions are for that thread.
#ifndef STELE_NET_WORKER_H
#define STELE_NET_WORKER_H

#include <ev.h>
#include <stdbool.h>

#include "net/loop.h"

struct error;

struct worker {
    struct loop loop;    // shared with the connections
    ev_prepare turn_end; // called before the loop waits for events
    ev_idle busy;        // active while connections are ready, so that the loop does not wait
    ev_timer pause;      // ends CLIENT PAUSE
    uint64_t pause_end;  // the time that `pause` is set for; monotonic ns; 0: not set
    // Function to call once, when no connection is left. NULL until worker_drain is called.
    void (*drained)(struct worker *worker);
    bool reported; // `drained` was called
    void *owner;   // set by the caller of worker_new, for `drained`
    // Number of connections that sweeps have closed since the memory was last trimmed, and the
    // bytes that these connections held.
    uint64_t swept;
    uint64_t swept_bytes;
};

// Makes a worker on `ev`, with a service that it adds to `group`. Returns NULL with a message when
// memory is short. `ev` and `group` must outlive the worker.
struct worker *worker_new(struct ev_loop *ev, struct service_group *group, struct error *error);

// Closes all connections at once and frees the worker. NULL is accepted.
void worker_free(struct worker *worker);

// Takes ownership of an accepted, nonblocking socket. `id` is the client's CLIENT ID; `local`: the
// peer is on this machine; `proxied`: the peer is a proxy, which must first send a PROXY protocol
// header. When memory is short, the socket is closed, a warning is logged, and the connection
// counts as closed.
void worker_adopt(struct worker *worker, int fd, uint64_t id, bool local, bool proxied);

// Applies the present settings, because CONFIG SET may have set a timeout. Also checks the limit of
// memory, which this loop's connections may exceed together with those of other loops.
void worker_settings_changed(struct worker *worker);

// Closes the connections whose client still reads a dataset that is too old
// (service_oldest_snapshot). To be called after the dataset was replaced.
void worker_close_outdated(struct worker *worker);

// Answers all queued clients.
void worker_take_turns(struct worker *worker);

// Makes every connection answer the requests that have arrived and then close. Calls `drained`
// once, when no connection is left, perhaps within this call.
void worker_drain(struct worker *worker, void (*drained)(struct worker *worker));

#endif
