// The contract of session_feed, tested as a function on memory: which bytes it consumes, why it
// stops, and how it continues. Other tests check the replies of single commands.
#include "commands/groups.h"
#include "serve/feed.h"

#include <stdlib.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/ref.h"
#include "data/dataset.h"
#include "support/guard.h"
#include "support/keysets.h"
#include "support/service.h"
#include "support/tap.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define B "f8a24bb8-eff8-41dc-929b-10b4c3e49e05"
#define ABSENT "00000000-0000-4000-8000-000000000000"
#define BULK(key) "$36\r\n" key "\r\n"
#define GET(key) "*2\r\n$3\r\nGET\r\n" BULK(key)

enum { BIG = 100 * 1024 };

static struct service_group group;
static struct service service;
static struct dataset *dataset;
static struct buf big_value;

static void open_dataset(void)
{
    static struct buf text;
    struct error error = {""};
    for (unsigned i = 0; i < BIG; i++)
        buf_append(&big_value, span_of(&"0123456789abcdef"[i % 16], 1));
    buf_append_text(&text, A " this is a value\n" B " ");
    buf_append(&text, buf_span(&big_value));
    buf_append_text(&text, "\n");
    dataset = dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
}

static void start_service(void)
{
    service_group_init(&group, &test_settings, dataset, command_groups);
    service_init(&service, &group);
}

static void append_pending(struct buf *to, struct output *out)
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

// A turn of the loop for one session.
static struct feed_result take_turn(struct session *s, struct bytes in, struct output *out)
{
    timing_begin(&service.timing, clock_monotonic_ns());
    struct feed_result result = session_feed(s, in, out);
    timing_flush(&service.timing, &service.stats);
    return result;
}

// Feeds `input` in pieces of `piece` bytes, each at the end of guarded memory, and appends the
// replies to `replies` after each feed. Stops when all input is answered or the session closes, and
// returns the last status.
static enum feed_status converse(struct session *s, struct span input, size_t piece,
                                 struct buf *replies)
{
    struct output out = {0};
    enum feed_status status = FEED_NEEDS_INPUT;
    size_t done = 0;
    for (size_t have = 0; status != FEED_CLOSE;) {
        if (status == FEED_NEEDS_INPUT) {
            if (have == input.len)
                break;
            have = input.len - have < piece ? input.len : have + piece;
        }
        struct guard guard = {0};
        struct bytes in = guard_copy(&guard, span_of(input.ptr + done, have - done));
        struct feed_result result = take_turn(s, in, &out);
        require(result.consumed <= in.len, "consumed more than there is");
        done += result.consumed;
        status = result.status;
        append_pending(replies, &out);
        guard_release(&guard);
    }
    output_release(&out);
    return status;
}

static struct buf answer(struct span input, size_t piece)
{
    struct session s;
    struct buf replies = {0};
    session_init(&s, &service, 1, true);
    converse(&s, input, piece, &replies);
    session_release(&s);
    return replies;
}

static void check_cutting(void)
{
    static const char input[] = "PING\r\n" GET(A) GET(
        ABSENT) "\r\n*0\r\nget " A "\n"
                "*4\r\n$4\r\nmGeT\r\n" BULK(A) BULK(ABSENT) BULK(A) "*3\r\n$6\r\nEXISTS\r\n" BULK(A)
                    BULK(A) "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n" GET(
                        ABSENT) "*2\r\n$4\r\nECHO\r\n$0\r\n\r\nset a b\r\nset\r\nfoo \"b\\x00r\" "
                                "'\\''\r\n"
                                "CLIENT SETNAME me\r\nCLIENT GETNAME\r\n*1\r\n$-5\r\nPING\r\n";
    struct span all = span_of(input, sizeof input - 1);
    struct buf whole = answer(all, all.len);
    struct span head = span_text("+PONG\r\n$15\r\nthis is a value\r\n$-1\r\n$15\r\nthis is a "
                                 "value\r\n*3\r\n$15\r\nthis is a value\r\n$-1\r\n$15\r\n"
                                 "this is a value\r\n:2\r\n%7\r\n");
    ok(whole.len > head.len, "there are replies");
    is_bytes(span_of(whole.ptr, head.len), head, "the replies before HELLO");
    struct span tail = span_text(
        "_\r\n$0\r\n\r\n-READONLY You can't write against a read only replica.\r\n"
        "-ERR wrong number of arguments for 'set' command\r\n"
        "-ERR unknown command 'foo', with args beginning with: 'b' ''' \r\n+OK\r\n$2\r\nme\r\n"
        "-ERR Protocol error: invalid bulk length\r\n");
    is_bytes(span_of(whole.ptr + whole.len - tail.len, tail.len), tail, "the replies after HELLO");
    for (size_t piece = 1; piece <= 64; piece++) {
        struct buf cut = answer(all, piece);
        is_bytes(buf_span(&cut), buf_span(&whole), "the same replies in pieces of %zu bytes",
                 piece);
        buf_release(&cut);
    }
    buf_release(&whole);
}

// Returns an input of `count` GETs of the big value.
static struct buf big_gets(unsigned count)
{
    struct buf input = {0};
    for (unsigned i = 0; i < count; i++)
        buf_append_text(&input, GET(B));
    return input;
}

static void check_output_full(void)
{
    struct session s;
    struct output out = {0};
    struct buf input = big_gets(1000);
    session_init(&s, &service, 1, true);
    struct bytes in = {input.ptr, input.len};
    struct feed_result result = take_turn(&s, in, &out);
    is_number(result.status, FEED_OUTPUT_FULL, "the status is FEED_OUTPUT_FULL");
    ok(output_pending(&out) >= SESSION_OUTPUT_HIGH &&
           output_pending(&out) < SESSION_OUTPUT_HIGH + BIG + 64,
       "it stops at most one reply after the limit: %zu bytes", output_pending(&out));
    ok(out.owned.len < 3 * 4096 + 200, "big values are borrowed, not copied: %zu bytes owned",
       out.owned.len);
    is_number((int64_t)result.consumed, 3 * (int64_t)(sizeof GET(B) - 1),
              "only answered requests are consumed");
    struct feed_result again = take_turn(
        &s, (struct bytes){input.ptr + result.consumed, input.len - result.consumed}, &out);
    ok(again.status == FEED_OUTPUT_FULL && again.consumed == 0,
       "while the output stays full, nothing is consumed");
    unsigned held = atomic_load(&service.snapshot->ref.count);
    is_number(held, 1 + 3, "each borrowed value holds a reference to the snapshot");
    is_number(atomic_load(&dataset_ref(dataset)->count), 1 + 1,
              "the snapshot holds one to the dataset");
    output_release(&out);
    is_number(atomic_load(&service.snapshot->ref.count), 1, "output_release drops them");
    session_release(&s);

    struct buf replies = answer(buf_span(&input), input.len);
    struct buf wanted = {0};
    for (unsigned i = 0; i < 1000; i++) {
        buf_printf(&wanted, "$%d\r\n", BIG);
        buf_append(&wanted, buf_span(&big_value));
        buf_append_text(&wanted, "\r\n");
    }
    ok(span_equal(buf_span(&replies), buf_span(&wanted)),
       "a client that reads gets every byte right");
    buf_release(&replies);
    buf_release(&wanted);
    buf_release(&input);
}

static void check_long_replies(void)
{
    enum { KEYS = 20000 };
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    buf_printf(&input, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
    for (unsigned i = 0; i < KEYS; i++)
        buf_append_text(&input, i % 2 == 0 ? BULK(A) : BULK(ABSENT));
    session_init(&s, &service, 1, true);
    struct feed_result result = take_turn(&s, (struct bytes){input.ptr, input.len}, &out);
    is_number(result.status, FEED_TURN_OVER, "a long MGET takes more than one turn");
    is_number((int64_t)result.consumed, 0, "it is not consumed before its reply is complete");
    struct buf replies = {0};
    unsigned turns = 1;
    while (result.consumed == 0) {
        // The bytes may move between turns.
        struct guard guard = {0};
        struct bytes moved = guard_copy(&guard, buf_span(&input));
        append_pending(&replies, &out);
        result = take_turn(&s, moved, &out);
        guard_release(&guard);
        turns++;
    }
    append_pending(&replies, &out);
    ok(turns >= KEYS / SESSION_TURN_WORK, "%u turns", turns);
    is_number((int64_t)result.consumed, (int64_t)input.len, "all input is consumed");
    struct buf wanted = {0};
    buf_printf(&wanted, "*%d\r\n", KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        buf_append_text(&wanted, i % 2 == 0 ? "$15\r\nthis is a value\r\n" : "$-1\r\n");
    is_bytes(buf_span(&replies), buf_span(&wanted), "every element is right and in order");
    ok(s.request.args_capacity <= 32, "the memory for its arguments is freed");

    struct buf exists = {0};
    buf_printf(&exists, "*%d\r\n$6\r\nEXISTS\r\n", KEYS + 1);
    for (unsigned i = 0; i < KEYS; i++)
        buf_append_text(&exists, i % 2 == 0 ? BULK(A) : BULK(ABSENT));
    struct buf counted = answer(buf_span(&exists), 1000);
    is_bytes(buf_span(&counted), span_text(":10000\r\n"), "EXISTS of 20,000 keys");
    buf_release(&exists);
    buf_release(&counted);
    buf_release(&replies);
    buf_release(&wanted);
    buf_release(&input);
    output_release(&out);
    session_release(&s);
}

static void check_turns(void)
{
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    for (unsigned i = 0; i < 3 * SESSION_TURN_WORK; i++)
        buf_append_text(&input, "PING\r\n");
    session_init(&s, &service, 1, true);
    struct feed_result result = take_turn(&s, (struct bytes){input.ptr, input.len}, &out);
    is_number(result.status, FEED_TURN_OVER, "a long pipeline takes more than one turn");
    is_number((int64_t)result.consumed, 6 * SESSION_TURN_WORK,
              "a turn answers SESSION_TURN_WORK commands");
    output_release(&out);
    session_release(&s);
    buf_release(&input);
}

static void check_pushes(void)
{
    static const char push[] = ">2\r\n$10\r\ninvalidate\r\n_\r\n";
    enum { KEYS = 5000 };
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    struct buf replies = {0};
    session_init(&s, &service, 1, true);
    session_push(&s, span_text(push));
    struct feed_result result = take_turn(&s, (struct bytes){NULL, 0}, &out);
    is_number(result.status, FEED_NEEDS_INPUT, "after empty input, the session waits for input");
    append_pending(&replies, &out);
    is_bytes(buf_span(&replies), span_text(push), "a message is delivered without input");
    replies.len = 0;

    buf_printf(&input, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
    for (unsigned i = 0; i < KEYS; i++)
        buf_append_text(&input, BULK(ABSENT));
    buf_append_text(&input, "PING\r\n");
    result = take_turn(&s, (struct bytes){input.ptr, input.len}, &out);
    is_number(result.status, FEED_TURN_OVER, "the turn ends in the middle of a reply");
    session_push(&s, span_text(push));
    while (result.status != FEED_NEEDS_INPUT) {
        buf_remove_front(&input, result.consumed);
        result = take_turn(&s, (struct bytes){input.ptr, input.len}, &out);
        append_pending(&replies, &out);
    }
    struct buf wanted = {0};
    buf_printf(&wanted, "*%d\r\n", KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        buf_append_text(&wanted, "$-1\r\n");
    buf_append_text(&wanted, push);
    buf_append_text(&wanted, "+PONG\r\n");
    is_bytes(buf_span(&replies), buf_span(&wanted), "a message waits for the end of the reply");
    buf_release(&wanted);
    buf_release(&replies);
    buf_release(&input);
    output_release(&out);
    session_release(&s);
}

static void check_closing(void)
{
    static const struct {
        const char *input;
        const char *replies;
        const char *reason;
    } cases[] = {
        {"PING\r\nQUIT\r\nPING\r\n", "+PONG\r\n+OK\r\n", NULL},
        {"PING\r\nPOST / HTTP/1.1\r\nPING\r\n", "+PONG\r\n", "HTTP"},
        {"Host: here\r\nPING\r\n", "", "HTTP"},
        {"*2\r\n$5\r\nhost:\r\n$1\r\nx\r\nPING\r\n", "", "HTTP"},
        {"GET / HTTP/1.1\r\n\r\n", "", "HTTP"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "", "SSH"},
        {"\x16\x03\x01\x02\x01", "", "TLS"},
        {"PING\r\n*x\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n",
         NULL},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 1; piece <= 64; piece += 63) {
            struct session s;
            struct buf replies = {0};
            session_init(&s, &service, 1, true);
            enum feed_status status = converse(&s, span_text(cases[i].input), piece, &replies);
            is_number(status, FEED_CLOSE,
                      "case %u in pieces of %zu bytes: the status is FEED_CLOSE", i, piece);
            is_bytes(buf_span(&replies), span_text(cases[i].replies), "the replies before it");
            is_text(s.close_reason != NULL ? s.close_reason : "",
                    cases[i].reason != NULL ? cases[i].reason : "", "close_reason");
            session_release(&s);
            buf_release(&replies);
        }
    }
}

static void check_statistics(void)
{
    service_release(&service);
    start_service();
    struct buf replies =
        answer(span_text(GET(A) GET(ABSENT) "get\r\nset a b\r\nclient id\r\nselect 1\r\nfoo\r\n"
                                            "client foo\r\n"),
               7);
    const struct stats *stats = &service.stats;
    const struct command_index *commands = service.commands;
    const struct command_stats *get =
        &stats->commands[command_find(commands, span_text("GET"))->number];
    const struct command_stats *set =
        &stats->commands[command_find(commands, span_text("set"))->number];
    const struct command_stats *id =
        &stats->commands[command_find_full(commands, span_text("client|ID"))->number];
    const struct command_stats *sel =
        &stats->commands[command_find(commands, span_text("select"))->number];
    ok(counter_get(&get->calls) == 2 && counter_get(&get->rejected) == 1 &&
           counter_get(&get->failed) == 0,
       "GET: called, rejected");
    ok(counter_get(&set->calls) == 0 && counter_get(&set->rejected) == 1, "SET: rejected");
    ok(counter_get(&id->calls) == 1, "CLIENT ID: counted as a subcommand");
    ok(counter_get(&sel->calls) == 1 && counter_get(&sel->failed) == 1, "SELECT: failed");
    ok(counter_get(&stats->keyspace_hits) == 1 && counter_get(&stats->keyspace_misses) == 1,
       "hits and misses");
    is_number((int64_t)counter_get(&stats->error_replies), 5, "error replies");
    is_number((int64_t)counter_get(&stats->commands_processed), 4, "executed commands");
    buf_release(&replies);
    replies = answer(span_text("foo\r\nbar\r\ninfo stats\r\n"), 100);
    buf_append(&replies, span_of("", 1));
    ok(strstr(replies.ptr, "\r\ntotal_error_replies:7\r\n") != NULL,
       "INFO counts the errors before it in the same pipeline");
    buf_release(&replies);

    // The time of a long command counts as its own, not as that of the command after it.
    struct buf exists = {0};
    buf_append_text(&exists, "*20001\r\n$6\r\nEXISTS\r\n");
    for (unsigned i = 0; i < 20000; i++)
        buf_append_text(&exists, BULK(A));
    buf_append_text(&exists, GET(A));
    uint64_t get_ns = counter_get(&get->ns);
    replies = answer(buf_span(&exists), exists.len);
    const struct command_stats *counted =
        &stats->commands[command_find(commands, span_text("exists"))->number];
    is_number((int64_t)counter_get(&counted->calls), 1, "a long command is one call");
    ok(counter_get(&counted->ns) > counter_get(&get->ns) - get_ns,
       "it took longer than the short one after it");
    buf_release(&exists);
    buf_release(&replies);
}

static void check_random_key(void)
{
    enum { TIMES = 2000 };
    unsigned a = 0;
    unsigned b = 0;
    struct buf input = {0};
    for (unsigned i = 0; i < TIMES; i++)
        buf_append_text(&input, "RANDOMKEY\r\n");
    struct buf replies = answer(buf_span(&input), input.len);
    const size_t len = sizeof BULK(A) - 1;
    require(replies.len == TIMES * len, "replies of %zu bytes", replies.len);
    for (unsigned i = 0; i < TIMES; i++) {
        a += memcmp(replies.ptr + i * len, BULK(A), len) == 0;
        b += memcmp(replies.ptr + i * len, BULK(B), len) == 0;
    }
    // With equal chances, fewer than one run in a hundred million is outside these limits.
    ok(a + b == TIMES && a > TIMES / 2 - 130 && a < TIMES / 2 + 130,
       "RANDOMKEY: one key %u times, the other %u times", a, b);
    buf_release(&replies);
    buf_release(&input);
}

static void check_large_range(void)
{
    struct session s;
    struct output out = {0};
    struct buf replies = {0};
    char request[] = "GETRANGE " B " 1 -2\r\n";
    struct buf wanted = {0};
    buf_printf(&wanted, "$%d\r\n", BIG - 2);
    buf_append(&wanted, span_of(big_value.ptr + 1, BIG - 2));
    buf_append_text(&wanted, "\r\n");
    session_init(&s, &service, 1, true);
    take_turn(&s, (struct bytes){request, sizeof request - 1}, &out);
    ok(out.owned.len < 4096 + 100, "GETRANGE borrows a large part of a value");
    append_pending(&replies, &out);
    ok(span_equal(buf_span(&replies), buf_span(&wanted)), "every byte of it is right");
    buf_release(&wanted);
    buf_release(&replies);
    output_release(&out);
    session_release(&s);
}

// Random input, valid or not, never makes the session read beyond its end or leak memory.
static void check_noise(struct random *r)
{
    static const char *const words[] = {
        "*1\r\n",           "*2\r\n",
        "$4\r\n",           "PING\r\n",
        "$3\r\nGET\r\n",    BULK(A),
        "get " A "\n",      "*3\r\n",
        "$4\r\nMGET\r\n",   "\r\n",
        "*0\r\n",           "hello 3\r\n",
        "hello 2\r\n",      "command docs get\r\n",
        "config get *\r\n", "info all\r\n",
        "reset\r\n",        "\"x",
    };
    for (unsigned round = 0; round < 2000; round++) {
        struct buf input = {0};
        unsigned count = (unsigned)random_below(r, 20);
        for (unsigned i = 0; i < count; i++)
            buf_append_text(&input, words[random_below(r, sizeof words / sizeof *words)]);
        for (unsigned i = 0; input.len > 0 && i < random_below(r, 4); i++)
            input.ptr[random_below(r, input.len)] = (char)random_next(r);
        struct buf replies = answer(buf_span(&input), 1 + random_below(r, 40));
        buf_release(&replies);
        buf_release(&input);
    }
    ok(true, "2000 conversations of random input end without a fault");
}

int main(void)
{
    struct random r = random_seeded();
    open_dataset();
    start_service();
    check_cutting();
    check_output_full();
    check_long_replies();
    check_turns();
    check_pushes();
    check_closing();
    check_statistics();
    check_random_key();
    check_large_range();
    check_noise(&r);
    service_release(&service);
    is_number(atomic_load(&dataset_ref(dataset)->count), 1,
              "service_release drops the reference to the dataset");
    dataset_close(dataset);
    buf_release(&big_value);
    return done_testing();
}
