// A histogram of durations, log-linear as Gil Tene's HdrHistogram (2012): each power of two is cut
// into as many equal parts, so a percentile is off by less than 2 %, in 30 KB, whatever the range.
//
// Zeroed is empty. One thread at a time.
#ifndef STELE_TESTS_HISTOGRAM_H
#define STELE_TESTS_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 6, // a power of two has 64 parts
    HISTOGRAM_SLOTS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
    uint64_t counts[HISTOGRAM_SLOTS];
    uint64_t total;
    uint64_t max; // to the unit
};

void histogram_add(struct histogram *h, uint64_t value);

// The least value, rounded up by less than 1 part in 64, that at least `percent` of the values do
// not exceed; at most `max`. 0 when it is empty.
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
