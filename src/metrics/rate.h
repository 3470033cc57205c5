// How much a loop has done of late: its counters as they stood at moments of the last seconds,
// taken when it has work, so an idle loop does not wake for it.
//
// One thread takes samples, its loop's; any thread may read meanwhile.
#ifndef STELE_METRICS_RATE_H
#define STELE_METRICS_RATE_H

#include "base/counter.h"
#include "metrics/stats.h"

#define RATE_INTERVAL (UINT64_C(100) * 1000 * 1000) // ns between two samples, at least; Redis's
#define RATE_WINDOW (16 * RATE_INTERVAL)            // that rates are told over; Redis's, too

// Twice as many as the window holds, so that none is overwritten while it is read.
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

void rate_take(struct rate *r, uint64_t now, const struct stats *stats);

// At the end of a batch: takes a sample when the last is old enough. Monotonic ns.
static inline void rate_note(struct rate *r, uint64_t now, const struct stats *stats)
{
    if (now - r->last_ns >= RATE_INTERVAL)
        rate_take(r, now, stats);
}

// What has been done between `from` and now, off by what was done within an interval behind `from`.
// `from` is at most RATE_WINDOW ago.
struct rate_totals rate_since(const struct rate *r, uint64_t from, const struct stats *stats);

#endif
