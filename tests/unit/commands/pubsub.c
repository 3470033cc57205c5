// Channels as functions on memory: who hears what, between which replies, and what is bounded.
#include "serve/subscriptions.h"

#include <stdio.h>

#include "data/dataset.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"

static struct dataset *dataset;
static struct loops loops;

static uint64_t pubsub_clients(void)
{
    return service_total(&loops.service[0], offsetof(struct stats, pubsub_clients));
}

static struct party *listener(unsigned loop, const char *requests)
{
    struct party *p = party_new(&loops, loop);
    say(p, requests);
    loops_run(&loops);
    hear(p);
    return p;
}

static void check_delivery(void)
{
    unsigned last = loops.group.count - 1;
    struct party *publisher = party_new(&loops, 0);
    struct party *two = listener(0, "SUBSCRIBE news");
    struct party *three = listener(last, "HELLO 3\nSUBSCRIBE news");
    struct party *pattern = listener(last, "PSUBSCRIBE n?ws *s\nSUBSCRIBE other");
    struct party *shard = listener(last, "SSUBSCRIBE news");
    is_number((int64_t)pubsub_clients(), 4, "%u loops: four clients listen", loops.group.count);
    replies(publisher, "PUBLISH news 1\nPUBLISH none 2\nSPUBLISH news 3\nSPUBLISH other 4",
            ":4\r\n:0\r\n:1\r\n:0\r\n");
    is_bytes(hear(two), SPAN("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n1\r\n"), "RESP2");
    is_bytes(hear(three), SPAN(">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n1\r\n"), "RESP3");
    is_bytes(hear(pattern),
             SPAN("*4\r\n$8\r\npmessage\r\n$4\r\nn?ws\r\n$4\r\nnews\r\n$1\r\n1\r\n"
                  "*4\r\n$8\r\npmessage\r\n$2\r\n*s\r\n$4\r\nnews\r\n$1\r\n1\r\n"),
             "by each pattern");
    is_bytes(hear(shard), SPAN("*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$1\r\n3\r\n"), "by shard");
    replies(publisher,
            "PUBSUB CHANNELS\nPUBSUB CHANNELS n*\nPUBSUB NUMSUB news none other\n"
            "PUBSUB NUMPAT\nPUBSUB SHARDCHANNELS\nPUBSUB SHARDNUMSUB news",
            "*2\r\n$4\r\nnews\r\n$5\r\nother\r\n*1\r\n$4\r\nnews\r\n"
            "*6\r\n$4\r\nnews\r\n:2\r\n$4\r\nnone\r\n:0\r\n$5\r\nother\r\n:1\r\n:2\r\n"
            "*1\r\n$4\r\nnews\r\n*2\r\n$4\r\nnews\r\n:1\r\n");
    say(two, "UNSUBSCRIBE");
    say(three, "RESET");
    say(shard, "QUIT");
    loops_run(&loops);
    is_number((int64_t)pubsub_clients(), 1, "one is left");
    replies(publisher, "PUBLISH news 5", ":2\r\n");
    struct party *all[] = {publisher, two, three, pattern, shard};
    for (unsigned i = 0; i < 5; i++)
        party_end(all[i]);
    is_number((int64_t)pubsub_clients(), 0, "none is left");
}

// A thousand messages from a loop to each of the others, all in order.
static void check_order(void)
{
    enum { MESSAGES = 1000 };
    struct party *publisher = party_new(&loops, 0);
    struct buf wanted = {0};
    struct party *listeners[LOOPS_MAX];
    for (unsigned i = 0; i < loops.group.count; i++)
        listeners[i] = listener(i, "SUBSCRIBE c");
    for (unsigned i = 0; i < MESSAGES; i++) {
        buf_printf(&publisher->said, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$4\r\n%04u\r\n", i);
        buf_printf(&wanted, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\n%04u\r\n", i);
    }
    publisher->sent = publisher->said.len;
    loops_run(&loops);
    for (unsigned i = 0; i < loops.group.count; i++) {
        is_bytes(hear(listeners[i]), buf_span(&wanted), "loop %u of %u: in order", i,
                 loops.group.count);
        party_end(listeners[i]);
    }
    party_end(publisher);
    buf_release(&wanted);
}

static void check_place(void)
{
    enum { KEYS = 1000 };
    struct party *p = listener(0, "HELLO 3\nSUBSCRIBE c");
    struct party *publisher = party_new(&loops, loops.group.count - 1);
    struct buf wanted = {0};
    say(p, "MULTI");
    buf_printf(&p->said, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
    buf_append_text(&wanted, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n");
    buf_printf(&wanted, "*%d\r\n", KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        buf_append_text(&p->said, "$36\r\n" A "\r\n");
        buf_append_text(&wanted, "$5\r\nvalue\r\n");
    }
    say(p, "PING\nEXEC\nECHO behind");
    party_turn(p);
    is_number(p->status, FEED_TURN_OVER, "within a long EXEC");
    say(publisher, "PUBLISH c m");
    loops_run(&loops);
    buf_append_text(&wanted, "+PONG\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"
                             "$6\r\nbehind\r\n");
    is_bytes(hear(p), buf_span(&wanted), "a message stands behind it");
    party_end(p);
    party_end(publisher);
    buf_release(&wanted);
}

static void check_bounds(void)
{
    struct party *p = party_new(&loops, 0);
    char text[600];
    enum { MANY = 1100, LONGEST = 256 };
    snprintf(text, sizeof text, "SUBSCRIBE %0*d", LONGEST, 0);
    say(p, text);
    loops_run(&loops);
    ok(hear(p).ptr[0] == '*', "a channel of %d bytes", LONGEST);
    snprintf(text, sizeof text, "SUBSCRIBE %0*d", LONGEST + 1, 0);
    replies(p, text, "-ERR channel exceeds 256 bytes\r\n");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "SUBSCRIBE %u", i);
        say(p, text);
    }
    loops_run(&loops);
    struct span heard = hear(p);
    struct span refusal = SPAN("-ERR more than 1024 subscriptions\r\n");
    ok(heard.len > refusal.len &&
           memcmp(heard.ptr + heard.len - refusal.len, refusal.ptr, refusal.len) == 0,
       "subscriptions without end are refused");
    is_number(subscriptions_count(p->session.subscriptions, CHANNEL), 1024, "1,024 stay");
    party_end(p);
    p = party_new(&loops, 0);
    for (unsigned i = 0; i <= 64; i++) {
        snprintf(text, sizeof text, "PSUBSCRIBE p%u", i);
        say(p, text);
    }
    loops_run(&loops);
    hear(p);
    is_number(subscriptions_count(p->session.subscriptions, CHANNEL_PATTERN), 64,
              "64 patterns stay");
    replies(p, "PSUBSCRIBE another", "-ERR more than 64 patterns\r\n");
    party_end(p);

    // Who does not read is closed, and others go on.
    enum { MESSAGE = 1000 * 1000 };
    struct party *slow = listener(loops.group.count - 1, "SUBSCRIBE c");
    struct party *quick = listener(loops.group.count - 1, "SUBSCRIBE c");
    struct party *publisher = party_new(&loops, 0);
    struct buf publish = {0};
    slow->slow = true;
    buf_printf(&publish, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n", MESSAGE);
    append_bytes(&publish, 'm', MESSAGE);
    buf_append_text(&publish, "\r\n");
    unsigned sent = 0;
    for (; !slow->closed && sent < 50; sent++) {
        say_bytes(publisher, buf_span(&publish));
        loops_run(&loops);
        ok(hear(quick).len > MESSAGE, "who reads hears message %u", sent);
    }
    ok(sent >= SESSION_PUSHES_MAX / MESSAGE && sent <= SESSION_PUSHES_MAX / MESSAGE + 4,
       "who does not read is closed after %u megabytes", sent);
    is_number((int64_t)pubsub_clients(), 1, "it does not listen any more");
    hear(publisher);
    replies(publisher, "PUBLISH c m", ":1\r\n");
    party_end(slow);
    party_end(quick);
    party_end(publisher);
    buf_release(&publish);
}

// Nearly as many names as fit, of several clients, some of them the same; then more than fit.
static void check_census(void)
{
    enum { CLIENTS = 40, CHANNELS = 100, MORE = 4 };
    struct party *all[CLIENTS + MORE];
    struct buf wanted = {0};
    char text[256];
    for (unsigned i = 0; i < CLIENTS; i++) {
        all[i] = party_new(&loops, i % loops.group.count);
        for (unsigned j = 0; j < CHANNELS; j++) {
            snprintf(text, sizeof text, "SUBSCRIBE channel-of-a-long-name-%05u",
                     (i % 20 * CHANNELS + j) * 7919 % 100000);
            say(all[i], text);
        }
    }
    loops_run(&loops);
    struct party *p = party_new(&loops, 0);
    static bool known[100000];
    memset(known, 0, sizeof known);
    unsigned count = 0;
    for (unsigned i = 0; i < 20 * CHANNELS; i++) {
        count += !known[i * 7919 % 100000];
        known[i * 7919 % 100000] = true;
    }
    buf_printf(&wanted, "*%u\r\n", count);
    for (unsigned i = 0; i < 100000; i++)
        if (known[i])
            buf_printf(&wanted, "$28\r\nchannel-of-a-long-name-%05u\r\n", i);
    say(p, "PUBSUB CHANNELS");
    party_turn(p);
    ok(p->status == FEED_WAITS || p->status == FEED_TURN_OVER, "they take more than a turn");
    loops_run(&loops);
    is_bytes(hear(p), buf_span(&wanted), "%u channels in order, each once", count);
    replies(p, "PUBSUB NUMSUB channel-of-a-long-name-07919 x",
            "*4\r\n$28\r\nchannel-of-a-long-name-07919\r\n:2\r\n$1\r\nx\r\n:0\r\n");
    for (unsigned i = CLIENTS; i < CLIENTS + MORE; i++) {
        all[i] = party_new(&loops, i % loops.group.count);
        for (unsigned j = 0; j < CHANNELS; j++) {
            snprintf(text, sizeof text, "SUBSCRIBE channel-of-a-long-name-%05u", j);
            say(all[i], text);
        }
    }
    loops_run(&loops);
    replies(p, "PUBSUB CHANNELS\nPUBSUB NUMSUB x",
            "-ERR there are too many subscriptions to be listed\r\n"
            "-ERR there are too many subscriptions to be listed\r\n");
    for (unsigned i = 0; i < CLIENTS + MORE; i++)
        party_end(all[i]);
    replies(p, "PUBSUB CHANNELS\nPUBSUB NUMPAT", "*0\r\n:0\r\n");
    party_end(p);
    buf_release(&wanted);
}

// A client that publishes to nobody without end gives way to others.
static void check_work(void)
{
    struct party *publisher = party_new(&loops, 0);
    struct party *listeners[100];
    for (unsigned i = 0; i < 100; i++)
        listeners[i] = listener(0, "SUBSCRIBE other");
    for (unsigned i = 0; i < 200; i++)
        say(publisher, "PUBLISH c m");
    party_turn(publisher);
    ok(publisher->status != FEED_NEEDS_INPUT, "passing many clients counts as work");
    loops_run(&loops);
    is_number((int64_t)hear(publisher).len, 200 * 4, "all are answered in the end");
    for (unsigned i = 0; i < 100; i++)
        party_end(listeners[i]);
    party_end(publisher);

    // So does searching among many names, each time one is named.
    struct party *p = party_new(&loops, 0);
    char text[64];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "SUBSCRIBE c%u", i);
        say(p, text);
    }
    loops_run(&loops);
    hear(p);
    for (unsigned i = 0; i < 100; i++)
        say(p, "UNSUBSCRIBE none");
    party_turn(p);
    is_number(p->status, FEED_TURN_OVER, "so does searching among many names");
    loops_run(&loops);
    party_end(p);
}

// What has been sent to a client since the last look, wherever it is.
static size_t sent_to(const struct party *p)
{
    return p->session.pushes.len + output_pending(&p->output) + p->heard.len;
}

// However long a message is and however many are to have it, a loop copies a bounded part of all
// that before others have a turn; and who hears it several times hears it all, whatever it does
// with its subscriptions meanwhile.
static void check_long(void)
{
    enum { LISTENERS = 20, PATTERNS = 60, LONG = 100 * 1000, MOST = 256 * 1024 + LONG };
    static const char stars[] = "************************************************************";
    struct party *publisher = party_new(&loops, 0);
    struct party *listeners[LISTENERS];
    struct buf publish = {0};
    char text[128];
    for (unsigned i = 0; i < LISTENERS; i++)
        listeners[i] = listener(0, "SUBSCRIBE c");
    for (unsigned i = 0; i < PATTERNS; i++) {
        snprintf(text, sizeof text, "PSUBSCRIBE c%.*s", (int)i + 1, stars);
        say(listeners[0], text);
    }
    loops_run(&loops);
    hear(listeners[0]);
    buf_printf(&publish, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n", LONG);
    append_bytes(&publish, 'm', LONG);
    buf_append_text(&publish, "\r\n");
    say_bytes(publisher, buf_span(&publish));
    size_t most = 0;
    size_t before = 0;
    unsigned visits = 0;
    for (bool more = true; more; visits++) {
        size_t sent = 0;
        if (visits == 0)
            party_turn(publisher);
        else
            more = loops_deliver(&loops);
        for (unsigned i = 0; i < LISTENERS; i++)
            sent += sent_to(listeners[i]);
        most = sent - before > most ? sent - before : most;
        if (visits == 1) {
            say(listeners[0], "PUNSUBSCRIBE c*");
            party_turn(listeners[0]); // hands out a part, which is still counted
        }
        before = 0;
        for (unsigned i = 0; i < LISTENERS; i++)
            before += sent_to(listeners[i]);
    }
    ok(most <= MOST, "%zu bytes are copied at most before others have a turn", most);
    loops_run(&loops);
    snprintf(text, sizeof text, ":%d\r\n", PATTERNS + LISTENERS);
    is_bytes(hear(publisher), span_text(text), "%u visits for all of them", visits);
    ok(hear(listeners[0]).len > (size_t)LONG * (PATTERNS + 1), "who hears it often hears all");
    for (unsigned i = 1; i < LISTENERS; i++)
        ok(hear(listeners[i]).len > LONG, "listener %u hears it", i);
    for (unsigned i = 0; i < LISTENERS; i++)
        party_end(listeners[i]);
    party_end(publisher);
    buf_release(&publish);
}

// A message that is longer than what a turn hands out comes in several; no reply stands within it,
// and it is whole before a connection closes.
static void check_parts(void)
{
    enum { LONG = 1000 * 1000 };
    struct party *p = listener(0, "HELLO 3\nSUBSCRIBE c");
    struct party *publisher = party_new(&loops, 0);
    struct buf publish = {0};
    struct buf wanted = {0};
    buf_printf(&publish, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n", LONG);
    buf_printf(&wanted, ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n", LONG);
    append_bytes(&publish, 'm', LONG);
    append_bytes(&wanted, 'm', LONG);
    buf_append_text(&publish, "\r\n");
    buf_append_text(&wanted, "\r\n+PONG\r\n+OK\r\n");
    say_bytes(publisher, buf_span(&publish));
    party_turn(publisher);
    while (loops_deliver(&loops))
        continue;
    say(p, "PING\nQUIT");
    party_turn(p);
    ok(p->heard.len <= 128 * 1024, "a turn hands out %zu bytes of it", p->heard.len);
    loops_run(&loops);
    ok(p->closed, "it is closed behind");
    is_bytes(buf_span(&p->heard), buf_span(&wanted), "all of it, then the replies");
    party_end(p);
    party_end(publisher);
    buf_release(&publish);
    buf_release(&wanted);
}

int main(void)
{
    static const unsigned counts[] = {1, 3};
    dataset = loops_dataset(A " value\n");
    for (unsigned i = 0; i < 2; i++) {
        loops_init(&loops, counts[i], &test_settings, dataset);
        check_delivery();
        check_order();
        check_place();
        check_bounds();
        check_census();
        check_work();
        check_long();
        check_parts();
        loops_release(&loops);
    }
    return done_testing();
}
