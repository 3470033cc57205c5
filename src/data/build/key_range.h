// Ranges of keys.
#ifndef STELE_DATA_BUILD_KEY_RANGE_H
#define STELE_DATA_BUILD_KEY_RANGE_H

#include "data/uuid.h"

// The keys from `low` to `high`, both included.
struct key_range {
    struct uuid low;
    struct uuid high;
};

static const struct key_range all_keys = {{0, 0}, {UINT64_MAX, UINT64_MAX}};

// Returns the key as a number; greater keys have greater numbers.
static inline unsigned __int128 key_number(struct uuid id)
{
    return (unsigned __int128)id.hi << 64 | id.lo;
}

// Returns the key with this number.
static inline struct uuid key_of(unsigned __int128 number)
{
    return (struct uuid){(uint64_t)(number >> 64), (uint64_t)number};
}

// Returns the next key; for the last key, the first.
static inline struct uuid key_after(struct uuid id)
{
    return key_of(key_number(id) + 1);
}

// Returns the key before this one; for the first key, the last.
static inline struct uuid key_before(struct uuid id)
{
    return key_of(key_number(id) - 1);
}

// Whether the range consists of exactly the keys with a common prefix of bits.
bool key_range_is_prefix(struct key_range range);

// Returns a good last key for a range: not less than `a`, and less than `b`. Of the keys that are
// greater than `a` and not greater than `b`, one has the most trailing zero bits; the result is the
// key before that one. A range that ends there consists of one prefix range (key_range_is_prefix)
// or a few of them. Such ranges make the best units of a trie (image.h). `a` must be less than `b`.
struct uuid key_range_round_end(struct uuid a, struct uuid b);

#endif
