// UUID text by words: eight hexadecimal digits are read as one 64-bit integer and checked,
// converted and packed together (the "SIMD within a register" technique), four times per UUID.
#include "data/uuid.h"

#include <endian.h>
#include <string.h>

#define EVERY_BYTE(b) (0x0101010101010101u * (uint64_t)(b))

// Which bytes are at least `low`, as their top bits. Every byte of `x` must be below 0x80.
static inline uint64_t bytes_at_least(uint64_t x, unsigned low)
{
    return (x + EVERY_BYTE(0x80 - low)) & EVERY_BYTE(0x80);
}

// Eight characters, the first in the lowest byte, to 32 bits. Sets bits in `*bad` unless all are
// hexadecimal digits.
static inline uint32_t eight_digits(uint64_t x, uint64_t *bad)
{
    uint64_t low7 = x & EVERY_BYTE(0x7f);
    uint64_t lower_case = low7 | EVERY_BYTE(0x20);
    uint64_t digit = bytes_at_least(low7, '0') & ~bytes_at_least(low7, '9' + 1);
    uint64_t letter = bytes_at_least(lower_case, 'a') & ~bytes_at_least(lower_case, 'f' + 1);
    *bad |= ((digit | letter) ^ EVERY_BYTE(0x80)) | (x & EVERY_BYTE(0x80));
    uint64_t nibbles = (low7 & EVERY_BYTE(0x0f)) + (letter >> 7) * 9;
    uint64_t pairs = ((nibbles << 4) | (nibbles >> 8)) & 0x00ff00ff00ff00ffu;
    pairs = (pairs | (pairs >> 8)) & 0x0000ffff0000ffffu;
    return __builtin_bswap32((uint32_t)(pairs | (pairs >> 16)));
}

static inline uint64_t load_8(const char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return le64toh(x);
}

static inline uint64_t load_4_and_4(const char *first, const char *second)
{
    uint32_t a;
    uint32_t b;
    memcpy(&a, first, sizeof a);
    memcpy(&b, second, sizeof b);
    return (uint64_t)le32toh(a) | (uint64_t)le32toh(b) << 32;
}

bool uuid_parse(const char *text, struct uuid *id)
{
    // 00000000-0000-0000-0000-000000000000
    // 0        9    14   19   24  28
    uint64_t bad = 0;
    uint32_t a = eight_digits(load_8(text), &bad);
    uint32_t b = eight_digits(load_4_and_4(text + 9, text + 14), &bad);
    uint32_t c = eight_digits(load_4_and_4(text + 19, text + 24), &bad);
    uint32_t d = eight_digits(load_8(text + 28), &bad);
    id->hi = (uint64_t)a << 32 | b;
    id->lo = (uint64_t)c << 32 | d;
    bool hyphens = ((text[8] ^ '-') | (text[13] ^ '-') | (text[18] ^ '-') | (text[23] ^ '-')) == 0;
    return bad == 0 && hyphens;
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
