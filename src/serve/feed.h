// A client's turn: takes the bytes that the client sent and appends replies to an output. In one
// turn of the loop (net/loop.h), each client with work has a turn.
#ifndef STELE_SERVE_FEED_H
#define STELE_SERVE_FEED_H

#include "serve/session.h"

enum feed_status {
    FEED_NEEDS_INPUT, // all complete requests have been answered
    // The output has SESSION_OUTPUT_HIGH bytes, or this turn has delivered SESSION_PUSHES_TURN
    // bytes of messages: call again when `out` is nearly empty.
    FEED_OUTPUT_FULL,
    FEED_TURN_OVER, // SESSION_TURN_WORK is used up: call again after other clients had a turn
    FEED_WAITS,     // a task or CLIENT PAUSE must end first: call again after session_wake
    FEED_CLOSE,     // close the connection when `out` is sent; do not feed the session again
};

struct feed_result {
    size_t consumed; // bytes of the input that are answered; the caller must keep the others
    enum feed_status status;
};

// Reads requests ahead into the loop's batch (serve/batch.h), so that the keys of several sessions
// are looked up together. Optional: the caller may call it once before each session_feed.
// session_feed must then get the same bytes, in the same turn of the loop, unless the session is
// released before.
void session_read_ahead(struct session *s, struct bytes in);

// Answers the requests in `in` and appends the replies to `out`, until the input, the room in the
// output or the work of the client's turn is used up.
//
// `in` begins with the first byte not yet consumed. It may stand at another address than in the
// last call, and may be longer. Empty input is allowed: then messages are delivered and an
// unfinished EXEC continues. A request is consumed only when its reply is complete. The session may
// overwrite the bytes of an unfinished request, because it decodes them in place. The caller must
// pass these bytes again as the session has left them.
//
// If the status is FEED_CLOSE, the caller sends `out` before it closes the connection. But if
// session_oom returns true or the session is killed, the caller must not send `out`.
//
// The caller calls timing_begin before session_feed, and service_flush_timing after it, both for
// the session's service. One pair of calls is enough for any number of sessions.
struct feed_result session_feed(struct session *s, struct bytes in, struct output *out);

#endif
