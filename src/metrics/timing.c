// Divides the time of a batch among the commands in it.
#include "metrics/timing.h"

#include <assert.h>

#include "base/clock.h"

void timing_begin(struct timing *t, uint64_t now)
{
    assert(t->count == 0);
    t->since_ns = now;
}

void timing_add(struct timing *t, unsigned number, unsigned units)
{
    assert(units > 0);
    if (t->work[number] == 0)
        t->numbers[t->count++] = (uint16_t)number;
    t->work[number] += units;
    t->units += units;
}

// Records the calls of the command that have finished since the last flush, each with an equal part
// of `ns`. `ns` may include the time of a call that is not finished; that part is subtracted first.
static void record_calls(struct timing *t, const struct stats *stats, unsigned number, uint64_t ns)
{
    uint64_t calls = counter_get(&stats->commands[number].calls);
    uint64_t finished = calls - t->calls[number];
    t->calls[number] = calls;
    if (finished == 0 || t->histograms == NULL)
        return;
    if (number == t->unfinished.number)
        ns -= (uint64_t)(t->each_ns * t->unfinished.units);
    if (finished > 1) // division is slow
        ns /= finished;
    histogram_table_record(t->histograms, number, ns + t->earlier_ns, finished);
}

void timing_flush(struct timing *t, struct stats *stats)
{
    if (t->count == 0)
        return;
    uint64_t now = clock_monotonic_ns();
    t->elapsed_ns = now - t->since_ns;
    t->each_ns = (double)t->elapsed_ns / (double)t->units;
    for (unsigned i = 0; i < t->count; i++) {
        unsigned number = t->numbers[i];
        uint64_t ns = (uint64_t)(t->each_ns * t->work[number]);
        counter_add(&stats->commands[number].ns, ns);
        record_calls(t, stats, number, ns);
        t->work[number] = 0;
    }
    t->since_ns = now;
    t->units = 0;
    t->count = 0;
    t->unfinished.units = 0;
    t->earlier_ns = 0;
}
