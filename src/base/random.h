// Pseudo-random numbers for samples; nothing secret may hang on them.
#ifndef STELE_BASE_RANDOM_H
#define STELE_BASE_RANDOM_H

#include <stdint.h>

// The next number of the sequence that `*state`, any number at first, stands for. SplitMix64 by
// Steele, Lea & Flood.
static inline uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
