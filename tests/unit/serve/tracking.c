// Invalidations when the dataset is replaced: which clients get them, in which form, and how often.
// They come after the last reply from the old dataset and before the first from the new one.
#include "serve/tracking.h"

#include <stdio.h>

#include "data/dataset.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define INVALIDATION ">2\r\n$10\r\ninvalidate\r\n_\r\n"
#define MESSAGE "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n"

static struct dataset *dataset;
static struct loops loops;

static void invalidate_all(void)
{
    for (unsigned i = 0; i < loops.group.count; i++)
        loops_publish(&loops, i, dataset);
}

// Sends requests and drops the replies.
static void begin(struct party *p, const char *requests)
{
    party_send(p, requests);
    loops_run(&loops);
    party_receive(p);
}

static uint64_t tracking_clients(void)
{
    return service_total(&loops.service[0], offsetof(struct stats, tracking_clients));
}

// Compares what a client gets at a replacement after it has sent `requests`.
static void check_one(const char *requests, const char *wanted)
{
    struct party *p = party_new(&loops, loops.group.count - 1);
    begin(p, requests);
    invalidate_all();
    loops_run(&loops);
    is_bytes(party_receive(p), span_text(wanted), "%u loops, %s", loops.group.count,
             one_line(requests));
    loops_run(&loops);
    is_number((int64_t)party_receive(p).len, 0, "the invalidation is sent only once");
    invalidate_all();
    loops_run(&loops);
    is_bytes(party_receive(p), span_text(wanted),
             "the invalidation is sent again at the next replacement");
    party_end(p);
    is_number((int64_t)tracking_clients(), 0, "no tracking client is left");
}

static void check_own(void)
{
    check_one("HELLO 3\nCLIENT TRACKING ON", INVALIDATION);
    check_one("HELLO 3\nCLIENT TRACKING ON BCAST PREFIX foo PREFIX bar", INVALIDATION);
    check_one("HELLO 3\nCLIENT TRACKING ON OPTIN", INVALIDATION);
    check_one("HELLO 3\nCLIENT TRACKING ON OPTOUT NOLOOP", INVALIDATION);
    check_one("HELLO 3\nCLIENT TRACKING ON\nCLIENT REPLY OFF", INVALIDATION);
    check_one("HELLO 3\nCLIENT TRACKING ON\nMULTI\nPING", INVALIDATION);
    check_one("HELLO 2\nCLIENT TRACKING ON", "");
    check_one("HELLO 3\nCLIENT TRACKING ON\nCLIENT TRACKING OFF", "");
    check_one("HELLO 3\nCLIENT TRACKING ON\nRESET", "");
    check_one("HELLO 3\nPING", "");
}

static struct party *redirecting(struct party *to, unsigned loop, bool resp3)
{
    char text[128];
    struct party *p = party_new(&loops, loop);
    snprintf(text, sizeof text, "HELLO %d\nCLIENT TRACKING ON REDIRECT %llu", resp3 ? 3 : 2,
             (unsigned long long)to->session.id);
    begin(p, text);
    snprintf(text, sizeof text, ":%llu\r\n", (unsigned long long)to->session.id);
    replies(p, "CLIENT GETREDIR", text);
    return p;
}

static void check_redirected(void)
{
    for (unsigned i = 0; i < loops.group.count; i++) {
        struct party *to = party_new(&loops, i);
        struct party *from = redirecting(to, 0, false);
        invalidate_all();
        loops_run(&loops);
        is_number((int64_t)party_receive(to).len, 0,
                  "redirected to loop %u: a RESP2 client without the channel gets nothing", i);
        begin(to, "SUBSCRIBE __redis__:invalidate");
        invalidate_all();
        loops_run(&loops);
        is_bytes(party_receive(to), SPAN(MESSAGE), "a subscriber of the channel gets a message");
        is_number((int64_t)party_receive(from).len, 0, "the redirecting client gets nothing");
        begin(to, "RESET\nHELLO 3");
        invalidate_all();
        loops_run(&loops);
        is_bytes(party_receive(to), SPAN(INVALIDATION), "a RESP3 client gets a push");
        party_end(to);
        invalidate_all();
        loops_run(&loops);
        is_number((int64_t)party_receive(from).len, 0,
                  "the target is gone: a redirecting RESP2 client gets nothing");
        party_end(from);
    }
}

static void check_broken(void)
{
    char wanted[128];
    struct party *to = party_new(&loops, loops.group.count - 1);
    struct party *from = redirecting(to, 0, true);
    unsigned long long id = to->session.id;
    party_end(to);
    invalidate_all();
    loops_run(&loops);
    snprintf(wanted, sizeof wanted, ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n", id);
    is_bytes(party_receive(from), span_text(wanted),
             "the target is gone: a redirecting RESP3 client gets a push");
    snprintf(wanted, sizeof wanted,
             "%%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$15\r\nbroken_redirect\r\n"
             "$8\r\nredirect\r\n:%llu\r\n$8\r\nprefixes\r\n*0\r\n",
             id);
    replies(from, "CLIENT TRACKINGINFO", wanted);
    begin(from, "CLIENT TRACKING ON");
    invalidate_all();
    loops_run(&loops);
    is_bytes(party_receive(from), SPAN(INVALIDATION),
             "without REDIRECT, it gets the invalidation itself again");
    party_end(from);

    // The redirecting client leaves while its invalidation is on the way to the target.
    to = party_new(&loops, loops.group.count - 1);
    begin(to, "HELLO 3");
    from = redirecting(to, 0, true);
    invalidate_all();
    party_turn(from);
    party_end(from);
    loops_run(&loops);
    is_bytes(party_receive(to), SPAN(INVALIDATION),
             "the redirecting client is gone: the target gets the push all the same");
    party_end(to);
}

static void check_own_id(void)
{
    struct party *p = party_new(&loops, 0);
    char text[64];
    begin(p, "HELLO 3");
    snprintf(text, sizeof text, "CLIENT TRACKING ON REDIRECT %llu",
             (unsigned long long)p->session.id);
    replies(p, text, "+OK\r\n");
    invalidate_all();
    loops_run(&loops);
    is_bytes(party_receive(p), SPAN(INVALIDATION), "a client redirects to itself");
    party_end(p);
}

// ---- order among the replies --------------------------------------------------------------------

static void check_order(void)
{
    struct party *p = party_new(&loops, 0);
    begin(p, "HELLO 3\nCLIENT TRACKING ON");
    party_send(p, "GET " A "\nGET " A);
    party_turn(p);
    invalidate_all();
    party_send(p, "GET " A "\nPING");
    loops_run(&loops);
    is_bytes(party_receive(p),
             SPAN("$5\r\nvalue\r\n$5\r\nvalue\r\n" INVALIDATION "$5\r\nvalue\r\n+PONG\r\n"),
             "the invalidation is after the old replies, before the new ones");

    // It comes neither inside a long reply nor among the replies of an EXEC.
    enum { KEYS = 1000 };
    static const char *const wraps[][2] = {{"", ""}, {"MULTI", "EXEC"}};
    for (unsigned i = 0; i < 2; i++) {
        struct buf wanted = {0};
        if (i == 1) {
            party_send(p, wraps[i][0]);
            buf_append_text(&wanted, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n");
        }
        buf_printf(&p->requests, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
        buf_printf(&wanted, "*%d\r\n", KEYS);
        for (unsigned j = 0; j < KEYS; j++) {
            buf_append_text(&p->requests, "$36\r\n" A "\r\n");
            buf_append_text(&wanted, "$5\r\nvalue\r\n");
        }
        if (i == 1) {
            party_send(p, "PING\nEXEC");
            buf_append_text(&wanted, "+PONG\r\n");
        }
        party_send(p, "ECHO new");
        party_turn(p);
        is_number(p->status, FEED_TURN_OVER, "a long reply");
        invalidate_all();
        invalidate_all();
        loops_run(&loops);
        buf_append_text(&wanted, INVALIDATION "$3\r\nnew\r\n");
        is_bytes(party_receive(p), buf_span(&wanted),
                 "two replacements during it: one invalidation, after it");
        buf_release(&wanted);
    }
    party_end(p);
}

static void check_slow(void)
{
    struct party *p = party_new(&loops, 0);
    struct buf big = {0};
    begin(p, "HELLO 3\nCLIENT TRACKING ON");
    append_bytes(&big, 'x', SESSION_OUTPUT_HIGH);
    p->slow = true;
    buf_printf(&p->requests, "*2\r\n$4\r\nECHO\r\n$%d\r\n", SESSION_OUTPUT_HIGH);
    buf_append(&p->requests, buf_span(&big));
    buf_append_text(&p->requests, "\r\n");
    party_send(p, "ECHO new");
    loops_run(&loops);
    is_number(p->status, FEED_OUTPUT_FULL, "a client that does not read");
    size_t pending = output_pending(&p->output);
    for (unsigned i = 0; i < 5; i++) {
        invalidate_all();
        loops_run(&loops);
    }
    is_number((int64_t)output_pending(&p->output), (int64_t)pending, "it gets no more bytes");
    ok(p->session.pushes.len <= 5 * (sizeof INVALIDATION - 1), "few bytes of messages wait for it");
    p->slow = false;
    loops_run(&loops);
    struct span received = party_receive(p);
    struct span end = SPAN(INVALIDATION "$3\r\nnew\r\n");
    ok(received.len > end.len &&
           memcmp(received.ptr + received.len - end.len, end.ptr, end.len) == 0,
       "when it reads: the invalidation, then the new reply");
    party_end(p);
    buf_release(&big);
}

int main(void)
{
    static const unsigned counts[] = {1, 3};
    dataset = loops_dataset(A " value\n");
    for (unsigned i = 0; i < 2; i++) {
        loops_init(&loops, counts[i], &test_settings, dataset);
        check_own();
        check_redirected();
        check_broken();
        check_own_id();
        check_order();
        check_slow();
        loops_release(&loops);
    }
    return done_testing();
}
