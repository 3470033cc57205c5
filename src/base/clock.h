// The two clocks: the monotonic clock for durations, and the wall clock for times shown to people.
#ifndef STELE_BASE_CLOCK_H
#define STELE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_SECOND UINT64_C(1000000000) // in nanoseconds

// Returns nanoseconds since an arbitrary start. The clock never goes back, whatever date is set.
static inline uint64_t clock_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Returns microseconds since 1970-01-01 00:00 UTC.
static inline uint64_t clock_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

#endif
