// Listeners: sockets that wait for clients at a TCP address or at a unix path.
#ifndef STELE_NET_LISTENER_H
#define STELE_NET_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/address.h"

struct error;

struct listener {
    int fd;                  // nonblocking
    char text[ADDRESS_TEXT]; // its address with the real port, or its path
    unsigned port;           // 0 for a unix socket
    bool owns_path;          // it is a unix socket, whose file is removed when it closes
    // Identity of the socket's file, so that no other file is removed.
    dev_t device;
    ino_t inode;
    // Number that ending_register (base/ending.h) gave to the socket's file. If a signal ends the
    // process, the handler removes the file.
    unsigned ending;
};

enum { LISTENERS_MAX = 16 };

// Returns true when `address` is a wildcard, which stands for all addresses of a family: "*",
// "0.0.0.0", "::" or another spelling of these. Wildcards must be opened before other addresses:
// the system refuses a wildcard when another address of its family is already open on the port.
bool listener_is_wildcard(const char *address);

// The next two functions bind the address and listen at once, so that no other process can use it.
// `backlog` is the number of connections that may wait to be accepted.

// Appends to `list` a listener for each address that `address` stands for and that has no listener
// yet.
// `address` is numeric ("127.0.0.1", "::1"), a host name, or "*" for all addresses of both
// families. With `port` 0 the system chooses a port, the same for all. Of several addresses, those
// that this machine does not have are skipped. Returns false with a message when this machine has
// none of the addresses, or when an address cannot be opened. Listeners that were appended before
// stay.
bool listener_open_tcp(struct listener *list, unsigned *count, const char *address, unsigned port,
                       unsigned backlog, struct error *error);

// Appends a listener on a unix socket at `path`. Its file gets the permissions `mode`, or with 0
// those that the umask leaves. A stale socket file, on which no process listens, is replaced.
// Returns false with a message when a process listens there, or when `path` is another kind of
// file.
bool listener_open_unix(struct listener *list, unsigned *count, const char *path, unsigned mode,
                        unsigned backlog, struct error *error);

// Returns true when clients can still reach the listener. Returns false with a message when the
// file of a unix socket was removed or replaced.
bool listener_is_reachable(const struct listener *listener, struct error *error);

// Closes the socket. Removes the file of a unix socket, unless another file has its path now.
void listener_close(struct listener *listener);

#endif
