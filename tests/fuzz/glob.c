// Fuzz target: glob patterns. glob_match must agree with a simple recursive matcher that follows
// the rules of base/glob.h.
//
// The low 7 bits of an input's first byte are the length of the pattern, which follows. If the
// highest bit (NOT_CASED) is set, the case of letters does not matter. The rest of the input is the
// text. Pattern and text are copied into blocks of exactly their size. Results are compared only
// for short ones, because the recursion is slow.
#include <stdlib.h>
#include <string.h>

#include "base/glob.h"

#include "support/fuzz.h"

enum { PATTERN_MAX = 40, TEXT_MAX = 24, NOT_CASED = 0x80 };

// Results, by the number of bytes left of the pattern and of the text; negative: not known yet.
static signed char answers[PATTERN_MAX + 1][TEXT_MAX + 1];

static unsigned char byte_at(struct span s, size_t i)
{
    return (unsigned char)s.ptr[i];
}

static unsigned char lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + 'a' - 'A') : byte;
}

static bool same(unsigned char a, unsigned char b, bool folded)
{
    return folded ? lower(a) == lower(b) : a == b;
}

static bool between(unsigned char byte, unsigned char a, unsigned char b, bool folded)
{
    unsigned char low = a < b ? a : b;
    unsigned char high = a < b ? b : a;
    if (folded)
        return lower(byte) >= lower(low) && lower(byte) <= lower(high);
    return byte >= low && byte <= high;
}

// Returns `s` without its first `count` bytes.
static struct span after(struct span s, size_t count)
{
    return span_of(s.ptr + count, s.len - count);
}

// Whether a class has the byte. `class` begins after the '[' and '^'. Sets `*len` to the bytes of
// the class, with its ']'.
static bool class_has(struct span class, unsigned char byte, bool folded, size_t *len)
{
    bool rest;
    size_t inner = 0;
    *len = 0;
    if (class.len == 0)
        return false;
    if (byte_at(class, 0) == ']') {
        *len = 1;
        return false;
    }
    bool has;
    size_t own;
    if (byte_at(class, 0) == '\\' && class.len >= 2) {
        own = 2;
        has = byte_at(class, 1) == byte; // the case is not folded
    } else if (class.len >= 3 && byte_at(class, 1) == '-') {
        own = 3;
        has = between(byte, byte_at(class, 0), byte_at(class, 2), folded);
    } else {
        own = 1;
        has = same(byte_at(class, 0), byte, folded);
    }
    rest = class_has(after(class, own), byte, folded, &inner);
    *len = own + inner;
    return has || rest;
}

static bool matches(struct span pattern, struct span text, bool folded);

// Whether the pattern, which is not empty, matches the text.
static bool begins_match(struct span pattern, struct span text, bool folded)
{
    if (byte_at(pattern, 0) == '*')
        return matches(after(pattern, 1), text, folded) ||
               (text.len > 0 && matches(pattern, after(text, 1), folded));
    if (text.len == 0)
        return false;
    unsigned char byte = byte_at(text, 0);
    size_t len = 1;
    bool here;
    if (byte_at(pattern, 0) == '?') {
        here = true;
    } else if (byte_at(pattern, 0) == '[') {
        bool negated = pattern.len >= 2 && byte_at(pattern, 1) == '^';
        size_t head = negated ? 2 : 1;
        here = class_has(after(pattern, head), byte, folded, &len) != negated;
        len += head;
    } else {
        len = byte_at(pattern, 0) == '\\' && pattern.len >= 2 ? 2 : 1;
        here = same(byte_at(pattern, len - 1), byte, folded);
    }
    return here && matches(after(pattern, len), after(text, 1), folded);
}

// Whether the pattern matches the text. The result for each suffix of the pattern and each suffix
// of the text is kept, so each pair is tried only once.
static bool matches(struct span pattern, struct span text, bool folded)
{
    signed char *known = &answers[pattern.len][text.len];
    if (pattern.len == 0)
        return text.len == 0;
    if (*known < 0)
        *known = begins_match(pattern, text, folded);
    return *known > 0;
}

static struct span exact(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    must(copy != NULL, "memory for a copy");
    if (size > 0)
        memcpy(copy, data, size);
    return span_of(copy, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool folded = (data[0] & NOT_CASED) != 0;
    size_t len = data[0] & (NOT_CASED - 1);
    if (len > size - 1)
        len = size - 1;
    struct span pattern = exact(data + 1, len);
    struct span text = exact(data + 1 + len, size - 1 - len);
    bool matched = glob_match(pattern, text, folded ? GLOB_CASE_INSENSITIVE : GLOB_CASE_SENSITIVE);
    // As in Redis 7.0, only an empty pattern matches an empty text.
    bool wanted = text.len == 0 ? pattern.len == 0 : false;
    if (pattern.len <= PATTERN_MAX && text.len <= TEXT_MAX) {
        memset(answers, -1, sizeof answers);
        if (text.len > 0)
            wanted = matches(pattern, text, folded);
        must(matched == wanted, "a pattern matches as its rules say");
    }
    free((char *)pattern.ptr);
    free((char *)text.ptr);
    return 0;
}
