// The highest set bit of a value and the HISTOGRAM_BITS bits after it choose the slot. Each value
// below 2^HISTOGRAM_BITS has a slot of its own.
#include "support/histogram.h"

static unsigned slot_of(uint64_t value)
{
    if (value >> HISTOGRAM_BITS == 0)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    return (shift << HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

// The largest value of a slot.
static uint64_t slot_end(unsigned slot)
{
    if (slot >> HISTOGRAM_BITS == 0)
        return slot;
    unsigned shift = (slot >> HISTOGRAM_BITS) - 1;
    uint64_t top = slot - (shift << HISTOGRAM_BITS);
    return (top << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->counts[slot_of(value)]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double wanted = (double)h->total * percent / 100;
    uint64_t seen = 0;
    for (unsigned slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        seen += h->counts[slot];
        if (seen > 0 && (double)seen >= wanted)
            return slot_end(slot) < h->max ? slot_end(slot) : h->max;
    }
    return h->max;
}
