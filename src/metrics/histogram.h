// How long calls of commands took: a histogram for each command of a loop, log-linear as Gil Tene's
// HdrHistogram (2012). Each power of two is cut into as many equal parts, so a percentile is off by
// less than 1 part in 32, in 8 KB a command.
//
// One thread adds, its loop's; any thread may read meanwhile.
#ifndef STELE_METRICS_HISTOGRAM_H
#define STELE_METRICS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/counter.h"
#include "metrics/stats.h"

enum {
    HISTOGRAM_BITS = 5,     // a power of two has 32 parts
    HISTOGRAM_TOP_BIT = 36, // what took 2^36 ns or more, 69 s, counts as the longest below
    HISTOGRAM_SLOTS = (HISTOGRAM_TOP_BIT - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

// One command's, in one loop.
struct histogram {
    atomic_uint resets; // what the table's `resets` was when it was last emptied
    struct counter counts[HISTOGRAM_SLOTS];
};

// One loop's. A zeroed struct records nothing.
struct histogram_table {
    const _Atomic int64_t *wanted;                // not 0: recording is on
    const atomic_uint *resets;                    // counts what empties all the tables of a group
    _Atomic(struct histogram *) of[COMMANDS_MAX]; // by the command's number; made when first needed
};

// Those of several loops together.
struct histogram_sum {
    uint64_t total;
    uint64_t counts[HISTOGRAM_SLOTS];
};

// For the loop's thread: that many calls took `ns` each. Not recorded when that is off, or when
// memory for the command's first record is short.
void histogram_table_record(struct histogram_table *t, unsigned number, uint64_t ns,
                            uint64_t calls);

// Adds what the table holds of that command; false when that is nothing.
bool histogram_sum_add(struct histogram_sum *sum, const struct histogram_table *t, unsigned number);

// The least duration in ns, rounded up to the end of its slot, that at least `percent` of the calls
// do not exceed. 0 when there is no call.
uint64_t histogram_sum_percentile(const struct histogram_sum *sum, double percent);

// How many calls took less than 2^`bit` ns; `bit` is at least HISTOGRAM_BITS.
uint64_t histogram_sum_below(const struct histogram_sum *sum, unsigned bit);

// Frees the histograms. No other thread may read any more.
void histogram_table_release(struct histogram_table *t);

#endif
