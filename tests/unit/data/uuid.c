// Each implementation that parses or matches UUIDs must give the results of a simple oracle. It is
// tried with every byte value at each of the 36 positions, random UUIDs and random text. The order
// of UUIDs is checked too. The text ends at a guard page.
#include "data/uuid_text.h"

#include <stdio.h>

#include "support/guard.h"
#include "support/keysets.h"
#include "support/tap.h"

static struct bytes text; // UUID_TEXT_LEN bytes, then the guard page

// The oracle: reads a UUID character by character.
static bool oracle(const char *from, struct uuid *id)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    *id = (struct uuid){0, 0};
    for (unsigned i = 0; i < UUID_TEXT_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (from[i] != '-')
                return false;
            continue;
        }
        const char *digit = memchr(digits, from[i], sizeof digits - 1);
        if (digit == NULL)
            return false;
        uint64_t value = (uint64_t)(digit - digits);
        id->hi = id->hi << 4 | id->lo >> 60;
        id->lo = id->lo << 4 | (value < 16 ? value : value - 6);
    }
    return true;
}

static const struct {
    bool (*parse)(const char *text, struct uuid *id);
    bool (*matches)(struct uuid id, const char *text);
} forms[] = {
    {uuid_parse, SIMD(uuid_matches)},
    {uuid_parse_scalar, uuid_matches_scalar},
#if defined(__x86_64__)
    {uuid_parse_sse2, uuid_matches_sse2},
#elif defined(__AARCH64EL__)
    {uuid_parse_neon, uuid_matches_neon},
#endif
};

// Whether every form has the same result as the oracle when it reads the text and compares it with
// `id`.
static bool agrees_with_oracle(struct uuid id)
{
    struct uuid wanted;
    bool good = oracle(text.ptr, &wanted);
    bool same = good && uuid_equal(wanted, id);
    bool agrees = true;
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct uuid got;
        agrees &= forms[i].parse(text.ptr, &got) == good && (!good || uuid_equal(got, wanted));
        agrees &= forms[i].matches(id, text.ptr) == same;
    }
    return agrees;
}

static struct uuid random_id(struct random *r)
{
    return (struct uuid){random_next(r), random_next(r)};
}

static void test_known(void)
{
    static const struct {
        const char *text;
        struct uuid id;
        const char *name;
    } cases[] = {
        {"00000000-0000-0000-0000-000000000000", {0, 0}, "the nil UUID"},
        {"ffffffff-ffff-ffff-ffff-ffffffffffff", {UINT64_MAX, UINT64_MAX}, "the max UUID"},
        {"01234567-89ab-cdef-fedc-ba9876543210",
         {0x0123456789abcdefu, 0xfedcba9876543210u},
         "every digit"},
        {"00000000-0000-0000-0000-000000000001", {0, 1}, "the last digit"},
        {"10000000-0000-0000-0000-000000000000", {UINT64_C(1) << 60, 0}, "the first digit"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct uuid id;
        memcpy(text.ptr, cases[i].text, UUID_TEXT_LEN);
        ok(uuid_parse(text.ptr, &id) && uuid_equal(id, cases[i].id), "%s is read", cases[i].name);
        memset(text.ptr, '#', UUID_TEXT_LEN);
        uuid_format(cases[i].id, text.ptr);
        is_bytes(span_of(text.ptr, text.len), span_text(cases[i].text), "%s is written",
                 cases[i].name);
    }
    static const char *const bad[] = {
        "0123456789abcdeffedcba9876543210    ", "{1234567-89ab-cdef-fedc-ba987654321}",
        "01234567+89ab-cdef-fedc-ba9876543210", "0123456-789ab-cdef-fedc-ba9876543210",
        "urn:uuid:01234567-89ab-cdef-fedc-ba9", "                                    ",
        "------------------------------------",
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct uuid id;
        memcpy(text.ptr, bad[i], UUID_TEXT_LEN);
        ok(!uuid_parse(text.ptr, &id), "'%s' is not a UUID", bad[i]);
    }
}

static void test_every_byte(struct random *r)
{
    for (unsigned place = 0; place < UUID_TEXT_LEN; place++) {
        unsigned wrong = 0;
        unsigned good = 0;
        for (unsigned byte = 0; byte < 256; byte++) {
            struct uuid id = random_id(r);
            struct uuid there;
            uuid_format(id, text.ptr);
            text.ptr[place] = (char)byte;
            good += oracle(text.ptr, &there);
            wrong += !agrees_with_oracle(id);
        }
        is_number(wrong, 0, "position %u: each byte has the same result as with the oracle", place);
        require(good == 1 || good == 22, "the oracle accepts %u bytes", good);
    }
    unsigned wrong = 0;
    for (unsigned i = 0; i < 100000; i++) {
        struct uuid id = random_id(r);
        uuid_format(id, text.ptr);
        for (uint64_t changes = random_below(r, 4); changes > 0; changes--)
            text.ptr[random_below(r, UUID_TEXT_LEN)] = (char)random_next(r);
        wrong += !agrees_with_oracle(id);
    }
    is_number(wrong, 0,
              "100,000 texts with up to 3 random bytes have the same result as with the oracle");
}

// Code that ignores the case of letters by ignoring the bit 0x20 would also take a CR (0x0d) for a
// hyphen (0x2d), and a DLE (0x10) for a zero (0x30). Each bit of the key matters too.
static void test_each_bit(struct random *r)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct uuid id = random_id(r);
        uuid_format(id, text.ptr);
        wrong += !agrees_with_oracle(id);
        for (unsigned bit = 0; bit < 64; bit++) {
            wrong += !agrees_with_oracle((struct uuid){id.hi ^ UINT64_C(1) << bit, id.lo});
            wrong += !agrees_with_oracle((struct uuid){id.hi, id.lo ^ UINT64_C(1) << bit});
        }
        for (unsigned place = 0; place < UUID_TEXT_LEN; place++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                text.ptr[place] = (char)(text.ptr[place] ^ 1 << bit);
                wrong += !agrees_with_oracle(id);
                text.ptr[place] = (char)(text.ptr[place] ^ 1 << bit);
            }
        }
    }
    is_number(
        wrong, 0,
        "a thousand keys and texts with one bit changed have the same result as with the oracle");
}

static void test_round_trip(struct random *r)
{
    unsigned read_wrong = 0;
    unsigned written_wrong = 0;
    unsigned case_wrong = 0;
    for (unsigned i = 0; i < 100000; i++) {
        struct uuid id = random_id(r);
        struct uuid back;
        char wanted[64];
        uuid_format(id, text.ptr);
        snprintf(wanted, sizeof wanted, "%08llx-%04llx-%04llx-%04llx-%012llx",
                 (unsigned long long)(id.hi >> 32), (unsigned long long)(id.hi >> 16 & 0xffff),
                 (unsigned long long)(id.hi & 0xffff), (unsigned long long)(id.lo >> 48),
                 (unsigned long long)(id.lo & 0xffffffffffff));
        written_wrong += memcmp(text.ptr, wanted, UUID_TEXT_LEN) != 0;
        read_wrong += !uuid_parse(text.ptr, &back) || !uuid_equal(back, id);
        for (unsigned j = 0; j < UUID_TEXT_LEN; j++)
            if (random_below(r, 2) == 0)
                text.ptr[j] = ascii_upper(text.ptr[j]);
        case_wrong += !agrees_with_oracle(id);
    }
    is_number(written_wrong, 0, "100,000 random UUIDs are written as by printf");
    is_number(read_wrong, 0, "100,000 random UUIDs are read back");
    is_number(case_wrong, 0, "100,000 random UUIDs are read back when letters have a random case");
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static bool order_agrees(struct uuid a, struct uuid b)
{
    char text_a[UUID_TEXT_LEN];
    char text_b[UUID_TEXT_LEN];
    uuid_format(a, text_a);
    uuid_format(b, text_b);
    int wanted = sign(memcmp(text_a, text_b, UUID_TEXT_LEN));
    return uuid_less(b, a) - uuid_less(a, b) == wanted && uuid_equal(a, b) == (wanted == 0);
}

static void test_order(struct random *r)
{
    enum { COUNT = 2000 };
    static struct uuid keys[COUNT];
    for (unsigned set = 0; set < keyset_count; set++) {
        size_t count = keyset_fill(&keysets[set], r, keys, COUNT);
        unsigned wrong = 0;
        for (unsigned i = 0; i < 10000; i++)
            wrong += !order_agrees(keys[random_below(r, count)], keys[random_below(r, count)]);
        is_number(wrong, 0, "%s: UUIDs have the order of their texts", keysets[set].name);
    }
    struct uuid low = {1, UINT64_MAX};
    struct uuid high = {2, 0};
    ok(uuid_less(low, high) && !uuid_less(high, low), "the upper half decides before the lower");
    ok(!uuid_equal((struct uuid){1, 2}, (struct uuid){1, 3}) &&
           !uuid_equal((struct uuid){1, 2}, (struct uuid){0, 2}),
       "UUIDs that differ in one half are not equal");
}

// Writes `from`, a UUID, in one of the forms that uuid_parse_any reads. Returns its length.
static size_t write_form(unsigned form, const char *from, char to[64])
{
    int len = 0;
    if (form == 0)
        len = snprintf(to, 64, "%.36s", from);
    else if (form == 1)
        len = snprintf(to, 64, "%.8s%.4s%.4s%.4s%.12s", from, from + 9, from + 14, from + 19,
                       from + 24);
    else if (form == 2)
        len = snprintf(to, 64, "{%.36s}", from);
    else
        len = snprintf(to, 64, "%s%.36s", form == 3 ? "urn:uuid:" : "URN:UuId:", from);
    return (size_t)len;
}

// Compares uuid_parse_any with its forms, made from random UUIDs. Then changes each byte of a form,
// and cuts the text: what is read must be the UUID of some form, or nothing.
static void test_forms(struct random *r)
{
    enum { FORMS = 5 };
    static const char *const others[] = {"",
                                         "{",
                                         "{}",
                                         "urn:uuid:",
                                         "urn:uuid:00000000000040008000000000000000",
                                         "{00000000000040008000000000000000}",
                                         "(00000000-0000-4000-8000-000000000000)",
                                         "0000000000004000800000000000000",
                                         "000000000000400080000000000000000",
                                         "0000000-00000-4000-8000-000000000000",
                                         "{{0000000-0000-4000-8000-000000000000}}",
                                         "urn-uuid-00000000-0000-4000-8000-000000000000",
                                         "0000000000004000800000000000000g",
                                         "-0000000000004000800000000000000",
                                         "{00000000-0000-4000-8000-000000000000)"};
    unsigned wrong = 0;
    for (unsigned round = 0; round < 200; round++) {
        struct uuid id = random_id(r);
        struct uuid got;
        char canonical[UUID_TEXT_LEN];
        uuid_format(id, canonical);
        for (unsigned i = 0; round % 2 > 0 && i < UUID_TEXT_LEN; i++)
            canonical[i] = ascii_upper(canonical[i]);
        for (unsigned f = 0; f < FORMS; f++) {
            char form[64];
            size_t len = write_form(f, canonical, form);
            struct guard g = {0};
            struct bytes copy = guard_copy(&g, span_of(form, len));
            wrong += !uuid_parse_any(span_of(copy.ptr, copy.len), &got) || !uuid_equal(got, id);
            for (size_t cut = 0; cut < copy.len; cut++)
                wrong += uuid_parse_any(span_of(copy.ptr + copy.len - cut, cut), &got) &&
                         cut != UUID_TEXT_LEN && cut != 32;
            for (size_t at = 0; at < copy.len; at++) {
                char before = copy.ptr[at];
                copy.ptr[at] = '_';
                wrong += uuid_parse_any(span_of(copy.ptr, copy.len), &got);
                copy.ptr[at] = before;
            }
            guard_release(&g);
        }
    }
    is_number(wrong, 0, "every form of a UUID is read, and nothing like it");
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        struct uuid got;
        ok(!uuid_parse_any(span_text(others[i]), &got), "no form: '%s'", others[i]);
    }
}

int main(void)
{
    char blank[UUID_TEXT_LEN] = {0};
    struct guard g = {0};
    struct random r = random_seeded();
    text = guard_copy(&g, span_of(blank, sizeof blank));
    test_known();
    test_every_byte(&r);
    test_each_bit(&r);
    test_round_trip(&r);
    test_order(&r);
    test_forms(&r);
    guard_release(&g);
    return done_testing();
}
