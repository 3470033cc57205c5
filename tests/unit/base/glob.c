// Tests of glob patterns: examples of each element, random patterns compared with a simple
// recursive matcher, and patterns for which a matcher with backtracking takes too long.
#include "base/glob.h"

#include "support/guard.h"
#include "support/tap.h"

// Matches copies of pattern and text that end at guard pages.
static bool match(struct span pattern, struct span text, enum glob_case letters)
{
    struct guard p = {0};
    struct guard t = {0};
    struct bytes pattern_copy = guard_copy(&p, pattern);
    struct bytes text_copy = guard_copy(&t, text);
    bool matched = glob_match(span_of(pattern_copy.ptr, pattern_copy.len),
                              span_of(text_copy.ptr, text_copy.len), letters);
    guard_release(&p);
    guard_release(&t);
    return matched;
}

static void test_elements(void)
{
    enum { BOTH, NEITHER, FOLDED }; // matches always, never, or only with GLOB_CASE_INSENSITIVE
    static const struct {
        const char *pattern;
        const char *text;
        int matched;
    } cases[] = {
        {"", "", BOTH},
        {"", "a", NEITHER},
        {"a", "", NEITHER},
        {"abc", "abc", BOTH},
        {"abc", "abd", NEITHER},
        {"abc", "ab", NEITHER},
        {"abc", "abcd", NEITHER},
        {"AbC", "aBc", FOLDED},
        {"[", "{", NEITHER}, // characters beside the letters have no case
        {"@", "`", NEITHER},
        {"*", "", NEITHER},
        {"**", "", NEITHER},
        {"*", "anything", BOTH},
        {"a*", "a", BOTH},
        {"a*", "ba", NEITHER},
        {"*a", "bca", BOTH},
        {"*a", "bac", NEITHER},
        {"a*b*c", "a-b-b-c", BOTH},
        {"a*b*c", "a-c-b", NEITHER},
        {"*ab", "aab", BOTH},
        {"*aab*", "aaaab!", BOTH},
        {"*a*", "bbb", NEITHER},
        {"?", "a", BOTH},
        {"?", "", NEITHER},
        {"?", "ab", NEITHER},
        {"*?", "", NEITHER},
        {"??*", "ab", BOTH},
        {"[abc]", "b", BOTH},
        {"[abc]", "d", NEITHER},
        {"[abc]", "", NEITHER},
        {"[abc]", "B", FOLDED},
        {"[a-c]", "b", BOTH},
        {"[a-c]", "a", BOTH},
        {"[a-c]", "c", BOTH},
        {"[a-c]", "d", NEITHER},
        {"[a-c]", "`", NEITHER},
        {"[c-a]", "b", BOTH},
        {"[A-C]", "b", FOLDED},
        {"[Z-a]", "b", NEITHER}, // Redis orders the ends of a range, then folds their case
        {"[\\A]", "A", BOTH},
        {"[\\A]", "a", NEITHER}, // Redis does not fold an escaped byte of a class
        {"[a-c]", "-", NEITHER},
        {"[a-c-e]", "-", BOTH},
        {"[a-c-e]", "d", NEITHER},
        {"[-a]", "-", BOTH},
        {"[ab-]", "-", NEITHER}, // a range from b to ], so the class has no end
        {"[ab-]", "`", BOTH},
        {"[^a-c]", "d", BOTH},
        {"[^a-c]", "b", NEITHER},
        {"[^a]", "", NEITHER},
        {"[a^]", "^", BOTH},
        {"[!a]", "a", BOTH}, // only ^ negates
        {"[]", "a", NEITHER},
        {"[]", "]", NEITHER},
        {"[]a]", "a]", NEITHER}, // a leading ] ends the class
        {"[^]", "a", BOTH},
        {"[\\]]", "]", BOTH},
        {"[\\]]", "\\", NEITHER},
        {"[\\^a]", "^", BOTH},
        {"[a\\-c]", "b", NEITHER},
        {"[a\\-c]", "-", BOTH},
        {"[*]", "*", BOTH},
        {"[*]", "a", NEITHER},
        {"[?]", "a", NEITHER},
        {"[abc", "b", BOTH}, // a class without ] ends with the pattern
        {"[abc", "d", NEITHER},
        {"[a-c", "b", BOTH},
        {"[a-", "-", BOTH},
        {"[a-", "a", BOTH},
        {"[a-", "b", NEITHER},
        {"[^a", "b", BOTH},
        {"[^a", "a", NEITHER},
        {"[", "a", NEITHER},
        {"[", "[", NEITHER},
        {"[^", "a", BOTH},
        {"[\\", "\\", BOTH},
        {"[\\", "a", NEITHER},
        {"x[a", "xa", BOTH},
        {"x[", "x", NEITHER},
        {"\\*", "*", BOTH},
        {"\\*", "a", NEITHER},
        {"\\?", "?", BOTH},
        {"\\?", "a", NEITHER},
        {"\\[a]", "[a]", BOTH},
        {"\\[a]", "a", NEITHER},
        {"\\\\", "\\", BOTH},
        {"\\a", "a", BOTH},
        {"\\a", "A", FOLDED},
        {"a\\", "a\\", BOTH}, // a backslash at the end is an ordinary byte
        {"a\\", "a", NEITHER},
        {"*\\*", "a*", BOTH},
        {"max*", "MAXclients", FOLDED},
        {"\xe9*", "\xe9t\xe9", BOTH},
        {"[\xe0-\xef]", "\xe9", BOTH},
        {"?", "\xff", BOTH},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span p = span_text(cases[i].pattern);
        struct span t = span_text(cases[i].text);
        ok(match(p, t, GLOB_CASE_SENSITIVE) == (cases[i].matched == BOTH) &&
               match(p, t, GLOB_CASE_INSENSITIVE) == (cases[i].matched != NEITHER),
           "pattern %s and text '%s': %s", cases[i].pattern, cases[i].text,
           cases[i].matched == BOTH     ? "match"
           : cases[i].matched == FOLDED ? "match when the case is ignored"
                                        : "differ");
    }
    ok(match(span_of("a\0*", 3), span_of("a\0b", 3), GLOB_CASE_SENSITIVE),
       "a NUL is matched like any byte");
    ok(!match(span_of("a\0b", 3), span_of("a\0c", 3), GLOB_CASE_SENSITIVE),
       "a NUL does not end the text");
    ok(glob_match(span_of(NULL, 0), span_of(NULL, 0), GLOB_CASE_SENSITIVE), "NULL is empty");
}

// GLOB_CASE_EITHER.
static void test_either(void)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool matched;
    } cases[] = {
        {"a", "A", true},       {"A", "a", true},     {"\\A", "a", true},
        {"[\\A]", "a", true},   {"[\\a]", "A", true}, {"[X-g]", "b", true},
        {"[X-g]", "B", true},   {"[X-g]", "y", true}, {"[X-g]", "w", false},
        {"[X-g]", "_", true},   {"[g-X]", "b", true}, {"[^X-g]", "b", false},
        {"[^X-g]", "B", false}, {"[a-F]", "f", true}, {"[a-F]", "c", false},
        {"[Z-a]", "b", false},  {"[Z-a]", "A", true}, {"[", "{", false},
        {"@", "`", false},      {"[^A]", "a", false}, {"*[3-c]x", "89FX", true},
        {"[@-@]", "`", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        ok(match(span_text(cases[i].pattern), span_text(cases[i].text), GLOB_CASE_EITHER) ==
               cases[i].matched,
           "pattern %s and text '%s' in either case: %s", cases[i].pattern, cases[i].text,
           cases[i].matched ? "match" : "differ");
}

static unsigned char fold(unsigned char c, bool folded)
{
    return folded ? (unsigned char)ascii_lower((char)c) : c;
}

// Returns the length of the class at the front of `p`, and sets whether `byte` is in it. As in
// Redis, the case of an escaped byte is not folded. The ends of a range are put in order before
// their case is folded, so [Z-a] is then empty.
static size_t oracle_class(struct span p, unsigned char byte, bool folded, bool *found)
{
    size_t i = 1;
    bool negated = i < p.len && p.ptr[i] == '^';
    i += negated;
    *found = false;
    for (; i < p.len && p.ptr[i] != ']'; i++) {
        unsigned char low = (unsigned char)p.ptr[i];
        unsigned char high = low;
        if (low == '\\' && i + 1 < p.len) {
            *found |= (unsigned char)p.ptr[++i] == byte;
            continue;
        }
        if (i + 2 < p.len && p.ptr[i + 1] == '-')
            high = (unsigned char)p.ptr[i += 2];
        unsigned char from = low < high ? low : high;
        unsigned char to = low < high ? high : low;
        unsigned char c = fold(byte, folded);
        *found |= fold(from, folded) <= c && c <= fold(to, folded);
    }
    *found ^= negated;
    return i < p.len ? i + 1 : i;
}

static struct span after(struct span s, size_t count)
{
    return span_of(s.ptr + count, s.len - count);
}

static bool oracle(struct span p, struct span t, bool folded)
{
    if (p.len == 0)
        return t.len == 0;
    if (*p.ptr == '*')
        return oracle(after(p, 1), t, folded) || (t.len > 0 && oracle(p, after(t, 1), folded));
    if (t.len == 0)
        return false;
    unsigned char c = fold((unsigned char)*t.ptr, folded);
    if (*p.ptr == '?')
        return oracle(after(p, 1), after(t, 1), folded);
    if (*p.ptr == '[') {
        bool found;
        size_t len = oracle_class(p, (unsigned char)*t.ptr, folded, &found);
        return found && oracle(after(p, len), after(t, 1), folded);
    }
    size_t escaped = *p.ptr == '\\' && p.len > 1;
    return fold((unsigned char)p.ptr[escaped], folded) == c &&
           oracle(after(p, 1 + escaped), after(t, 1), folded);
}

static void test_oracle(void)
{
    // Few different letters, so that matches are common. `*` and `a` are twice as likely as others.
    static const char in_patterns[] = "**?[]^-\\aabBc";
    static const char in_texts[] = "aabBc-]^";
    struct random r = random_seeded();
    unsigned matches = 0;
    unsigned wrong = 0;
    for (unsigned i = 0; i < 300000; i++) {
        char pattern[10];
        char text[8];
        struct span p = {pattern, random_below(&r, sizeof pattern + 1)};
        struct span t = {text, random_below(&r, sizeof text + 1)};
        for (size_t j = 0; j < p.len; j++)
            pattern[j] = in_patterns[random_below(&r, sizeof in_patterns - 1)];
        for (size_t j = 0; j < t.len; j++)
            text[j] = in_texts[random_below(&r, sizeof in_texts - 1)];
        bool folded = random_below(&r, 2) == 1;
        bool wanted = t.len == 0 ? p.len == 0 : oracle(p, t, folded);
        matches += wanted;
        if (glob_match(p, t, folded ? GLOB_CASE_INSENSITIVE : GLOB_CASE_SENSITIVE) == wanted)
            continue;
        if (wrong++ < 5)
            diag("pattern '%.*s' text '%.*s'%s: the oracle says %d", (int)p.len, p.ptr, (int)t.len,
                 t.ptr, folded ? " folded" : "", wanted);
    }
    is_number(wrong, 0,
              "300,000 random patterns match the same texts as with the recursive matcher");
    ok(matches > 3000, "enough of them match (%u)", matches);
}

// Appends `unit` repeatedly, up to `len` bytes, and then `end`.
static struct buf repeated(const char *unit, size_t len, const char *end)
{
    struct buf b = {0};
    while (b.len < len)
        buf_append_text(&b, unit);
    buf_append_text(&b, end);
    return b;
}

static void test_hostile(void)
{
    enum { LONG = 64 * 1024 };
    static const struct {
        const char *unit;
        const char *end;
        const char *text;
        size_t text_len;
        const char *text_end;
        bool matched;
    } cases[] = {
        {"*", "", "a", LONG, "", true},           {"*", "", "", 0, "", false},
        {"*", "b", "a", LONG, "", false},         {"*", "b", "a", LONG, "b", true},
        {"*a", "", "a", LONG, "", true},          {"*a", "", "a", LONG / 2, "", true},
        {"*a", "", "a", LONG / 2 - 1, "", false}, {"*a", "b", "a", LONG, "", false},
        {"*a", "b", "a", LONG, "b", true},        {"a*", "b", "a", LONG, "", false},
        {"*?", "", "a", LONG / 2, "", true},      {"*?", "", "a", LONG / 2 - 1, "", false},
        {"*[a]", "b", "a", LONG, "", false},      {"*\\a", "b", "a", LONG, "", false},
        {"*a", "[", "a", LONG, "", false},        {"*ab", "", "a", LONG, "", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf pattern = repeated(cases[i].unit, LONG, cases[i].end);
        struct buf text = repeated(cases[i].text, cases[i].text_len, cases[i].text_end);
        ok(match(buf_span(&pattern), buf_span(&text), GLOB_CASE_SENSITIVE) == cases[i].matched,
           "64 KiB of %s%s against %zu bytes of %s%s is quick: %s", cases[i].unit, cases[i].end,
           cases[i].text_len, cases[i].text, cases[i].text_end,
           cases[i].matched ? "a match" : "no match");
        buf_release(&pattern);
        buf_release(&text);
    }
}

// Letters of the first bytes match in one case, the others in both.
static void test_after(void)
{
    static const struct {
        const char *pattern;
        bool matched;
    } cases[] = {{"ab:cd", true}, {"ab:CD", true},  {"ab:[C][D]", true}, {"*", true},
                 {"*:C?", true},  {"Ab:cd", false}, {"[A]b:cd", false},  {"?B:cd", false},
                 {"*B*", false},  {"*b*D", true},   {"a[a-c]*", true},   {"a[A-C]*", false}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        ok(glob_match_after(span_text(cases[i].pattern), span_text("ab:cd"), 3) == cases[i].matched,
           "%s against ab:cd, whose first three bytes match as they are", cases[i].pattern);
}

int main(void)
{
    test_elements();
    test_either();
    test_oracle();
    test_hostile();
    test_after();
    return done_testing();
}
