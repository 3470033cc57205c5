// Sockets that listen.
#ifndef STELE_NET_LISTENER_H
#define STELE_NET_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/address.h"

struct error;

struct listener {
    int fd;                  // nonblocking
    char text[ADDRESS_TEXT]; // where it listens, with the real port
    unsigned port;           // 0 for a unix socket
    bool owns_path;          // a unix socket whose file is removed when it closes
    dev_t device;            // that file, so that another's is not removed
    ino_t inode;
    unsigned ending; // that file, if a signal ends the program (base/ending.h)
};

enum { LISTENERS_MAX = 16 };

// Whether `address` ("*", "0.0.0.0", "::" or another spelling of it) stands for all addresses of a
// family. Such ones have to be opened before others: the system refuses them afterwards.
bool listener_is_wildcard(const char *address);

// Both functions take an address for this process from here on, so that no other one takes it for
// free: it is bound and listened on, with room for `backlog` connections that wait to be accepted.

// Listens on the TCP `address` ("127.0.0.1", "::1", a host name, "*" for all of both families) and
// `port` (0: the system chooses one, the same for all), adding to `list` one listener for each
// address it stands for that is not listened on yet. Of several addresses those that this machine
// does not have are left out, if it has one. False with a message when it has none, or when one
// cannot be had; those added stay.
bool listener_open_tcp(struct listener *list, unsigned *count, const char *address, unsigned port,
                       unsigned backlog, struct error *error);

// Listens on a unix socket at `path`, with the permissions `mode` (0: as the umask says). A socket
// file nobody listens on any more is replaced; one that is in use, or another kind of file, is an
// error.
bool listener_open_unix(struct listener *list, unsigned *count, const char *path, unsigned mode,
                        unsigned backlog, struct error *error);

// Whether clients can still find it: false with a message when the file of a unix socket has been
// removed or replaced since.
bool listener_is_reachable(const struct listener *listener, struct error *error);

// Closes the socket and removes its file, if it has one and it is still this socket's.
void listener_close(struct listener *listener);

#endif
