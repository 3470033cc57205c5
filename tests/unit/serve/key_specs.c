// Finding the keys of requests. For every row and random words, the keys are words of the request.
// COMMAND GETKEYS does a bounded amount of work in a turn. redis-compat/ compares its replies with
// those of Redis.
#include "serve/key_specs.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "serve/feed.h"
#include "support/service.h"
#include "support/tap.h"

enum { WORDS = 14, REQUESTS = 400, KEYS = 3000 };

static struct service_group group;
static struct service service;
static struct command_index commands;

static const char *const pool[] = {"get",     "set",      "store",       "storedist", "keys",
                                   "streams", "auth",     "auth2",       "limit",     "by",
                                   "incrby",  "overflow", "0",           "1",         "2",
                                   "3",       "-1",       "99999999999", "",          "x"};

// Returns a request of `argc` random words, which borrows `text` and `args`.
static struct resp_request make_request(struct random *r, uint32_t argc, struct buf *text,
                                        struct resp_arg *args)
{
    text->len = 0;
    for (uint32_t i = 0; i < argc; i++) {
        struct span word = span_text(pool[random_below(r, sizeof pool / sizeof *pool)]);
        args[i] = (struct resp_arg){(uint32_t)text->len, (uint32_t)word.len};
        buf_append(text, word);
    }
    return (struct resp_request){text->ptr, args, argc};
}

// Returns true if every key is a word of the request after the command's name, and has flags.
static bool are_words(const struct key_runs *runs, const struct resp_request *r)
{
    const struct key_run *run;
    for (uint64_t n = 0; n < runs->keys; n++) {
        uint32_t i = keys_at(runs, n, &run);
        if (i == 0 || i >= r->argc || run->flags == NULL || *run->flags == '\0')
            return false;
    }
    return true;
}

static void check_rows(struct random *r)
{
    struct buf text = {0};
    struct resp_arg args[WORDS];
    struct key_runs runs;
    unsigned rows = 0, found = 0, wrong = 0;
    buf_append_text(&text, "-");
    for (unsigned i = 0; i < commands.count; i++) {
        const struct command *c = commands.entries[i].command;
        rows += keys_possible(c);
        for (unsigned n = 0; n < REQUESTS; n++) {
            struct resp_request request =
                make_request(r, 1 + (uint32_t)random_below(r, WORDS), &text, args);
            if (!command_takes(c, request.argc))
                continue;
            keys_find(c, &request, &runs);
            found += runs.keys > 0;
            if (!are_words(&runs, &request) || (runs.keys > 0 && !keys_possible(c)))
                wrong += ok(false, "%s: the keys are words of the request", c->name) ? 0 : 1;
        }
    }
    is_number(wrong, 0, "the keys of random requests are words of them");
    ok(rows > 80 && found > 10000, "%u rows have keys, %u requests had some", rows, found);
    buf_release(&text);
}

// keys_find agrees with command_keys, by which keys are looked up, for commands that have both.
static void check_lookups(void)
{
    static const char words[] = "abcdefgh";
    struct resp_arg args[8];
    unsigned compared = 0, different = 0;
    for (uint32_t i = 0; i < 8; i++)
        args[i] = (struct resp_arg){i, 1};
    for (unsigned i = 0; i < commands.count; i++) {
        const struct command *c = commands.entries[i].command;
        if (c->handler == NULL || c->keys.first == 0 || !keys_possible(c))
            continue;
        for (uint32_t argc = 1; argc <= 8; argc++) {
            struct resp_request request = {words, args, argc};
            struct key_runs runs;
            if (!command_takes(c, argc))
                continue;
            keys_find(c, &request, &runs);
            compared++;
            different += runs.keys != command_keys(c, argc) ||
                         runs.run[0].first != (uint32_t)c->keys.first ||
                         runs.run[0].step != (uint32_t)c->keys.step;
        }
    }
    is_number(different, 0, "COMMAND GETKEYS and lookups find the same keys");
    ok(compared > 20, "%u requests were compared", compared);
}

// Sends `head` and `keys` more words. Returns the whole reply and sets the number of turns.
static struct buf ask(const char *head, unsigned keys, unsigned *turns)
{
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    struct buf reply = {0};
    struct feed_result result;
    buf_append_text(&input, head);
    for (unsigned i = 0; i < keys; i++)
        buf_printf(&input, " %04u", i);
    buf_append_text(&input, "\r\n");
    session_init(&s, &service, 1, true);
    *turns = 0;
    do {
        timing_begin(&service.timing, clock_monotonic_ns());
        result = session_feed(&s, (struct bytes){input.ptr, input.len}, &out);
        timing_flush(&service.timing, &service.stats);
        ++*turns;
    } while (result.consumed == 0);
    buf_append(&reply, buf_span(&out.owned));
    output_release(&out);
    session_release(&s);
    buf_release(&input);
    return reply;
}

static void check_bounds(void)
{
    struct buf wanted = {0};
    unsigned turns;
    struct buf reply = ask("COMMAND GETKEYS MGET", KEYS, &turns);
    buf_printf(&wanted, "*%u\r\n", KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        buf_printf(&wanted, "$4\r\n%04u\r\n", i);
    is_bytes(buf_span(&reply), buf_span(&wanted), "COMMAND GETKEYS lists many keys");
    ok(turns > KEYS / SESSION_TURN_WORK, "COMMAND GETKEYS of many keys takes %u turns", turns);
    buf_release(&reply);
    wanted.len = 0;

    reply = ask("COMMAND GETKEYSANDFLAGS XREADGROUP GROUP g c STREAMS", 2 * KEYS / 3, &turns);
    buf_printf(&wanted, "*%u\r\n", KEYS / 3);
    for (unsigned i = 0; i < KEYS / 3; i++)
        buf_printf(&wanted, "*2\r\n$4\r\n%04u\r\n*2\r\n+RO\r\n+access\r\n", i);
    is_bytes(buf_span(&reply), buf_span(&wanted),
             "COMMAND GETKEYS searches for keys after a keyword");
    buf_release(&reply);
    buf_release(&wanted);

    reply = ask("COMMAND GETKEYS XREADGROUP GROUP g c STREAMS", KEYS_SEARCHED_MAX, &turns);
    is_bytes(
        buf_span(&reply),
        span_text("-ERR more than 4096 words, too many to search for the keys of this command\r\n"),
        "COMMAND GETKEYS refuses to search too many words");
    buf_release(&reply);

    reply = ask("COMMAND LIST", 0, &turns);
    ok(turns > 1, "COMMAND LIST takes %u turns", turns);
    char count[32];
    snprintf(count, sizeof count, "*%u\r\n", commands.count);
    is_bytes(span_of(reply.ptr, strlen(count)), span_text(count), "COMMAND LIST lists every row");
    buf_release(&reply);
}

int main(void)
{
    struct random r = random_seeded();
    struct error error = {""};
    struct dataset *dataset =
        dataset_open_memory(span_text(""), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    service_group_init(&group, &test_settings, dataset, command_groups);
    service_init(&service, &group);
    command_index_init(&commands, command_groups);
    check_rows(&r);
    check_lookups();
    check_bounds();
    service_release(&service);
    dataset_close(dataset);
    return done_testing();
}
