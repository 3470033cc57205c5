// A turn of one client: bytes in, replies out.
#ifndef STELE_SERVE_FEED_H
#define STELE_SERVE_FEED_H

#include "serve/session.h"

enum feed_status {
    FEED_NEEDS_INPUT, // every complete request has been answered
    FEED_OUTPUT_FULL, // SESSION_OUTPUT_HIGH is reached: call again when `out` has drained
    FEED_TURN_OVER,   // SESSION_TURN_WORK is used up: call again after other clients had a turn
    FEED_WAITS,       // for another loop or the end of a pause: call again after session_wake
    FEED_CLOSE,       // close once `out` has left; the session must not be fed again
};

struct feed_result {
    size_t consumed; // bytes of the input that are done with; the others must be given again
    enum feed_status status;
};

// Optional, at most once before a session_feed with the same bytes: reads requests ahead into the
// service's batch, so that the keys of several sessions are looked up together. Each of them must
// be fed, or released, before the turn ends; `in` must stay where it is until then.
void session_read_ahead(struct session *s, struct bytes in);

// Answers what `in` asks, appending replies to `out`, as far as the limits above allow. `in` begins
// with the first byte not yet consumed; the bytes may have moved since the last call and more may
// stand behind them. Empty input is allowed: it delivers pushes and continues nothing. The bytes
// of a request are consumed only when its reply is complete, and may be decoded where they stand:
// those that are given again must be as they were left. When memory ran short, status is
// FEED_CLOSE and `out` must be dropped, not sent (session_oom).
// The caller begins the service's timing before and settles it after, once for as many sessions as
// it likes.
struct feed_result session_feed(struct session *s, struct bytes in, struct output *out);

#endif
