// A connection to a remote server of the Redis protocol, which waits for each reply.
#ifndef STELE_CLIENT_REMOTE_H
#define STELE_CLIENT_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct error;

// A connection. Zeroed: none.
struct remote {
    int fd;
    const char *address; // for messages; must outlive the connection
    unsigned timeout_s;  // time that a reply may take to begin
    struct buf in;       // bytes that were received
    size_t taken;        // of these, the bytes of the last reply
};

// Connects to `address`: HOST:PORT, [HOST]:PORT, or the path of a Unix socket, which has a '/'.
// Authenticates with `password` unless it is NULL. Returns false with a message on failure.
bool remote_open(struct remote *c, const char *address, const char *password, unsigned timeout_s,
                 struct error *error);

// Sends a command of `count` words. Returns false with a message on failure.
bool remote_send(struct remote *c, unsigned count, const struct span *words, struct error *error);

// Waits for a reply: a string, an integer or an error. Returns its text, which is valid until the
// next call. Returns a span with a NULL `ptr`, and a message, when the server answers an error or
// nil, something else, or not in time.
struct span remote_receive(struct remote *c, struct error *error);

// Closes the connection. A zeroed struct is accepted.
void remote_close(struct remote *c);

#endif
