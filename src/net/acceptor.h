// The way in for clients: the sockets that listen, the limits of how many clients there may be, the
// rules of who may come in, and the options of their sockets. Accepted sockets go to the workers.
//
// All functions are for the thread of the loop that accepts.
#ifndef STELE_NET_ACCEPTOR_H
#define STELE_NET_ACCEPTOR_H

#include <ev.h>
#include <stdbool.h>

#include "net/listener.h"

struct error;
struct settings;
struct workers;

// The caller places it and zeroes it.
struct acceptor {
    struct ev_loop *ev;
    const struct settings *settings;
    struct workers *workers;
    struct listener listeners[LISTENERS_MAX];
    ev_io watchers[LISTENERS_MAX]; // of the listeners, in their order
    unsigned listener_count;
    ev_timer pause;     // runs while the system refuses connections
    bool accept_failed; // the system refused the last one; logged once, until one is accepted
};

// Raises the limit of open files so that `maxclients` of `settings` clients fit. Where the system
// does not allow that, lowers `maxclients`. Sets `maxclients_most` to the clients that fit. A
// change is described in `note`, for the log; otherwise `note` stays as it is. False with a message
// when there is room for no client.
bool acceptor_reserve_descriptors(struct settings *settings, struct error *note,
                                  struct error *error);

// Listens on all addresses of `settings`, which must outlive the acceptor; clients that connect
// wait until acceptor_start. A port of 0 is replaced by the port that the system chose. False with
// a message when an address cannot be had; the acceptor is then only to be closed.
bool acceptor_open(struct acceptor *a, struct settings *settings, struct error *error);

// The first address, with the real port: of TCP, or else the path of the unix socket.
const char *acceptor_address(const struct acceptor *a);

// True when clients can still find all listeners. False with a message when the file of a unix
// socket was removed or replaced.
bool acceptor_is_reachable(const struct acceptor *a, struct error *error);

// Accepts clients from here on, in loop `ev`, and gives them to `workers`.
void acceptor_start(struct acceptor *a, struct ev_loop *ev, struct workers *workers);

// Accepts no more clients. More than once is allowed, also without acceptor_start.
void acceptor_stop(struct acceptor *a);

// Closes the listeners, which must not be watched any more, and removes their files. A zeroed
// acceptor is allowed.
void acceptor_close(struct acceptor *a);

#endif
