// Glob matching without recursion. On a mismatch only the last `*` has to be tried again with one
// more byte: whatever an earlier `*` could match, the last one can match too.
#include "base/glob.h"

static bool is_between(unsigned char byte, unsigned char low, unsigned char high,
                       enum glob_case letters)
{
    unsigned char lower = (unsigned char)ascii_lower((char)byte);
    unsigned char upper = (unsigned char)ascii_upper((char)byte);
    if (letters == GLOB_CASE_INSENSITIVE)
        return lower >= (unsigned char)ascii_lower((char)low) &&
               lower <= (unsigned char)ascii_lower((char)high);
    if (letters == GLOB_CASE_EITHER)
        return (lower >= low && lower <= high) || (upper >= low && upper <= high);
    return byte >= low && byte <= high;
}

static bool is_same(unsigned char byte, unsigned char other, enum glob_case letters)
{
    return is_between(byte, other, other, letters);
}

// Whether `byte` matches the element of the pattern at `*at`, such as a class. Moves `*at` after
// that element.
static bool match_one(struct span pattern, size_t *at, unsigned char byte, enum glob_case letters)
{
    const unsigned char *p = (const unsigned char *)pattern.ptr;
    size_t i = *at;
    // As in Redis, GLOB_CASE_INSENSITIVE does not apply to an escaped byte of a class.
    enum glob_case escaped = letters == GLOB_CASE_EITHER ? letters : GLOB_CASE_SENSITIVE;
    if (p[i] == '?') {
        *at = i + 1;
        return true;
    }
    if (p[i] == '[') {
        i++;
        bool negated = i < pattern.len && p[i] == '^';
        if (negated)
            i++;
        bool found = false;
        while (i < pattern.len && p[i] != ']') {
            if (p[i] == '\\' && i + 1 < pattern.len) {
                found |= is_same(byte, p[i + 1], escaped);
                i += 2;
            } else if (i + 2 < pattern.len && p[i + 1] == '-') {
                unsigned char low = p[i] < p[i + 2] ? p[i] : p[i + 2];
                unsigned char high = p[i] < p[i + 2] ? p[i + 2] : p[i];
                found |= is_between(byte, low, high, letters);
                i += 3;
            } else {
                found |= is_same(byte, p[i], letters);
                i++;
            }
        }
        *at = i < pattern.len ? i + 1 : i;
        return found != negated;
    }
    if (p[i] == '\\' && i + 1 < pattern.len)
        i++;
    *at = i + 1;
    return is_same(byte, p[i], letters);
}

// The first `exact` bytes of the text match only as they are.
static bool match(struct span pattern, struct span text, enum glob_case letters, size_t exact)
{
    size_t p = 0;
    size_t t = 0;
    bool starred = false;
    size_t after_star = 0; // offset in the pattern after the last `*`
    size_t star_end = 0;   // end, in the text, of what that `*` matches at present
    if (text.len == 0)
        return pattern.len == 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            starred = true;
            after_star = ++p;
            star_end = t;
            continue;
        }
        if (p < pattern.len && match_one(pattern, &p, (unsigned char)text.ptr[t],
                                         t < exact ? GLOB_CASE_SENSITIVE : letters)) {
            t++;
            continue;
        }
        if (!starred)
            return false;
        p = after_star;
        t = ++star_end;
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool glob_match(struct span pattern, struct span text, enum glob_case letters)
{
    return match(pattern, text, letters, 0);
}

bool glob_match_after(struct span pattern, struct span text, size_t exact)
{
    return match(pattern, text, GLOB_CASE_EITHER, exact);
}
