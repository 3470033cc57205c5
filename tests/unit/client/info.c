// Tests of the fields of INFO, also of hostile ones. The text ends at a guard page.
#include "client/info.h"

#include <stdlib.h>

#include "support/guard.h"
#include "support/tap.h"

static const char text[] = "# Server\r\nredis_version:7.4.0\r\nempty:\r\nlast:a:b\r\n\r\n"
                           "# Stats\r\nhits:120\r\nratio:0.25\r\nunknown:-1\r\nhits:7\r\n"
                           "cmdstat_get:calls=3,usec=10,usec_per_call=3.33\r\n"
                           "no field\r\n:no name\r\nwithout_cr:1\nend:2";

static void test_fields(struct span info)
{
    static const char *const names[] = {"redis_version", "empty",   "last", "hits",
                                        "ratio",         "unknown", "hits", "cmdstat_get",
                                        "without_cr",    "end"};
    struct info_field field;
    size_t at = 0;
    unsigned count = 0;
    for (; info_next(info, &at, &field); count++)
        if (count < sizeof names / sizeof *names)
            is_bytes(field.name, span_text(names[count]), "field %u", count);
    is_number(count, sizeof names / sizeof *names, "number of fields");
    is_bytes(info_text(info, "redis_version"), span_text("7.4.0"), "a text");
    is_bytes(info_text(info, "last"), span_text("a:b"), "a text with a colon");
    is_bytes(info_text(info, "empty"), span_text(""), "an empty text");
    is_bytes(info_text(info, "redis"), span_text(""), "no field has this name");
    is_bytes(info_text(info, "end"), span_text("2"), "the last line has no end");
    is_bytes(info_text(span_of(NULL, 0), "end"), span_text(""), "no text at all");
}

static void test_numbers(struct span info)
{
    double value = 0;
    ok(info_number(info, "hits", &value) && value == 120, "the first of two fields counts");
    ok(info_number(info, "ratio", &value) && value == 0.25, "a fraction");
    ok(info_number(info, "unknown", &value) && value == -1, "a negative number");
    value = 5;
    ok(!info_number(info, "redis_version", &value) && value == 5, "a text is no number");
    ok(!info_number(info, "empty", &value), "an empty text is no number");
    ok(!info_number(info, "missing", &value), "a missing field is no number");
    static const char *const wrong[] = {
        "1e9",
        "0x10",
        "inf",
        "nan",
        " 1",
        "1 ",
        "+1",
        "--1",
        "1-",
        ".",
        "-",
        "1.2.3",
        "123456789012345678901",
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ok(!info_parse_number(span_text(wrong[i]), &value), "'%s' is no number", wrong[i]);
}

static void test_parts(struct span info)
{
    double value = 0;
    struct span parts = info_text(info, "cmdstat_get");
    ok(info_part_number(parts, "calls", &value) && value == 3, "the first part");
    ok(info_part_number(parts, "usec_per_call", &value) && value == 3.33, "the last part");
    ok(info_part_number(parts, "usec", &value) && value == 10, "a name that begins another");
    is_bytes(info_part_text(parts, "call"), span_text(""), "no part has this name");
    struct info_field part;
    size_t at = 0;
    unsigned count = 0;
    while (info_next_part(span_text(",=,=x,a=,b=1,c"), &at, &part))
        count++;
    is_number(count, 2, "parts without a name or a '=' are skipped");
}

// Random bytes: the spans stay in the text, and each call moves on.
static void test_random(void)
{
    struct random random = random_seeded();
    for (unsigned round = 0; round < 2000; round++) {
        char bytes[64];
        size_t len = random_below(&random, sizeof bytes);
        struct guard guard = {0};
        struct info_field field;
        size_t before = 0;
        for (size_t i = 0; i < len; i++)
            bytes[i] = "ab:=,\r\n1"[random_below(&random, 8)];
        struct bytes copy = guard_copy(&guard, span_of(bytes, len));
        struct span info = span_of(copy.ptr, copy.len);
        for (size_t at = 0; info_next(info, &at, &field); before = at) {
            require(at > before && at <= len, "it does not move on");
            require(field.name.ptr >= info.ptr && field.value.ptr >= field.name.ptr &&
                        field.value.ptr + field.value.len <= info.ptr + len,
                    "a field is outside the text");
        }
        guard_release(&guard);
    }
    ok(true, "random bytes");
}

int main(void)
{
    struct guard guard = {0};
    struct bytes copy = guard_copy(&guard, span_text(text));
    struct span info = span_of(copy.ptr, copy.len);
    test_fields(info);
    test_numbers(info);
    test_parts(info);
    test_random();
    guard_release(&guard);
    return done_testing();
}
