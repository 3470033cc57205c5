// The state of splitmix64 only counts, so the numbers of two records would overlap if their states
// were near each other. One more step of splitmix64 spreads the states. That step maps different
// states to different ones.
#include "support/synthetic.h"

#include <string.h>

#include "support/keysets.h"

struct random synthetic_random(uint64_t seed, uint64_t i)
{
    struct random at = {seed};
    random_skip(&at, i);
    return (struct random){random_next(&at)};
}

struct uuid synthetic_key(struct random *r)
{
    return keysets[0].key(r, 0, 0);
}

// Replaces each byte that is a newline by another byte.
static uint64_t without_newlines(uint64_t word)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t zero_if_newline = word ^ UINT64_C(0x0a0a0a0a0a0a0a0a);
    return word | ~(((zero_if_newline & low) + low) | zero_if_newline | low);
}

size_t synthetic_length(struct random *r, size_t min, size_t max)
{
    return min + random_below(r, max - min + 1);
}

void synthetic_value(struct random *r, size_t len, char *value)
{
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t word = without_newlines(random_next(r));
        memcpy(value + i, &word, sizeof word);
    }
}
