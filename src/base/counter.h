// A number that one thread counts and any thread may read meanwhile.
//
// The owner's addition is a plain load, add and store: nothing is locked and no other thread's
// counters share it, so counting costs what a `++` does. A reader sees each counter as it was a
// moment ago, and two counters not as of the same moment.
#ifndef STELE_BASE_COUNTER_H
#define STELE_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

// A zeroed one is at 0.
struct counter {
    _Atomic uint64_t value;
};

// The value at this moment; any thread.
static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

// For the owner's thread alone.
static inline void counter_add(struct counter *c, uint64_t count)
{
    atomic_store_explicit(&c->value, counter_get(c) + count, memory_order_relaxed);
}

// For the owner's thread alone; what is counted must be as many at least.
static inline void counter_sub(struct counter *c, uint64_t count)
{
    atomic_store_explicit(&c->value, counter_get(c) - count, memory_order_relaxed);
}

// For the owner's thread alone.
static inline void counter_set(struct counter *c, uint64_t value)
{
    atomic_store_explicit(&c->value, value, memory_order_relaxed);
}

#endif
