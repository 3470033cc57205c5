// CLIENT LIST, KILL, PAUSE, REPLY and others, with one and with several loops. The sessions run in
// memory, without sockets.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/dataset.h"
#include "serve/transaction.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"

static struct dataset *dataset;
static struct loops loops;

// Returns the reply to the request as a C string, which is valid until the next call.
static const char *ask(struct party *p, const char *request)
{
    static char text[128 * 1024];
    party_send(p, request);
    loops_run(&loops);
    struct span received = party_receive(p);
    require(received.len < sizeof text, "a long reply");
    memcpy(text, received.ptr, received.len);
    text[received.len] = '\0';
    return text;
}

static bool lists(struct party *p, const char *request, const char *what)
{
    return ok(strstr(ask(p, request), what) != NULL, "%s: %s", request, what);
}

static unsigned lines_of(struct party *p, const char *request)
{
    return occurrences(span_text(ask(p, request)), " lib-ver=");
}

static unsigned last_loop(void)
{
    return loops.group.count - 1;
}

static void check_list(void)
{
    char text[128];
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, last_loop());
    uint64_t id = other->session.id;
    ask(other,
        "HELLO 3\nCLIENT SETNAME me\nCLIENT SETINFO lib-name lib\nCLIENT SETINFO lib-ver 1.2\n"
        "WATCH a b\nMULTI\nPING");
    is_number(lines_of(p, "CLIENT LIST"), 2, "%u loops: a line for each client", loops.group.count);
    snprintf(text, sizeof text, "id=%llu addr=10.0.0.%llu:1 laddr=10.9.9.9:2 fd=9 name=me age=0 ",
             (unsigned long long)id, (unsigned long long)id);
    lists(p, "CLIENT LIST", text);
    lists(p, "CLIENT LIST", " flags=x db=0 sub=0 psub=0 ssub=0 multi=1 watch=2 ");
    lists(p, "CLIENT LIST", " cmd=ping user=default redir=-1 resp=3 lib-name=lib lib-ver=1.2 ");
    snprintf(text, sizeof text, " io-thread=%u", last_loop());
    lists(p, "CLIENT LIST", text);
    lists(p, "CLIENT LIST", " cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver= ");
    lists(p, "CLIENT INFO", " name= age=0 idle=0 flags=N ");
    ok(memcmp(ask(p, "HELLO 3\nCLIENT INFO") + 1, "7\r\n", 3) == 0, "HELLO 3 replies with a map");
    ask(other, "EXEC");
    ok(strncmp(ask(other, "CLIENT INFO"), "=", 1) == 0,
       "in RESP3, CLIENT INFO replies with a verbatim string");
    ask(other, "SUBSCRIBE a\nPSUBSCRIBE b c\nCLIENT TRACKING ON BCAST\nCLIENT NO-EVICT ON");
    lists(p, "CLIENT LIST TYPE pubsub", " flags=PtBe db=0 sub=1 psub=2 ssub=0 multi=-1 watch=0 ");
    is_number(lines_of(p, "CLIENT LIST TYPE pubsub"), 1, "TYPE pubsub");
    is_number(lines_of(p, "CLIENT LIST TYPE normal"), 1, "TYPE normal");
    is_number(lines_of(p, "CLIENT LIST TYPE replica"), 0, "TYPE replica");
    snprintf(text, sizeof text, "CLIENT LIST ID %llu 999999 %llu", (unsigned long long)id,
             (unsigned long long)id);
    is_number(lines_of(p, text), 1, "CLIENT LIST ID lists a client once, even if named twice");
    party_end(other);
    is_number(lines_of(p, "CLIENT LIST"), 1, "a client that has left is not listed");

    // More clients than one turn describes. With long names, the lines do not fit into the memory
    // first reserved for them.
    enum { MANY = 150 };
    struct party *many[MANY];
    char name[1100];
    snprintf(name, sizeof name, "CLIENT SETNAME %01000d", 0);
    for (unsigned i = 0; i < MANY; i++)
        many[i] = party_new(&loops, i % loops.group.count);
    is_number(lines_of(p, "CLIENT LIST"), MANY + 1, "many clients");
    for (unsigned i = 0; i < 80; i++)
        replies(many[i], name, "+OK\r\n");
    is_number(lines_of(p, "CLIENT LIST"), MANY + 1, "many long names");
    snprintf(text, sizeof text, "CLIENT LIST ID %llu",
             (unsigned long long)many[MANY - 1]->session.id);
    is_number(lines_of(p, text), 1, "CLIENT LIST ID finds one client of many");
    for (unsigned i = 0; i < MANY; i++)
        party_end(many[i]);
    party_end(p);
}

// A session that is closing, but whose client does not read the last reply, can still be listed and
// killed.
static void check_closing(void)
{
    char text[64];
    struct party *p = party_new(&loops, 0);
    struct party *closing = party_new(&loops, last_loop());
    closing->slow = true;
    ask(p, "PING");
    party_send(closing, "QUIT");
    loops_run(&loops);
    ok(!closing->closed && closing->status == FEED_CLOSE, "QUIT waits until the reply is read");
    lists(p, "CLIENT LIST", " flags=c ");
    snprintf(text, sizeof text, "CLIENT KILL ID %llu", (unsigned long long)closing->session.id);
    is_text(ask(p, text), ":1\r\n", "CLIENT KILL finds a closing client");
    ok(closing->closed, "a killed client does not wait for its reply");
    party_end(closing);
    closing = party_new(&loops, last_loop());
    session_leave(&closing->session);
    is_number(lines_of(p, "CLIENT LIST"), 1, "CLIENT LIST does not list a session that has left");
    party_end(closing);
    party_end(p);
}

static void check_kill(void)
{
    char text[128];
    struct party *p = party_new(&loops, 0);
    struct party *others[6];
    for (unsigned i = 0; i < 6; i++)
        others[i] = party_new(&loops, i % loops.group.count);
    snprintf(text, sizeof text, "CLIENT KILL %s", others[0]->address);
    is_text(ask(p, text), "+OK\r\n", "%u loops: CLIENT KILL ADDRESS", loops.group.count);
    ok(others[0]->closed, "CLIENT KILL ADDRESS closes the client of that address");
    is_text(ask(p, text), "-ERR No such client\r\n",
            "CLIENT KILL ADDRESS does not find a client that it has closed");
    snprintf(text, sizeof text, "CLIENT KILL ADDR %s", others[1]->address);
    is_text(ask(p, text), ":1\r\n", "the filter ADDR");
    snprintf(text, sizeof text, "CLIENT KILL ID %llu ADDR %s",
             (unsigned long long)others[2]->session.id, others[3]->address);
    is_text(ask(p, text), ":0\r\n", "no client matches both filters");
    snprintf(text, sizeof text, "CLIENT KILL ID %llu LADDR 10.9.9.9:2 TYPE normal USER default",
             (unsigned long long)others[2]->session.id);
    is_text(ask(p, text), ":1\r\n", "one client matches all four filters");
    ok(others[1]->closed && others[2]->closed && !others[3]->closed,
       "only the clients that match are closed");
    // The age of connections, in seconds, on all loops.
    others[3]->session.created_ns -= 100 * CLOCK_SECOND;
    others[4]->session.created_ns -= 50 * CLOCK_SECOND;
    p->session.created_ns -= 1000 * CLOCK_SECOND;
    snprintf(text, sizeof text, "CLIENT KILL MAXAGE 101 ID %llu",
             (unsigned long long)others[3]->session.id);
    is_text(ask(p, text), ":0\r\n", "MAXAGE spares a younger client");
    is_text(ask(p, "CLIENT KILL MAXAGE 60 TYPE pubsub"), ":0\r\n",
            "MAXAGE with TYPE spares a client of another type");
    others[3]->slow = true;
    is_text(ask(p, "CLIENT KILL MAXAGE 100"), ":1\r\n",
            "MAXAGE finds the one that is old enough, besides the sender");
    ok(others[3]->closed && !others[4]->closed && !others[5]->closed && !p->closed,
       "MAXAGE closes only the client that is old enough");
    party_end(others[3]);
    others[3] = party_new(&loops, last_loop());
    ask(others[3], "SUBSCRIBE a");
    is_text(ask(p, "CLIENT KILL TYPE pubsub"), ":1\r\n", "the filter TYPE");
    ok(others[3]->closed && !others[4]->closed, "only the subscriber is closed");
    is_number((int64_t)service_total(&loops.service[0], offsetof(struct stats, pubsub_clients)), 0,
              "INFO no longer counts it as a subscriber");
    // A client is killed between MULTI and EXEC.
    party_send(others[4], "MULTI\nPING");
    loops_run(&loops);
    is_text(ask(p, "CLIENT KILL TYPE normal"), ":2\r\n", "all other clients are killed");
    ok(others[4]->closed && others[5]->closed && !p->closed,
       "CLIENT KILL closes the others, but not the sender");
    is_text(ask(p, "CLIENT KILL TYPE normal SKIPME no\nPING"), ":1\r\n",
            "with SKIPME no, the sender gets the reply, but not that to PING");
    ok(p->closed, "with SKIPME no, the sender is closed");
    for (unsigned i = 0; i < 6; i++)
        party_end(others[i]);
    party_end(p);
}

static void check_pause(void)
{
    struct party *p = party_new(&loops, 0);
    struct party *others[LOOPS_MAX];
    struct party *listener = party_new(&loops, last_loop());
    for (unsigned i = 0; i < loops.group.count; i++)
        others[i] = party_new(&loops, i);
    ask(listener, "SUBSCRIBE c");
    party_send(others[0], "MULTI");
    loops_run(&loops);
    is_text(ask(others[0], "GET x"), "+OK\r\n+QUEUED\r\n", "a transaction begins before the pause");
    is_text(ask(p, "CLIENT PAUSE 3600000\nPING"), "+OK\r\n", "%u loops: CLIENT PAUSE",
            loops.group.count);
    is_number(p->status, FEED_WAITS, "the sender is paused too");
    for (unsigned i = 0; i < loops.group.count; i++) {
        is_text(ask(others[i], i == 0 ? "EXEC" : "PING"), "", "loop %u is paused", i);
        is_number(others[i]->status, FEED_WAITS, "loop %u: its client waits", i);
        ok(!session_may_idle_out(&others[i]->session), "a paused client is not idle");
    }
    is_text(ask(p, "CLIENT UNPAUSE"), "", "the sender's UNPAUSE comes after its own paused PING");
    for (unsigned i = 0; i < loops.group.count; i++)
        ok(loops.service[i].paused_until > clock_monotonic_ns(), "loop %u is still paused", i);
    for (unsigned i = 0; i < loops.group.count; i++)
        session_end_pause(&loops.service[i]);
    loops_run(&loops);
    is_bytes(party_receive(p), SPAN("+PONG\r\n+OK\r\n"), "the sender continues after the pause");
    is_bytes(party_receive(others[0]), SPAN("*1\r\n$-1\r\n"), "a paused EXEC continues");
    for (unsigned i = 1; i < loops.group.count; i++)
        is_bytes(party_receive(others[i]), SPAN("+PONG\r\n"), "loop %u continues", i);
    is_text(ask(p, "CLIENT PAUSE 3600000 WRITE\nPING"), "+OK\r\n+PONG\r\n", "WRITE pauses nothing");
    is_text(ask(p, "MULTI\nCLIENT PAUSE 3600000\nPING\nEXEC\nPING"),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+PONG\r\n",
            "a CLIENT PAUSE within EXEC lets the transaction finish");
    is_number(p->status, FEED_WAITS,
              "a CLIENT PAUSE within EXEC pauses the client after the transaction");
    // The time of the pause is over, but session_end_pause has not been called.
    for (unsigned i = 0; i < loops.group.count; i++)
        loops.service[i].paused_until = clock_monotonic_ns();
    party_turn(p);
    is_bytes(party_receive(p), SPAN("+PONG\r\n"),
             "a client continues when the time of the pause is over");
    for (unsigned i = 0; i < loops.group.count; i++)
        session_end_pause(&loops.service[i]);
    ok(!session_may_idle_out(&listener->session), "a subscriber is not idle");
    ok(session_may_idle_out(&others[0]->session), "a client that sends nothing is idle");
    is_text(ask(p, "CLIENT UNPAUSE\nPING"), "+OK\r\n+PONG\r\n", "UNPAUSE without a pause");
    for (unsigned i = 0; i < loops.group.count; i++)
        party_end(others[i]);
    party_end(listener);
    party_end(p);
}

// Sends random commands, among them CLIENT REPLY, at once and byte by byte. Compares which of them
// get a reply with a simple model.
static void check_reply(struct random *r)
{
    static const char *const requests[] = {"CLIENT REPLY ON",
                                           "CLIENT REPLY OFF",
                                           "CLIENT REPLY SKIP",
                                           "CLIENT REPLY x",
                                           "RESET",
                                           "FOO",
                                           "ECHO x",
                                           "GET " A,
                                           "MULTI",
                                           "EXEC",
                                           "MGET " A " x"};
    enum { KINDS = sizeof requests / sizeof *requests };
    static const char *const answers[KINDS] = {
        "+OK\r\n",
        "",
        "",
        "-ERR syntax error\r\n",
        "+RESET\r\n",
        "-ERR unknown command 'FOO', with args beginning with: \r\n",
        "$1\r\nx\r\n",
        "$5\r\nvalue\r\n",
        "+OK\r\n",
        "-ERR EXEC without MULTI\r\n",
        "*2\r\n$5\r\nvalue\r\n$-1\r\n"};
    for (unsigned round = 0; round < 40; round++) {
        struct buf wanted = {0};
        struct party *p = party_new(&loops, 0);
        bool off = false;
        unsigned skip = 0; // 2: this request is CLIENT REPLY SKIP; 1: the previous one was
        for (unsigned i = 0; i < 100; i++) {
            unsigned kind = (unsigned)random_below(r, KINDS);
            if (kind == 8 || kind == 9) // MULTI is tested elsewhere
                kind = 6;
            party_send(p, requests[kind]);
            bool silent = off || skip == 1;
            if (kind == 0)
                off = silent = false;
            else if (kind == 1)
                off = true;
            else if (kind == 2 && !off)
                skip = 2;
            else if (kind == 4 && off)
                off = silent = false;
            if (!silent)
                buf_append_text(&wanted, answers[kind]);
            skip = skip == 2 ? 1 : 0;
        }
        if (round % 2 == 1)
            for (p->sent = 0; p->sent < p->requests.len; p->sent++)
                loops_run(&loops);
        p->sent = p->requests.len;
        loops_run(&loops);
        is_bytes(party_receive(p), buf_span(&wanted), "CLIENT REPLY, round %u", round);
        party_end(p);
        buf_release(&wanted);
    }
}

static void check_others(void)
{
    struct party *p = party_new(&loops, 0);
    replies(p, "CLIENT NO-EVICT ON\nCLIENT NO-TOUCH on\nCLIENT CAPA redirect",
            "+OK\r\n+OK\r\n+OK\r\n");
    lists(p, "CLIENT INFO", " flags=eT ");
    replies(p, "CLIENT UNBLOCK 1\nCLIENT UNBLOCK 1 error\nRESET", ":0\r\n:0\r\n+RESET\r\n");
    lists(p, "CLIENT INFO", " flags=N ");
    party_end(p);

    // The number of words is bounded, as reading them is not divided into turns.
    struct buf wanted = {0};
    p = party_new(&loops, 0);
    buf_append_text(&p->requests, "*500003\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n");
    for (unsigned i = 0; i < 500000; i++)
        buf_append_text(&p->requests, "$5\r\nBCAST\r\n");
    p->sent = p->requests.len;
    loops_run(&loops);
    is_bytes(party_receive(p), SPAN("-ERR more than 272 words\r\n"),
             "CLIENT TRACKING of many words");
    party_end(p);
    buf_release(&wanted);
}

// The sender of a command leaves while a loop task for it is on its way.
static void check_gone(void)
{
    static const char *const requests[] = {"CLIENT LIST",     "CLIENT KILL ID 999999",
                                           "CLIENT PAUSE 1",  "PUBLISH a b",
                                           "PUBSUB CHANNELS", "CLIENT TRACKING ON REDIRECT 999999"};
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        for (unsigned steps = 0; steps <= loops.group.count; steps++) {
            struct party *p = party_new(&loops, 0);
            party_send(p, requests[i]);
            party_turn(p);
            for (unsigned j = 0; j < steps; j++)
                loops_deliver(&loops);
            party_end(p);
            loops_run(&loops);
        }
        is_number(loops.post_count, 0, "%s: no task is left when the sender has gone", requests[i]);
    }
    for (unsigned i = 0; i < loops.group.count; i++)
        session_end_pause(&loops.service[i]);
}

// After CLIENT REPLY OFF, a turn is as short as before: suppressed replies count as output, within
// an EXEC too. The replies of COMMAND count as work, sent or suppressed.
static void check_silence(void)
{
    enum { ECHOES = 20, LONG = 250 * 1000, REPEATS = 20 };
    static const char *const requests[] = {"COMMAND", "COMMAND DOCS",
                                           "COMMAND INFO get client config",
                                           "COMMAND DOCS get client config"};
    struct counter *processed = &loops.service[0].stats.commands_processed;
    struct party *p = party_new(&loops, 0);
    party_send(p, "CLIENT REPLY OFF\nMULTI");
    for (unsigned i = 0; i < ECHOES; i++) {
        buf_printf(&p->requests, "*2\r\n$4\r\nECHO\r\n$%d\r\n", LONG);
        append_bytes(&p->requests, 'e', LONG);
        buf_append_text(&p->requests, "\r\n");
    }
    party_send(p, "EXEC");
    uint64_t most = 0;
    do {
        uint64_t before = counter_get(processed);
        party_turn(p);
        uint64_t done = counter_get(processed) - before;
        most = done > most ? done : most;
    } while (p->status == FEED_TURN_OVER);
    ok(most <= 4, "a turn executes at most %u commands with long replies", (unsigned)most);
    for (unsigned silent = 0; silent < 2; silent++) {
        for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
            party_end(p);
            p = party_new(&loops, 0);
            party_send(p, silent == 1 ? "CLIENT REPLY OFF" : "PING");
            for (unsigned j = 0; j < REPEATS; j++)
                party_send(p, requests[i]);
            uint64_t before = counter_get(processed);
            party_turn(p);
            ok(p->status == FEED_TURN_OVER && counter_get(processed) - before < REPEATS / 2,
               "%s: %u in a turn%s", requests[i], (unsigned)(counter_get(processed) - before),
               silent == 1 ? ", without a reply" : "");
        }
    }
    loops_run(&loops);
    party_end(p);
}

int main(void)
{
    static const unsigned counts[] = {1, 2, 3, 8};
    struct random r = random_seeded();
    dataset = loops_dataset(A " value\n");
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        loops_init(&loops, counts[i], &test_settings, dataset);
        check_list();
        check_closing();
        check_kill();
        check_pause();
        check_gone();
        if (i == 0) {
            check_reply(&r);
            check_others();
            check_silence();
        }
        loops_release(&loops);
    }
    return done_testing();
}
