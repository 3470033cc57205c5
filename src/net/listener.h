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
};

enum { LISTENERS_MAX = 16 };

// Binds a socket to the TCP `address` ("127.0.0.1", "::1", a host name, "*" for all of both
// families) and `port` (0: the system chooses), adding to `list` one listener for each address it
// stands for. False with a message when one cannot be had; those added stay.
bool listener_bind_tcp(struct listener *list, unsigned *count, const char *address, unsigned port,
                       struct error *error);

// Binds a unix socket to `path`, with the permissions `mode` (0: as the umask says). A socket file
// nobody listens on any more is replaced; one that is in use, or another kind of file, is an error.
bool listener_bind_unix(struct listener *list, unsigned *count, const char *path, unsigned mode,
                        struct error *error);

// Begins to take connections, up to `backlog` of them before they are accepted. Until then clients
// are refused. False with a message when another server got there first.
bool listener_listen(struct listener *listener, unsigned backlog, struct error *error);

// Closes the socket and removes its file, if it has one and it is still this socket's.
void listener_close(struct listener *listener);

#endif
