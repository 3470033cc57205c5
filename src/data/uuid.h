// UUIDs as numbers of 128 bits. data/uuid_text.h reads and writes their text.
#ifndef STELE_DATA_UUID_H
#define STELE_DATA_UUID_H

#include <stdbool.h>
#include <stdint.h>

// The bits are in the order of the text: the first digit is at the top of `hi`. So two UUIDs
// compared as numbers have the same order as their canonical texts.
struct uuid {
    uint64_t hi;
    uint64_t lo;
};

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

static inline bool uuid_less(struct uuid a, struct uuid b)
{
    return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}

// Comparison function for qsort. `a` and `b` point to UUIDs.
static inline int uuid_compare(const void *a, const void *b)
{
    const struct uuid *x = a;
    const struct uuid *y = b;
    return uuid_less(*x, *y) ? -1 : uuid_less(*y, *x);
}

#endif
