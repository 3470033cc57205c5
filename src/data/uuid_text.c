// The text of UUIDs, for callers where speed does not matter. Lookups inline the functions of the
// header.
#include "data/uuid_text.h"

bool uuid_parse(const char *text, struct uuid *id)
{
    return SIMD(uuid_parse)(text, id);
}

bool uuid_parse_any(struct span text, struct uuid *id)
{
    static const char urn[] = "urn:uuid:";
    enum { URN_LEN = sizeof urn - 1, DIGITS = 32 };
    char copy[UUID_TEXT_LEN];
    const char *at = text.ptr;
    switch (text.len) {
    case UUID_TEXT_LEN: return uuid_parse(at, id);
    case UUID_TEXT_LEN + 2:
        return at[0] == '{' && at[UUID_TEXT_LEN + 1] == '}' && uuid_parse(at + 1, id);
    case UUID_TEXT_LEN + URN_LEN:
        return span_is(span_of(at, URN_LEN), urn) && uuid_parse(at + URN_LEN, id);
    case DIGITS: break;
    default: return false;
    }
    memset(copy, '-', sizeof copy);
    memcpy(copy, at, 8);
    memcpy(copy + 9, at + 8, 4);
    memcpy(copy + 14, at + 12, 4);
    memcpy(copy + 19, at + 16, 4);
    memcpy(copy + 24, at + 20, 12);
    return uuid_parse(copy, id);
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
