// A duration's highest bit that is 1, and the HISTOGRAM_BITS bits below it, choose its slot. Each
// duration below 2^HISTOGRAM_BITS ns, which has too few bits for that, has a slot of its own.
//
// A reset takes no lock, because only a loop's own thread writes its histograms. The thread that
// resets increments the number of resets, `*resets`, which the tables of all loops share. Each loop
// clears a histogram when it next records in it. Until then a reader sees that the histogram's
// field `resets` differs from `*resets`, and treats the histogram as empty.
#include "metrics/histogram.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static unsigned slot_of(uint64_t ns)
{
    if (ns >> HISTOGRAM_TOP_BIT != 0)
        return HISTOGRAM_SLOTS - 1;
    if (ns >> HISTOGRAM_BITS == 0)
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
    return (shift << HISTOGRAM_BITS) + (unsigned)(ns >> shift);
}

// The longest duration of a slot, in ns.
static uint64_t slot_end(unsigned slot)
{
    if (slot >> HISTOGRAM_BITS == 0)
        return slot;
    unsigned shift = (slot >> HISTOGRAM_BITS) - 1;
    uint64_t top = slot - (shift << HISTOGRAM_BITS);
    return (top << shift) + ((UINT64_C(1) << shift) - 1);
}

// Returns the histogram `number` to record in, allocated on first use and cleared after a reset.
// Returns NULL when memory is short.
static struct histogram *histogram_to_record(struct histogram_table *t, unsigned number)
{
    struct histogram *h = atomic_load_explicit(&t->by_number[number], memory_order_relaxed);
    unsigned resets = atomic_load_explicit(t->resets, memory_order_relaxed);
    if (h == NULL) {
        h = memory_aligned(sizeof *h);
        if (h == NULL)
            return NULL;
        atomic_store_explicit(&h->resets, resets, memory_order_relaxed);
        atomic_store_explicit(&t->by_number[number], h, memory_order_release);
    } else if (atomic_load_explicit(&h->resets, memory_order_relaxed) != resets) {
        for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
            counter_set(&h->counts[i], 0);
        atomic_store_explicit(&h->resets, resets, memory_order_release);
    }
    return h;
}

void histogram_table_record(struct histogram_table *t, unsigned number, uint64_t ns, uint64_t calls)
{
    if (t->enabled == NULL || atomic_load_explicit(t->enabled, memory_order_relaxed) == 0)
        return;
    struct histogram *h = histogram_to_record(t, number);
    if (h != NULL)
        counter_add(&h->counts[slot_of(ns)], calls);
}

bool histogram_sum_add(struct histogram_sum *sum, const struct histogram_table *t, unsigned number)
{
    const struct histogram *h = atomic_load_explicit(&t->by_number[number], memory_order_acquire);
    if (h == NULL || atomic_load_explicit(&h->resets, memory_order_acquire) !=
                         atomic_load_explicit(t->resets, memory_order_relaxed))
        return false;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        uint64_t count = counter_get(&h->counts[i]);
        sum->counts[i] += count;
        sum->total += count;
    }
    return true;
}

uint64_t histogram_sum_percentile(const struct histogram_sum *sum, double percent)
{
    double calls = (double)sum->total * percent / 100;
    uint64_t seen = 0;
    uint64_t end = 0;
    for (unsigned slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        if (sum->counts[slot] == 0)
            continue;
        seen += sum->counts[slot];
        end = slot_end(slot);
        if ((double)seen >= calls)
            break;
    }
    return end;
}

uint64_t histogram_sum_below(const struct histogram_sum *sum, unsigned bit)
{
    unsigned end = bit < HISTOGRAM_TOP_BIT ? slot_of(UINT64_C(1) << bit) : HISTOGRAM_SLOTS;
    uint64_t count = 0;
    for (unsigned slot = 0; slot < end; slot++)
        count += sum->counts[slot];
    return count;
}

void histogram_table_release(struct histogram_table *t)
{
    for (unsigned i = 0; i < HISTOGRAMS; i++) {
        free(atomic_load(&t->by_number[i]));
        atomic_store(&t->by_number[i], NULL);
    }
}
