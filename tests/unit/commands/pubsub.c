// Channels and patterns: which client gets which messages, in which order relative to replies, and
// what bounds their number, length and work. The sessions run in memory, without sockets.
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
    party_send(p, requests);
    loops_run(&loops);
    party_receive(p);
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
    is_number((int64_t)pubsub_clients(), 4, "%u loops: four subscribers", loops.group.count);
    replies(publisher, "PUBLISH news 1\nPUBLISH none 2\nSPUBLISH news 3\nSPUBLISH other 4",
            ":4\r\n:0\r\n:1\r\n:0\r\n");
    is_bytes(party_receive(two), SPAN("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n1\r\n"),
             "a message in RESP2");
    is_bytes(party_receive(three), SPAN(">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n1\r\n"),
             "a message in RESP3");
    is_bytes(party_receive(pattern),
             SPAN("*4\r\n$8\r\npmessage\r\n$4\r\nn?ws\r\n$4\r\nnews\r\n$1\r\n1\r\n"
                  "*4\r\n$8\r\npmessage\r\n$2\r\n*s\r\n$4\r\nnews\r\n$1\r\n1\r\n"),
             "one message for each pattern that matches");
    is_bytes(party_receive(shard), SPAN("*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$1\r\n3\r\n"),
             "a message of a shard channel");
    replies(publisher,
            "PUBSUB CHANNELS\nPUBSUB CHANNELS n*\nPUBSUB NUMSUB news none other\n"
            "PUBSUB NUMPAT\nPUBSUB SHARDCHANNELS\nPUBSUB SHARDNUMSUB news",
            "*2\r\n$4\r\nnews\r\n$5\r\nother\r\n*1\r\n$4\r\nnews\r\n"
            "*6\r\n$4\r\nnews\r\n:2\r\n$4\r\nnone\r\n:0\r\n$5\r\nother\r\n:1\r\n:2\r\n"
            "*1\r\n$4\r\nnews\r\n*2\r\n$4\r\nnews\r\n:1\r\n");
    party_send(two, "UNSUBSCRIBE");
    party_send(three, "RESET");
    party_send(shard, "QUIT");
    loops_run(&loops);
    is_number((int64_t)pubsub_clients(), 1, "one subscriber is left");
    replies(publisher, "PUBLISH news 5", ":2\r\n");
    struct party *all[] = {publisher, two, three, pattern, shard};
    for (unsigned i = 0; i < 5; i++)
        party_end(all[i]);
    is_number((int64_t)pubsub_clients(), 0, "no subscriber is left");
}

// A client of one loop publishes a thousand messages. Subscribers of every loop get them in order.
static void check_order(void)
{
    enum { MESSAGES = 1000 };
    struct party *publisher = party_new(&loops, 0);
    struct buf wanted = {0};
    struct party *listeners[LOOPS_MAX];
    for (unsigned i = 0; i < loops.group.count; i++)
        listeners[i] = listener(i, "SUBSCRIBE c");
    for (unsigned i = 0; i < MESSAGES; i++) {
        buf_printf(&publisher->requests, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$4\r\n%04u\r\n", i);
        buf_printf(&wanted, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\n%04u\r\n", i);
    }
    publisher->sent = publisher->requests.len;
    loops_run(&loops);
    for (unsigned i = 0; i < loops.group.count; i++) {
        is_bytes(party_receive(listeners[i]), buf_span(&wanted), "loop %u of %u: in order", i,
                 loops.group.count);
        party_end(listeners[i]);
    }
    party_end(publisher);
    buf_release(&wanted);
}

// A message that arrives while a client executes a transaction comes after all replies of EXEC.
static void check_place(void)
{
    enum { KEYS = 1000 };
    struct party *p = listener(0, "HELLO 3\nSUBSCRIBE c");
    struct party *publisher = party_new(&loops, loops.group.count - 1);
    struct buf wanted = {0};
    party_send(p, "MULTI");
    buf_printf(&p->requests, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
    buf_append_text(&wanted, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n");
    buf_printf(&wanted, "*%d\r\n", KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        buf_append_text(&p->requests, "$36\r\n" A "\r\n");
        buf_append_text(&wanted, "$5\r\nvalue\r\n");
    }
    party_send(p, "PING\nEXEC\nECHO after");
    party_turn(p);
    is_number(p->status, FEED_TURN_OVER, "a long EXEC is not finished");
    party_send(publisher, "PUBLISH c m");
    loops_run(&loops);
    buf_append_text(&wanted, "+PONG\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"
                             "$5\r\nafter\r\n");
    is_bytes(party_receive(p), buf_span(&wanted), "a message comes after its replies");
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
    party_send(p, text);
    loops_run(&loops);
    ok(party_receive(p).ptr[0] == '*', "a channel of %d bytes is accepted", LONGEST);
    snprintf(text, sizeof text, "SUBSCRIBE %0*d", LONGEST + 1, 0);
    replies(p, text, "-ERR channel exceeds 256 bytes\r\n");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "SUBSCRIBE %u", i);
        party_send(p, text);
    }
    loops_run(&loops);
    struct span received = party_receive(p);
    struct span refusal = SPAN("-ERR more than 1024 subscriptions\r\n");
    ok(received.len > refusal.len &&
           memcmp(received.ptr + received.len - refusal.len, refusal.ptr, refusal.len) == 0,
       "too many subscriptions are refused");
    is_number(subscriptions_count(p->session.subscriptions, CHANNEL), 1024,
              "1,024 subscriptions remain");
    party_end(p);
    p = party_new(&loops, 0);
    for (unsigned i = 0; i <= 64; i++) {
        snprintf(text, sizeof text, "PSUBSCRIBE p%u", i);
        party_send(p, text);
    }
    loops_run(&loops);
    party_receive(p);
    is_number(subscriptions_count(p->session.subscriptions, CHANNEL_PATTERN), 64,
              "64 patterns remain");
    replies(p, "PSUBSCRIBE another", "-ERR more than 64 patterns\r\n");
    party_end(p);

    // A subscriber that does not read is closed. Others keep getting messages.
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
        party_send_bytes(publisher, buf_span(&publish));
        loops_run(&loops);
        ok(party_receive(quick).len > MESSAGE, "a subscriber that reads gets message %u", sent);
    }
    ok(sent >= SESSION_PUSHES_MAX / MESSAGE && sent <= SESSION_PUSHES_MAX / MESSAGE + 4,
       "a subscriber that does not read is closed after %u megabytes", sent);
    is_number((int64_t)pubsub_clients(), 1, "a client that was closed is no longer a subscriber");
    party_receive(publisher);
    replies(publisher, "PUBLISH c m", ":1\r\n");
    party_end(slow);
    party_end(quick);
    party_end(publisher);
    buf_release(&publish);
}

// PUBSUB lists nearly as many names as it can collect, some of them of several clients. Then there
// are more names than that.
static void check_channel_list(void)
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
            party_send(all[i], text);
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
    party_send(p, "PUBSUB CHANNELS");
    party_turn(p);
    ok(p->status == FEED_WAITS || p->status == FEED_TURN_OVER,
       "many channels take more than one turn");
    loops_run(&loops);
    is_bytes(party_receive(p), buf_span(&wanted), "%u channels are listed in order, each once",
             count);
    replies(p, "PUBSUB NUMSUB channel-of-a-long-name-07919 x",
            "*4\r\n$28\r\nchannel-of-a-long-name-07919\r\n:2\r\n$1\r\nx\r\n:0\r\n");
    for (unsigned i = CLIENTS; i < CLIENTS + MORE; i++) {
        all[i] = party_new(&loops, i % loops.group.count);
        for (unsigned j = 0; j < CHANNELS; j++) {
            snprintf(text, sizeof text, "SUBSCRIBE channel-of-a-long-name-%05u", j);
            party_send(all[i], text);
        }
    }
    loops_run(&loops);
    replies(p, "PUBSUB CHANNELS\nPUBSUB NUMSUB x",
            "-ERR too many subscriptions to list\r\n"
            "-ERR too many subscriptions to list\r\n");
    for (unsigned i = 0; i < CLIENTS + MORE; i++)
        party_end(all[i]);
    replies(p, "PUBSUB CHANNELS\nPUBSUB NUMPAT", "*0\r\n:0\r\n");
    party_end(p);
    buf_release(&wanted);
}

// Work for channels counts as work of a turn, so that other clients are served in between.
static void check_work(void)
{
    struct party *publisher = party_new(&loops, 0);
    struct party *listeners[100];
    for (unsigned i = 0; i < 100; i++)
        listeners[i] = listener(0, "SUBSCRIBE other");
    for (unsigned i = 0; i < 200; i++)
        party_send(publisher, "PUBLISH c m");
    party_turn(publisher);
    ok(publisher->status != FEED_NEEDS_INPUT,
       "PUBLISH counts the clients that it checks as work, even if none gets the message");
    loops_run(&loops);
    is_number((int64_t)party_receive(publisher).len, 200 * 4, "every PUBLISH is answered");
    for (unsigned i = 0; i < 100; i++)
        party_end(listeners[i]);
    party_end(publisher);

    struct party *p = party_new(&loops, 0);
    char text[64];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "SUBSCRIBE c%u", i);
        party_send(p, text);
    }
    loops_run(&loops);
    party_receive(p);
    for (unsigned i = 0; i < 100; i++)
        party_send(p, "UNSUBSCRIBE none");
    party_turn(p);
    is_number(p->status, FEED_TURN_OVER,
              "UNSUBSCRIBE counts the subscriptions that it searches as work");
    loops_run(&loops);
    party_end(p);
}

// Returns the bytes sent to a client that the test has not taken yet, wherever they wait.
static size_t sent_to(const struct party *p)
{
    return p->session.pushes.len + output_pending(&p->output) + p->received.len;
}

// A long message goes to many subscribers, to one of them many times. The loop copies a bounded
// number of bytes before other clients have a turn. That subscriber gets all its copies, though it
// ends one of its subscriptions meanwhile.
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
        party_send(listeners[0], text);
    }
    loops_run(&loops);
    party_receive(listeners[0]);
    buf_printf(&publish, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n", LONG);
    append_bytes(&publish, 'm', LONG);
    buf_append_text(&publish, "\r\n");
    party_send_bytes(publisher, buf_span(&publish));
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
            party_send(listeners[0], "PUNSUBSCRIBE c*");
            party_turn(listeners[0]); // moves bytes to its output, which sent_to counts too
        }
        before = 0;
        for (unsigned i = 0; i < LISTENERS; i++)
            before += sent_to(listeners[i]);
    }
    ok(most <= MOST, "at most %zu bytes are copied before other clients have a turn", most);
    loops_run(&loops);
    snprintf(text, sizeof text, ":%d\r\n", PATTERNS + LISTENERS);
    is_bytes(party_receive(publisher), span_text(text), "the message is delivered in %u steps",
             visits);
    ok(party_receive(listeners[0]).len > (size_t)LONG * (PATTERNS + 1),
       "a client with many patterns gets a copy for each");
    for (unsigned i = 1; i < LISTENERS; i++)
        ok(party_receive(listeners[i]).len > LONG, "subscriber %u gets the message", i);
    for (unsigned i = 0; i < LISTENERS; i++)
        party_end(listeners[i]);
    party_end(publisher);
    buf_release(&publish);
}

// A message that is too long for one turn is sent in several turns. No reply comes in between, and
// the connection closes only after the whole message.
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
    party_send_bytes(publisher, buf_span(&publish));
    party_turn(publisher);
    while (loops_deliver(&loops))
        continue;
    party_send(p, "PING\nQUIT");
    party_turn(p);
    ok(p->received.len <= 128 * 1024, "one turn sends %zu bytes of a long message",
       p->received.len);
    loops_run(&loops);
    ok(p->closed, "the connection closes after QUIT");
    is_bytes(buf_span(&p->received), buf_span(&wanted),
             "the client gets the whole message, then the replies");
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
        check_channel_list();
        check_work();
        check_long();
        check_parts();
        loops_release(&loops);
    }
    return done_testing();
}
