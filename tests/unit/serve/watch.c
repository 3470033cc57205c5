// WATCH: EXEC returns nil when a replacement of the dataset has changed the value of a watched key.
// It runs when all values are the same. Values may be long, and the dataset may be replaced while
// they are read.
#include "serve/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "data/dataset.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define A_UPPER "3479D894-3271-4935-88CF-A06F3CBB80A5"
#define B "f8a24bb8-eff8-41dc-929b-10b4c3e49e05"
#define C "f8a24bb8-eff8-41dc-929b-10b4c3e49e06"
#define NIL "*-1\r\n"
#define RUN "*1\r\n+PONG\r\n"

static struct loops loops;

// Requests before the dataset is replaced, requests after it, and the replies to both.
static void check_changes(void)
{
    static const struct {
        const char *before;   // the first dataset
        const char *now;      // the second dataset
        const char *requests; // requests before the replacement
        const char *received; // their replies
        const char *then;     // requests after the replacement
        const char *wanted;   // their replies
    } cases[] = {
        {A " a\n", A " a\n", "WATCH " A "\nMULTI\nPING", "+OK\r\n+OK\r\n+QUEUED\r\n", "EXEC", RUN},
        {A " a\n", A " b\n", "WATCH " A "\nMULTI\nPING", "+OK\r\n+OK\r\n+QUEUED\r\n", "EXEC", NIL},
        {A " a\n", A " b\n", "WATCH " A, "+OK\r\n", "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n" NIL},
        {A " a\n", A " b\n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {A " a\n", A " a\n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n*0\r\n"},
        {A " a\n", A " b\n", "WATCH " A_UPPER, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        // The key has another line in the file, and other keys are added and removed.
        {A " a\n" B " b\n", C " c\n" A " a\n", "WATCH " A "\nMULTI\nPING",
         "+OK\r\n+OK\r\n+QUEUED\r\n", "EXEC", RUN},
        // The key is removed; it is added; it is absent before and after. An empty value counts as
        // one.
        {A " a\n" B " b\n", B " b\n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {A " a\n", A " a\n" B " b\n", "WATCH " B, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {A " a\n", A " b\n", "WATCH " B " x y", "+OK\r\n", "MULTI\nEXEC", "+OK\r\n*0\r\n"},
        {A " \n", B " b\n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {B " \n", B " b\n" A " \n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {A " \n", A " \n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n*0\r\n"},
        {A " a\n", A " a", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n*0\r\n"},
        // The new value is a prefix of the old one, or the other way round.
        {A " ab\n", A " a\n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {A " a\n", A " ab\n", "WATCH " A, "+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        // Several keys: a change of any one counts, and a word that is no UUID does not matter.
        {A " a\n" B " b\n" C " c\n", A " a\n" B " b\n" C " d\n", "WATCH x " A " " B "\nWATCH " C,
         "+OK\r\n+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {A " a\n" B " b\n" C " c\n", A " x\n" B " b\n" C " c\n", "WATCH " A " " B "\nWATCH " C,
         "+OK\r\n+OK\r\n", "MULTI\nEXEC", "+OK\r\n" NIL},
        {A " a\n" B " b\n" C " c\n", A " a\n" B " b\n" C " d\n", "WATCH x " A " " B, "+OK\r\n",
         "MULTI\nEXEC", "+OK\r\n*0\r\n"},
        // A second WATCH does not replace the first.
        {A " a\n", A " b\n", "WATCH " A, "+OK\r\n", "WATCH " A "\nMULTI\nEXEC",
         "+OK\r\n+OK\r\n" NIL},
        {A " a\n", A " a\n" B " b\n", "WATCH " A, "+OK\r\n", "WATCH " B "\nMULTI\nEXEC",
         "+OK\r\n+OK\r\n*0\r\n"},
        // Commands that end the watching.
        {A " a\n", A " b\n", "WATCH " A "\nUNWATCH", "+OK\r\n+OK\r\n", "MULTI\nEXEC",
         "+OK\r\n*0\r\n"},
        {A " a\n", A " b\n", "WATCH " A, "+OK\r\n", "UNWATCH\nMULTI\nEXEC", "+OK\r\n+OK\r\n*0\r\n"},
        {A " a\n", A " b\n", "WATCH " A "\nMULTI", "+OK\r\n+OK\r\n", "DISCARD\nMULTI\nEXEC",
         "+OK\r\n+OK\r\n*0\r\n"},
        {A " a\n", A " b\n", "WATCH " A, "+OK\r\n", "RESET\nMULTI\nEXEC",
         "+RESET\r\n+OK\r\n*0\r\n"},
        {A " a\n", A " b\n", "WATCH " A "\nMULTI", "+OK\r\n+OK\r\n", "EXEC\nMULTI\nPING\nEXEC",
         NIL "+OK\r\n+QUEUED\r\n" RUN},
        {A " a\n", A " b\n", "WATCH " A "\nMULTI\nPING\nEXEC", "+OK\r\n+OK\r\n+QUEUED\r\n" RUN,
         "MULTI\nEXEC", "+OK\r\n*0\r\n"},
        // A queued UNWATCH comes too late.
        {A " a\n", A " b\n", "WATCH " A "\nMULTI\nUNWATCH", "+OK\r\n+OK\r\n+QUEUED\r\n", "EXEC",
         NIL},
        // An aborted transaction is refused before the keys are compared, as in Redis.
        {A " a\n", A " b\n", "WATCH " A "\nMULTI\nGET",
         "+OK\r\n+OK\r\n-ERR wrong number of "
         "arguments for 'get' command\r\n",
         "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
        {A " a\n", A " b\n", "WATCH " A, "+OK\r\n", "EXEC\nMULTI\nEXEC",
         "-ERR EXEC without MULTI\r\n+OK\r\n" NIL},
        // A transaction that runs reads the new values.
        {A " a\n" B " b\n", A " x\n" B " b\n", "WATCH " B "\nMULTI\nGET " A,
         "+OK\r\n+OK\r\n+QUEUED\r\n", "EXEC\nGET " A, "*1\r\n$1\r\nx\r\n$1\r\nx\r\n"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dataset *before = loops_dataset(cases[i].before);
        struct dataset *now = loops_dataset(cases[i].now);
        loops_init(&loops, 1, &test_settings, before);
        struct party *p = party_new(&loops, 0);
        replies(p, cases[i].requests, cases[i].received);
        loops_publish(&loops, 0, now);
        replies(p, cases[i].then, cases[i].wanted);
        is_number((int64_t)counter_get(&loops.service[0].stats.watching_clients),
                  p->session.watched > 0, "INFO counts the client while it watches");
        loops_release(&loops);
        dataset_close(before);
        dataset_close(now);
    }
}

static void check_resp3(void)
{
    struct dataset *before = loops_dataset(A " a\n");
    struct dataset *now = loops_dataset(A " b\n");
    loops_init(&loops, 1, &test_settings, before);
    struct party *p = party_new(&loops, 0);
    party_send(p, "HELLO 3");
    loops_run(&loops);
    party_receive(p);
    replies(p, "WATCH " A "\nMULTI\nPING", "+OK\r\n+OK\r\n+QUEUED\r\n");
    loops_publish(&loops, 0, now);
    replies(p, "EXEC\nPING", "_\r\n+PONG\r\n");
    // The value changes and changes back: only its present state counts.
    replies(p, "WATCH " A, "+OK\r\n");
    loops_publish(&loops, 0, before);
    loops_publish(&loops, 0, now);
    replies(p, "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n" RUN);
    loops_release(&loops);
    dataset_close(before);
    dataset_close(now);
}

// ---- long values --------------------------------------------------------------------------------

// Makes a dataset with a value of `len` bytes, of which the one at `odd` differs from the others.
static struct dataset *long_dataset(struct buf *lines, size_t len, size_t odd, bool newline)
{
    lines->len = 0;
    buf_append_text(lines, B " b\n" A " ");
    size_t begin = lines->len;
    append_bytes(lines, 'v', len);
    if (odd < len)
        lines->ptr[begin + odd] = 'o';
    if (newline)
        buf_append_text(lines, "\n");
    buf_append(lines, SPAN("\0"));
    return loops_dataset(lines->ptr);
}

static void check_length(size_t len, size_t odd, bool newline)
{
    struct buf lines[2] = {{0}, {0}};
    struct dataset *before = long_dataset(&lines[0], len, SIZE_MAX, true);
    struct dataset *now = long_dataset(&lines[1], len, odd, newline);
    loops_init(&loops, 1, &test_settings, before);
    struct party *p = party_new(&loops, 0);
    replies(p, "WATCH " A "\nMULTI\nPING", "+OK\r\n+OK\r\n+QUEUED\r\n");
    loops_publish(&loops, 0, now);
    bool same = replies(p, "EXEC\nPING", odd < len ? NIL "+PONG\r\n" : RUN "+PONG\r\n");
    if (!same)
        diag("a value of %zu bytes that changes at byte %zu", len, odd);
    loops_release(&loops);
    dataset_close(before);
    dataset_close(now);
    buf_release(&lines[0]);
    buf_release(&lines[1]);
}

static void check_lengths(void)
{
    enum { PIECE = 16 * 1024 }; // bytes that one call of watch_read reads
    static const size_t lengths[] = {1,         PIECE - 1, PIECE,         PIECE + 1,
                                     2 * PIECE, 1000000,   2 * PIECE + 1, 2 * PIECE - 1};
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        check_length(lengths[i], SIZE_MAX, true);
        check_length(lengths[i], SIZE_MAX, false);
        check_length(lengths[i], 0, true);
        check_length(lengths[i], lengths[i] - 1, true);
        check_length(lengths[i], lengths[i] / 2, false);
    }
}

// Takes turns until the reply is complete. Returns how many.
static unsigned count_turns(struct party *p)
{
    unsigned turns = 0;
    do {
        party_turn(p);
        turns++;
    } while (p->status == FEED_TURN_OVER && turns < 10000);
    return turns;
}

// Reading a long value takes many short turns. A command that began on one dataset continues on it.
static void check_turns(void)
{
    enum { LONG = 8 * 1024 * 1024, TURN_BYTES = 256 * 1024 };
    struct buf lines[3] = {{0}, {0}, {0}};
    struct dataset *data[] = {
        long_dataset(&lines[0], LONG, SIZE_MAX, true),
        long_dataset(&lines[1], LONG, SIZE_MAX, true),
        long_dataset(&lines[2], LONG, LONG - 1, true),
    };
    loops_init(&loops, 1, &test_settings, data[0]);
    struct party *p = party_new(&loops, 0);
    party_send(p, "WATCH " A);
    party_turn(p);
    ok(p->status == FEED_TURN_OVER, "WATCH of a long value takes more than a turn");
    loops_publish(&loops, 0, data[2]);
    unsigned turns = 1 + count_turns(p);
    ok(turns >= LONG / TURN_BYTES, "it takes %u turns", turns);
    is_bytes(party_receive(p), span_text("+OK\r\n"), "WATCH of a long value is answered");
    loops_publish(&loops, 0, data[1]);
    replies(p, "MULTI\nSTRLEN " A "\nGETRANGE " A " -1 -1", "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    party_send(p, "EXEC");
    party_turn(p);
    ok(p->status == FEED_TURN_OVER && party_receive(p).len == 0,
       "EXEC of a long value takes more than a turn");
    loops_publish(&loops, 0, data[2]);
    turns = 1 + count_turns(p);
    ok(turns >= LONG / TURN_BYTES, "it takes %u turns", turns);
    is_bytes(party_receive(p), span_text("*2\r\n:8388608\r\n$1\r\nv\r\n"),
             "the value is the same, and EXEC runs on the dataset that it began with");
    replies(p, "WATCH " A "\nMULTI\nPING\nEXEC", "+OK\r\n+OK\r\n+QUEUED\r\n" RUN);
    replies(p, "WATCH " A "\nMULTI\nPING", "+OK\r\n+OK\r\n+QUEUED\r\n");
    loops_publish(&loops, 0, data[1]);
    replies(p, "EXEC", NIL);
    // A client that leaves in the middle of WATCH or EXEC leaves no reference behind.
    party_send(p, "WATCH " A);
    party_turn(p);
    party_end(p);
    p = party_new(&loops, 0);
    replies(p, "WATCH " A "\nMULTI\nPING", "+OK\r\n+OK\r\n+QUEUED\r\n");
    loops_publish(&loops, 0, data[2]);
    party_send(p, "EXEC");
    party_turn(p);
    party_end(p);
    loops_release(&loops);
    for (unsigned i = 0; i < 3; i++) {
        is_number(atomic_load(&dataset_ref(data[i])->count), 1, "dataset %u has no reference left",
                  i);
        dataset_close(data[i]);
        buf_release(&lines[i]);
    }
}

// ---- many keys ----------------------------------------------------------------------------------

// Watches `count` keys from number `first` on, in requests of 512 keys.
static void say_watch(struct party *p, unsigned first, unsigned count)
{
    struct buf request = {0};
    bool good = true;
    for (unsigned i = first; i < first + count;) {
        unsigned part = first + count - i < 512 ? first + count - i : 512;
        request.len = 0;
        buf_printf(&request, "*%u\r\n$5\r\nWATCH\r\n", part + 1);
        for (; part > 0; part--)
            buf_printf(&request, "$36\r\n00000000-0000-4000-8000-%012u\r\n", i++);
        party_send_bytes(p, buf_span(&request));
        loops_run(&loops);
        good = good && span_equal(party_receive(p), span_text("+OK\r\n"));
    }
    ok(good, "WATCH of %u keys", count);
    buf_release(&request);
}

static struct dataset *many_dataset(struct buf *lines, unsigned keys, unsigned odd)
{
    for (unsigned i = 0; i < keys; i++)
        buf_printf(lines, "00000000-0000-4000-8000-%012u %s\n", i, i == odd ? "odd" : "even");
    buf_append(lines, SPAN("\0"));
    return loops_dataset(lines->ptr);
}

static void check_many(void)
{
    enum { KEPT = 65536, KEYS = 5000, MEMORY = 4 * 1024 * 1024 };
    struct buf lines[2] = {{0}, {0}};
    struct dataset *before = many_dataset(&lines[0], KEYS, UINT32_MAX);
    struct dataset *now = many_dataset(&lines[1], KEYS, KEYS - 1);
    loops_init(&loops, 1, &test_settings, before);
    struct party *p = party_new(&loops, 0);
    say_watch(p, 0, KEYS - 1);
    loops_publish(&loops, 0, now);
    replies(p, "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n" RUN);
    say_watch(p, 0, KEYS);
    loops_publish(&loops, 0, before);
    replies(p, "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n" NIL);

    // More keys than are noted: the memory is limited, and every replacement counts as a change.
    size_t nothing = session_memory(&p->session);
    say_watch(p, 0, KEPT);
    size_t kept = session_memory(&p->session);
    ok(kept > nothing && kept <= MEMORY,
       "%zu bytes for %d keys, which count as memory of the client", kept, KEPT);
    loops_publish(&loops, 0, before);
    replies(p, "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n" RUN);
    for (unsigned i = 0; i < 4; i++)
        say_watch(p, i * KEPT, KEPT);
    is_number((int64_t)session_memory(&p->session), (int64_t)kept, "more keys take no more memory");
    replies(p, "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n" RUN);
    say_watch(p, 0, KEPT + 1);
    loops_publish(&loops, 0, before);
    replies(p, "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n" NIL);
    is_number((int64_t)session_memory(&p->session), (int64_t)nothing, "EXEC frees all of it");

    // A client that watches the same keys over and over, and never sends EXEC.
    for (unsigned i = 0; i < 100; i++)
        replies(p, "WATCH " A " " B, "+OK\r\n");
    ok(session_memory(&p->session) < 1024, "repeated keys take no memory");
    loops_release(&loops);
    dataset_close(before);
    dataset_close(now);
    buf_release(&lines[0]);
    buf_release(&lines[1]);
}

int main(void)
{
    check_changes();
    check_resp3();
    check_lengths();
    check_turns();
    check_many();
    return done_testing();
}
