// The requests that a connection has in flight at once, with the replies that they must get. Both
// are made before the requests are sent, so that a received reply is checked by one comparison.
#ifndef STELE_TESTS_BENCH_LOAD_BATCH_H
#define STELE_TESTS_BENCH_LOAD_BATCH_H

#include "bench/load/data_file.h"
#include "bench/load/protocol.h"
#include "data/uuid_text.h"
#include "support/tap.h"
#include "support/working_set.h"

// The kind of requests that the clients send.
struct load {
    enum protocol protocol;
    enum request_kind kind;
    size_t keys;     // in each request: 1 for GET, 0 for PING
    size_t pipeline; // requests in flight on a connection, 1 or more
    unsigned misses; // percent of the keys that are absent
    // Where the other keys are from, borrowed: a working set or, if that is NULL, all lines of a
    // file.
    const struct working_set *set;
    const struct data_file *file;
};

// The source of batches, shared by all connections. It draws keys uniformly from all lines, or from
// the hot keys of a working set. The order of the cold keys depends on the seed, too.
struct batch_source {
    struct load load;
    struct random random;
    uint64_t cold;          // number of the next cold record
    struct lookup *lookups; // lookups of the present batch
    size_t *lines;
    char (*keys)[UUID_TEXT_LEN]; // keys that are not from a file
    char *values;                // values that are not from a file
};

// Returns false when memory is short. batch_source_release must be called in any case.
bool batch_source_init(struct batch_source *s, const struct load *load, uint64_t seed);

// A zeroed struct is accepted.
void batch_source_release(struct batch_source *s);

// Returns the number of lookups in a batch. A PING counts as one.
static inline size_t load_lookups(const struct load *l)
{
    return l->pipeline * (l->keys > 0 ? l->keys : 1);
}

// A zeroed struct is an empty batch.
struct batch {
    struct buf request;
    struct buf reply;
    struct batch_end *ends; // offsets of the end of each request and of its reply
};

// Replaces the batch by a new one. Returns false when memory is short.
bool batch_fill(struct batch *b, struct batch_source *s);

// Sets the error for a wrong reply: it names the request, and shows the expected and the received
// bytes. `got` was received instead of the bytes from offset `at` of the reply on.
void batch_explain(const struct batch *b, size_t at, struct span got, struct error *error);

// A zeroed struct is accepted.
void batch_release(struct batch *b);

#endif
