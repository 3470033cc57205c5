// A number that one thread counts and any thread may read meanwhile.
//
// The owner adds with a plain load, add and store, without a lock, so counting costs as much as a
// `++`. A reader sees the value of a moment ago. Two counters that it reads may be of two moments.
#ifndef STELE_BASE_COUNTER_H
#define STELE_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

// A zeroed struct is a counter at 0.
struct counter {
    _Atomic uint64_t value;
};

// The present value. Any thread may call this; the functions below are for the owner's thread.
static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

// Adds `count`.
static inline void counter_add(struct counter *c, uint64_t count)
{
    atomic_store_explicit(&c->value, counter_get(c) + count, memory_order_relaxed);
}

// Subtracts `count`, which is at most the present value.
static inline void counter_sub(struct counter *c, uint64_t count)
{
    atomic_store_explicit(&c->value, counter_get(c) - count, memory_order_relaxed);
}

// Sets the value.
static inline void counter_set(struct counter *c, uint64_t value)
{
    atomic_store_explicit(&c->value, value, memory_order_relaxed);
}

#endif
