// A histogram of the lengths of values.
//
// It is log-linear, like Gil Tene's HdrHistogram (2012): lengths below LENGTHS_EXACT are counted
// one by one; above, each power of two is divided into LENGTHS_EXACT / 2 equal slots. So a
// percentile is exact below LENGTHS_EXACT, and off by less than 1 part in 1000 above.
#ifndef STELE_TOOL_LENGTHS_H
#define STELE_TOOL_LENGTHS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LENGTHS_BITS = 11,
    LENGTHS_EXACT = 1 << LENGTHS_BITS, // bytes
    LENGTHS_HALF = LENGTHS_EXACT / 2,
    // A length has 64 bits.
    LENGTHS_SLOTS = LENGTHS_EXACT + (64 - LENGTHS_BITS) * LENGTHS_HALF,
};

// A zeroed struct has no lengths.
struct lengths {
    uint64_t count;    // number of values
    uint64_t bytes;    // sum of the lengths
    uint64_t smallest; // 0 if there is none
    uint64_t largest;
    uint64_t counts[LENGTHS_SLOTS]; // number of values by slot
};

void lengths_add(struct lengths *l, uint64_t length);

// Returns a length that `percent` of the values do not exceed: the longest length of its slot, but
// not more than the largest one. Returns 0 when there are no values.
uint64_t lengths_percentile(const struct lengths *l, double percent);

// A row of a picture of the histogram.
struct lengths_row {
    uint64_t from;  // shortest length
    uint64_t to;    // longest length
    uint64_t count; // number of values with such a length
};

enum {
    LENGTHS_ROWS_MAX = 65, // one for 0, and one for each power of two
    LENGTHS_ROWS_WANTED = 20,
};

// Sets `rows` to the rows of a picture, and returns their number. If all lengths are below
// LENGTHS_EXACT and the longest ones are not much longer than the others, the rows have equal
// ranges of a round number of lengths. There are at most LENGTHS_ROWS_WANTED rows then. Otherwise
// there is a row for each power of two. The first row has the smallest length, the last one the
// largest. Returns 0 when there are no values.
unsigned lengths_rows(const struct lengths *l, struct lengths_row rows[LENGTHS_ROWS_MAX]);

#endif
