// Which words are keys, with and without a prefix, in usual and other forms; the text of keys; and
// which UUIDs begin with a text.
#include "serve/key_rules.h"

#include "support/guard.h"
#include "support/keysets.h"
#include "support/tap.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define UPPER_A "3479D894-3271-4935-88CF-A06F3CBB80A5"
#define DIGITS_A "3479d8943271493588cfa06f3cbb80a5"

static const struct uuid a = {0x3479d89432714935u, 0x88cfa06f3cbb80a5u};

// Which rules take a word as the key `a`, as bits.
enum { STRICT = 1, ANY = 2, PREFIX = 4, BOTH = 8, FADE = 16, RULES = 5 };

static struct key_rules rules[RULES];

static void test_words(void)
{
    static const struct {
        const char *word;
        unsigned takers;
    } cases[] = {
        {A, STRICT | ANY},
        {UPPER_A, STRICT | ANY},
        {DIGITS_A, ANY},
        {"{" A "}", ANY},
        {"urn:uuid:" A, ANY},
        {"URN:UUID:" UPPER_A, ANY},
        {"user:" A, PREFIX | BOTH},
        {"user:" UPPER_A, PREFIX | BOTH},
        {"user:" DIGITS_A, BOTH},
        {"user:{" A "}", BOTH},
        {"user:urn:uuid:" A, BOTH},
        {"fade" DIGITS_A, FADE}, // as long as a UUID, and of digits
        {"User:" A, 0},
        {"user" A, 0},
        {"user:user:" A, 0},
        {"user:", 0},
        {"user", 0},
        {"", 0},
        {"user: " A, 0},
        {"user:" A " ", 0},
        {"item:" A, 0},
        {"{user:" A "}", 0},
        {"{" DIGITS_A "}", 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned k = 0; k < RULES; k++) {
            struct guard g = {0};
            struct bytes word = guard_copy(&g, span_text(cases[i].word));
            struct uuid id = {0, 0};
            bool taken = key_rules_read(&rules[k], span_of(word.ptr, word.len), &id);
            ok(taken == ((cases[i].takers >> k & 1) != 0) && (!taken || uuid_equal(id, a)),
               "rules %u: '%s'", k, cases[i].word);
            guard_release(&g);
        }
}

static void test_text(void)
{
    char text[KEY_TEXT_MAX];
    is_bytes(key_rules_write(&rules[0], a, text), span_text(A), "the text of a key");
    is_bytes(key_rules_write(&rules[2], a, text), span_text("user:" A), "with a prefix");
    is_number((int64_t)rules[2].text_len, 41, "its length");
}

static void test_beginnings(void)
{
    static const struct {
        unsigned rules;
        const char *text;
        bool found;
        struct uuid least;
        struct uuid greatest;
    } cases[] = {
        {0, "", true, {0, 0}, {UINT64_MAX, UINT64_MAX}},
        {0, "3479D8", true, {UINT64_C(0x3479d8) << 40, 0}, {0x3479d8ffffffffffu, UINT64_MAX}},
        {0,
         A,
         true,
         {0x3479d89432714935u, 0x88cfa06f3cbb80a5u},
         {0x3479d89432714935u, 0x88cfa06f3cbb80a5u}},
        {0, A "0", false, {0, 0}, {0, 0}},
        {0, "u", false, {0, 0}, {0, 0}},
        {2, "", true, {0, 0}, {UINT64_MAX, UINT64_MAX}},
        {2, "us", true, {0, 0}, {UINT64_MAX, UINT64_MAX}},
        {2, "user:", true, {0, 0}, {UINT64_MAX, UINT64_MAX}},
        {2, "User:", false, {0, 0}, {0, 0}},
        {2, "user:F", true, {UINT64_C(15) << 60, 0}, {UINT64_MAX, UINT64_MAX}},
        {2, "user:x", false, {0, 0}, {0, 0}},
        {2, "3479D8", false, {0, 0}, {0, 0}},
        {2, "user:" A "0", false, {0, 0}, {0, 0}},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct uuid least;
        struct uuid greatest;
        bool found =
            key_rules_complete(&rules[cases[i].rules], span_text(cases[i].text), &least, &greatest);
        ok(found == cases[i].found && (!found || (uuid_equal(least, cases[i].least) &&
                                                  uuid_equal(greatest, cases[i].greatest))),
           "rules %u: the UUIDs whose keys begin with '%s'", cases[i].rules, cases[i].text);
    }
    struct uuid id;
    ok(key_rules_complete(&rules[2], span_of(NULL, 0), &id, &id), "a text without a pointer");
}

static void test_longest(void)
{
    char prefix[KEY_PREFIX_MAX + 1];
    char text[KEY_TEXT_MAX];
    struct key_rules longest;
    struct uuid id;
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[KEY_PREFIX_MAX] = '\0';
    key_rules_init(&longest, prefix, false);
    struct span key = key_rules_write(&longest, a, text);
    ok(key.len == KEY_TEXT_MAX && key_rules_read(&longest, key, &id) && uuid_equal(id, a),
       "the longest prefix: a key is read as it was written");
}

int main(void)
{
    key_rules_init(&rules[0], NULL, false);
    key_rules_init(&rules[1], "", true);
    key_rules_init(&rules[2], "user:", false);
    key_rules_init(&rules[3], "user:", true);
    key_rules_init(&rules[4], "fade", true);
    test_words();
    test_text();
    test_beginnings();
    test_longest();
    return done_testing();
}
