// A histogram of durations, log-linear like Gil Tene's HdrHistogram (2012): each power of two is
// divided into 64 equal slots. So a percentile is off by less than 2 % for values of any size. A
// histogram takes 30 KB.
//
// A zeroed struct is empty. One thread at a time may use a histogram.
#ifndef STELE_TESTS_HISTOGRAM_H
#define STELE_TESTS_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 6, // each power of two has 2^6 = 64 slots
    HISTOGRAM_SLOTS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
    uint64_t counts[HISTOGRAM_SLOTS];
    uint64_t total; // number of values
    uint64_t max;   // largest value, exact
};

void histogram_add(struct histogram *h, uint64_t value);

// Returns the value that `percent` of the values do not exceed. It is rounded up by less than 1
// part in 64, and is at most `max`. Returns 0 when the histogram is empty.
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
