// A worker drives the connections of one loop (net/loop.h): it answers the clients in line, attends
// to those that other clients have made ready, ends those whose time is over, keeps the limit of
// their memory, and drains them when the server stops.
//
// Each worker runs on a thread of its own, and all functions are for that thread.
#ifndef STELE_NET_WORKER_H
#define STELE_NET_WORKER_H

#include <ev.h>
#include <stdbool.h>

#include "net/loop.h"

struct error;

struct worker {
    struct loop loop; // shared with the connections
    ev_prepare turn_end;
    ev_idle busy;       // active while connections are ready: the loop then does not wait
    ev_timer pause;     // of CLIENT PAUSE
    uint64_t pause_end; // the time that `pause` is set for; monotonic ns
    void (*drained)(struct worker *worker); // set while stopping; see worker_drain
    bool reported;                          // `drained` was called
    void *owner;                            // for `drained`
};

// Makes a worker on `ev`, with a service of the group. NULL with a message when memory is short.
// `ev` and `group` must outlive the worker.
struct worker *worker_new(struct ev_loop *ev, struct service_group *group, struct error *error);

// Closes all connections at once and frees the worker. NULL is accepted.
void worker_free(struct worker *worker);

// Takes over an accepted, nonblocking socket, of the client that CLIENT ID calls `id`. When memory
// is short, the socket is closed, a warning is logged, and the connection counts as gone.
void worker_adopt(struct worker *worker, int fd, uint64_t id, bool local);

// Looks at the settings again: CONFIG SET may have set a timeout to watch. Also looks at the limit
// of memory again, as clients of other loops may exceed it together with those of this loop.
void worker_settings_changed(struct worker *worker);

// Closes the clients that still read a dataset which is too old. Called when the dataset was
// replaced.
void worker_close_outdated(struct worker *worker);

// Answers all clients in line.
void worker_take_turns(struct worker *worker);

// Lets every connection finish the requests that have arrived, then calls `drained` once, perhaps
// within this call.
void worker_drain(struct worker *worker, void (*drained)(struct worker *worker));

#endif
