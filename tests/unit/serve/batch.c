// Reading ahead into a batch: which requests are added and how, where the reading stops, which
// commands' keys are collected, and what the lookup finds. Random input is compared with a model.
#include "serve/batch.h"
#include "commands/groups.h"

#include <stdlib.h>

#include "base/error.h"
#include "data/dataset.h"
#include "serve/key_rules.h"
#include "support/guard.h"
#include "support/talk.h"
#include "support/tap.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define B "f8a24bb8-eff8-41dc-929b-10b4c3e49e05"
#define NIL "00000000-0000-0000-0000-000000000000"
#define ABSENT "00000000-0000-4000-8000-000000000000"

enum { NO_LIMIT = 1024 };

static struct command_index commands;
static struct key_rules rules;
static struct dataset *dataset;
static struct batch batch;

// One of the keys is the nil UUID, as an unused `id` of a batch may be zero too.
static void open_dataset(void)
{
    static const char text[] = A " a\n" B " bb\n" NIL " nil\n";
    struct error error = {""};
    dataset = dataset_open_memory(span_text(text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
}

static void empty_batch(void)
{
    batch = (struct batch){.rules = &rules};
}

static struct bytes bytes_of(const struct buf *b)
{
    return (struct bytes){b->ptr, b->len};
}

// Returns the value of a key of the batch that has been looked up, or "-" when there is none.
static struct span found(unsigned key)
{
    uint64_t offset = batch.offset[key];
    return offset == DATASET_NO_OFFSET ? span_text("-") : dataset_value(dataset, offset);
}

// Returns whether request `i` of the batch, whose bytes begin at `base`, has these words, and the
// entry of the first one.
static bool is_recorded(unsigned i, const char *base, const char *words)
{
    const struct batch_request *b = &batch.request[i];
    struct resp_request r = {base, batch.arg + b->first_arg, b->argc};
    for (uint32_t arg = 0; arg < r.argc; arg++) {
        size_t len = strcspn(words, " ");
        if (!span_equal(resp_arg(&r, arg), span_of(words, len)))
            return false;
        words += len + (words[len] == ' ');
    }
    return *words == '\0' && b->entry == command_find(&commands, resp_arg(&r, 0));
}

// ---- requests that are added --------------------------------------------------------------------

static void check_record(void)
{
    static const char *const texts[] = {
        "GET " A, "ping", "mget " B " " ABSENT " " A, "nonsense " A, "SET " A " value", "strlen x"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    static const unsigned keys[TEXTS] = {1, 0, 3, 0, 0, 1};
    struct buf input = {0};
    size_t ends[TEXTS];
    for (unsigned i = 0; i < TEXTS; i++) {
        append_request(&input, texts[i]);
        ends[i] = input.len;
    }
    struct guard guard = {0};
    struct bytes in = guard_copy(&guard, buf_span(&input));
    empty_batch();
    is_number(batch_read(&batch, &commands, NULL, in, NO_LIMIT), TEXTS, "all requests are added");
    is_number(batch.requests, TEXTS, "the batch counts them");
    unsigned key = 0, arg = 0;
    for (unsigned i = 0; i < TEXTS; i++) {
        size_t start = i > 0 ? ends[i - 1] : 0;
        ok(is_recorded(i, in.ptr + start, texts[i]), "'%s': the words", texts[i]);
        is_number(batch.request[i].size, (int64_t)(ends[i] - start), "the size");
        is_number(batch.request[i].keys, keys[i], "the number of keys");
        is_number(batch.request[i].first_key, key, "the index of the first key");
        is_number(batch.request[i].first_arg, arg, "the index of the first argument");
        key += keys[i];
        arg += batch.request[i].argc;
    }
    ok(batch.keys == key && batch.args == arg, "the batch counts keys and arguments");
    ok(span_equal(span_of(in.ptr, in.len), buf_span(&input)), "the input is not written to");
    guard_release(&guard);
    batch_look_up(&batch, dataset);
    static const char *const values[] = {"a", "bb", "-", "a", "-"};
    for (unsigned i = 0; i < key; i++)
        is_bytes(found(i), span_text(values[i]), "key %u is found after the input is gone", i);
    ok(!batch_is_full(&batch), "the batch is not full");
    batch_clear(&batch);
    ok(batch.requests == 0 && batch.keys == 0 && batch.args == 0 && batch.looked_up == 0,
       "batch_clear empties it");
    batch_look_up(&batch, dataset);
    ok(true, "a lookup in an empty batch does nothing");
    buf_release(&input);
}

// A request with more than 65,535 bytes.
static void check_large(void)
{
    struct buf input = {0};
    buf_append_text(&input, "*2\r\n$4\r\nECHO\r\n$100000\r\n");
    append_bytes(&input, 'x', 100000);
    buf_append_text(&input, "\r\n");
    size_t first = input.len;
    append_request(&input, "GET " B);
    empty_batch();
    is_number(batch_read(&batch, &commands, NULL, bytes_of(&input), NO_LIMIT), 2,
              "a request of 100,000 bytes and one after it are added");
    is_number(batch.request[0].size, (int64_t)first, "the size of the large request");
    ok(is_recorded(1, input.ptr + first, "GET " B), "the request after it");
    buf_release(&input);
}

static void check_left_unread(void)
{
    static const struct {
        struct span text;
        const char *what;
    } cases[] = {
        {BYTES(""), "nothing"},
        {BYTES("PING\r\n"), "an inline command"},
        {BYTES("\r\n"), "an empty line"},
        {BYTES("get " A "\n"), "an inline GET"},
        {BYTES("*"), "a star"},
        {BYTES("*2\r\n"), "a count"},
        {BYTES("*2\r\n$3\r\nGET\r\n"), "half a request"},
        {BYTES("*2\r\n$3\r\nGET\r\n$36\r\n" A "\r"), "all but the last byte"},
        {BYTES("*x\r\n"), "no count"},
        {BYTES("*1048577\r\n"), "too large a count"},
        {BYTES("*1\r\n+PING\r\n"), "no bulk string"},
        {BYTES("*1\r\n$-1\r\n"), "a negative length"},
        {BYTES("*1\r\n$1048577\r\n"), "too long a string"},
        {BYTES("\0*1\r\n$4\r\nPING\r\n"), "a NUL"},
    };
    for (unsigned good = 0; good <= 2; good++) {
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct buf input = {0};
            struct guard guard = {0};
            for (unsigned j = 0; j < good; j++)
                append_request(&input, "GET " B);
            buf_append(&input, cases[i].text);
            struct bytes in = guard_copy(&guard, buf_span(&input));
            empty_batch();
            is_number(batch_read(&batch, &commands, NULL, in, NO_LIMIT), good,
                      "%s after %u good requests is not added", cases[i].what, good);
            ok(batch.requests == good && batch.keys == good && batch.args == 2 * good,
               "the batch holds nothing of it");
            ok(span_equal(span_of(in.ptr, in.len), buf_span(&input)),
               "the input is not written to");
            guard_release(&guard);
            buf_release(&input);
        }
    }
}

// *0 and *-1 are complete requests without a word.
static void check_empty_requests(void)
{
    static const char text[] = "*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n*0\r\n";
    struct guard guard = {0};
    struct bytes in = guard_copy(&guard, span_text(text));
    empty_batch();
    is_number(batch_read(&batch, &commands, NULL, in, NO_LIMIT), 4, "*0 and *-1 are requests");
    static const unsigned sizes[] = {4, 5, 14, 4}, words[] = {0, 0, 1, 0};
    for (unsigned i = 0; i < 4; i++)
        ok(batch.request[i].size == sizes[i] && batch.request[i].argc == words[i] &&
               (batch.request[i].entry != NULL) == (words[i] > 0),
           "request %u has %u words in %u bytes", i, words[i], sizes[i]);
    guard_release(&guard);
}

// From each prefix of a good input, exactly the complete requests are added. No byte after the
// prefix is read.
static void check_prefixes(void)
{
    struct buf input = {0};
    size_t ends[6];
    static const char *const texts[] = {"GET " A, "*", "MGET " A " " B, "ping", "*", "get x"};
    for (unsigned i = 0; i < 6; i++) {
        if (*texts[i] == '*')
            buf_append_text(&input, "*0\r\n");
        else
            append_request(&input, texts[i]);
        ends[i] = input.len;
    }
    unsigned wrong = 0;
    for (size_t len = 0; len <= input.len; len++) {
        struct guard guard = {0};
        struct bytes in = guard_copy(&guard, span_of(input.ptr, len));
        unsigned whole = 0;
        while (whole < 6 && ends[whole] <= len)
            whole++;
        empty_batch();
        wrong +=
            batch_read(&batch, &commands, NULL, in, NO_LIMIT) != whole || batch.requests != whole;
        batch_look_up(&batch, dataset);
        guard_release(&guard);
    }
    is_number(wrong, 0, "%zu prefixes: the complete requests are added", input.len + 1);
    buf_release(&input);
}

// ---- limits -------------------------------------------------------------------------------------

static void append_mget(struct buf *to, unsigned keys)
{
    buf_printf(to, "*%u\r\n$4\r\nMGET\r\n", keys + 1);
    for (unsigned i = 0; i < keys; i++)
        append_bulk(to, i % 2 == 0 ? SPAN(A) : SPAN(B));
}

// Appends a request of `words` words of one byte.
static void append_words(struct buf *to, unsigned words)
{
    buf_printf(to, "*%u\r\n", words);
    for (unsigned i = 0; i < words; i++)
        buf_append_text(to, "$1\r\nx\r\n");
}

static void limits_to(const struct buf *input, unsigned limit, unsigned wanted, unsigned keys,
                      bool full, const char *what)
{
    struct guard guard = {0};
    empty_batch();
    struct bytes in = guard_copy(&guard, buf_span(input));
    is_number(batch_read(&batch, &commands, NULL, in, limit), wanted, "%s: %u requests are added",
              what, wanted);
    is_number(batch.keys, keys, "with %u keys", keys);
    is_number(batch_is_full(&batch), full, "the batch is%s full", full ? "" : " not");
    guard_release(&guard);
}

// EXEC and RESET decide which bytes come next, and under which limits, so reading stops after them.
static void check_exec_and_reset(void)
{
    static const char *const words[] = {"exec", "RESET"};
    for (unsigned i = 0; i < 2; i++) {
        struct buf input = {0};
        append_request(&input, "PING");
        append_request(&input, words[i]);
        append_request(&input, "GET " A);
        empty_batch();
        is_number(batch_read(&batch, &commands, NULL, bytes_of(&input), NO_LIMIT), 2,
                  "nothing is added after %s", words[i]);
        ok(!batch_is_full(&batch), "the batch has room all the same");
        buf_release(&input);
    }
}

static void check_limits(void)
{
    struct buf input = {0};
    for (unsigned i = 0; i < BATCH_REQUESTS + 10; i++)
        append_request(&input, "PING");
    limits_to(&input, NO_LIMIT, BATCH_REQUESTS, 0, true, "many requests");
    is_number(batch_read(&batch, &commands, NULL, bytes_of(&input), NO_LIMIT), 0,
              "a full batch takes no more");
    limits_to(&input, 7, 7, 0, false, "limit of 7");
    limits_to(&input, 0, 0, 0, false, "limit of 0");
    is_number(batch_read(&batch, &commands, NULL, bytes_of(&input), 7), 7,
              "the limit is that of one call");
    is_number(batch_read(&batch, &commands, NULL, bytes_of(&input), 7), 7,
              "the next call has it again");
    is_number(batch.requests, 14, "both calls add to the batch");
    input.len = 0;

    for (unsigned i = 0; i < BATCH_KEYS + 10; i++)
        append_request(&input, "GET " A);
    limits_to(&input, NO_LIMIT, BATCH_KEYS, BATCH_KEYS, true, "many GETs");
    input.len = 0;

    for (unsigned i = 0; i < 10; i++)
        append_mget(&input, 100);
    limits_to(&input, NO_LIMIT, 2, 200, true, "MGETs of 100");
    limits_to(&input, 100, 1, 100, false, "limit of 100 keys");
    limits_to(&input, 101, 2, 200, false, "the last request may exceed the limit of keys");
    limits_to(&input, 200, 2, 200, false, "limit of 200 keys");
    limits_to(&input, 5, 1, 100, false, "a single request may exceed it, too");
    input.len = 0;

    for (unsigned keys = BATCH_KEYS - 1; keys <= BATCH_KEYS + 1; keys++) {
        append_mget(&input, keys);
        append_request(&input, "GET " A);
        unsigned ahead = keys > BATCH_KEYS ? 0 : keys;
        unsigned more = ahead < BATCH_KEYS;
        limits_to(&input, NO_LIMIT, 1 + more, ahead + more, ahead + more == BATCH_KEYS,
                  "MGET of about BATCH_KEYS");
        input.len = 0;
    }

    for (unsigned words = BATCH_ARGS - 1; words <= BATCH_ARGS + 1; words++) {
        append_words(&input, words);
        append_words(&input, 1);
        append_words(&input, 1);
        unsigned wanted = words > BATCH_ARGS ? 0 : 1 + BATCH_ARGS - words;
        limits_to(&input, NO_LIMIT, wanted, 0, wanted > 0, "about BATCH_ARGS words");
        is_number(batch.args, wanted > 0 ? BATCH_ARGS : 0,
                  "the batch has room for BATCH_ARGS words");
        input.len = 0;
    }

    for (unsigned i = 0; i < 5; i++)
        append_words(&input, 300);
    limits_to(&input, NO_LIMIT, 3, 0, true, "words by 300");
    is_number(batch.args, 900, "nothing remains of the fourth, which does not fit");
    buf_release(&input);
}

// ---- keys ---------------------------------------------------------------------------------------

static void check_keys(void)
{
    static const struct {
        const char *text;
        unsigned keys;
    } cases[] = {
        {"GET " A, 1},
        {"gEt " A, 1},
        {"STRLEN " A, 1},
        {"TYPE " A, 1},
        {"MGET " A, 1},
        {"MGET " A " " A " " B, 3},
        {"EXISTS " A " x " B " " B, 4},
        {"GET", 0},
        {"MGET", 0},
        {"EXISTS", 0},
        {"GET " A " " B, 0},
        {"STRLEN " A " " B, 0},
        {"TYPE " A " " B " " B, 0},
        {"SET " A " x", 0},
        {"SETNX " A " x", 0},
        {"DEL " A " " B, 0},
        {"UNLINK " A, 0},
        {"MSET " A " x " B " y", 0},
        {"APPEND " A " x", 0},
        {"GETX " A, 0},
        {"GE " A, 0},
        {"PING " A, 0},
        {"ECHO " A, 0},
        {"DBSIZE", 0},
        {"CLIENT", 0},
        {"CLIENT SETNAME " A, 0},
        {"COMMAND DOCS get", 0},
        {"CONFIG GET " A, 0},
    };
    struct buf input = {0};
    unsigned keys = 0;
    empty_batch();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        input.len = 0;
        append_request(&input, cases[i].text);
        require(batch_read(&batch, &commands, NULL, bytes_of(&input), NO_LIMIT) == 1, "not read");
        ok(is_recorded(i, input.ptr, cases[i].text), "'%s' is added", cases[i].text);
        is_number(batch.request[i].keys, cases[i].keys, "with %u keys", cases[i].keys);
        keys += cases[i].keys;
        is_number(batch.keys, keys, "the batch counts these keys");
    }
    buf_release(&input);
}

static void check_names(void)
{
    // A NUL is a byte of a name like any other. A name longer than any command's must not be
    // remembered as the last name.
    static const struct span names[] = {
        BYTES("get"),   BYTES("GET"),
        BYTES("gEt"),   BYTES("GETX"),
        BYTES("GE"),    BYTES(""),
        BYTES("get\0"), BYTES("get\0get"),
        BYTES("\0get"), BYTES("mget"),
        BYTES("set"),   BYTES("sEt"),
        BYTES("ping"),  BYTES("pong"),
        BYTES("type"),  BYTES("client"),
        BYTES("get "),  BYTES("getgetgetgetgetgetgetgetgetgetg"),
        BYTES("strle"), BYTES("getgetgetgetgetgetgetgetgetgetge"),
        BYTES("strln"), BYTES("getgetgetgetgetgetgetgetgetgetget"),
    };
    enum { NAMES = sizeof names / sizeof *names };
    static char longest[4 * COMMAND_NAME_MAX];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "get", 3);
    // Each name after each other name, and after itself. The input of one is gone before the next.
    unsigned wrong = 0;
    empty_batch();
    for (unsigned i = 0; i <= NAMES; i++) {
        for (unsigned j = 0; j <= NAMES; j++) {
            const unsigned pair[] = {i, j, j};
            for (unsigned k = 0; k < 3; k++) {
                struct span name =
                    pair[k] < NAMES ? names[pair[k]] : span_of(longest, sizeof longest);
                struct buf input = {0};
                struct guard guard = {0};
                buf_append_text(&input, "*2\r\n");
                append_bulk(&input, name);
                append_bulk(&input, SPAN(A));
                struct bytes in = guard_copy(&guard, buf_span(&input));
                batch_clear(&batch);
                require(batch_read(&batch, &commands, NULL, in, NO_LIMIT) == 1, "not read");
                wrong += batch.request[0].entry != command_find(&commands, name);
                guard_release(&guard);
                buf_release(&input);
            }
        }
    }
    is_number(wrong, 0, "the last name does not change how the next name is found");
    ok(command_find(&commands, SPAN("gEt")) != NULL &&
           command_find(&commands, SPAN("GETX")) == NULL,
       "some are commands and some are not");
}

// Reads `count` requests in as many calls as it takes: a call stops after EXEC and RESET.
static void read_all(struct bytes in, unsigned count)
{
    for (unsigned next = 0; next < count; next++) {
        if (next == batch.requests)
            require(batch_read(&batch, &commands, NULL, in, NO_LIMIT) > 0, "not read");
        size_t size = batch.request[next].size;
        in = (struct bytes){in.ptr + size, in.len - size};
    }
}

// After any two commands, a name that differs from the second in one letter, taken from the first.
static void check_similar_names(void)
{
    unsigned wrong = 0, known = 0;
    struct buf input = {0};
    empty_batch();
    for (unsigned i = 0; i < commands.count; i++) {
        for (unsigned j = 0; j < commands.count; j++) {
            const struct command_entry *first = &commands.entries[i];
            const struct command_entry *second = &commands.entries[j];
            size_t len = strlen(second->command->name);
            if (first->container != NULL || second->container != NULL)
                continue;
            for (size_t at = 0; at < len && at < strlen(first->command->name); at++) {
                char third[COMMAND_NAME_MAX];
                memcpy(third, second->command->name, len + 1);
                third[at] = first->command->name[at];
                input.len = 0;
                append_request(&input, first->command->name);
                append_request(&input, second->command->name);
                append_request(&input, third);
                batch_clear(&batch);
                read_all(bytes_of(&input), 3);
                const struct command_entry *entry = command_find(&commands, span_text(third));
                wrong += batch.request[0].entry != first || batch.request[1].entry != second ||
                         batch.request[2].entry != entry;
                known += entry != NULL && entry != second;
            }
        }
    }
    is_number(wrong, 0, "names that differ in one letter are distinguished");
    ok(known > 10, "some of them are commands (%u)", known);
    buf_release(&input);
}

// A word that is no UUID is not found. An old `id` is looked up for it, here the nil UUID, which is
// a key of the dataset.
static void check_no_uuids(void)
{
    static const struct span keys[] = {
        BYTES(""),
        BYTES("x"),
        BYTES("3479d894327149358" /* no dashes */ "8cfa06f3cbb80a5"),
        BYTES("3479d894-3271-4935-88cf-a06f3cbb80a"),
        BYTES("3479d894-3271-4935-88cf-a06f3cbb80a5x"),
        BYTES("3479d894-3271-4935-88cf-a06f3cbb80ag"),
        BYTES("g479d894-3271-4935-88cf-a06f3cbb80a5"),
        BYTES("00000000-0000-0000-0000-00000000000"),
        BYTES("00000000-0000-0000-0000-0000000000000"),
        BYTES("00000000-0000-0000-0000-00000000000\0"),
        BYTES("00000000-0000-0000-0000+000000000000"),
        BYTES("{0000000-0000-0000-0000-000000000000"),
    };
    enum { KEYS = sizeof keys / sizeof *keys };
    struct buf input = {0};
    empty_batch();
    memset(batch.id, 0, sizeof batch.id);
    for (unsigned round = 0; round < 2; round++) {
        input.len = 0;
        buf_printf(&input, "*%d\r\n$4\r\nMGET\r\n", KEYS + 3);
        append_bulk(&input, SPAN(NIL));
        for (unsigned i = 0; i < KEYS; i++)
            append_bulk(&input, keys[i]);
        append_bulk(&input, SPAN("3479D894-3271-4935-88CF-A06F3CBB80A5"));
        struct guard guard = {0};
        struct bytes in = guard_copy(&guard, buf_span(&input));
        batch_clear(&batch);
        require(batch_read(&batch, &commands, NULL, in, NO_LIMIT) == 1, "not read");
        batch_look_up(&batch, dataset);
        is_bytes(found(0), SPAN("nil"), "the nil UUID is a key");
        for (unsigned i = 0; i < KEYS; i++)
            ok(batch.offset[1 + i] == DATASET_NO_OFFSET, "'%s' is not found", keys[i].ptr);
        is_bytes(found(1 + KEYS), SPAN("a"), "an upper-case UUID is found");

        struct resp_request r = {in.ptr, batch.arg, KEYS + 3};
        batch_look_up_chunk(&batch, dataset, &r, 1, 1, KEYS + 2);
        is_bytes(found(BATCH_KEYS), SPAN("nil"), "in a chunk: the nil UUID is a key");
        for (unsigned i = 0; i < KEYS; i++)
            ok(batch.offset[BATCH_KEYS + 1 + i] == DATASET_NO_OFFSET, "'%s' is not found",
               keys[i].ptr);
        is_bytes(found(BATCH_KEYS + 1 + KEYS), SPAN("a"),
                 "in a chunk: the upper-case UUID is found");
        guard_release(&guard);
    }
    buf_release(&input);
}

// ---- looking up ---------------------------------------------------------------------------------

static void check_once(void)
{
    enum { MARK = 12345 };
    struct buf input = {0};
    append_request(&input, "MGET " A " x");
    append_request(&input, "GET " B);
    empty_batch();
    batch_read(&batch, &commands, NULL, bytes_of(&input), NO_LIMIT);
    batch_look_up(&batch, dataset);
    // A second lookup of the same keys would overwrite this.
    for (unsigned i = 0; i < 3; i++)
        batch.offset[i] = MARK;
    batch_look_up(&batch, dataset);
    batch_read(&batch, &commands, NULL, bytes_of(&input), NO_LIMIT);
    batch_look_up(&batch, dataset);
    for (unsigned i = 0; i < 3; i++)
        is_number((int64_t)batch.offset[i], MARK, "key %u is not looked up again", i);
    is_bytes(found(3), SPAN("a"), "the keys read since then are looked up: the first");
    is_bytes(found(4), SPAN("-"), "the second");
    is_bytes(found(5), SPAN("bb"), "the third");
    for (unsigned i = 6; i < BATCH_KEYS + BATCH_CHUNK; i++)
        if (batch.offset[i] != 0)
            require(false, "offset %u is written", i);
    buf_release(&input);
}

static void check_chunk(void)
{
    enum { ARGS = 2 * BATCH_CHUNK + 10 };
    static struct resp_arg args[ARGS];
    static struct uuid ids[BATCH_KEYS];
    static uint64_t offsets[BATCH_KEYS];
    static const char *const texts[] = {A, ABSENT, B, "x", NIL};
    static const char *const values[] = {"a", "-", "bb", "-", "nil"};
    struct buf input = {0}, text = {0};
    for (unsigned i = 0; i < ARGS; i++) {
        args[i] = (struct resp_arg){(uint32_t)text.len, (uint32_t)strlen(texts[i % 5])};
        buf_append_text(&text, texts[i % 5]);
    }
    for (unsigned i = 0; i < BATCH_KEYS; i++)
        append_request(&input, i % 3 == 0 ? "GET " B : i % 3 == 1 ? "GET " ABSENT : "GET y");
    struct resp_request r = {text.ptr, args, ARGS};
    empty_batch();
    is_number(batch_read(&batch, &commands, NULL, bytes_of(&input), NO_LIMIT), BATCH_KEYS,
              "a batch full of keys");
    memcpy(ids, batch.id, sizeof ids);
    for (unsigned before = 0; before < 2; before++) {
        memcpy(offsets, batch.offset, sizeof offsets);
        for (uint32_t step = 1; step <= 2; step++) {
            static const uint32_t counts[] = {1, 2, BATCH_CHUNK - 1, BATCH_CHUNK};
            for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
                unsigned wrong = 0;
                for (uint32_t first = 1; first <= 5; first++) {
                    batch_look_up_chunk(&batch, dataset, &r, first, step, counts[i]);
                    for (unsigned j = 0; j < counts[i]; j++)
                        wrong += !span_equal(found(BATCH_KEYS + j),
                                             span_text(values[(first + j * step) % 5]));
                }
                is_number(wrong, 0, "a chunk of %u arguments in steps of %u", counts[i], step);
            }
        }
        ok(memcmp(ids, batch.id, sizeof ids) == 0 &&
               memcmp(offsets, batch.offset, sizeof offsets) == 0 && batch.keys == BATCH_KEYS &&
               batch.looked_up == (before == 0 ? 0 : BATCH_KEYS),
           "the keys of the batch are not touched by a chunk");
        batch_look_up(&batch, dataset);
    }
    unsigned wrong = 0;
    for (unsigned i = 0; i < BATCH_KEYS; i++)
        wrong += !span_equal(found(i), span_text(i % 3 == 0 ? "bb" : "-"));
    is_number(wrong, 0, "the keys of the batch are found");
    buf_release(&input);
    buf_release(&text);
}

// ---- a model ------------------------------------------------------------------------------------

enum { MODEL_REQUESTS = 3 * BATCH_REQUESTS, MODEL_WORDS = 400 };

struct model_request {
    size_t start, end; // in the input
    uint32_t argc;
    unsigned keys;
    unsigned kind[MODEL_WORDS]; // index of each key in model_keys
    const char *name;
};

static const char *const model_keys[] = {A, B, NIL, ABSENT, "", "no uuid"};
static const char *const model_values[] = {"a", "bb", "nil", "-", "-", "-"};

static void model_append(struct random *r, struct buf *to, struct model_request *m)
{
    static const struct {
        const char *name;
        unsigned fewest, most; // numbers of words with which its keys are collected; 0: never
    } rows[] = {{"GET", 2, 2},    {"get", 2, 2},
                {"MGET", 2, ~0u}, {"exists", 2, ~0u},
                {"StrLen", 2, 2}, {"TYPE", 2, 2},
                {"SET", 0, 0},    {"mset", 0, 0},
                {"PING", 0, 0},   {"gett", 0, 0},
                {"CLIENT", 0, 0}, {"", 0, 0},
                {"g-e-t", 0, 0},  {"ECHO", 0, 0},
                {"del", 0, 0},    {"MGETMGETMGETMGETMGETMGETMGETMGETMGET", 0, 0}};
    unsigned row = (unsigned)random_below(r, sizeof rows / sizeof *rows);
    uint64_t size = random_below(r, 100);
    uint32_t argc = 1 + (uint32_t)random_below(r, size < 2 ? MODEL_WORDS - 1 : size < 10 ? 60 : 4);
    bool looked_up = argc >= rows[row].fewest && argc <= rows[row].most;
    m->start = to->len;
    m->argc = argc;
    m->name = rows[row].name;
    m->keys = looked_up ? argc - 1 : 0;
    buf_printf(to, "*%u\r\n", argc);
    append_bulk(to, span_text(m->name));
    for (uint32_t i = 1; i < argc; i++) {
        m->kind[i - 1] = (unsigned)random_below(r, sizeof model_keys / sizeof *model_keys);
        append_bulk(to, span_text(model_keys[m->kind[i - 1]]));
    }
    m->end = to->len;
}

// Returns whether the batch has exactly the requests in `noted`, and the values of their keys.
static bool model_agrees(struct model_request *const *noted, unsigned count, const char *input)
{
    unsigned arg = 0, key = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct batch_request *b = &batch.request[i];
        const struct model_request *m = noted[i];
        unsigned keys = m->keys > BATCH_KEYS ? 0 : m->keys;
        struct resp_request r = {input + m->start, batch.arg + b->first_arg, b->argc};
        if (b->size != m->end - m->start || b->argc != m->argc || b->keys != keys ||
            b->first_arg != arg || b->first_key != key ||
            b->entry != command_find(&commands, span_text(m->name)) ||
            !span_equal(resp_arg(&r, 0), span_text(m->name)))
            return false;
        for (unsigned j = 1; j < m->argc; j++)
            if (!span_equal(resp_arg(&r, j), span_text(model_keys[m->kind[j - 1]])))
                return false;
        for (unsigned j = 0; j < keys; j++)
            if (!span_equal(found(key + j), span_text(model_values[m->kind[j]])))
                return false;
        arg += m->argc;
        key += keys;
    }
    return batch.requests == count && batch.args == arg && batch.keys == key;
}

static void check_random(struct random *r)
{
    enum { ROUNDS = 300 };
    static struct model_request requests[MODEL_REQUESTS];
    static struct model_request *noted[BATCH_REQUESTS];
    unsigned wrong = 0, reads = 0, full = 0;
    empty_batch();
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct buf input = {0};
        struct guard guard = {0};
        unsigned count = 1 + (unsigned)random_below(r, MODEL_REQUESTS);
        for (unsigned i = 0; i < count; i++)
            model_append(r, &input, &requests[i]);
        // The last request may be cut. The shortest one has 10 bytes.
        size_t len = input.len - random_below(r, 2) * random_below(r, 10);
        struct bytes in = guard_copy(&guard, span_of(input.ptr, len));
        unsigned next = 0, used = 0, args = 0, keys = 0;
        bool met_full = false; // a request did not fit
        batch_clear(&batch);
        for (unsigned calls = 1 + (unsigned)random_below(r, 6); calls > 0; calls--) {
            unsigned limit = (unsigned)random_below(r, random_below(r, 2) == 0 ? 20 : 1025);
            unsigned wanted = 0, keys_of_call = 0;
            while (next < count && requests[next].end <= len && wanted < limit &&
                   keys_of_call < limit && used < BATCH_REQUESTS) {
                unsigned more = requests[next].keys > BATCH_KEYS ? 0 : requests[next].keys;
                bool words_fit = args + requests[next].argc <= BATCH_ARGS;
                met_full |= words_fit ? keys + more > BATCH_KEYS : args > 0;
                if (!words_fit || keys + more > BATCH_KEYS)
                    break;
                args += requests[next].argc;
                keys += more;
                keys_of_call += more;
                noted[used++] = &requests[next++];
                wanted++;
            }
            size_t at = wanted > 0     ? requests[next - wanted].start
                        : next < count ? requests[next].start
                                       : len;
            at = at < len ? at : len;
            wrong += batch_read(&batch, &commands, NULL, (struct bytes){in.ptr + at, len - at},
                                limit) != wanted;
            bool is_full =
                met_full || used == BATCH_REQUESTS || args == BATCH_ARGS || keys == BATCH_KEYS;
            // A cut request that does not fit either may count as both.
            bool unsure =
                next < count && requests[next].end > len && args + requests[next].argc > BATCH_ARGS;
            wrong += !unsure && batch_is_full(&batch) != is_full;
            met_full |= batch_is_full(&batch);
            full += batch_is_full(&batch);
            reads++;
            if (random_below(r, 2) == 0)
                batch_look_up(&batch, dataset);
        }
        batch_look_up(&batch, dataset);
        wrong += !model_agrees(noted, used, in.ptr);
        guard_release(&guard);
        buf_release(&input);
    }
    is_number(wrong, 0, "%u random reads agree with a model", reads);
    ok(full > 10, "%u of them left the batch full", full);
}

int main(void)
{
    struct random r = random_seeded();
    command_index_init(&commands, command_groups);
    key_rules_init(&rules, NULL, false);
    open_dataset();
    check_record();
    check_large();
    check_left_unread();
    check_empty_requests();
    check_prefixes();
    check_exec_and_reset();
    check_limits();
    check_keys();
    check_names();
    check_similar_names();
    check_no_uuids();
    check_once();
    check_chunk();
    check_random(&r);
    dataset_close(dataset);
    return done_testing();
}
