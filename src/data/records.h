// All records of a text, in key order: what a trie is built from.
#ifndef STELE_DATA_RECORDS_H
#define STELE_DATA_RECORDS_H

#include "base/bytes.h"
#include "data/lines.h"
#include "data/trie_build.h"

struct error;

enum { RECORDS_ERRORS_MAX = 10 };

// A zeroed struct holds none.
struct records {
    struct trie_record *items; // the kept ones, in key order; behind them those replaced by others
    size_t kept;               // distinct keys
    size_t total;              // well-formed lines
    uint64_t lines;            // all lines
    uint64_t malformed;
    uint64_t value_bytes;                         // of the kept records
    struct line_error errors[RECORDS_ERRORS_MAX]; // of the first malformed lines; borrow the text
};

// How the work is divided. Zeros: chunks of a few MiB, as many threads as there are processors.
struct records_division {
    size_t chunk_bytes;
    unsigned threads;
};

// Reads every line of `text`, sorts by key and keeps of each key the last line. Takes 24 bytes a
// line, and while they are brought in order some 10 MiB more. False with a message when memory is
// short. Malformed lines are counted, not refused.
bool records_read(struct records *r, struct span text, struct records_division division,
                  struct error *error);

// Frees the records. A zeroed struct is accepted.
void records_release(struct records *r);

#endif
