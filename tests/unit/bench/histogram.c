// The histogram against a sorted array of the same values.
#include "support/histogram.h"

#include <stdlib.h>

#include "support/tap.h"

enum { VALUES = 10000 };

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

// At most what the header allows above the exact percentile.
static bool is_near(uint64_t got, uint64_t exact)
{
    return got >= exact && got - exact <= exact >> HISTOGRAM_BITS;
}

static void test_percentiles(struct random *r)
{
    static struct histogram h;
    static uint64_t values[VALUES];
    for (unsigned i = 0; i < VALUES; i++) {
        values[i] = random_next(r) >> random_below(r, 64); // of every magnitude
        histogram_add(&h, values[i]);
    }
    qsort(values, VALUES, sizeof *values, compare);
    bool near = true;
    for (unsigned i = 1; i <= VALUES; i++) {
        double percent = (double)i * 100 / VALUES;
        near = near && is_near(histogram_percentile(&h, percent - 50.0 / VALUES), values[i - 1]);
    }
    ok(near, "every percentile is right, or a little above");
    ok(histogram_percentile(&h, 100) == values[VALUES - 1] && h.max == values[VALUES - 1],
       "the largest is exact");
    is_number((int64_t)h.total, VALUES, "all are counted");
}

static void test_ends(void)
{
    static struct histogram h;
    is_number((int64_t)histogram_percentile(&h, 50), 0, "empty: 0");
    histogram_add(&h, 0);
    is_number((int64_t)histogram_percentile(&h, 99), 0, "0 is 0");
    histogram_add(&h, UINT64_MAX);
    ok(histogram_percentile(&h, 99) == UINT64_MAX, "the largest number has a slot");
    ok(histogram_percentile(&h, 50) == 0, "the largest number does not count in lower slots");
}

int main(void)
{
    struct random r = random_seeded();
    test_percentiles(&r);
    test_ends();
    return done_testing();
}
