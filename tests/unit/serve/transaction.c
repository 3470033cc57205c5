// Transactions from MULTI to EXEC: which requests are queued and which errors abort. The replies
// are the same in whatever pieces the input comes, and however long they are.
#include "serve/transaction.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define B "f8a24bb8-eff8-41dc-929b-10b4c3e49e05"

enum { BIG = 100 * 1024 };

static struct dataset *dataset;
static struct loops loops;

static void open_dataset(void)
{
    struct buf lines = {0};
    buf_append_text(&lines, A " value\n" B " ");
    append_bytes(&lines, 'v', BIG);
    buf_append_text(&lines, "\n\0");
    buf_append(&lines, SPAN("\0"));
    dataset = loops_dataset(lines.ptr); // borrows the text, which is never freed
}

// ---- replies ------------------------------------------------------------------------------------

static void check_replies(void)
{
    static const struct {
        const char *requests;
        const char *received;
    } cases[] = {
        {"MULTI\nGET " A "\nPING\nEXEC\nGET " A,
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$5\r\nvalue\r\n+PONG\r\n$5\r\nvalue\r\n"},
        {"MULTI\nEXEC\nPING", "+OK\r\n*0\r\n+PONG\r\n"},
        {"EXEC\nDISCARD\nEXEC now", "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n"
                                    "-EXECABORT Transaction discarded because of: wrong number of "
                                    "arguments for 'exec' command\r\n"},
        {"MULTI\nMULTI\nWATCH a\nEXEC", "+OK\r\n-ERR MULTI calls can not be nested\r\n"
                                        "-ERR WATCH inside MULTI is not allowed\r\n*0\r\n"},
        {"MULTI\nPING\nDISCARD\nPING\nEXEC",
         "+OK\r\n+QUEUED\r\n+OK\r\n+PONG\r\n-ERR EXEC without MULTI\r\n"},
        {"MULTI\nPING\nRESET\nPING\nEXEC",
         "+OK\r\n+QUEUED\r\n+RESET\r\n+PONG\r\n-ERR EXEC without MULTI\r\n"},
        {"MULTI\nPING\nQUIT\nPING", "+OK\r\n+QUEUED\r\n+OK\r\n"},
        {"MULTI\nFOO\nPING\nEXEC\nEXEC",
         "+OK\r\n-ERR unknown command 'FOO', with args beginning with: \r\n+QUEUED\r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n"
         "-ERR EXEC without MULTI\r\n"},
        {"MULTI\nGET\nEXEC\nPING",
         "+OK\r\n-ERR wrong number of arguments for 'get' command\r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n"},
        {"MULTI\nSET a b\nEXEC\nPING",
         "+OK\r\n-READONLY You can't write against a read only replica.\r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n"},
        {"MULTI\nCLIENT foo\nEXEC\nPING",
         "+OK\r\n-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n"},
        {"MULTI\nSHUTDOWN\nEXEC\nPING",
         "+OK\r\n-ERR Command not allowed inside a transaction\r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n"},
        {"MULTI\nPING\nEXEC now\nPING\nEXEC",
         "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: wrong number of arguments "
         "for 'exec' command\r\n+PONG\r\n-ERR EXEC without MULTI\r\n"},
        // A command that fails in EXEC gives an error in the array, and the others run.
        {"MULTI\nSELECT x\nPING a b\nPING\nEXEC",
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n-ERR value is not an integer or out of "
         "range\r\n-ERR wrong number of arguments for 'ping' command\r\n+PONG\r\n"},
        // Executed commands change the session for the commands after them, in EXEC and after it.
        {"MULTI\nAUTH a\nCLIENT SETNAME me\nSUBSCRIBE a\nPING\nGET x\nEXEC\nGET x",
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n"
         "-ERR AUTH <password> called without any password configured for the default user. Are "
         "you sure your configuration is correct?\r\n+OK\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n"
         ":1\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n$-1\r\n-ERR Can't execute 'get': only "
         "(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n"},
        {"MULTI\nCLIENT REPLY OFF\nECHO 0\nEXEC\nECHO 1\nCLIENT REPLY ON\nECHO 2",
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n2\r\n"},
        // SKIP within EXEC holds for the request after EXEC.
        {"MULTI\nPING\nCLIENT REPLY SKIP\nPING\nEXEC\nECHO 1\nECHO 2",
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+PONG\r\n+PONG\r\n$1\r\n2\r\n"},
        {"CLIENT REPLY SKIP\nMULTI\nPING\nEXEC", "+QUEUED\r\n*1\r\n+PONG\r\n"},
        {"CLIENT REPLY OFF\nMULTI\nPING\nEXEC\nCLIENT REPLY ON", "+OK\r\n"},
        // CLIENT CACHING holds for the whole transaction.
        {"CLIENT TRACKING ON OPTIN\nCLIENT CACHING YES\nMULTI\nPING\nCLIENT TRACKINGINFO\nEXEC\n"
         "CLIENT TRACKINGINFO",
         "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+PONG\r\n*6\r\n$5\r\nflags\r\n*3\r\n"
         "$2\r\non\r\n$5\r\noptin\r\n$11\r\ncaching-yes\r\n$8\r\nredirect\r\n:0\r\n"
         "$8\r\nprefixes\r\n*0\r\n*6\r\n$5\r\nflags\r\n*2\r\n$2\r\non\r\n$5\r\noptin\r\n"
         "$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n"},
        {"CLIENT TRACKING ON OPTIN\nCLIENT CACHING YES\nFOO\nCLIENT TRACKINGINFO",
         "+OK\r\n+OK\r\n-ERR unknown command 'FOO', with args beginning with: \r\n*6\r\n"
         "$5\r\nflags\r\n*2\r\n$2\r\non\r\n$5\r\noptin\r\n$8\r\nredirect\r\n:0\r\n"
         "$8\r\nprefixes\r\n*0\r\n"},
        {"WATCH a b\nMULTI\nGET x\nEXEC\nUNWATCH", "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n+OK\r\n"},
        // The client kills itself in EXEC: no replies after that are sent.
        {"MULTI\nPING\nCLIENT KILL TYPE normal SKIPME no\nPING\nEXEC\nPING",
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+PONG\r\n:1\r\n"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct party *p = party_new(&loops, 0);
        replies(p, cases[i].requests, cases[i].received);
        party_end(p);
    }
}

// ---- input in pieces ----------------------------------------------------------------------------

// Returns the replies to a client that sends `input` in pieces of `piece` bytes.
static struct buf replies_to_pieces(struct span input, size_t piece)
{
    struct buf received = {0};
    struct party *p = party_new(&loops, 0);
    loops.last_id--; // each client has the same id, which HELLO and CLIENT ID return
    party_send_bytes(p, input);
    for (p->sent = 0; p->sent < input.len && !p->closed;) {
        p->sent = input.len - p->sent < piece ? input.len : p->sent + piece;
        loops_run(&loops);
    }
    buf_append(&received, party_receive(p));
    party_end(p);
    return received;
}

static void check_cutting(void)
{
    struct buf input = {0};
    buf_append_text(&input, "multi\r\nget " A "\r\n*1\r\n$4\r\nPING\r\necho \"a b\\x00\"\r\n");
    append_request(&input, "MGET " A " x " B " " A);
    append_request(&input, "EXEC");
    append_request(&input, "ECHO second");
    append_request(&input, "MULTI");
    append_request(&input, "HELLO 3");
    append_request(&input, "GET x");
    append_request(&input, "EXEC");
    append_request(&input, "GET x");
    append_request(&input, "MULTI");
    buf_append_text(&input, "\r\n*0\r\n");
    append_request(&input, "FOO");
    append_request(&input, "EXEC");
    append_request(&input, "MULTI");
    append_request(&input, "ECHO last");
    buf_append_text(&input, "EXEC\r\nPING\r\n*1\r\n$-5\r\nPING\r\n");
    struct buf whole = replies_to_pieces(buf_span(&input), input.len);
    struct span head = span_text("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n"
                                 "$5\r\nvalue\r\n+PONG\r\n$4\r\na b");
    struct span tail = span_text("\r\n$6\r\nsecond\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n%7\r\n");
    struct span end = span_text(
        "_\r\n_\r\n+OK\r\n-ERR unknown command 'FOO', with args beginning with: \r\n-EXECABORT "
        "Transaction discarded because of previous errors.\r\n+OK\r\n+QUEUED\r\n*1\r\n"
        "$4\r\nlast\r\n+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
    require(whole.len > head.len + end.len + BIG, "there are replies");
    is_bytes(span_of(whole.ptr, head.len), head, "the replies before the long one");
    ok(memmem(whole.ptr, whole.len, tail.ptr, tail.len) != NULL, "the replies after the long one");
    is_bytes(span_of(whole.ptr + whole.len - end.len, end.len), end, "the last ones");
    for (size_t piece = 1; piece <= 80; piece++) {
        struct buf cut = replies_to_pieces(buf_span(&input), piece);
        ok(span_equal(buf_span(&cut), buf_span(&whole)), "the same replies in pieces of %zu bytes",
           piece);
        buf_release(&cut);
    }
    buf_release(&whole);
    buf_release(&input);
}

// Random requests, in one piece and in pieces.
static void check_random(struct random *r)
{
    static const char *const requests[] = {
        "MULTI",
        "MULTI",
        "EXEC",
        "EXEC",
        "DISCARD",
        "GET " A,
        "GET x",
        "MGET " A " x " A,
        "EXISTS " A,
        "PING",
        "FOO",
        "SET a b",
        "WATCH " A,
        "UNWATCH",
        "HELLO 2",
        "HELLO 3",
        "RESET",
        "SUBSCRIBE a",
        "UNSUBSCRIBE",
        "CLIENT REPLY SKIP",
        "PUBLISH a m",
        "CLIENT ID",
        "CLIENT GETNAME",
        "CLIENT TRACKING ON",
        "CLIENT KILL ID 999999",
    };
    enum { KINDS = sizeof requests / sizeof *requests, REQUESTS = 60, ROUNDS = 60 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct buf input = {0};
        bool same = true;
        for (unsigned i = 0; i < REQUESTS; i++)
            append_request(&input, requests[random_below(r, KINDS)]);
        struct buf whole = replies_to_pieces(buf_span(&input), input.len);
        for (unsigned i = 0; i < 6; i++) {
            struct buf cut = replies_to_pieces(buf_span(&input), 1 + random_below(r, 120));
            same &= span_equal(buf_span(&cut), buf_span(&whole));
            buf_release(&cut);
        }
        ok(same && whole.len > 0, "random requests, round %u: the same replies in any pieces",
           round);
        buf_release(&whole);
        buf_release(&input);
    }
}

// RESET logs the client out, so the limits for unauthenticated clients hold for what follows it.
static void check_logged_out(void)
{
    struct settings guarded = test_settings;
    struct loops own;
    struct buf input = {0};
    append_request(&input, "AUTH secret");
    append_request(&input, "PING");
    append_request(&input, "RESET");
    append_request(&input, "MGET 1 2 3 4 5 6 7 8 9 10");
    guarded.requirepass = "secret";
    loops_init(&own, 1, &guarded, dataset);
    for (size_t piece = 1; piece <= input.len; piece += input.len - 1) {
        struct party *p = party_new(&own, 0);
        party_send_bytes(p, buf_span(&input));
        for (p->sent = 0; p->sent < input.len; p->sent += piece)
            if (!p->closed)
                loops_run(&own);
        p->sent = input.len;
        loops_run(&own);
        is_bytes(party_receive(p),
                 span_text("+OK\r\n+PONG\r\n+RESET\r\n"
                           "-ERR Protocol error: unauthenticated multibulk length\r\n"),
                 "limits for unauthenticated clients hold after RESET, in pieces of %zu bytes",
                 piece);
        party_end(p);
    }
    loops_release(&own);
    buf_release(&input);
}

// ---- long replies, other clients ----------------------------------------------------------------

static void check_long(void)
{
    enum { KEYS = 3000 };
    struct buf wanted = {0};
    struct buf request = {0};
    buf_append_text(&request, "MULTI\r\n*");
    buf_printf(&request, "%d\r\n$4\r\nMGET\r\n", KEYS + 1);
    buf_append_text(&wanted, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n");
    buf_printf(&wanted, "*%d\r\n", KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        buf_append_text(&request, "$36\r\n" A "\r\n");
        buf_append_text(&wanted, "$5\r\nvalue\r\n");
    }
    buf_append_text(&request, "PING\r\nEXEC\r\nECHO second\r\n");
    buf_append_text(&wanted, "+PONG\r\n");
    struct party *p = party_new(&loops, 0);
    party_send_bytes(p, buf_span(&request));
    party_turn(p);
    while (p->status == FEED_TURN_OVER && !transaction_executes(p->session.transaction))
        party_turn(p);
    ok(transaction_executes(p->session.transaction), "a long EXEC takes more than one turn");
    unsigned turns = 0;
    for (; transaction_executes(p->session.transaction) && turns < 1000; turns++) {
        session_push(&p->session, span_text("<push>")); // must not come among the replies
        if (turns > 0)
            p->session.pushes.len = sizeof "<push>" - 1;
        party_turn(p);
    }
    ok(turns > 5, "it takes %u turns", turns);
    loops_run(&loops);
    buf_append_text(&wanted, "<push>$6\r\nsecond\r\n");
    is_bytes(party_receive(p), buf_span(&wanted),
             "all replies in order, and the message after them");
    party_end(p);

    // Large values for a client that does not read at first.
    p = party_new(&loops, 0);
    p->slow = true;
    party_send(p, "MULTI");
    for (unsigned i = 0; i < 10; i++)
        party_send(p, "GET " B);
    party_send(p, "EXEC\nPING");
    loops_run(&loops);
    ok(p->status == FEED_OUTPUT_FULL && output_pending(&p->output) < SESSION_OUTPUT_HIGH + BIG + 64,
       "an EXEC of large values stops while the client does not read");
    p->slow = false;
    loops_run(&loops);
    struct span received = party_receive(p);
    ok(received.len > 10 * BIG && memcmp(received.ptr + received.len - 7, "+PONG\r\n", 7) == 0,
       "it continues when the client reads");
    party_end(p);
    buf_release(&request);
    buf_release(&wanted);
}

static void check_memory(void)
{
    struct party *p = party_new(&loops, 0);
    replies(p, "MULTI\nFOO", "+OK\r\n-ERR unknown command 'FOO', with args beginning with: \r\n");
    size_t before = p->session.transaction->requests.len;
    replies(p, "ECHO x", "+QUEUED\r\n");
    is_number((int64_t)p->session.transaction->requests.len, (int64_t)before,
              "an aborted transaction queues no more requests");
    party_end(p);

    // All queued requests together may take as many bytes as a single request.
    enum { PART = 1024 * 1024 };
    struct buf part = {0};
    buf_printf(&part, "*2\r\n$4\r\nECHO\r\n$%d\r\n", PART);
    append_bytes(&part, 'x', PART);
    buf_append_text(&part, "\r\n");
    p = party_new(&loops, 0);
    party_send(p, "MULTI");
    unsigned parts = 0;
    for (; !p->closed && parts < 100; parts++) {
        party_send_bytes(p, buf_span(&part));
        loops_run(&loops);
        p->requests.len = 0;
        p->sent = 0;
        p->done = 0;
    }
    is_number(parts, SESSION_INPUT_MAX / PART, "a client that queues more is closed");
    party_end(p);
    buf_release(&part);
}

static void check_counters(void)
{
    struct stats *stats = &loops.service[0].stats;
    struct party *p = party_new(&loops, 0);
    replies(p, "WATCH a\nWATCH b", "+OK\r\n+OK\r\n");
    is_number((int64_t)counter_get(&stats->watching_clients), 1, "WATCH: one client watches");
    replies(p, "MULTI\nEXEC", "+OK\r\n*0\r\n");
    is_number((int64_t)counter_get(&stats->watching_clients), 0, "EXEC ends watching");
    replies(p, "WATCH a\nMULTI\nDISCARD", "+OK\r\n+OK\r\n+OK\r\n");
    is_number((int64_t)counter_get(&stats->watching_clients), 0, "DISCARD ends watching");
    replies(p, "WATCH a\nUNWATCH\nUNWATCH\nWATCH a", "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    is_number((int64_t)counter_get(&stats->watching_clients), 1,
              "UNWATCH ends watching, and WATCH begins it again");
    party_end(p);
    is_number((int64_t)counter_get(&stats->watching_clients), 0,
              "the end of the client ends watching");

    // CLIENT LIST shows EXEC as the last command, not the commands in it.
    p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    replies(p, "MULTI\nPING\nEXEC", "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    party_send(other, "CLIENT LIST");
    loops_run(&loops);
    struct span list = party_receive(other);
    ok(memmem(list.ptr, list.len, " cmd=exec ", 10) != NULL, "CLIENT LIST: cmd=exec");
    replies(p, "FOO", "-ERR unknown command 'FOO', with args beginning with: \r\n");
    party_send(other, "CLIENT LIST");
    loops_run(&loops);
    list = party_receive(other);
    ok(memmem(list.ptr, list.len, " cmd=NULL ", 10) != NULL, "CLIENT LIST: cmd=NULL");
    party_end(p);
    party_end(other);
}

int main(void)
{
    struct random r = random_seeded();
    open_dataset();
    loops_init(&loops, 1, &test_settings, dataset);
    check_replies();
    check_cutting();
    check_random(&r);
    check_logged_out();
    check_long();
    check_memory();
    check_counters();
    loops_release(&loops);
    return done_testing();
}
