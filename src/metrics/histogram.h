// The durations of calls: a histogram for each command of a loop, log-linear like Gil Tene's
// HdrHistogram (2012). Each power of two is divided into 32 equal parts. So a percentile is off by
// less than 1 part in 32, and a histogram takes 8 KB.
//
// Only the loop's thread adds; any thread may read meanwhile.
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

// The durations of one command in one loop.
struct histogram {
    atomic_uint resets; // the table's `resets` when it was last emptied
    struct counter counts[HISTOGRAM_SLOTS];
};

// The histograms of one loop. A zeroed struct records nothing.
struct histogram_table {
    const _Atomic int64_t *wanted;                // not 0: recording is on
    const atomic_uint *resets;                    // counts what empties all the tables of a group
    _Atomic(struct histogram *) of[COMMANDS_MAX]; // by the command's number; made when first needed
};

// The sum of the histograms of several loops.
struct histogram_sum {
    uint64_t total;
    uint64_t counts[HISTOGRAM_SLOTS];
};

// Records that `calls` calls took `ns` each. On the loop's thread. Does nothing when recording is
// off, or when memory for the command's first record is short.
void histogram_table_record(struct histogram_table *t, unsigned number, uint64_t ns,
                            uint64_t calls);

// Adds the table's histogram of that command. Returns false when there is none.
bool histogram_sum_add(struct histogram_sum *sum, const struct histogram_table *t, unsigned number);

// The least duration in ns, rounded up to the end of its slot, that at least `percent` of the calls
// do not exceed. 0 without calls.
uint64_t histogram_sum_percentile(const struct histogram_sum *sum, double percent);

// The number of calls that took less than 2^`bit` ns; `bit` is at least HISTOGRAM_BITS.
uint64_t histogram_sum_below(const struct histogram_sum *sum, unsigned bit);

// Frees the histograms. No other thread may still read them.
void histogram_table_release(struct histogram_table *t);

#endif
