// The requests that a connection has in flight at once, and the reply they must get: made before
// they are sent, so that verifying is one comparison of what arrives.
#ifndef STELE_TESTS_BENCH_LOAD_BATCH_H
#define STELE_TESTS_BENCH_LOAD_BATCH_H

#include "bench/load/data_file.h"
#include "bench/load/protocol.h"
#include "data/uuid_text.h"
#include "support/tap.h"

// What is asked for.
struct load {
    enum protocol protocol;
    enum request_kind kind;
    size_t keys;     // in each request: 1 for GET, 0 for PING
    size_t pipeline; // requests in flight on a connection, 1 or more
    unsigned misses; // percent of the keys that are absent
};

// Where batches come from: draws keys uniformly from all lines. Shared by all connections.
struct batch_source {
    struct load load;
    const struct data_file *file; // borrowed
    struct random random;
    struct lookup *lookups; // of one batch
    size_t *lines;
    char (*absent)[UUID_TEXT_LEN];
};

// False when memory is short; batch_source_release must be called all the same.
bool batch_source_init(struct batch_source *s, const struct load *load,
                       const struct data_file *file, uint64_t seed);

// A zeroed struct is accepted.
void batch_source_release(struct batch_source *s);

// Lookups in a batch; a PING counts as one.
static inline size_t load_lookups(const struct load *l)
{
    return l->pipeline * (l->keys > 0 ? l->keys : 1);
}

// A zeroed struct is an empty batch.
struct batch {
    struct buf request;
    struct buf reply;
    struct batch_end *ends; // of each request and its reply
};

// Fills the batch anew. False when memory is short.
bool batch_fill(struct batch *b, struct batch_source *s);

// Says which request was answered wrongly: `got` arrived where the reply has its bytes from `at`
// on.
void batch_explain(const struct batch *b, size_t at, struct span got, struct error *error);

// A zeroed struct is accepted.
void batch_release(struct batch *b);

#endif
