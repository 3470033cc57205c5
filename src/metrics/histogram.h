// The durations of calls: each loop has one histogram for each command, and one for the time that
// requests wait for data which is not in memory (serve/cold.h).
//
// The histograms are log-linear, like Gil Tene's HdrHistogram (2012): each power of two is divided
// into 32 equal slots. So a percentile is off by less than 1 part in 32. A histogram takes 8 KB.
//
// Only the loop's thread writes its histograms. Any thread may read them at the same time.
#ifndef STELE_METRICS_HISTOGRAM_H
#define STELE_METRICS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/counter.h"
#include "metrics/stats.h"

enum {
    HISTOGRAM_BITS = 5,     // each power of two has 2^5 = 32 slots
    HISTOGRAM_TOP_BIT = 36, // durations of 2^36 ns (69 s) and more go to the last slot
    HISTOGRAM_SLOTS = (HISTOGRAM_TOP_BIT - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
    // Histograms have the numbers of the commands. This number is that of the waiting time.
    HISTOGRAM_COLD_READ = COMMANDS_MAX,
    HISTOGRAMS = COMMANDS_MAX + 1,
};

// The name of HISTOGRAM_COLD_READ. No command has it.
#define HISTOGRAM_COLD_READ_NAME "cold-read"

// One histogram of one loop.
struct histogram {
    atomic_uint resets; // value of the table's `*resets` when this histogram was last cleared
    struct counter counts[HISTOGRAM_SLOTS]; // number of calls by slot
};

// The histograms of one loop. A zeroed struct records nothing.
struct histogram_table {
    const _Atomic int64_t *enabled; // the setting latency-tracking; 0: nothing is recorded
    const atomic_uint *resets;      // number of resets so far, shared by all loops
    // Histograms by their numbers, each allocated at the first record; NULL before.
    _Atomic(struct histogram *) by_number[HISTOGRAMS];
};

// The sum of the histograms of several loops.
struct histogram_sum {
    uint64_t total;                   // number of calls
    uint64_t counts[HISTOGRAM_SLOTS]; // number of calls by slot
};

// Records in the histogram `number` that `calls` calls took `ns` each. Only the loop's thread may
// call this. Does nothing when recording is off, or when memory for the histogram is short.
void histogram_table_record(struct histogram_table *t, unsigned number, uint64_t ns,
                            uint64_t calls);

// Adds the table's histogram `number` to `sum`. Returns false when it has no calls since the last
// reset. Any thread may call this.
bool histogram_sum_add(struct histogram_sum *sum, const struct histogram_table *t, unsigned number);

// Returns the duration, in ns, that `percent` of the calls do not exceed. It is rounded up to the
// longest duration of its slot. Returns 0 when there are no calls.
uint64_t histogram_sum_percentile(const struct histogram_sum *sum, double percent);

// Returns the number of calls that took less than 2^`bit` ns. `bit` is at least HISTOGRAM_BITS.
uint64_t histogram_sum_below(const struct histogram_sum *sum, unsigned bit);

// Frees the histograms. No other thread may read them any more.
void histogram_table_release(struct histogram_table *t);

#endif
