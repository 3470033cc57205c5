// SCAN: a complete scan returns every key exactly once, whatever COUNT is. Patterns find what a
// plain search finds, in upper and lower case. The work of a call is bounded. KEYS is compared,
// too.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/glob.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/feed.h"
#include "support/keysets.h"
#include "support/service.h"
#include "support/tap.h"

enum { KEYS = 3000, MOST_FOUND = 1024, LARGEST_CURSOR_DIGITS = 15 };

static struct service_group group;
static struct service service;
static struct dataset *dataset;
static char texts[KEYS][UUID_TEXT_LEN]; // the keys in order

static void open_dataset(struct random *r)
{
    static struct buf lines;
    static struct uuid keys[KEYS];
    struct error error = {""};
    keyset_fill(&keysets[0], r, keys, KEYS);
    // Some keys begin alike, and two are the smallest and the largest possible key.
    for (unsigned i = 0; i < 200; i++)
        keys[i].hi = UINT64_C(0xabcdef0123456789) ^ (keys[i].hi & 0xfff);
    keys[200] = (struct uuid){0, 0};
    keys[201] = (struct uuid){UINT64_MAX, UINT64_MAX};
    keys_write_lines(r, keys, KEYS, 20, &lines);
    dataset = dataset_open_memory(buf_span(&lines), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    service_group_init(&group, &test_settings, dataset, command_groups);
    service_init(&service, &group);
    qsort(keys, KEYS, sizeof *keys, uuid_compare);
    for (unsigned i = 0; i < KEYS; i++)
        uuid_format(keys[i], texts[i]);
}

// Returns the reply to one command, NUL-terminated. Adds the number of turns that it took to
// `*turns`. The caller releases the reply.
static struct buf ask(const char *command, unsigned *turns)
{
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    struct buf reply = {0};
    struct feed_result result = {0};
    buf_append_text(&input, command);
    buf_append_text(&input, "\r\n");
    session_init(&s, &service, 1, true);
    do {
        timing_begin(&service.timing, clock_monotonic_ns());
        result = session_feed(&s, (struct bytes){input.ptr, input.len}, &out);
        timing_flush(&service.timing, &service.stats);
        ++*turns;
    } while (result.consumed == 0);
    buf_append(&reply, buf_span(&out.owned));
    buf_append(&reply, span_of("", 1));
    output_release(&out);
    session_release(&s);
    buf_release(&input);
    return reply;
}

// Calls SCAN until its cursor is 0 again, and appends the keys to `found`. Returns the number of
// calls, and sets `*most` to the largest number of keys in one reply.
static unsigned scan_all(const char *options, struct buf *found, size_t *most)
{
    char cursor[32] = "0";
    unsigned calls = 0;
    unsigned turns = 0;
    *most = 0;
    do {
        char command[2048];
        unsigned long cursor_len, count;
        int at;
        snprintf(command, sizeof command, "SCAN %s %s", cursor, options);
        struct buf reply = ask(command, &turns);
        require(sscanf(reply.ptr, "*2\r\n$%lu\r\n%31[0-9]\r\n*%lu\r\n%n", &cursor_len, cursor,
                       &count, &at) == 3 &&
                    cursor_len == strlen(cursor) && cursor_len <= LARGEST_CURSOR_DIGITS,
                "%s: %s", command, reply.ptr);
        const char *key = reply.ptr + at;
        for (unsigned long i = 0; i < count; i++, key += sizeof "$36\r\n" - 1 + UUID_TEXT_LEN + 2) {
            require(memcmp(key, "$36\r\n", 5) == 0, "%s: not a key: %s", command, key);
            buf_append(found, span_of(key + 5, UUID_TEXT_LEN));
        }
        require(*key == '\0', "%s: the reply is longer than it announces", command);
        *most = count > *most ? count : *most;
        calls++;
        buf_release(&reply);
    } while (strcmp(cursor, "0") != 0);
    return calls;
}

static void check_pattern(const char *pattern, const char *more, unsigned calls_at_most)
{
    struct buf found = {0}, wanted = {0};
    char options[1500];
    size_t most;
    snprintf(options, sizeof options, "%s%s %s", *pattern != '\0' ? "MATCH " : "", pattern, more);
    unsigned calls = scan_all(options, &found, &most);
    struct span glob = span_text(*pattern != '\0' ? pattern : "*");
    for (unsigned i = 0; i < KEYS; i++)
        if (glob_match(glob, span_of(texts[i], UUID_TEXT_LEN), GLOB_CASE_EITHER))
            buf_append(&wanted, span_of(texts[i], UUID_TEXT_LEN));
    ok(span_equal(buf_span(&found), buf_span(&wanted)), "'%s' finds %zu keys, each once, in order",
       options, wanted.len / UUID_TEXT_LEN);
    ok(calls <= calls_at_most && most <= MOST_FOUND,
       "'%s' takes %u calls, with at most %zu keys in one", options, calls, most);
    buf_release(&found);
    buf_release(&wanted);
}

static void check_patterns(struct random *r)
{
    static const char *const patterns[] = {"*a",
                                           "0*",
                                           "f*",
                                           "ff*",
                                           "*-4*",
                                           "abcdef01-*",
                                           "abcdef01-2345-6[0-7]*",
                                           "[0-3]*",
                                           "[^0-9]*",
                                           "???????"
                                           "?-*",
                                           "ABC*",
                                           "ABCDEF01-*",
                                           "AbCdEf0?*",
                                           "[A-C]*",
                                           "[^A-F0-4]*",
                                           "[^a-F]*",
                                           "*[\\A-C]",
                                           "*\\F",
                                           "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
                                           "abcdef0?*",
                                           "abcdefg*",
                                           "-*",
                                           "\\a*",
                                           "a\\*",
                                           "nothing",
                                           "*-*-*",
                                           "**",
                                           "[",
                                           "00000000-0000-0000-0000-000000000000",
                                           "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                           "ffffffff-ffff-ffff-ffff-ffffffffffff0",
                                           "ffffffffffff*"};
    for (unsigned i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        check_pattern(patterns[i], "COUNT 100", KEYS / 100 + 1);
        check_pattern(patterns[i], "COUNT 1000000", KEYS / MOST_FOUND + 1);
    }
    // A pattern with a fixed beginning visits only the keys with that beginning, here 200.
    check_pattern("abcdef01-2345-*", "COUNT 10", 20 + 1);
    for (unsigned i = 0; i < 40; i++) {
        char pattern[UUID_TEXT_LEN + 2];
        size_t len = random_below(r, UUID_TEXT_LEN + 1);
        memcpy(pattern, texts[random_below(r, KEYS)], len);
        strcpy(pattern + len, "*");
        check_pattern(pattern, "COUNT 50", KEYS / 50 + 1);
    }
}

// KEYS and SCAN find the same keys for a pattern with letters in upper or mixed case as for the
// same pattern in lower case.
static void check_case(struct random *r)
{
    static const struct {
        const char *pattern;
        const char *lower;
    } cases[] = {
        {"ABCDEF01*", "abcdef01*"},
        {"aBcDeF01*", "abcdef01*"},
        {"ABCDEF01-*-*", "abcdef01-*-*"},
        {"[A-C]*", "[a-c]*"},
        {"[ABC]*", "[abc]*"},
        {"[^A]*", "[^a]*"},
        {"[^A-F]*", "[^a-f]*"},
        {"*[A-F][D-F]", "*[a-f][d-f]"},
        {"*[0-F]", "*[0-f]"},
        {"\\A*", "\\a*"},
        {"[\\A\\F]*", "[\\a\\f]*"},
        {"*E", "*e"},
        {"F*", "f*"},
        {"?????[E]*-*", "?????[e]*-*"},
        // If the ends of a range differ in case, the range means the bytes as they are written.
        {"[X-g]*", "[a-g]*"},
        {"[g-X]*", "[a-g]*"},
        {"*[^X-c]", "*[^a-c]"},
        {"[3-c]*", "[3-9a-f]*"},
        {"[D-b]*", "[a-bd-f]*"},
        {"[a-F]*", "[af]*"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases + 100; i++) {
        char pattern[64];
        char lower[64];
        if (i < sizeof cases / sizeof *cases) {
            strcpy(pattern, cases[i].pattern);
            strcpy(lower, cases[i].lower);
        } else {
            size_t len = random_below(r, UUID_TEXT_LEN) + 1;
            memcpy(lower, texts[random_below(r, KEYS)], len);
            lower[len] = '\0';
            strcpy(pattern, lower);
            for (char *c = pattern; *c != '\0'; c++)
                *c = random_below(r, 2) == 0 ? ascii_upper(*c) : *c;
            bool range = random_below(r, 2) == 0;
            strcat(lower, range ? "*[a-e]" : "*");
            strcat(pattern, !range ? "*" : random_below(r, 2) == 0 ? "*[a-e]" : "*[A-E]");
        }
        for (unsigned command = 0; command < 2; command++) {
            const char *form = command == 0 ? "KEYS" : "SCAN 0 COUNT 1000000 MATCH";
            char words[128];
            unsigned turns = 0;
            snprintf(words, sizeof words, "%s %s", form, pattern);
            struct buf found = ask(words, &turns);
            snprintf(words, sizeof words, "%s %s", form, lower);
            struct buf wanted = ask(words, &turns);
            ok(span_equal(buf_span(&found), buf_span(&wanted)) &&
                   (i >= sizeof cases / sizeof *cases || strchr(wanted.ptr, '-') != NULL),
               "'%s' finds what '%s' finds", pattern, words);
            buf_release(&found);
            buf_release(&wanted);
        }
    }
}

static void check_bounds(void)
{
    struct buf reply;
    unsigned turns = 0;
    char command[2048];
    reply = ask("SCAN 0 COUNT 1000", &turns);
    ok(turns > 1000 / SESSION_TURN_WORK, "SCAN of many keys takes %u turns", turns);
    buf_release(&reply);
    reply = ask("SCAN 9007199254740992", &turns);
    is_bytes(buf_span(&reply), span_of("*2\r\n$1\r\n0\r\n*0\r\n\0", 16), "a cursor past the end");
    buf_release(&reply);
    reply = ask("SCAN 2999", &turns);
    is_bytes(span_of(reply.ptr, 15), span_text("*2\r\n$1\r\n0\r\n*1\r\n"), "the last key");
    buf_release(&reply);
    memset(command, 'x', sizeof command);
    memcpy(command, "SCAN 0 MATCH ", 13);
    command[13 + 1025] = '\0';
    reply = ask(command, &turns);
    is_bytes(buf_span(&reply), span_of("-ERR pattern exceeds 1024 bytes\r\n\0", 34),
             "a pattern that is too long");
    buf_release(&reply);

    // The client leaves in the middle of a call. The address sanitizer finds leaks.
    struct session s;
    struct output out = {0};
    char input[] = "SCAN 0 COUNT 1000\r\n";
    session_init(&s, &service, 1, true);
    timing_begin(&service.timing, clock_monotonic_ns());
    struct feed_result result = session_feed(&s, (struct bytes){input, sizeof input - 1}, &out);
    timing_flush(&service.timing, &service.stats);
    ok(result.status == FEED_TURN_OVER && s.request.collected.len > 0 && output_pending(&out) == 0,
       "SCAN replies only when the call is complete");
    session_release(&s);
    output_release(&out);
}

int main(void)
{
    struct random r = random_seeded();
    open_dataset(&r);
    check_pattern("", "", KEYS / 10 + 1);
    check_pattern("", "COUNT 1", KEYS + 1);
    check_pattern("", "COUNT 7", KEYS / 7 + 1);
    check_pattern("", "COUNT 3000 TYPE string", KEYS / MOST_FOUND + 1);
    check_pattern("*", "COUNT 999", KEYS / 999 + 1);
    check_patterns(&r);
    check_case(&r);
    check_bounds();
    service_release(&service);
    dataset_close(dataset);
    return done_testing();
}
