// STELE.RANGE, STELE.COUNT and KEYS, compared with a plain search of the same keys: bounds of every
// form, both directions, both protocols. Long replies take several turns. A reply has as many
// elements as it announces, even if the file is overwritten meanwhile.
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

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

enum { KEYS = 2000, LARGE = 20000 };

static struct service_group group;
static struct service service;
static struct dataset *dataset;
static struct buf lines;                    // the text of the dataset
static char texts[KEYS][UUID_TEXT_LEN + 1]; // the keys in order
static struct span values[KEYS];            // the value of each key

static void open_dataset(struct random *r)
{
    static struct uuid keys[KEYS];
    struct error error = {""};
    keyset_fill(&keysets[0], r, keys, KEYS);
    for (unsigned i = 0; i < 300; i++)
        keys[i].hi = UINT64_C(0x0192f3a123457000) ^ (keys[i].hi & 0xfff);
    keys[300] = (struct uuid){0, 0};
    keys[301] = (struct uuid){UINT64_MAX, UINT64_MAX};
    for (unsigned i = 0; i < KEYS; i++) {
        char text[UUID_TEXT_LEN];
        uuid_format(keys[i], text);
        buf_append(&lines, span_of(text, sizeof text));
        buf_printf(&lines, " value of %u", i);
        // Some values are so long that a reply refers to them in the dataset and does not copy
        // them.
        for (unsigned j = 0; i % 100 == 0 && j < LARGE; j++)
            buf_append_text(&lines, "x");
        buf_append_text(&lines, "\n");
    }
    dataset = dataset_open_memory(buf_span(&lines), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    qsort(keys, KEYS, sizeof *keys, uuid_compare);
    for (unsigned i = 0; i < KEYS; i++) {
        uuid_format(keys[i], texts[i]);
        require(dataset_get(dataset, keys[i], &values[i]), "%s is there", texts[i]);
    }
    service_group_init(&group, &test_settings, dataset, command_groups);
    service_init(&service, &group);
}

static void drain(struct output *out, struct buf *to)
{
    struct iovec vectors[16];
    while (output_pending(out) > 0) {
        size_t count = output_iovecs(out, SIZE_MAX, vectors, 16);
        size_t taken = 0;
        for (size_t i = 0; i < count; i++) {
            buf_append(to, span_of(vectors[i].iov_base, vectors[i].iov_len));
            taken += vectors[i].iov_len;
        }
        output_take(out, taken);
    }
}

// The reply to a command, and what it took.
struct answer {
    struct buf reply;
    unsigned turns;      // turns that it took
    size_t most_pending; // most bytes of output after one of its turns
};

// Runs one command in as many turns as it takes. After `turns` of them, calls `between` unless it
// is NULL. The caller releases the reply.
static struct answer ask(const char *command, enum resp_protocol protocol, unsigned turns,
                         void (*between)(void))
{
    struct answer answer = {.turns = 0};
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    struct feed_result result;
    buf_printf(&input, "%s\r\n", command);
    session_init(&s, &service, 1, true);
    s.reply.protocol = protocol;
    do {
        timing_begin(&service.timing, clock_monotonic_ns());
        result = session_feed(&s, (struct bytes){input.ptr, input.len}, &out);
        timing_flush(&service.timing, &service.stats);
        if (output_pending(&out) > answer.most_pending)
            answer.most_pending = output_pending(&out);
        require(s.request.collected.len == 0, "the command keeps no bytes between turns");
        drain(&out, &answer.reply);
        if (++answer.turns == turns && between != NULL)
            between();
        require(answer.turns < 1000, "%s comes to an end", command);
    } while (result.consumed == 0);
    output_release(&out);
    session_release(&s);
    buf_release(&input);
    return answer;
}

static void is_answer(const char *command, enum resp_protocol protocol, struct span wanted,
                      const char *what)
{
    struct answer answer = ask(command, protocol, 0, NULL);
    if (!span_equal(buf_span(&answer.reply), wanted))
        is_bytes(buf_span(&answer.reply), wanted, "%s: %s", command, what);
    buf_release(&answer.reply);
}

// ---- the plain search ---------------------------------------------------------------------------

// Returns true if the key is not below a lower bound, or not above an upper one. A key that begins
// with the bound's text is inside; after '(', it is outside.
static bool is_inside(const char *key, const char *bound, bool lower)
{
    if (strcmp(bound, "-") == 0 || strcmp(bound, "+") == 0)
        return (*bound == '-') == lower;
    bool exclusive = *bound == '(';
    bound += exclusive;
    for (size_t i = 0; bound[i] != '\0'; i++)
        if (key[i] != ascii_lower(bound[i]))
            return (key[i] > ascii_lower(bound[i])) == lower;
    return !exclusive;
}

static void append_record(struct buf *to, unsigned i, bool with_value, enum resp_protocol protocol)
{
    if (with_value && protocol == RESP3)
        buf_append_text(to, "*2\r\n");
    buf_printf(to, "$36\r\n%s\r\n", texts[i]);
    if (!with_value)
        return;
    buf_printf(to, "$%zu\r\n", values[i].len);
    buf_append(to, values[i]);
    buf_append_text(to, "\r\n");
}

// Returns the reply that STELE.RANGE should give, and sets `*count` to that of STELE.COUNT.
static struct buf expect(const char *from, const char *to, bool reversed, size_t limit,
                         bool with_values, enum resp_protocol protocol, size_t *count)
{
    struct buf wanted = {0};
    struct buf records = {0};
    size_t listed = 0;
    *count = 0;
    for (unsigned n = 0; n < KEYS; n++) {
        unsigned i = reversed ? KEYS - 1 - n : n;
        if (!is_inside(texts[i], reversed ? to : from, true) ||
            !is_inside(texts[i], reversed ? from : to, false))
            continue;
        ++*count;
        if (listed == limit)
            continue;
        listed++;
        append_record(&records, i, with_values, protocol);
    }
    buf_printf(&wanted, "*%zu\r\n", with_values && protocol == RESP2 ? 2 * listed : listed);
    buf_append(&wanted, buf_span(&records));
    buf_release(&records);
    return wanted;
}

static void check_range(const char *from, const char *to, bool reversed, size_t limit,
                        bool with_values, enum resp_protocol protocol)
{
    char command[256];
    char number[64] = "";
    char count_reply[64];
    size_t count;
    if (limit != SIZE_MAX)
        snprintf(number, sizeof number, " LIMIT %zu", limit);
    snprintf(command, sizeof command, "STELE.RANGE %s %s%s%s%s", from, to, number,
             reversed ? " rev" : "", with_values ? " WithValues" : "");
    struct buf wanted = expect(from, to, reversed, limit, with_values, protocol, &count);
    is_answer(command, protocol, buf_span(&wanted), "as a plain search finds it");
    buf_release(&wanted);
    snprintf(command, sizeof command, "STELE.COUNT %s %s", reversed ? to : from,
             reversed ? from : to);
    snprintf(count_reply, sizeof count_reply, ":%zu\r\n", count);
    is_answer(command, protocol, span_text(count_reply), "as many as a plain search finds");
}

// Writes a random bound, often a key of the dataset or the beginning of one.
static void make_bound(struct random *r, char *bound)
{
    char *at = bound;
    if (random_below(r, 8) == 0) {
        strcpy(bound, random_below(r, 2) == 0 ? "-" : "+");
        return;
    }
    if (random_below(r, 3) == 0)
        *at++ = '(';
    size_t len = random_below(r, 2) == 0 ? UUID_TEXT_LEN : 1 + random_below(r, UUID_TEXT_LEN);
    memcpy(at, texts[random_below(r, KEYS)], len);
    at[len] = '\0';
    size_t changed = random_below(r, len);
    if (random_below(r, 3) == 0 && at[changed] != '-')
        at[changed] = "0123456789abcdefABCDEF"[random_below(r, 22)];
}

static void check_ranges(struct random *r)
{
    for (unsigned i = 0; i < 3000; i++) {
        char from[64];
        char to[64];
        make_bound(r, from);
        make_bound(r, to);
        size_t limit = random_below(r, 2) == 0 ? SIZE_MAX : random_below(r, 50);
        check_range(from, to, random_below(r, 2) != 0, limit, random_below(r, 4) == 0,
                    random_below(r, 2) != 0 ? RESP3 : RESP2);
    }
    ok(true, "3000 ranges are as a plain search finds them");
}

static void check_ends(void)
{
    static const char *const bounds[] = {"-",
                                         "+",
                                         "0",
                                         "f",
                                         "(0",
                                         "(f",
                                         "00000000-0000-0000-0000-000000000000",
                                         "(00000000-0000-0000-0000-000000000000",
                                         "FFFFFFFF-ffff-ffff-ffff-ffffffffffff",
                                         "(ffffffff-ffff-ffff-ffff-ffffffffffff",
                                         "00000000",
                                         "00000000-",
                                         "0192f3a1-2345-7",
                                         "(0192f3a1-2345-7"};
    enum { BOUNDS = sizeof bounds / sizeof *bounds };
    for (unsigned i = 0; i < BOUNDS * BOUNDS; i++) {
        check_range(bounds[i / BOUNDS], bounds[i % BOUNDS], false, 3, false, RESP2);
        check_range(bounds[i / BOUNDS], bounds[i % BOUNDS], true, 3, true, RESP3);
    }
    ok(true, "ranges between every two special bounds are as a plain search finds them");
}

static void check_errors(void)
{
    static const char bound[] =
        "-ERR from and to must be '-', '+', a UUID or the beginning of one; a '(' in front "
        "excludes it\r\n";
    static const char *const wrong[] = {"x",    "(",  "((0",
                                        "(-",   "[0", "0192f3a1234",
                                        "-0",   "0-", "00000000-0000-0000-0000-0000000000000",
                                        "\"\"", "g",  "*",
                                        "018f*"};
    char command[128];
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(command, sizeof command, "STELE.COUNT %s +", wrong[i]);
        is_answer(command, RESP2, span_text(bound), "not a bound");
        snprintf(command, sizeof command, "STELE.RANGE - %s REV", wrong[i]);
        is_answer(command, RESP3, span_text(bound), "not a bound");
    }
    static const char syntax[] = "-ERR syntax error\r\n";
    is_answer("STELE.RANGE - + LIMIT", RESP2, span_text(syntax), "LIMIT without a number");
    is_answer("STELE.RANGE - + FOO", RESP2, span_text(syntax), "an unknown option");
    is_answer("STELE.RANGE x y FOO", RESP2, span_text(syntax), "options are checked before bounds");
    is_answer("STELE.RANGE - + REV REV REV REV REV", RESP2, span_text(syntax), "too many options");
    static const char integer[] = "-ERR value is not an integer or out of range\r\n";
    is_answer("STELE.RANGE - + LIMIT x", RESP2, span_text(integer), "not a number");
    is_answer("STELE.RANGE - + LIMIT 9223372036854775808", RESP2, span_text(integer), "too large");
    is_answer("STELE.RANGE - + LIMIT -1", RESP2,
              span_text("-ERR value is out of range, must be positive\r\n"), "negative");
    is_answer("STELE.RANGE - + LIMIT 5 LIMIT 0", RESP2, span_text("*0\r\n"),
              "the last LIMIT counts");
    ok(true, "invalid requests get the right errors");
}

// ---- several turns, and files that change -------------------------------------------------------

static void check_steps(void)
{
    static const char *const commands[] = {"STELE.RANGE - +", "STELE.RANGE + - REV WITHVALUES",
                                           "KEYS *", "KEYS *0*", "KEYS *-*-*"};
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct answer answer = ask(commands[i], RESP2, 0, NULL);
        ok(answer.turns >= KEYS / SESSION_TURN_WORK && answer.turns <= 3 * KEYS / SESSION_TURN_WORK,
           "%s takes %u turns", commands[i], answer.turns);
        ok(answer.most_pending <= SESSION_OUTPUT_HIGH + LARGE + 1000,
           "%s: at most %zu bytes wait to be sent", commands[i], answer.most_pending);
        buf_release(&answer.reply);
    }
}

// Returns the reply that KEYS should give.
static struct buf expect_keys(const char *pattern)
{
    struct buf wanted = {0};
    unsigned count = 0;
    for (unsigned round = 0; round < 2; round++) {
        if (round == 1)
            buf_printf(&wanted, "*%u\r\n", count);
        for (unsigned i = 0; i < KEYS; i++) {
            if (!glob_match(span_text(pattern), span_of(texts[i], UUID_TEXT_LEN),
                            GLOB_CASE_INSENSITIVE))
                continue;
            if (round == 0)
                count++;
            else
                append_record(&wanted, i, false, RESP2);
        }
    }
    return wanted;
}

static void check_keys(struct random *r)
{
    static const char *const patterns[] = {"*",
                                           "0*",
                                           "0192f3a1-2345-7*",
                                           "0192F3*",
                                           "0192f3a1-2345-7?*",
                                           "*7",
                                           "[0-7]*",
                                           "\\0*",
                                           "0\\*",
                                           "nothing",
                                           "nothing*",
                                           "**",
                                           "-*",
                                           "00000000*",
                                           "0192f3a1*-*",
                                           "00000000-0000-0000-0000-000000000000",
                                           "00000000-0000-0000-0000-000000000000*",
                                           "00000000-0000-0000-0000-0000000000000*",
                                           "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                           "ffff*",
                                           "?",
                                           "f?*",
                                           "\"\"",
                                           "0192f3a12*"};
    for (unsigned i = 0; i < sizeof patterns / sizeof *patterns + 200; i++) {
        char command[128];
        char pattern[64];
        if (i < sizeof patterns / sizeof *patterns) {
            snprintf(pattern, sizeof pattern, "%s", patterns[i]);
        } else {
            size_t len = random_below(r, UUID_TEXT_LEN + 1);
            memcpy(pattern, texts[random_below(r, KEYS)], len);
            strcpy(pattern + len, random_below(r, 2) == 0 ? "*" : "*0*");
        }
        snprintf(command, sizeof command, "KEYS %s", pattern);
        struct buf wanted = expect_keys(strcmp(pattern, "\"\"") == 0 ? "" : pattern);
        is_answer(command, RESP2, buf_span(&wanted), "as a plain search finds it");
        buf_release(&wanted);
    }
    char command[2048];
    memset(command, '*', sizeof command);
    memcpy(command, "KEYS ", 5);
    command[5 + 1025] = '\0';
    is_answer(command, RESP2, span_text("-ERR pattern exceeds 1024 bytes\r\n"),
              "a pattern that is too long");
    ok(true, "KEYS finds what a plain search finds");
}

// Returns where the key of that rank is in the text of the dataset.
static char *key_in_lines(unsigned rank)
{
    return (char *)(uintptr_t)values[rank].ptr - 1 - UUID_TEXT_LEN;
}

// Overwrites the keys from rank 1000 on.
static void overwrite(void)
{
    for (unsigned i = 1000; i < KEYS; i++)
        memset(key_in_lines(i), '?', UUID_TEXT_LEN);
}

static void restore(void)
{
    for (unsigned i = 1000; i < KEYS; i++)
        memcpy(key_in_lines(i), texts[i], UUID_TEXT_LEN);
}

static void append_repeated(struct buf *to, const char *text, unsigned count)
{
    while (count-- > 0)
        buf_append_text(to, text);
}

// Runs a command, and overwrites the keys from rank 1000 on after `turns` turns. The reply must
// have `announced` elements: the matching keys before rank 1000, then nulls.
static void check_overwritten(const char *command, unsigned turns, unsigned announced,
                              const char *pattern)
{
    struct buf wanted = {0};
    unsigned listed = 0;
    buf_printf(&wanted, "*%u\r\n", announced);
    for (unsigned i = 0; i < 1000; i++) {
        if (!glob_match(span_text(pattern), span_of(texts[i], UUID_TEXT_LEN), GLOB_CASE_SENSITIVE))
            continue;
        append_record(&wanted, i, false, RESP2);
        listed++;
    }
    append_repeated(&wanted, "$-1\r\n", announced - listed);
    struct answer answer = ask(command, RESP2, turns, overwrite);
    is_bytes(buf_span(&answer.reply), buf_span(&wanted), "%s has as many elements as announced",
             command);
    buf_release(&wanted);
    buf_release(&answer.reply);
    restore();
}

static void check_overwriting(void)
{
    unsigned before = 0;
    unsigned all = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        bool matches =
            glob_match(span_text("*7"), span_of(texts[i], UUID_TEXT_LEN), GLOB_CASE_SENSITIVE);
        all += matches;
        before += matches && i < 1000;
    }
    check_overwritten("STELE.RANGE - +", 1, KEYS, "*");
    check_overwritten("KEYS *", 1, KEYS, "*");
    // KEYS counts the matches in a first pass and writes them in a second. The keys are overwritten
    // during the first pass in the first line, and after it in the second line.
    check_overwritten("KEYS *7", 1, before, "*7");
    check_overwritten("KEYS *7", KEYS / SESSION_TURN_WORK + 1, all, "*7");
    overwrite();
    is_answer("STELE.RANGE + - REV LIMIT 1 WITHVALUES", RESP2, span_text("*2\r\n$-1\r\n$-1\r\n"),
              "nulls in RESP2");
    is_answer("STELE.RANGE + - REV LIMIT 1 WITHVALUES", RESP3, span_text("*1\r\n*2\r\n_\r\n_\r\n"),
              "nulls in RESP3");
    restore();
    ok(true, "the reply has nulls for keys that were overwritten");
}

// Overwrites lines with keys that belong elsewhere. A search may then find wrong keys, but it ends,
// and no reply is longer than a reply that lists all keys.
static void check_astray(struct random *r)
{
    unsigned bounded = 0;
    enum { TIMES = 4000 };
    for (unsigned i = 0; i < TIMES; i++) {
        char command[64];
        for (unsigned changes = 0; changes < KEYS && i % 100 == 0; changes++)
            memcpy(key_in_lines((unsigned)random_below(r, KEYS)), texts[random_below(r, KEYS)],
                   UUID_TEXT_LEN);
        const char *text = texts[random_below(r, KEYS)];
        if (i % 2 == 0)
            snprintf(command, sizeof command, "KEYS %.*s*", 1 + (int)(i % 5), text);
        else
            snprintf(command, sizeof command, "STELE.RANGE %.*s + LIMIT 5", 1 + (int)(i % 5), text);
        struct answer answer = ask(command, RESP2, 0, NULL);
        bounded += answer.reply.len <= (KEYS + 1) * (UUID_TEXT_LEN + 7);
        buf_release(&answer.reply);
    }
    is_number(bounded, TIMES, "replies are bounded when keys are out of order");
    for (unsigned i = 0; i < KEYS; i++)
        memcpy(key_in_lines(i), texts[i], UUID_TEXT_LEN);
}

int main(void)
{
    struct random r = random_seeded();
    open_dataset(&r);
    check_ends();
    check_ranges(&r);
    check_errors();
    check_keys(&r);
    check_steps();
    check_overwriting();
    check_astray(&r);
    service_release(&service);
    dataset_close(dataset);
    buf_release(&lines);
    return done_testing();
}
