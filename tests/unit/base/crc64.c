// Tests of crc64: it equals a published value and a computation bit by bit, in pieces of any
// length, and reads no byte beyond the last.
#include "base/crc64.h"

#include "support/guard.h"
#include "support/tap.h"

enum { LONGEST = 300 };

// The definition, bit by bit.
static uint64_t slow_crc64(uint64_t crc, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x95ac9329ac4bc9b5u : crc >> 1;
    }
    return crc;
}

int main(void)
{
    struct random r = random_seeded();
    char content[LONGEST];
    unsigned wrong = 0;
    unsigned wrong_pieces = 0;
    ok(crc64(0, span_text("123456789")) == 0xe9c6d914c4b8d9cau, "the published check value");
    ok(crc64(0, span_of(NULL, 0)) == 0, "no bytes");
    for (size_t len = 0; len <= LONGEST; len++) {
        struct guard guard = {0};
        for (size_t i = 0; i < len; i++)
            content[i] = (char)random_next(&r);
        struct bytes copy = guard_copy(&guard, span_of(content, len));
        struct span text = span_of(copy.ptr, len);
        uint64_t begin = random_next(&r);
        size_t cut = random_below(&r, len + 1);
        uint64_t wanted = slow_crc64(begin, text);
        wrong += crc64(begin, text) != wanted;
        uint64_t first = crc64(begin, span_of(text.ptr, cut));
        wrong_pieces += crc64(first, span_of(text.ptr + cut, len - cut)) != wanted;
        guard_release(&guard);
    }
    is_number(wrong, 0, "texts of all lengths up to %d", LONGEST);
    is_number(wrong_pieces, 0, "the same texts in two pieces");
    return done_testing();
}
