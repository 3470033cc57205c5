// The rates of a loop, such as commands per second, from samples of its counters over the last
// seconds. A loop takes samples only when it has work, so an idle loop need not wake up for them.
//
// Only the loop's thread takes samples. Any thread may read them at the same time.
#ifndef STELE_METRICS_RATE_H
#define STELE_METRICS_RATE_H

#include "base/counter.h"
#include "metrics/stats.h"

// Both as in Redis, in ns.
#define RATE_INTERVAL (UINT64_C(100) * 1000 * 1000) // least time between two samples
#define RATE_WINDOW (16 * RATE_INTERVAL)            // time over which INFO reports rates

// Twice the samples of a window, so that no sample is overwritten while another thread reads it.
enum { RATE_SAMPLES = 32 };

struct rate_sample {
    struct counter at_ns; // monotonic time
    struct counter commands;
    struct counter input_bytes;
    struct counter output_bytes;
};

// A zeroed struct has no samples.
struct rate {
    uint64_t last_ns;     // monotonic time of the last sample
    struct counter taken; // samples taken so far; sample i is at i % RATE_SAMPLES
    struct rate_sample samples[RATE_SAMPLES];
};

struct rate_totals {
    uint64_t commands;
    uint64_t input_bytes;
    uint64_t output_bytes;
};

// Takes a sample of `stats` at `now` (monotonic ns).
void rate_take(struct rate *r, uint64_t now, const struct stats *stats);

// Takes a sample at `now` (monotonic ns) if the last one is at least RATE_INTERVAL old. The loop
// calls this at the end of each batch.
static inline void rate_note(struct rate *r, uint64_t now, const struct stats *stats)
{
    if (now - r->last_ns >= RATE_INTERVAL)
        rate_take(r, now, stats);
}

// Returns the approximate work done since `from` (monotonic ns, at most RATE_WINDOW ago). It may
// include up to one RATE_INTERVAL of work from before `from`, and may omit the batch in progress.
// Any thread may call this.
struct rate_totals rate_since(const struct rate *r, uint64_t from, const struct stats *stats);

#endif
