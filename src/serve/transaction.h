// MULTI: requests are kept as the bytes of their multibulk form and, at EXEC, take the place of the
// input. So whatever holds for requests holds for these too: their keys are looked up together, a
// long reply goes on in the next turn, an errand is waited for.
#ifndef STELE_SERVE_TRANSACTION_H
#define STELE_SERVE_TRANSACTION_H

#include "base/bytes.h"
#include "serve/session.h"

struct transaction {
    struct buf requests;
    uint32_t count; // of requests that are kept
    uint32_t left;  // of them, still to be executed
    size_t at;      // bytes of them that have been executed
    bool spoiled;   // one could not be kept, so EXEC refuses
    bool executing;
};

static inline bool transaction_executes(const struct session *s)
{
    return s->transaction != NULL && s->transaction->executing;
}

// The requests still to be executed; at least one.
static inline struct bytes transaction_rest(const struct session *s)
{
    const struct transaction *t = s->transaction;
    return (struct bytes){t->requests.ptr + t->at, t->requests.len - t->at};
}

// Keeps a request until EXEC and says so to the client.
void transaction_queue(struct session *s, const struct resp_request *r);

// `done` bytes of the rest have been executed: none, or one request. Ends it with the last.
void transaction_advance(struct session *s, size_t done);

// Ends MULTI, if there was one, and WATCH.
void transaction_end(struct session *s);

#endif
