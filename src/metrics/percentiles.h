// Percentiles that an operator asks for: the option latency-tracking-info-percentiles.
#ifndef STELE_METRICS_PERCENTILES_H
#define STELE_METRICS_PERCENTILES_H

#include "base/bytes.h"

enum {
    PERCENTILES_MAX = 16,
    PERCENTILE_TEXT = 32, // bytes of one as text
};

struct percentiles {
    unsigned count;
    double percent[PERCENTILES_MAX];
};

// Reads numbers separated by single spaces; none is good, too. NULL, or what is wrong with them, in
// Redis's words where it has any.
const char *percentiles_parse(struct percentiles *p, struct span text);

// Writes one as Redis does, "99.9": six digits behind the point, without zeros at the end. `to`
// itself.
const char *percentile_format(double percent, char to[PERCENTILE_TEXT]);

// Writes them all, separated by spaces, as far as `size` bytes go.
void percentiles_format(const struct percentiles *p, char *to, size_t size);

#endif
