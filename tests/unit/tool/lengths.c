// The histogram of lengths (tool/lengths.c): percentiles are those of the sorted lengths, exact for
// short ones, and the rows of a picture count each value once.
#include "tool/lengths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/tap.h"

enum { COUNT = 5000 };

static struct lengths lengths;
static uint64_t sorted[COUNT];

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

// Returns the least of the lengths that `percent` of them do not exceed.
static uint64_t model_percentile(unsigned count, double percent)
{
    unsigned at = 0;
    while (at + 1 < count && at + 1 < percent / 100 * count)
        at++;
    return sorted[at];
}

// Whether `got` is `wanted`, or more by less than 1 part in 1000 if it need not be exact.
static bool is_near(uint64_t got, uint64_t wanted)
{
    if (wanted < LENGTHS_EXACT)
        return got == wanted;
    return got >= wanted && got - wanted <= wanted / 1000;
}

static unsigned wrong_percentiles(unsigned count)
{
    static const double percents[] = {0, 0.01, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
    unsigned wrong = 0;
    for (unsigned i = 0; i < sizeof percents / sizeof *percents; i++)
        wrong += !is_near(lengths_percentile(&lengths, percents[i]),
                          model_percentile(count, percents[i]));
    return wrong;
}

static uint64_t count_of(unsigned count, uint64_t from, uint64_t to)
{
    uint64_t found = 0;
    for (unsigned i = 0; i < count; i++)
        found += sorted[i] >= from && sorted[i] <= to;
    return found;
}

// Whether there are at most `most_rows` rows, they are in order, without gaps, and each has the
// right count.
static bool rows_are_right(unsigned count, unsigned most_rows)
{
    struct lengths_row rows[LENGTHS_ROWS_MAX];
    unsigned n = lengths_rows(&lengths, rows);
    bool good = n > 0 && n <= LENGTHS_ROWS_MAX && rows[0].from <= sorted[0] &&
                rows[0].to >= sorted[0] && rows[n - 1].from <= sorted[count - 1] &&
                rows[n - 1].to >= sorted[count - 1] && n <= most_rows;
    for (unsigned i = 0; i < n; i++) {
        good &= rows[i].from <= rows[i].to && (i == 0 || rows[i].from == rows[i - 1].to + 1);
        good &= rows[i].count == count_of(count, rows[i].from, rows[i].to);
    }
    return good;
}

static void check(const char *name, unsigned count)
{
    uint64_t bytes = 0;
    memset(&lengths, 0, sizeof lengths);
    for (unsigned i = 0; i < count; i++) {
        lengths_add(&lengths, sorted[i]);
        bytes += sorted[i];
    }
    qsort(sorted, count, sizeof *sorted, compare);
    ok(lengths.count == count && lengths.bytes == bytes && lengths.smallest == sorted[0] &&
           lengths.largest == sorted[count - 1],
       "%s: count, sum, smallest and largest", name);
    is_number(wrong_percentiles(count), 0, "%s: percentiles", name);
    unsigned most = sorted[count - 1] < LENGTHS_EXACT ? LENGTHS_ROWS_WANTED : LENGTHS_ROWS_MAX;
    ok(rows_are_right(count, most), "%s: rows", name);
}

static void check_random(struct random *r)
{
    static const uint64_t limits[] = {1, 2, 19, 20, 21, 100, 1000, 2047, 2048, 2049, 100000};
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++)
        for (unsigned shift = 0; shift < 2; shift++) {
            char name[64];
            uint64_t least = shift * random_below(r, 3000);
            for (unsigned j = 0; j < COUNT; j++)
                sorted[j] = least + random_below(r, limits[i]);
            snprintf(name, sizeof name, "%llu lengths from %llu on", (unsigned long long)limits[i],
                     (unsigned long long)least);
            check(name, COUNT);
        }
    for (unsigned j = 0; j < COUNT; j++)
        sorted[j] = random_next(r) >> random_below(r, 64);
    check("lengths of all sizes", COUNT);
}

// One long value does not put all others into one row.
static void check_outlier(void)
{
    struct lengths_row rows[LENGTHS_ROWS_MAX];
    for (unsigned i = 0; i < COUNT; i++)
        sorted[i] = i % 64;
    sorted[7] = 2000;
    check("an outlier", COUNT);
    is_number(lengths_rows(&lengths, rows), 12, "an outlier: a row for each power of two");
}

static void check_single(void)
{
    static const uint64_t single[] = {0,    1,    2,    2046, 2047,           2048,
                                      2049, 4095, 4096, 4097, UINT64_MAX / 2, UINT64_MAX};
    for (unsigned i = 0; i < sizeof single / sizeof *single; i++) {
        char name[64];
        *sorted = single[i];
        snprintf(name, sizeof name, "only %llu", (unsigned long long)single[i]);
        check(name, 1);
    }
}

static void check_none(void)
{
    struct lengths_row rows[LENGTHS_ROWS_MAX];
    memset(&lengths, 0, sizeof lengths);
    is_number(lengths_rows(&lengths, rows), 0, "no lengths: no rows");
    is_number((int64_t)lengths_percentile(&lengths, 50), 0, "no lengths: percentile");
}

int main(void)
{
    struct random r = random_seeded();
    check_random(&r);
    check_outlier();
    check_single();
    check_none();
    return done_testing();
}
