// A ring of samples. What was done since a moment is what the counters say now, less what they said
// in the last sample before it: between that sample and the moment nothing was done, or too little
// time had passed for another one.
#include "metrics/rate.h"

void pace_take(struct pace *p, uint64_t now, const struct stats *stats)
{
    struct pace_sample *sample = &p->samples[counter_get(&p->taken) % PACE_SAMPLES];
    counter_set(&sample->at_ns, now);
    counter_set(&sample->commands, counter_get(&stats->commands_processed));
    counter_set(&sample->input_bytes, counter_get(&stats->net_input_bytes));
    counter_set(&sample->output_bytes, counter_get(&stats->net_output_bytes));
    p->last_ns = now;
    atomic_store_explicit(&p->taken.value, counter_get(&p->taken) + 1, memory_order_release);
}

struct pace_totals pace_since(const struct pace *p, uint64_t from, const struct stats *stats)
{
    struct pace_totals totals = {counter_get(&stats->commands_processed),
                                 counter_get(&stats->net_input_bytes),
                                 counter_get(&stats->net_output_bytes)};
    uint64_t taken = atomic_load_explicit(&p->taken.value, memory_order_acquire);
    uint64_t oldest = taken > PACE_SAMPLES ? taken - PACE_SAMPLES : 0;
    for (uint64_t i = taken; i-- > oldest;) {
        const struct pace_sample *sample = &p->samples[i % PACE_SAMPLES];
        uint64_t at = counter_get(&sample->at_ns);
        if (at > from)
            continue;
        // What came behind the last sample came soon, or there would be another one.
        if (i + 1 == taken && from - at >= PACE_INTERVAL)
            return (struct pace_totals){0};
        totals.commands -= counter_get(&sample->commands);
        totals.input_bytes -= counter_get(&sample->input_bytes);
        totals.output_bytes -= counter_get(&sample->output_bytes);
        break;
    }
    return totals;
}
