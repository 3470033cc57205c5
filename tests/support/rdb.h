// Small RDB dumps whose bytes are written by hand, and a text that says what a reader finds in a
// dump.
#ifndef STELE_TESTS_RDB_H
#define STELE_TESTS_RDB_H

#include "base/bytes.h"

struct rdb_example {
    const char *name;
    struct span dump;
    // What rdb_trace writes.
    const char *trace;
};

extern const struct rdb_example rdb_examples[];
extern const unsigned rdb_example_count;

// Reads a dump and appends a line for each key, as a reader finds it, then "end" or "error: " and
// the message:
//
//   DATABASE KEY TYPE [expires MILLISECONDS]: VALUE
//
// There is no value if the type is not string. The source returns at most `step` bytes at a time.
// `values` says whether values are read; if not, they are skipped, and are not in the text.
void rdb_trace(struct span dump, size_t step, bool values, struct buf *to);

#endif
