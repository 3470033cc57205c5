// Tests of spans, bufs, decimal numbers and error messages, with all edge cases. Texts end at a
// guard page, so reading one byte too many is a crash.
#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/number.h"
#include "support/guard.h"
#include "support/tap.h"

static void test_spans(void)
{
    static const struct {
        struct span span;
        const char *text;
        bool same;
    } cases[] = {
        {{NULL, 0}, "", true},        {{"", 0}, "", true},         {{NULL, 0}, "a", false},
        {{"get", 3}, "", false},      {{"get", 3}, "get", true},   {{"GeT", 3}, "gEt", true},
        {{"get", 3}, "ge", false},    {{"get", 3}, "gets", false}, {{"get", 3}, "gat", false},
        {{"[get", 4}, "{get", false}, {{"@", 1}, "`", false},      {{"a\0b", 3}, "a", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = {0};
        struct bytes copy = guard_copy(&g, cases[i].span);
        ok(span_is(span_of(copy.ptr, copy.len), cases[i].text) == cases[i].same,
           "span_is: %zu bytes '%s' and '%s' are %s", cases[i].span.len,
           cases[i].span.len > 0 ? cases[i].span.ptr : "", cases[i].text,
           cases[i].same ? "the same" : "different");
        guard_release(&g);
    }
    ok(span_equal(span_of(NULL, 0), span_of("x", 0)), "two empty spans are equal");
    ok(span_equal(span_of("a\0b", 3), span_of("a\0b", 3)), "span_equal compares bytes after a NUL");
    ok(!span_equal(span_of("a\0b", 3), span_of("a\0c", 3)),
       "span_equal finds a difference after a NUL");
    ok(!span_equal(span_text("a"), span_text("A")),
       "span_equal distinguishes upper and lower case");
    ok(!span_equal(span_text("ab"), span_text("a")), "span_equal compares the lengths");
    unsigned wrong = 0;
    for (int c = -128; c < 128; c++) {
        char lower = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        char upper = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
        wrong += ascii_lower((char)c) != lower || ascii_upper((char)c) != upper;
    }
    is_number(wrong, 0, "ascii_lower and ascii_upper change ASCII letters and nothing else");
}

static void test_buf_growth(void)
{
    enum { COUNT = 100000 };
    struct buf b = {0};
    unsigned grown = 0;
    unsigned wrong = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        size_t cap = b.cap;
        buf_append(&b, span_of((char[]){(char)(i * 7)}, 1));
        grown += b.cap != cap;
    }
    for (unsigned i = 0; i < COUNT; i++)
        wrong += b.ptr[i] != (char)(i * 7);
    is_number((int64_t)b.len, COUNT, "a buf counts 100,000 appended bytes");
    is_number(wrong, 0, "a buf keeps each of them");
    ok(grown <= 12, "a buf grows by doubling (%u times)", grown);
    buf_release(&b);
    ok(b.ptr == NULL && b.len == 0 && b.cap == 0 && !b.oom, "a released buf is empty");
    buf_release(&b);

    char *room = buf_reserve(&b, 0);
    ok(room != NULL && b.len == 0, "reserving 0 bytes in an empty buf returns an address");
    for (size_t extra = 1; extra < 300; extra++) {
        size_t len = b.len;
        room = buf_reserve(&b, extra);
        // The address sanitizer checks that all of these bytes may be written.
        memset(room, (int)extra, extra);
        wrong += room != b.ptr + len || b.cap - b.len < extra;
        b.len += extra / 2;
    }
    is_number(wrong, 0, "buf_reserve makes room after the content and does not change the length");
    char *again = buf_reserve(&b, b.cap - b.len);
    size_t cap = b.cap;
    ok(again == b.ptr + b.len && b.cap == cap,
       "buf_reserve does not grow a buf that has enough room");
    buf_release(&b);

    buf_append(&b, span_of(NULL, 0));
    ok(b.ptr == NULL && !b.oom, "appending nothing allocates nothing");
    buf_append_text(&b, "one ");
    buf_append(&b, span_of("t\0o", 3));
    is_bytes(buf_span(&b), span_of("one t\0o", 7),
             "appended texts follow each other, also after a NUL");
    buf_release(&b);
}

static void test_buf_printf(void)
{
    unsigned wrong = 0;
    for (int len = 0; len < 300; len++) {
        struct buf b = {0};
        buf_append_text(&b, "start:");
        buf_printf(&b, "%*s|%d", len, "", len);
        char wanted[400];
        int count = snprintf(wanted, sizeof wanted, "start:%*s|%d", len, "", len);
        wrong += !span_equal(buf_span(&b), span_of(wanted, (size_t)count));
        buf_release(&b);
    }
    is_number(wrong, 0, "buf_printf appends texts of every length up to 300, without the NUL");
}

static void test_buf_remove_front(void)
{
    static const struct {
        size_t count;
        const char *left;
    } cases[] = {{0, "abcdef"}, {1, "bcdef"}, {5, "f"}, {6, ""}, {7, ""}, {SIZE_MAX, ""}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = {0};
        buf_append_text(&b, "abcdef");
        buf_remove_front(&b, cases[i].count);
        is_bytes(buf_span(&b), span_text(cases[i].left), "removing %zu of 6 leaves '%s'",
                 cases[i].count, cases[i].left);
        buf_append_text(&b, "g");
        ok(b.len == strlen(cases[i].left) + 1 && b.ptr[b.len - 1] == 'g',
           "a byte is appended after the rest");
        buf_release(&b);
    }
    struct buf empty = {0};
    buf_remove_front(&empty, 3);
    ok(empty.len == 0 && empty.ptr == NULL, "removing from an empty buf does nothing");
}

static void test_buf_oom(void)
{
    for (unsigned filled = 0; filled < 2; filled++) {
        struct buf b = {0};
        if (filled)
            buf_append_text(&b, "kept");
        struct span before = buf_span(&b);
        ok(buf_reserve(&b, SIZE_MAX) == NULL && b.oom, "reserving more than all memory sets oom");
        ok(buf_reserve(&b, 1) == NULL, "after that nothing can be reserved");
        buf_append_text(&b, "lost");
        buf_printf(&b, "%s", "lost");
        ok(span_equal(buf_span(&b), before) && b.oom, "later appends do nothing");
        buf_release(&b);
        ok(!b.oom && b.ptr == NULL, "release clears oom");
    }
}

static void test_number_parse(void)
{
    char digits[400];
    memset(digits, '1', sizeof digits);
    const struct {
        struct span text;
        bool good;
        int64_t value;
    } cases[] = {
        {span_text("0"), true, 0},
        {span_text("1"), true, 1},
        {span_text("9"), true, 9},
        {span_text("-1"), true, -1},
        {span_text("10"), true, 10},
        {span_text("1048576"), true, 1048576},
        {span_text("9223372036854775806"), true, INT64_MAX - 1},
        {span_text("9223372036854775807"), true, INT64_MAX},
        {span_text("-9223372036854775807"), true, -INT64_MAX},
        {span_text("-9223372036854775808"), true, INT64_MIN},
        {span_text("9223372036854775808"), false, 0},
        {span_text("-9223372036854775809"), false, 0},
        {span_text("9223372036854775810"), false, 0},
        {span_text("9999999999999999999"), false, 0},
        {span_text("18446744073709551615"), false, 0},
        {span_text("18446744073709551616"), false, 0},
        {span_text("18446744073709551617"), false, 0},
        {span_text("99999999999999999999"), false, 0},
        {span_text("100000000000000000000"), false, 0},
        {span_text(""), false, 0},
        {span_of(NULL, 0), false, 0},
        {span_text("-"), false, 0},
        {span_text("+"), false, 0},
        {span_text("--1"), false, 0},
        {span_text("+1"), false, 0},
        {span_text("01"), false, 0},
        {span_text("00"), false, 0},
        {span_text("-0"), false, 0},
        {span_text("-01"), false, 0},
        {span_text(" 1"), false, 0},
        {span_text("1 "), false, 0},
        {span_text("1\n"), false, 0},
        {span_text("1.0"), false, 0},
        {span_text("1e3"), false, 0},
        {span_text("0x1"), false, 0},
        {span_text("1-"), false, 0},
        {span_text("1/"), false, 0},
        {span_text("1:"), false, 0},
        {span_text("a"), false, 0},
        {span_text("\xb1"), false, 0},
        {span_of("1\0", 2), false, 0},
        {span_of("\0", 1), false, 0},
        {span_text("00000000000000000001"), false, 0},
        {span_of(digits, 19), true, 1111111111111111111},
        {span_of(digits, 20), false, 0},
        {span_of(digits, 400), false, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum { UNTOUCHED = 77 };
        struct guard g = {0};
        struct bytes copy = guard_copy(&g, cases[i].text);
        int64_t value = UNTOUCHED;
        bool good = number_parse(span_of(copy.ptr, copy.len), &value);
        ok(good == cases[i].good && value == (good ? cases[i].value : UNTOUCHED),
           "number_parse: row %u, %zu bytes, is %s", i, cases[i].text.len,
           cases[i].good ? "a number" : "refused, and the value is unchanged");
        if (good != cases[i].good)
            diag("'%.*s'", (int)copy.len, copy.ptr);
        guard_release(&g);
    }
}

static bool formats_as_printf(uint64_t value)
{
    char wanted[32];
    char got[NUMBER_TEXT_MAX + 1];
    int len = snprintf(wanted, sizeof wanted, "%" PRIu64, value);
    memset(got, '#', sizeof got);
    size_t got_len = number_format(got, value);
    return span_equal(span_of(got, got_len), span_of(wanted, (size_t)len)) && got[got_len] == '#';
}

static void test_number_random(void)
{
    struct random r = random_seeded();
    unsigned wrong = 0;
    uint64_t power = 1;
    for (unsigned i = 0; i < 20; i++, power *= 10)
        wrong += !formats_as_printf(power) || !formats_as_printf(power - 1);
    for (unsigned i = 0; i < 64; i++)
        wrong += !formats_as_printf(UINT64_C(1) << i) || !formats_as_printf(~UINT64_C(0) >> i);
    for (unsigned i = 0; i < 20000; i++)
        wrong += !formats_as_printf(random_next(&r) >> random_below(&r, 64));
    is_number(wrong, 0, "number_format writes the same bytes as printf, and no more");
    for (unsigned i = 0; i < 20000; i++) {
        int64_t value = (int64_t)(random_next(&r) >> random_below(&r, 64));
        int64_t back = ~value;
        char text[32];
        int len = snprintf(text, sizeof text, "%" PRId64, value);
        wrong += !number_parse(span_of(text, (size_t)len), &back) || back != value;
    }
    is_number(wrong, 0, "number_parse reads what printf writes");
}

static void test_error_set(void)
{
    struct error e;
    error_set(NULL, "%s", "dropped");
    error_set(&e, "cannot open '%s': %d%%", "x", 5);
    is_text(e.text, "cannot open 'x': 5%", "a message is formatted");
    char text[600];
    memset(text, 'e', sizeof text);
    for (int len = 510; len <= 513; len++) {
        memset(&e, '#', sizeof e);
        error_set(&e, "%.*s", len, text);
        is_number((int64_t)strlen(e.text), len < 511 ? len : 511, "a message of %d bytes %s", len,
                  len < 512 ? "fits" : "is cut");
    }
    error_set(&e, "%s", "");
    is_text(e.text, "", "an empty message replaces an earlier one");
}

int main(void)
{
    test_spans();
    test_buf_growth();
    test_buf_printf();
    test_buf_remove_front();
    test_buf_oom();
    test_number_parse();
    test_number_random();
    test_error_set();
    return done_testing();
}
