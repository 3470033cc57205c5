// Random numbers: sequences for samples, on which nothing secret may hang, and a number that nobody
// can guess.
#ifndef STELE_BASE_RANDOM_H
#define STELE_BASE_RANDOM_H

#include <stdint.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

// The next number of the sequence that `*state`, any number at first, stands for. SplitMix64 by
// Steele, Lea & Flood.
static inline uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// A number that nobody can guess, from the system. Early in the boot of a machine, where that has
// none yet, one that differs from process to process and from time to time.
static inline uint64_t random_number(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number)
        return number;
    number = clock_monotonic_ns() ^ (uint64_t)getpid() << 32;
    return splitmix64(&number);
}

#endif
