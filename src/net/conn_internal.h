// What the sources of conn share: conn.c has the conversation with the client, conn_header.c what
// comes before it when the peer is a proxy, and conn_report.c what others learn about the
// connection.
#ifndef STELE_NET_CONN_INTERNAL_H
#define STELE_NET_CONN_INTERNAL_H

#include "net/conn.h"

// Returns the bytes of input that are not answered yet.
static inline size_t conn_unanswered(const struct conn *c)
{
    return c->input.len + c->backlog.len;
}

// Counts the memory that the connection holds now; none if it is about to be closed.
void conn_update_memory(struct conn *c);

// Reads once into `room` and sets `*len` to the number of bytes. It is 0 when nothing has arrived,
// or when the client has closed its side; then `ended` is set. Returns false when the connection
// has failed.
bool conn_read_into(struct conn *c, struct bytes room, size_t *len);

// Starts the timeout `what`.
void conn_start_timeout(struct conn *c, enum client_timeout what);

// Stops the timeout that runs, if there is one.
void conn_stop_timeout(struct conn *c);

// Writes the address of the socket's peer: the client, or the proxy that forwards the client.
void conn_peer_address(const struct conn *c, char to[CLIENT_ADDRESS_TEXT]);

// Makes the connection read requests from now on, also those that have arrived. May free the
// connection.
void conn_begin_requests(struct conn *c);

// Reads as much of a PROXY protocol header as has arrived, and no byte after it. When the header is
// complete, clears `awaits_header` and sets the session's address. Returns false when the caller
// must free the connection.
bool conn_read_header(struct conn *c);

// Counts a PROXY protocol header that is malformed, cut or late, and logs it at most once a minute.
// `fault` says what is wrong with it, as a clause: "it is …".
void conn_log_bad_header(const struct conn *c, const char *fault);

// Logs that the session was closed because the client speaks another protocol, such as HTTP, at
// most once a minute. Does nothing if that is not the reason.
void conn_log_foreign_protocol(const struct conn *c);

#endif
