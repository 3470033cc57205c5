// The two clocks: one that only goes forward, for durations, and the wall clock, for people.
#ifndef STELE_BASE_CLOCK_H
#define STELE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_SECOND UINT64_C(1000000000) // in nanoseconds

// Nanoseconds since an arbitrary start. Never goes back; changes of the date do not affect it.
static inline uint64_t clock_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Microseconds since 1970-01-01 00:00 UTC.
static inline uint64_t clock_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

#endif
