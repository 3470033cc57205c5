// Cold records are drawn from places that are more than a page apart, and each place has its turn
// before one comes again. The order of the places is a permutation that needs no memory: a
// bijection on the numbers of a few bits more, whose results outside the range are mapped again
// until they are inside (cycle walking, Black & Rogaway 2002).
#include "support/working_set.h"

#include "data/uuid_text.h"
#include "support/synthetic.h"

enum {
    PAGE = 4096,
    AROUND_VALUE = UUID_TEXT_LEN + 2, // bytes of a line besides its value
    ROUNDS = 3,
};

// Returns the distance of the places, in records. On average, the places are one and a half pages
// apart, because the lengths of the records vary.
static uint64_t distance(const struct working_set *w)
{
    uint64_t record = AROUND_VALUE + (w->value_min + w->value_max) / 2;
    return 1 + PAGE * 3 / 2 / record;
}

// A bijection on the numbers of `bits` bits. Each step can be undone: a shift to the right is added
// to a number, or it is multiplied by an odd number.
static uint64_t scramble(uint64_t x, unsigned bits)
{
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        x ^= x >> (bits + 1) / 2;
        x = x * UINT64_C(0xd1342543de82ef95) & mask;
    }
    return x ^ x >> (bits + 1) / 2;
}

// Returns a number less than `count`, another one for each `x` that is less than `count`.
static uint64_t permute(uint64_t x, uint64_t count)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(count);
    do
        x = scramble(x, bits);
    while (x >= count);
    return x;
}

uint64_t working_set_hot(const struct working_set *w, uint64_t n)
{
    return (uint64_t)((unsigned __int128)n * w->records / w->hot);
}

uint64_t working_set_cold(const struct working_set *w, uint64_t n)
{
    uint64_t apart = distance(w);
    uint64_t places = w->records / apart > 0 ? w->records / apart : 1;
    uint64_t record = permute(n % places, places) * apart + n / places % apart;
    return record < w->records ? record : w->records - 1;
}

size_t working_set_room(const struct working_set *w)
{
    return w->value_max + SYNTHETIC_SLACK;
}

size_t working_set_record(const struct working_set *w, uint64_t record, char *key, char *value)
{
    struct random r = synthetic_random(w->seed, record);
    uuid_format(synthetic_key(&r), key);
    size_t len = synthetic_length(&r, w->value_min, w->value_max);
    synthetic_value(&r, len, value);
    return len;
}
