// One client's socket: reads the client's bytes, feeds them to the session, writes the session's
// replies, and closes. It knows its loop (net/loop.h), but not the worker that drives the loop.
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
    struct link link; // on the loop's list of active or of lingering connections
    ev_io io;
    uint64_t active_at; // time of the last byte read or written; monotonic ns
    struct session session;
    struct buf input;        // bytes read but not consumed by the session
    struct backlog backlog;  // bytes after `input`, not to be answered yet
    struct output output;    // replies that could not be sent at once
    enum feed_status status; // the reason why the session last stopped
    bool queued;             // a turn in the loop is coming
    bool ready;              // to have a turn without input, once there is room for replies
    bool ended;     // no more is read: the client has shut down its side, or the server is stopping
    bool draining;  // the server is stopping: closes when all is answered
    bool lingering; // all is sent and our side is shut down; further input is thrown away

    enum client_timeout timeout : 8;
    // At `waits_since`: bytes received of the request, or bytes of reply that the client's side has
    // not acknowledged.
    uint32_t timeout_bytes;
    uint64_t timeout_since;    // monotonic ns
    struct link timeout_link;  // on the loop's list of connections that await the same
    struct link wake;          // on the loop's list of those that are ready, or are to be closed
    struct loop_memory memory; // as last counted
};

// Bytes of an idle connection, with the allocator's notes beside it.
enum { CONN_MEMORY = sizeof(struct conn) + 2 * sizeof(size_t) };

// Makes a connection on the nonblocking socket `fd`, which it then owns, of the client that CLIENT
// ID calls `id`. `local`: the peer is on this machine. NULL when memory is short; `fd` is then
// closed.
struct conn *conn_new(struct loop *loop, int fd, uint64_t id, bool local);

// Begins its turn, the first of three parts. `*input` holds the bytes that were read now; it is set
// to all bytes that the session is to be fed. Reads ahead in them.
void conn_read_ahead(struct conn *c, struct bytes *input);

// The second part: answers `input`. Replies go into `out`, or after older replies that could not be
// sent into an output of its own. False when the connection is to be freed, and its bytes dropped
// from `out`.
bool conn_answer(struct conn *c, struct bytes input, struct output *out);

// The third part: sends the first `reply` bytes of the loop's output and takes them out. May free
// the connection.
void conn_send(struct conn *c, size_t reply);

// The functions that its session calls, see struct client_owner. conn_wake puts the connection on
// its loop's list of those that are ready or to be closed.
void conn_wake(struct session *s);
void conn_describe(const struct session *s, struct client_facts *facts);
void conn_grown(struct session *s);

// Takes a connection from the list of conn_wake and does its work. May free it.
void conn_handle_wake(struct conn *c);

// Logs that its client was refused an administrative command: once a minute for each command.
void conn_refused(const struct session *s, const struct command_entry *entry);

// Gives back now the memory of replies, of requests unless they are being answered, and has the
// connection closed soon. Code that is working on the connection finds it killed.
void conn_evict(struct conn *c);

// True when its client still reads, or waits for, data of a dataset older than `number`.
bool conn_reads_older_than(const struct conn *c, uint64_t number);

// True when its client has sent bytes that have not been read yet: then we are late, not the
// client.
bool conn_has_unread(const struct conn *c);

// True when the client's time is over and it has done nothing. Otherwise its time begins again.
bool conn_has_timed_out(struct conn *c);

// Answers the bytes that have arrived, reads no more, and closes when all is sent. May free the
// connection, or put it in line: the caller then lets the loop take its turns.
void conn_drain(struct conn *c);

// Closes the socket at once and frees the connection.
void conn_free(struct conn *c);

#endif
