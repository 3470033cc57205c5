// The text of UUIDs, for callers where speed does not matter. Lookups inline the functions of the
// header.
#include "data/uuid_text.h"

bool uuid_parse(const char *text, struct uuid *id)
{
    return SIMD(uuid_parse)(text, id);
}

void uuid_format(struct uuid id, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < 32; i++) {
        uint64_t half = i < 16 ? id.hi : id.lo;
        unsigned nibble = (unsigned)(half >> (60 - 4 * (i % 16))) & 0xf;
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *text++ = '-';
        *text++ = digits[nibble];
    }
}
