// UUIDs: 36 characters of text and 128 bits.
//
// The text is 8-4-4-4-12 hexadecimal digits in either case with hyphens between; every version
// and variant is accepted, the nil and the max UUID too. The canonical text is in lower case.
#ifndef STELE_DATA_UUID_H
#define STELE_DATA_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UUID_TEXT_LEN = 36 };

// The bits in the order of the text: the first digit is the top of `hi`. Comparing two UUIDs as
// numbers therefore orders them as their canonical texts.
struct uuid {
    uint64_t hi;
    uint64_t lo;
};

// Reads exactly UUID_TEXT_LEN bytes at `text`. False, with `*id` unspecified, when they are not a
// UUID.
bool uuid_parse(const char *text, struct uuid *id);

// Writes the canonical text at `text`: UUID_TEXT_LEN bytes, no NUL.
void uuid_format(struct uuid id, char *text);

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

static inline bool uuid_less(struct uuid a, struct uuid b)
{
    return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}

// For qsort: `a` and `b` point to UUIDs.
static inline int uuid_compare(const void *a, const void *b)
{
    const struct uuid *x = a;
    const struct uuid *y = b;
    return uuid_less(*x, *y) ? -1 : uuid_less(*y, *x);
}

#endif
