// A connection to a remote server of the Redis protocol, which waits for each reply.
#ifndef STELE_CLIENT_REMOTE_H
#define STELE_CLIENT_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "client/reply.h"

struct error;

// A connection. Zeroed: none.
struct remote {
    int fd;
    const char *address; // for messages; must outlive the connection
    unsigned timeout_s;  // seconds that a reply may take, or with remote_next a part of one
    bool refused;        // the last failure is an error that the server has answered
    struct buf in;       // bytes that were received
    size_t taken;        // of these, the bytes that were read
    struct buf text;     // the last reply of remote_receive
    struct reply_reader reader;
};

// Connects to `address`: HOST:PORT, [HOST]:PORT, or the path of a Unix socket, which has a '/'. A
// host may have several addresses. Each of them may take `timeout_s` seconds, but at most 5.
// Authenticates with `password` unless it is NULL, or the server has none. Returns false with a
// message on failure.
bool remote_open(struct remote *c, const char *address, const char *password, unsigned timeout_s,
                 struct error *error);

// Sends a command of `count` words. Returns false with a message on failure.
bool remote_send(struct remote *c, unsigned count, const struct span *words, struct error *error);

// Waits for a reply: a string, an integer or an error. Returns its text, which is valid until the
// next call. Returns a span with a NULL `ptr`, and a message, when the server answers an error or
// nil, an array or more than 1 MiB, or not within `timeout_s`. After an error or nil the
// connection can still be used.
struct span remote_receive(struct remote *c, struct error *error);

// Waits for the next part of a reply of any type and size (client/reply.h). Its text is valid until
// the next call. An error that the server answers is a part like others. Returns false with a
// message when no part comes within `timeout_s`, or what comes is no reply of the protocol.
bool remote_next(struct remote *c, struct reply_part *part, struct error *error);

// Closes the connection. A zeroed struct is accepted.
void remote_close(struct remote *c);

#endif
