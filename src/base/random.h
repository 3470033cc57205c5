// Random numbers: sequences for samples, which are no secret, and a number that nobody can guess.
#ifndef STELE_BASE_RANDOM_H
#define STELE_BASE_RANDOM_H

#include <stdint.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

// The next number of a sequence. `*state` may begin with any number and belongs to the sequence
// from then on. SplitMix64 by Steele, Lea & Flood.
static inline uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// A number from the system that nobody can guess. Early in the boot of a machine the system has
// none yet; then the number only differs between processes and between calls.
static inline uint64_t random_number(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number)
        return number;
    number = clock_monotonic_ns() ^ (uint64_t)getpid() << 32;
    return splitmix64(&number);
}

#endif
