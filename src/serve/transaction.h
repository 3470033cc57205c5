// The requests between MULTI and EXEC. A transaction keeps them as bytes, in multibulk form. EXEC
// reads these bytes instead of the client's input. So queued requests are treated like any others:
// their keys are looked up together, and a long reply continues in the next turn.
//
// A session owns its transaction. Only the thread of the session's service touches it.
#ifndef STELE_SERVE_TRANSACTION_H
#define STELE_SERVE_TRANSACTION_H

#include "base/bytes.h"
#include "resp/resp.h"

struct transaction {
    struct buf requests;
    uint32_t count; // number of queued requests
    uint32_t left;  // number of requests that EXEC has still to execute
    size_t at;      // bytes of `requests` that EXEC has executed
    bool aborted;   // a request was rejected, so EXEC refuses the transaction
    bool executing; // EXEC has begun
    // In a cluster, one bit for each slot: whether it is the home of a queued key. NULL: no keys.
    uint64_t *homes;
};

enum transaction_queued {
    TRANSACTION_QUEUED,
    TRANSACTION_NO_MEMORY,
    TRANSACTION_TOO_LONG, // the requests have more bytes than the limit
};

// Returns an empty transaction, or NULL when memory is short.
struct transaction *transaction_new(void);

// Frees the transaction. NULL is allowed.
void transaction_free(struct transaction *t);

// Returns the bytes of memory that the transaction takes. 0 for NULL.
size_t transaction_memory(const struct transaction *t);

// Returns whether EXEC is in progress. False for NULL.
static inline bool transaction_executes(const struct transaction *t)
{
    return t != NULL && t->executing;
}

// Returns the requests that EXEC has still to execute, at least one.
static inline struct bytes transaction_rest(const struct transaction *t)
{
    return (struct bytes){t->requests.ptr + t->at, t->requests.len - t->at};
}

// Queues a copy of a request. `limit` is the most bytes of all requests together. An aborted
// transaction never runs, so nothing is copied then, and the result is TRANSACTION_QUEUED.
enum transaction_queued transaction_queue(struct transaction *t, const struct resp_request *r,
                                          size_t limit);

// Notes that a queued request has a key whose home is this slot. Returns false when memory is
// short.
bool transaction_note_home(struct transaction *t, unsigned slot);

// Returns the first slot from `from` on that was noted, or SLOTS.
unsigned transaction_next_home(const struct transaction *t, unsigned from);

// Notes that EXEC has executed the next `done` bytes of the requests: one whole request, or 0
// bytes. Returns true when that was the last request.
bool transaction_advance(struct transaction *t, size_t done);

#endif
