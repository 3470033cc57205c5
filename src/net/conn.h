// One client's socket: it reads what the client sends, feeds the session, writes what the session
// answers, and closes. All of it in the thread of its worker.
#ifndef STELE_NET_CONN_H
#define STELE_NET_CONN_H

#include <ev.h>
#include <stdbool.h>

#include "base/link.h"
#include "base/output.h"
#include "net/address.h"
#include "net/backlog.h"
#include "serve/session.h"

struct worker;

// What a connection waits for from its client, who has only so much time for it.
enum awaited {
    AWAITS_REQUEST, // the rest of a command
    AWAITS_READING, // that it takes replies
    AWAITS_NOTHING, // or what may come at any time; this is the last
};

struct conn {
    struct worker *worker;
    struct link link; // on one of its worker's lists
    ev_io io;
    uint64_t active_at; // of the last byte read or written; monotonic ns
    struct session session;
    struct buf input;        // bytes read but not consumed by the session
    struct backlog backlog;  // bytes behind `input` that are not to be answered yet
    struct output output;    // what could not be sent at once
    enum feed_status status; // why the session stopped last
    bool in_line;            // has a turn coming in its worker
    bool woken;              // has one to come without input, once there is room for replies
    bool ended;     // no more is read: the client has shut down its side, or all is drained
    bool draining;  // the server is stopping: closes when all is answered
    bool lingering; // all is sent and our side shut down; what still comes is thrown away

    enum awaited awaits : 8;
    // Of the request that had come when it began, or of replies that the client's side had not
    // taken; bytes.
    uint32_t waits_at;
    uint64_t waits_since; // monotonic ns
    struct link wait;     // on its worker's list of those that await the same
    struct link holding;  // on its worker's list of those that hold about as much
    size_t held;          // bytes of ours, as its worker knows
    struct link wake;     // on its worker's list of those that were woken, or that are to be closed
};

// Bytes of a connection that does nothing, with what the allocator notes beside it.
enum { CONN_MEMORY = sizeof(struct conn) + 2 * sizeof(size_t) };

// A connection on `fd`, which it owns from here on, of the client that CLIENT ID calls `id`; NULL
// when memory is short (`fd` is closed).
struct conn *conn_new(struct worker *worker, int fd, uint64_t id, bool local);

// Its turn, in three parts. The first makes `*heard`, which holds the bytes that were read now, all
// that the session is to be fed, and reads ahead in it.
void conn_read_ahead(struct conn *c, struct bytes *heard);

// The second answers it, into `out` or, behind what could not be sent before, into an output of its
// own. False when the connection is to be freed, with what is in `out` from it.
bool conn_answer(struct conn *c, struct bytes heard, struct output *out);

// The third sends its reply, which is `reply` bytes at the front of its worker's output, and takes
// that out, and may free it.
void conn_send(struct conn *c, size_t reply);

// What its session asks of it: see struct client_owner. Who is woken is put on a list of its
// worker's, from which conn_attend takes it; that may free it.
void conn_wake(struct session *s);
void conn_attend(struct conn *c);
void conn_describe(const struct session *s, struct client_facts *facts);
void conn_grown(struct session *s);

// Logs that its client was refused an administrative command, once a minute for each command.
void conn_refused(const struct session *s, const struct command_entry *entry);

// Closes it soon, and gives back now what it holds of replies. Whoever is at work meanwhile, also
// the connection itself, finds it closed.
void conn_evict(struct conn *c);

// Whether its client is still sent something, or asks, of a dataset before that of this number.
bool conn_reads_before(const struct conn *c, uint64_t number);

// Whether its client has sent what has not been read yet: then it is we who are late.
bool conn_has_unread(const struct conn *c);

// Whether the time its client had is really over; otherwise it begins again.
bool conn_is_overdue(struct conn *c);

// Answers what has already arrived, reads no more after that and closes when all is sent.
void conn_drain(struct conn *c);

// Closes at once.
void conn_free(struct conn *c);

#endif
