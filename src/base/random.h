// Random numbers: a fast sequence for samples, and numbers that nobody can guess.
#ifndef STELE_BASE_RANDOM_H
#define STELE_BASE_RANDOM_H

#include <stdint.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

// Returns the next number of a sequence, which is the same for the same first `*state`. The caller
// sets `*state` to any number at the beginning and does not change it afterwards. The generator is
// SplitMix64 by Steele, Lea & Flood.
static inline uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Returns a number that nobody can guess. Soon after the machine has booted, the system may have
// none yet. Then the number can be guessed, but still differs between processes and between calls.
static inline uint64_t random_number(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number)
        return number;
    number = clock_monotonic_ns() ^ (uint64_t)getpid() << 32;
    return splitmix64(&number);
}

#endif
