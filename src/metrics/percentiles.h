// The value of the option latency-tracking-info-percentiles: the percentiles that INFO reports.
#ifndef STELE_METRICS_PERCENTILES_H
#define STELE_METRICS_PERCENTILES_H

#include "base/bytes.h"
#include "metrics/histogram.h"

enum {
    PERCENTILES_MAX = 16,
    PERCENTILE_TEXT = 32, // bytes that one percentile takes as text, with a NUL
};

struct percentiles {
    unsigned count;
    double percent[PERCENTILES_MAX];
};

// Reads numbers from 0 to 100, separated by single spaces. An empty text is an empty list. Returns
// NULL, or an error message, which is that of Redis where Redis has one.
const char *percentiles_parse(struct percentiles *p, struct span text);

// Writes the list at `to` as Redis does, separated by spaces, with a NUL. Text beyond `size` bytes
// is cut off.
void percentiles_format(const struct percentiles *p, char *to, size_t size);

// Appends the percentiles of the durations, in microseconds, as INFO shows them:
// "p50=1.003,p99=2.007".
void percentiles_append(const struct percentiles *p, const struct histogram_sum *sum,
                        struct buf *b);

#endif
