// Dividing the time of a batch among the commands in it.
#include "serve/timing.h"

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

void timing_settle(struct timing *t, struct stats *stats)
{
    if (t->count == 0)
        return;
    uint64_t now = clock_monotonic_ns();
    double each = (double)(now - t->since_ns) / (double)t->units;
    for (unsigned i = 0; i < t->count; i++) {
        unsigned number = t->numbers[i];
        counter_add(&stats->commands[number].ns, (uint64_t)(each * t->work[number]));
        t->work[number] = 0;
    }
    t->since_ns = now;
    t->units = 0;
    t->count = 0;
}
