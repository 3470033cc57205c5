// Tests of the histograms of durations: compared with a sorted array of the same values, turned
// off, and reset by another thread. Also tests of the list of percentiles.
#include "metrics/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/percentiles.h"
#include "support/tap.h"

enum { VALUES = 10000, COMMAND = 7 };

static _Atomic int64_t enabled = 1;
static atomic_uint resets;

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static struct histogram_table *new_table(void)
{
    struct histogram_table *t = calloc(1, sizeof *t);
    require(t != NULL, "no memory");
    t->enabled = &enabled;
    t->resets = &resets;
    return t;
}

static void free_table(struct histogram_table *t)
{
    histogram_table_release(t);
    free(t);
}

static struct histogram_sum sum_of(const struct histogram_table *t)
{
    struct histogram_sum sum = {0};
    histogram_sum_add(&sum, t, COMMAND);
    return sum;
}

static void check_percentiles(struct random *r)
{
    static uint64_t values[VALUES];
    // The tables of two loops, whose sum is compared.
    struct histogram_table *tables[] = {new_table(), new_table()};
    struct histogram_sum sum = {0};
    for (unsigned i = 0; i < VALUES; i++) {
        values[i] = random_next(r) >> (64 - HISTOGRAM_TOP_BIT + random_below(r, HISTOGRAM_TOP_BIT));
        histogram_table_record(tables[random_below(r, 2)], COMMAND, values[i], 1);
    }
    qsort(values, VALUES, sizeof *values, compare);
    for (unsigned i = 0; i < 2; i++)
        ok(histogram_sum_add(&sum, tables[i], COMMAND), "the loop has recorded calls");
    is_number((int64_t)sum.total, VALUES, "all values are counted");
    bool near = true;
    for (unsigned i = 1; i <= VALUES; i++) {
        double percent = ((double)i - 0.5) * 100 / VALUES;
        uint64_t got = histogram_sum_percentile(&sum, percent);
        near =
            near && got >= values[i - 1] && got - values[i - 1] <= values[i - 1] >> HISTOGRAM_BITS;
    }
    ok(near, "every percentile is right, or slightly above");
    unsigned wrong = 0;
    for (unsigned bit = HISTOGRAM_BITS; bit <= HISTOGRAM_TOP_BIT; bit++) {
        uint64_t below = 0;
        while (below < VALUES && values[below] < UINT64_C(1) << bit)
            below++;
        wrong += histogram_sum_below(&sum, bit) != below;
    }
    is_number(wrong, 0, "the number of values below a power of two is exact");
    for (unsigned i = 0; i < 2; i++)
        free_table(tables[i]);
}

static void check_ends(void)
{
    struct histogram_table *t = new_table();
    struct histogram_sum sum = sum_of(t);
    ok(sum.total == 0 && histogram_sum_percentile(&sum, 50) == 0,
       "without records, a percentile is 0");
    ok(!histogram_sum_add(&sum, t, COMMAND), "without records, there is no histogram to add");
    histogram_table_record(t, COMMAND, 0, 3);
    histogram_table_record(t, COMMAND, UINT64_MAX, 1);
    sum = sum_of(t);
    is_number((int64_t)sum.total, 4, "several calls of the same duration are recorded at once");
    is_number((int64_t)histogram_sum_percentile(&sum, 75), 0, "a duration of 0 is recorded as 0");
    is_number((int64_t)histogram_sum_percentile(&sum, 100), (INT64_C(1) << HISTOGRAM_TOP_BIT) - 1,
              "a duration that is too long goes to the last slot");
    is_number((int64_t)histogram_sum_below(&sum, HISTOGRAM_TOP_BIT), 4,
              "a duration that is too long counts below the last bit");
    sum = (struct histogram_sum){0};
    ok(!histogram_sum_add(&sum, t, COMMAND + 1), "another command has recorded nothing");
    free_table(t);
}

static void check_switches(void)
{
    struct histogram_table *t = new_table();
    struct histogram_table none = {0};
    enabled = 0;
    histogram_table_record(t, COMMAND, 5, 1);
    enabled = 1;
    is_number((int64_t)sum_of(t).total, 0, "nothing is recorded while recording is off");
    histogram_table_record(&none, COMMAND, 5, 1);
    ok(none.by_number[COMMAND] == NULL, "a zeroed table records nothing");
    histogram_table_record(t, COMMAND, 5, 2);
    is_number((int64_t)sum_of(t).total, 2, "calls are recorded when recording is on again");
    resets++;
    is_number((int64_t)sum_of(t).total, 0, "calls from before a reset do not count");
    histogram_table_record(t, COMMAND, 9, 1);
    struct histogram_sum sum = sum_of(t);
    ok(sum.total == 1 && histogram_sum_percentile(&sum, 100) == 9, "calls after a reset count");
    histogram_table_record(t, COMMAND, 9, 1);
    is_number((int64_t)sum_of(t).total, 2, "the next calls are added to them");
    free_table(t);
}

// ---- the list of percentiles --------------------------------------------------------------------

static void check_list(const char *text, const char *shown)
{
    struct percentiles p;
    char to[PERCENTILES_MAX * PERCENTILE_TEXT] = "";
    const char *wrong = percentiles_parse(&p, span_text(text));
    if (wrong == NULL)
        percentiles_format(&p, to, sizeof to);
    is_text(wrong != NULL ? wrong : to, shown, "'%s'", text);
}

static void check_lists(void)
{
    static const char invalid[] = "Invalid latency-tracking-info-percentiles parameters";
    static const char outside[] =
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    check_list("50 99 99.9", "50 99 99.9");
    check_list("", "");
    check_list("0 100", "0 100");
    check_list("50.123456789 1e1", "50.123457 10");
    check_list("99 50 50", "99 50 50");
    check_list("100.1", outside);
    check_list("50 -1", outside);
    check_list("50  99", invalid);
    check_list(" 50", invalid);
    check_list("50 ", invalid);
    check_list("nan", invalid);
    check_list("5x", invalid);
    check_list("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
    check_list("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
               "latency-tracking-info-percentiles takes at most 16 parameters");
    check_list("0.00000000000000000000000000000000001", invalid); // a number that is too long
}

int main(void)
{
    struct random r = random_seeded();
    check_percentiles(&r);
    check_ends();
    check_switches();
    check_lists();
    return done_testing();
}
