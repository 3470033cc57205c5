// A ring of samples. The work done since a moment is the difference between the counters now and
// those in the last sample before that moment. This includes the work between that sample and that
// moment, which is little: the first batch that ends RATE_INTERVAL or more after a sample takes
// another sample.
#include "metrics/rate.h"

void rate_take(struct rate *r, uint64_t now, const struct stats *stats)
{
    struct rate_sample *sample = &r->samples[counter_get(&r->taken) % RATE_SAMPLES];
    counter_set(&sample->at_ns, now);
    counter_set(&sample->commands, counter_get(&stats->commands_processed));
    counter_set(&sample->input_bytes, counter_get(&stats->net_input_bytes));
    counter_set(&sample->output_bytes, counter_get(&stats->net_output_bytes));
    r->last_ns = now;
    atomic_store_explicit(&r->taken.value, counter_get(&r->taken) + 1, memory_order_release);
}

struct rate_totals rate_since(const struct rate *r, uint64_t from, const struct stats *stats)
{
    struct rate_totals totals = {counter_get(&stats->commands_processed),
                                 counter_get(&stats->net_input_bytes),
                                 counter_get(&stats->net_output_bytes)};
    uint64_t taken = atomic_load_explicit(&r->taken.value, memory_order_acquire);
    uint64_t oldest = taken > RATE_SAMPLES ? taken - RATE_SAMPLES : 0;
    for (uint64_t i = taken; i-- > oldest;) {
        const struct rate_sample *sample = &r->samples[i % RATE_SAMPLES];
        uint64_t at = counter_get(&sample->at_ns);
        if (at > from)
            continue;
        // `sample` is the newest one, and at least RATE_INTERVAL older than `from`. A batch that
        // ended after `from` would have taken a newer sample. So no batch has ended since `from`,
        // and no work was done.
        if (i + 1 == taken && from - at >= RATE_INTERVAL)
            return (struct rate_totals){0};
        totals.commands -= counter_get(&sample->commands);
        totals.input_bytes -= counter_get(&sample->input_bytes);
        totals.output_bytes -= counter_get(&sample->output_bytes);
        break;
    }
    return totals;
}
