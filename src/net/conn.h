// A connection is one client's socket. It reads the client's bytes, feeds them to the session, and
// writes the session's replies. It knows its loop (net/loop.h), but not the worker that drives the
// loop.
//
// All functions are for the loop's thread.
#ifndef STELE_NET_CONN_H
#define STELE_NET_CONN_H

#include <ev.h>
#include <stdbool.h>

#include "base/link.h"
#include "base/output.h"
#include "net/address.h"
#include "net/backlog.h"
#include "net/loop.h"
#include "serve/feed.h"

struct conn {
    struct loop *loop;
    struct link link; // on the loop's list `active` or `lingering`
    ev_io io;
    uint64_t active_at; // time of the last byte read or written; monotonic ns
    struct session session;
    struct buf input;        // bytes that were fed to the session, but not consumed by it
    struct backlog backlog;  // bytes after `input` that must not be answered yet
    struct output output;    // replies that the socket did not take at once
    struct fetch *fetch;     // the next piece of a large value (net/fetch.h); NULL: none
    enum feed_status status; // the reason why the session last stopped
    bool queued;             // the connection is in the loop's queue of turns
    // The session has work although the client has sent nothing. It gets a turn when at most
    // SESSION_OUTPUT_LOW bytes of its replies are unsent.
    bool ready;
    bool ended;     // no more input comes: the client closed its side, or the server is stopping
    bool draining;  // the server is stopping, so the connection closes when all is answered
    bool lingering; // all replies are sent and our side is shut down; input is dropped
    // The peer is a proxy whose PROXY protocol header has not come yet. `input` has the first bytes
    // of the header. The session has got nothing.
    bool awaits_header;

    enum client_timeout timeout : 8;
    // A number of bytes when the timeout started; comparing it with the present number shows
    // progress. For TIMEOUT_REQUEST: the bytes of the request that have arrived. For TIMEOUT_WRITE:
    // the bytes of replies that the client's system has not acknowledged.
    uint32_t timeout_bytes;
    uint64_t timeout_since;    // start of the timeout; monotonic ns
    struct link timeout_link;  // on the loop's list of this timeout
    struct link wake;          // on the loop's list `ready` or `to_close`
    struct loop_memory memory; // as the loop has counted it
};

// Bytes of an idle connection, including the allocator's header.
enum { CONN_MEMORY = sizeof(struct conn) + 2 * sizeof(size_t) };

// Makes a connection that owns the nonblocking socket `fd`. `id` is the client's CLIENT ID;
// `local`: the client is on this machine. Returns NULL when memory is short; `fd` is then closed.
struct conn *conn_new(struct loop *loop, int fd, uint64_t id, bool local);

// Makes a new connection wait for a PROXY protocol header (net/proxy_header.h) before the first
// request. If the header names another client, the session gets that client's address. The client
// then counts as on this machine only if both the client and the proxy are. The connection is
// closed, and the reason is logged, when something else comes, or when the header is not complete
// after the request timeout. If protected mode keeps the client out, the client is told so.
void conn_await_header(struct conn *c);

// A turn of a connection has three parts: conn_read_ahead, conn_answer and conn_send.

// The first part: parses the next requests before they are answered, so that the keys of many
// clients are looked up together. `*input` is what was read from the socket in this turn. It is
// replaced by all bytes to be fed to the session, including those that were not consumed before.
void conn_read_ahead(struct conn *c, struct bytes *input);

// The second part: answers the requests in `input`. Replies are appended to `out`; or, if older
// replies are still unsent, to the connection's own output. Returns false when the caller must free
// the connection and drop its replies from `out`.
bool conn_answer(struct conn *c, struct bytes input, struct output *out);

// The third part: removes the first `reply` bytes from the loop's output and sends them. What the
// socket does not take stays in the connection's own output. May free the connection.
void conn_send(struct conn *c, size_t reply);

// Functions for struct client_owner, which the session calls. conn_wake puts the connection on the
// loop's list `ready`, or on `to_close` if the session was killed.
void conn_wake(struct session *s);
void conn_describe(const struct session *s, struct client_facts *facts);
void conn_grown(struct session *s);

// Takes a connection off the list that conn_wake put it on. Closes it, or queues it for a turn. May
// free the connection.
void conn_handle_wake(struct conn *c);

// Logs that a client was refused an administrative command, at most once a minute for each command.
void conn_refused(const struct session *s, const struct command_entry *entry);

// Logs that a client copies the dataset, or that it did not get a whole copy; the latter at most
// once a minute.
void conn_replicated(const struct session *s, bool failed, const char *what);

// Kills the session, so that the connection is closed soon. Frees the memory of replies at once,
// and that of requests unless they are being answered. A caller that is working on the connection
// finds `session.killed` set.
void conn_evict(struct conn *c);

// Returns true when the session or an unsent reply still uses a snapshot older than `number`.
bool conn_reads_older_than(const struct conn *c, uint64_t number);

// Returns true when the socket has input that has not been read yet. Then the server is late, and
// not the client.
bool conn_has_unread(const struct conn *c);

// To be called when the timeout of the connection is over. Returns true when the client is late: it
// has acknowledged no bytes since TIMEOUT_WRITE started, or, for TIMEOUT_REQUEST, the socket has no
// unread input. Otherwise starts the timeout again and returns false.
bool conn_has_timed_out(struct conn *c);

// Logs that the client was late, before the connection is closed for it. That no PROXY protocol
// header came is a warning, at most once a minute, because it is a mistake in a configuration.
void conn_log_late(const struct conn *c);

// Begins to drain the connection: it answers the requests that have arrived, reads no others, and
// closes when all replies are sent. May free the connection, or queue it for a turn. So the caller
// must call the loop's `take_turns` afterwards.
void conn_drain(struct conn *c);

// Closes the socket at once and frees the connection.
void conn_free(struct conn *c);

#endif
