// A counter that one thread writes and any thread may read at the same time.
//
// The thread that writes a counter is its owner. The owner adds with a plain load, add and store,
// without a lock. So counting costs as much as a `++`. Readers may see a value that is slightly
// old. If they read two counters, the values may be of different moments.
#ifndef STELE_BASE_COUNTER_H
#define STELE_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

// A zeroed struct is a counter at 0.
struct counter {
    _Atomic uint64_t value;
};

// Returns the present value. Any thread may call this. Only the owner may call the functions below.
static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

static inline void counter_add(struct counter *c, uint64_t count)
{
    atomic_store_explicit(&c->value, counter_get(c) + count, memory_order_relaxed);
}

// Subtracts `count`, which is at most the present value.
static inline void counter_sub(struct counter *c, uint64_t count)
{
    atomic_store_explicit(&c->value, counter_get(c) - count, memory_order_relaxed);
}

static inline void counter_set(struct counter *c, uint64_t value)
{
    atomic_store_explicit(&c->value, value, memory_order_relaxed);
}

#endif
