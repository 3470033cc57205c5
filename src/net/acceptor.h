// The acceptor admits clients. It has the listeners, the limit of clients, the rules about which
// clients may connect, and the options of their sockets. It gives accepted sockets to the workers.
//
// All functions are for the thread of the loop that accepts.
#ifndef STELE_NET_ACCEPTOR_H
#define STELE_NET_ACCEPTOR_H

#include <ev.h>
#include <stdbool.h>

#include "net/address_list.h"
#include "net/listener.h"

struct error;
struct settings;
struct workers;

// The caller provides the memory, zeroed.
struct acceptor {
    struct ev_loop *ev;
    const struct settings *settings;
    struct workers *workers;
    struct listener listeners[LISTENERS_MAX];
    ev_io watchers[LISTENERS_MAX]; // one for each listener, in the same order
    unsigned listener_count;
    struct address_list proxies; // peers that must send a PROXY protocol header
    ev_timer pause;              // ends a pause of accepting
    bool accept_failed;          // resources were short at the last accept, and the log said so
};

// Raises the limit of open files so that `settings->runtime.maxclients` clients fit, and
// connections to the `probed` other nodes of the cluster. Where the
// system does not allow that, lowers `settings->runtime.maxclients`. Sets
// `settings->maxclients_most` to the number of clients that fit. Describes a change in `note`, for
// the log; without a change `note` stays as it is. Returns false with a message when no client
// would fit.
bool acceptor_reserve_descriptors(struct settings *settings, unsigned probed, struct error *note,
                                  struct error *error);

// Listens on all addresses of `settings`, which must outlive the acceptor. Clients that connect
// wait until acceptor_start. Replaces a port of 0 by the port that the system chose. Returns false
// with a message when an address cannot be opened, or an address of a proxy is malformed; the only
// valid call is then acceptor_close.
bool acceptor_open(struct acceptor *a, struct settings *settings, struct error *error);

// Returns the address of the first listener: a TCP address with the real port, or else the path of
// the unix socket.
const char *acceptor_address(const struct acceptor *a);

// Returns whether clients reach a listener at this host and port. `host` is an address as text, an
// IPv6 address without brackets. A listener on a wildcard has all addresses of this machine. Any
// thread may call this after acceptor_open.
bool acceptor_listens_at(const struct acceptor *a, const char *host, unsigned port);

// Returns true when clients can still reach all listeners. Returns false with a message when the
// file of a unix socket was removed or replaced.
bool acceptor_is_reachable(const struct acceptor *a, struct error *error);

// Starts to accept clients, in the loop `ev`, and to give them to `workers`.
void acceptor_start(struct acceptor *a, struct ev_loop *ev, struct workers *workers);

// Stops accepting clients. May be called more than once, and without acceptor_start.
void acceptor_stop(struct acceptor *a);

// Closes the listeners and removes their files. The acceptor must have been stopped, if it was
// started. Does nothing for a zeroed acceptor.
void acceptor_close(struct acceptor *a);

#endif
