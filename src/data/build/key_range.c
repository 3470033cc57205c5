// Finds ranges that consist of few prefix ranges.
#include "data/build/key_range.h"

#include <assert.h>

bool key_range_is_prefix(struct key_range range)
{
    unsigned __int128 low = key_number(range.low);
    unsigned __int128 differing = low ^ key_number(range.high);
    return (differing & (differing + 1)) == 0 && (low & differing) == 0;
}

struct uuid key_range_round_end(struct uuid a, struct uuid b)
{
    unsigned __int128 differing = key_number(a) ^ key_number(b);
    unsigned bit = 0;
    assert(uuid_less(a, b));
    while (differing >> bit > 1)
        bit++;
    return key_of((key_number(b) >> bit << bit) - 1);
}
