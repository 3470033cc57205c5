// Reads of types other than strings. Every command gets a reply, for a key that exists and for one
// that does not. Requests with many keys take several turns.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/groups.h"
#include "commands/rows.h"
#include "serve/session.h"
#include "support/tap.h"
#include "unit/support/ask.h"

enum { MANY = 3000, TURNS_MAX = 1000 };

#define PRESENT "00000000-0000-4000-8000-000000000001"
#define ABSENT "00000000-0000-4000-8000-000000000002"

static struct ask a;

// Writes a valid request with the smallest number of words that the row allows.
static void write_request(struct buf *b, const struct command *c, const char *key)
{
    int words = c->arity < 0 ? -c->arity : c->arity;
    bool contained = command_word(c) != c->name;
    int written = 2 + contained;
    if (contained)
        buf_printf(b, "%.*s ", (int)(command_word(c) - c->name - 1), c->name);
    buf_printf(b, "%s ", command_word(c));
    if (strcmp(c->name, "geosearch") == 0) {
        buf_printf(b, "%s FROMMEMBER m BYRADIUS 1 m", key);
        return;
    }
    if (strcmp(c->name, "xread") == 0) {
        buf_printf(b, "STREAMS %s 0", key);
        return;
    }
    if (c->keys.first == 0) {
        buf_printf(b, "1 ");
        written++;
    }
    buf_append_text(b, key);
    bool names = strstr(c->name, "lex") != NULL;
    for (; written < words; written++)
        buf_append_text(b, names ? " -" : strcmp(c->name, "geodist") == 0 ? " m" : " 1");
    if (strcmp(c->name, "georadius_ro") == 0 || strcmp(c->name, "georadiusbymember_ro") == 0)
        memcpy(b->ptr + b->len - 1, "m", 1); // the last word is the unit
}

static struct buf ask_row(const struct command *c, const char *key)
{
    struct buf request = {0};
    unsigned turns;
    write_request(&request, c, key);
    buf_append(&request, span_of("", 1));
    struct buf reply = ask_turns(&a, request.ptr, TURNS_MAX, &turns);
    buf_append(&reply, span_of("", 1));
    buf_release(&request);
    return reply;
}

static void check_row(const struct command *c)
{
    struct buf present = ask_row(c, PRESENT);
    struct buf absent = ask_row(c, ABSENT);
    ok(strncmp(present.ptr, "-WRONGTYPE ", 11) == 0, "%s of a string: %.60s", c->name, present.ptr);
    // As in Redis, these commands are an error if the key does not exist.
    bool may_fail = strcmp(c->name, "xpending") == 0 || command_word(c) != c->name;
    ok(absent.len > 1 && (absent.ptr[0] != '-' || may_fail), "%s of an absent key: %.60s", c->name,
       absent.ptr);
    buf_release(&present);
    buf_release(&absent);
}

static void check_table(void)
{
    unsigned rows = 0;
    for (const struct command *c = other_types_commands; c->name != NULL; c++) {
        if (c->handler != NULL && c->handler != help_command)
            check_row(c);
        rows++;
    }
    ok(rows > 50, "%u rows", rows);
}

// Checks the reply to a request of `before`, `count` keys of which the last one is `last`, and
// `after`.
static void check_many(const char *before, unsigned count, const char *last, const char *after,
                       const char *wanted, const char *name)
{
    struct buf request = {0};
    unsigned turns;
    buf_append_text(&request, before);
    for (unsigned i = 0; i + 1 < count; i++)
        buf_append_text(&request, " " ABSENT);
    buf_printf(&request, " %s%s", last, after);
    buf_append(&request, span_of("", 1));
    struct buf reply = ask_turns(&a, request.ptr, TURNS_MAX, &turns);
    is_bytes(buf_span(&reply), span_text(wanted), "%s", name);
    ok(turns >= count / SESSION_TURN_WORK, "%s takes %u turns", name, turns);
    buf_release(&reply);
    buf_release(&request);
}

static void check_turns(void)
{
    static const char wrong[] =
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    enum { LINE = 1500 }; // an inline command must be shorter than 64 KiB
    check_many("SUNION", LINE, ABSENT, "", "*0\r\n", "SUNION of many keys");
    check_many("SINTER", LINE, PRESENT, "", wrong, "SINTER of many keys, the last one a string");
    check_many("ZUNION 1500", LINE, ABSENT, " WITHSCORES", "*0\r\n", "ZUNION of many keys");
    check_many("ZINTERCARD 1500", LINE, PRESENT, "", wrong,
               "ZINTERCARD of many keys, the last one a string");
    check_many("SINTERCARD 1500", LINE, ABSENT, " LIMIT 1", ":0\r\n", "SINTERCARD of many keys");
}

// HMGET replies with a null for each field.
static void check_each(void)
{
    struct buf request = {0}, wanted = {0};
    unsigned turns;
    buf_append_text(&request, "HMGET " ABSENT);
    for (unsigned i = 0; i < MANY; i++)
        buf_append_text(&request, " f");
    buf_append(&request, span_of("", 1));
    buf_printf(&wanted, "*%d\r\n", MANY);
    for (unsigned i = 0; i < MANY; i++)
        buf_append_text(&wanted, "$-1\r\n");
    struct buf reply = ask_turns(&a, request.ptr, TURNS_MAX, &turns);
    is_bytes(buf_span(&reply), buf_span(&wanted), "HMGET of many fields");
    ok(turns >= MANY / SESSION_TURN_WORK, "HMGET of many fields takes %u turns", turns);
    buf_release(&reply);
    buf_release(&request);
    buf_release(&wanted);
}

// XREAD searches for STREAMS in a bounded number of words.
static void check_search(void)
{
    struct buf request = {0};
    unsigned turns;
    buf_append_text(&request, "XREAD");
    for (unsigned i = 0; i < MANY; i++)
        buf_append_text(&request, " COUNT 1");
    buf_append_text(&request, " STREAMS " PRESENT " 0");
    buf_append(&request, span_of("", 1));
    struct buf reply = ask_turns(&a, request.ptr, TURNS_MAX, &turns);
    is_bytes(buf_span(&reply), span_text("-ERR syntax error\r\n"), "STREAMS after many words");
    buf_release(&reply);
    buf_release(&request);
}

int main(void)
{
    ask_open(&a, span_text(PRESENT " v\n"));
    check_table();
    check_turns();
    check_each();
    check_search();
    ask_close(&a);
    return done_testing();
}
