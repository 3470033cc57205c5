// The rates of a loop: samples of its counters over the last seconds. A loop takes samples when it
// has work, so an idle loop does not wake for them.
//
// Only the loop's thread takes samples; any thread may read them meanwhile.
#ifndef STELE_METRICS_RATE_H
#define STELE_METRICS_RATE_H

#include "base/counter.h"
#include "metrics/stats.h"

#define RATE_INTERVAL (UINT64_C(100) * 1000 * 1000) // ns between two samples, at least; Redis's
#define RATE_WINDOW (16 * RATE_INTERVAL)            // that rates are told over; Redis's, too

// Twice as many as fit into the window, so that no sample is overwritten while it is read.
enum { RATE_SAMPLES = 32 };

struct rate_sample {
    struct counter at_ns;
    struct counter commands;
    struct counter input_bytes;
    struct counter output_bytes;
};

// A zeroed struct has no samples.
struct rate {
    uint64_t last_ns;
    struct counter taken;
    struct rate_sample samples[RATE_SAMPLES];
};

struct rate_totals {
    uint64_t commands;
    uint64_t input_bytes;
    uint64_t output_bytes;
};

// Takes a sample of `stats` at `now`, monotonic ns.
void rate_take(struct rate *r, uint64_t now, const struct stats *stats);

// Called at the end of a batch: takes a sample at `now` (monotonic ns) if the last is old enough.
static inline void rate_note(struct rate *r, uint64_t now, const struct stats *stats)
{
    if (now - r->last_ns >= RATE_INTERVAL)
        rate_take(r, now, stats);
}

// The work done between `from` and now. It may lack the work of one interval after `from`, which is
// at most RATE_WINDOW ago.
struct rate_totals rate_since(const struct rate *r, uint64_t from, const struct stats *stats);

#endif
