// The requests between MULTI and EXEC. They are kept as bytes, in their multibulk form. At EXEC
// these bytes take the place of the input, so everything that holds for requests holds for them
// too: their keys are looked up together, and a long reply goes on in the next turn.
//
// A session owns its transaction. Only the thread of its service touches it.
#ifndef STELE_SERVE_TRANSACTION_H
#define STELE_SERVE_TRANSACTION_H

#include "base/bytes.h"
#include "resp/resp.h"

struct transaction {
    struct buf requests;
    uint32_t count; // of requests that are kept
    uint32_t left;  // of them, still to be executed
    size_t at;      // bytes of them that have been executed
    bool aborted;   // a request was rejected, so EXEC refuses
    bool executing;
};

enum transaction_queued {
    TRANSACTION_QUEUED,
    TRANSACTION_NO_MEMORY,
    TRANSACTION_TOO_LONG, // the requests take more bytes than the limit
};

// An empty transaction, or NULL when memory is short.
struct transaction *transaction_new(void);

// Frees the transaction. NULL is allowed.
void transaction_free(struct transaction *t);

// The number of bytes that the transaction takes. 0 for NULL.
size_t transaction_memory(const struct transaction *t);

// Whether EXEC has begun and has not ended. False for NULL.
static inline bool transaction_executes(const struct transaction *t)
{
    return t != NULL && t->executing;
}

// The requests that are still to be executed: at least one.
static inline struct bytes transaction_rest(const struct transaction *t)
{
    return (struct bytes){t->requests.ptr + t->at, t->requests.len - t->at};
}

// Keeps a copy of a request until EXEC. A spoiled transaction never runs, so nothing is added to
// it and the result is TRANSACTION_QUEUED. `limit` is in bytes, for all requests together.
enum transaction_queued transaction_queue(struct transaction *t, const struct resp_request *r,
                                          size_t limit);

// Notes that `done` bytes of the rest have been executed: 0, or one whole request. Returns true
// when that was the last request.
bool transaction_advance(struct transaction *t, size_t done);

#endif
