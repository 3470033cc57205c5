// How much a loop has done of late: its counters as they stood at moments of the last seconds,
// taken when it has work, so an idle loop does not wake for it.
//
// One thread takes samples, its loop's; any thread may read meanwhile.
#ifndef STELE_METRICS_RATE_H
#define STELE_METRICS_RATE_H

#include "base/counter.h"
#include "metrics/stats.h"

#define PACE_INTERVAL (UINT64_C(100) * 1000 * 1000) // ns between two samples, at least; Redis's
#define PACE_WINDOW (16 * PACE_INTERVAL)            // that rates are told over; Redis's, too

// Twice as many as the window holds, so that none is overwritten while it is read.
enum { PACE_SAMPLES = 32 };

struct pace_sample {
    struct counter at_ns;
    struct counter commands;
    struct counter input_bytes;
    struct counter output_bytes;
};

// A zeroed struct has no samples.
struct pace {
    uint64_t last_ns;
    struct counter taken;
    struct pace_sample samples[PACE_SAMPLES];
};

struct pace_totals {
    uint64_t commands;
    uint64_t input_bytes;
    uint64_t output_bytes;
};

void pace_take(struct pace *p, uint64_t now, const struct stats *stats);

// At the end of a batch: takes a sample when the last is old enough. Monotonic ns.
static inline void pace_note(struct pace *p, uint64_t now, const struct stats *stats)
{
    if (now - p->last_ns >= PACE_INTERVAL)
        pace_take(p, now, stats);
}

// What has been done between `from` and now, off by what was done within an interval behind `from`.
// `from` is at most PACE_WINDOW ago.
struct pace_totals pace_since(const struct pace *p, uint64_t from, const struct stats *stats);

#endif
