// Fault F15 (docs/faults.md): while a client sends commands, the first call of the allocator fails,
// then the second, and so on: either only that call, or all calls from it on. The client is closed,
// or receives the reply that it would have received. Other clients are answered, and so is the next
// client. The AddressSanitizer build checks that nothing leaks.
//
// Only calls of the server's own code fail. Calls of libev do not, as libev ends the process when
// memory is short.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "data/dataset.h"
#include "faults/support/failing.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

enum { CALLS_MAX = 3000 };

static unsigned tried; // number of calls that have failed

#define KEY(n) "00000000-0000-4000-8000-00000000000" #n

struct talk {
    const char *name;
    const char *requests;
    bool varies;    // the replies differ each time
    bool publishes; // both loops switch to another dataset afterwards
};

static struct settings settings;
static struct dataset *datasets[2];
static struct buf lines[2];

static struct dataset *make_dataset(struct buf *text)
{
    for (unsigned i = 0; i < 600; i++) {
        buf_printf(text, "00000000-0000-4000-8000-%012u value", i);
        if (i == 1 || i == 2)
            append_bytes(text, 'x', i * 40000);
        buf_append_text(text, "\n");
    }
    buf_append(text, span_of("", 1));
    return loops_dataset(text->ptr);
}

static const struct talk talks[] = {
    {"GET", "GET " KEY(3) "\nGET nokey\nSTRLEN " KEY(4)},
    {"MGET", "MGET " KEY(3) " a b c d e f g h i j k l m n o p q " KEY(4)},
    {"large values",
     "GET " KEY(1) "\nMGET " KEY(2) " " KEY(1) " " KEY(2) " " KEY(1) " " KEY(2) " " KEY(1) " " KEY(
         1) " " KEY(1) " " KEY(1) "\nGETRANGE " KEY(2) " 5 70000"},
    {"SCAN", "SCAN 0 COUNT 1000\nSCAN 0 MATCH *7 COUNT 500\nKEYS *\nRANDOMKEY\nDBSIZE",
     .varies = true},
    {"STELE.RANGE", "STELE.RANGE " KEY(0) " + WITHVALUES\nSTELE.COUNT - +"},
    {"LCS, DUMP", "LCS " KEY(3) " " KEY(4) " IDX\nDUMP " KEY(1) "\nGETEX " KEY(3)},
    {"a transaction", "MULTI\nGET " KEY(3) "\nGET " KEY(1) "\nMGET " KEY(3) " " KEY(
                          4) "\nEXEC\nMULTI\nPING\nDISCARD"},
    {"a watched one", "WATCH a b\nMULTI\nGET " KEY(3) "\nCLIENT GETNAME\nPUBLISH c x\nEXEC"},
    {"subscriptions", "SUBSCRIBE a b c d\nPSUBSCRIBE a* b*\nSSUBSCRIBE s\nUNSUBSCRIBE "
                      "a\nPUNSUBSCRIBE\nSUNSUBSCRIBE\nUNSUBSCRIBE"},
    {"messages",
     "HELLO 3\nSUBSCRIBE c\nPSUBSCRIBE *\nPUBLISH c m\nPUBLISH other m\nSPUBLISH c m\nPUBSUB "
     "CHANNELS *\nPUBSUB NUMSUB c\nPUBSUB NUMPAT",
     .varies = true},
    {"tracking",
     "HELLO 3\nCLIENT TRACKING ON BCAST PREFIX a PREFIX b\nCLIENT TRACKINGINFO\nGET " KEY(
         3) "\nCLIENT TRACKING OFF\nCLIENT TRACKING ON OPTIN\nCLIENT CACHING YES\nGET " KEY(3),
     .varies = true, .publishes = true},
    {"tracking for another",
     "CLIENT TRACKING ON REDIRECT 2\nGET " KEY(3) "\nCLIENT GETREDIR\nCLIENT TRACKINGINFO",
     .publishes = true},
    {"HELLO", "HELLO 3 SETNAME me\nHELLO\nCLIENT SETNAME you\nCLIENT GETNAME\nCLIENT SETINFO "
              "LIB-NAME lib\nCLIENT SETINFO LIB-VER 1\nRESET"},
    {"clients",
     "CLIENT LIST\nCLIENT LIST ID 1 2 3\nCLIENT INFO\nCLIENT KILL ID 99\nCLIENT KILL TYPE "
     "pubsub\nCLIENT PAUSE 1\nCLIENT UNPAUSE\nCLIENT NO-EVICT on",
     .varies = true},
    {"CONFIG",
     "CONFIG GET *\nCONFIG SET slowlog-log-slower-than 0 latency-monitor-threshold 1\nGET " KEY(
         3) "\nSLOWLOG GET\nLATENCY LATEST\nLATENCY HISTOGRAM\nCONFIG RESETSTAT",
     .varies = true},
    {"INFO", "INFO everything\nINFO\nMEMORY STATS\nMEMORY DOCTOR\nLOLWUT", .varies = true},
    {"COMMAND", "COMMAND COUNT\nCOMMAND LIST FILTERBY PATTERN x*\nCOMMAND DOCS GET\nCOMMAND "
                "GETKEYS MGET a b c\nCOMMAND INFO GET\nACL WHOAMI\nACL LIST\nACL CAT"},
    {"another dataset", "GET " KEY(3) "\nMGET " KEY(3) " " KEY(4), .publishes = true},
};

struct outcome {
    struct buf received;
    bool dropped;
    bool published;
};

// Returns the offset after the value that begins at `at`.
static size_t skip_value(struct span s, size_t at)
{
    const char *end = at < s.len ? memmem(s.ptr + at, s.len - at, "\r\n", 2) : NULL;
    require(end != NULL, "half a reply");
    char kind = s.ptr[at];
    long count = strtol(s.ptr + at + 1, NULL, 10);
    at = (size_t)(end - s.ptr) + 2;
    if ((kind == '$' || kind == '=') && count >= 0)
        return at + (size_t)count + 2;
    long values = kind == '%' ? 2 * count : strchr("*~>", kind) != NULL ? count : 0;
    for (; values > 0; values--)
        at = skip_value(s, at);
    return at;
}

// Returns the number of replies, without out-of-band messages.
static unsigned replies_in(struct span s)
{
    unsigned count = 0;
    for (size_t at = 0; at < s.len; at = skip_value(s, at))
        count += s.ptr[at] != '>';
    return count;
}

// Sends requests and returns whether the replies are `wanted`.
static bool is_answered(struct party *p, const char *requests, const char *wanted)
{
    party_send(p, requests);
    loops_run(p->loops);
    return !p->closed && span_equal(party_receive(p), span_text(wanted));
}

// Runs one conversation in which call number `at` fails; 0 means none. Returns false if the server
// does not work correctly afterwards, whatever became of this client.
static bool converse(const struct talk *t, unsigned at, bool after, struct outcome *o, bool *failed)
{
    struct loops loops;
    bool good = true;
    bool published = false;
    loops_init(&loops, 2, &settings, datasets[0]);
    struct party *asks = party_new(&loops, 0);
    struct party *peer = party_new(&loops, 1);
    struct party *bystander = party_new(&loops, 0);
    is_answered(peer, "SUBSCRIBE __redis__:invalidate c", "");
    loops.inside = failing_pause;
    failing_begin(FAILING_MEMORY, at, after, ENOMEM);
    failing_pause(false);
    party_send(asks, t->requests);
    loops_run(&loops);
    for (unsigned i = 0; i < 2; i++) // CLIENT PAUSE may have begun
        session_end_pause(&loops.service[i]);
    loops_run(&loops);
    if (t->publishes) {
        published = true;
        for (unsigned i = 0; i < 2; i++) {
            failing_pause(true);
            bool done = service_prepare(&loops.service[i], datasets[1]);
            failing_pause(false);
            if (done) {
                service_publish(&loops.service[i]);
                session_wake_holders(&loops.service[i]);
            }
            published &= done;
            good &= done == (loops.service[i].dataset == datasets[1]);
        }
        loops_run(&loops);
    }
    *failed = failing_end();
    loops.inside = NULL;
    struct span received = party_receive(asks);
    buf_append(&o->received, received);
    o->dropped = asks->closed;
    o->published = published;
    loops_run(&loops);
    // The clients that are left are served, and a new client too.
    struct party *next = party_new(&loops, 1);
    good &= is_answered(next, "GET " KEY(3), "$5\r\nvalue\r\n");
    good &=
        is_answered(bystander, "MGET " KEY(3) " x\nPING", "*2\r\n$5\r\nvalue\r\n$-1\r\n+PONG\r\n");
    if (!asks->closed && asks->session.subscriptions == NULL)
        good &= is_answered(asks, "GET " KEY(3), "$5\r\nvalue\r\n");
    party_end(asks);
    loops_release(&loops);
    service_group_release(&loops.group);
    for (unsigned i = 0; i < 2; i++)
        good &= atomic_load(&dataset_ref(datasets[i])->count) == 1;
    return good;
}

static void check_talk(const struct talk *t)
{
    struct outcome usual = {0};
    bool failed;
    ok(converse(t, 0, false, &usual, &failed) && !usual.dropped, "%s: when no call fails", t->name);
    for (int after = 0; after < 2; after++) {
        unsigned at = 0, bad = 0, other = 0, dropped = 0;
        for (failed = true; failed && at < CALLS_MAX;) {
            struct outcome o = {0};
            bool good = converse(t, ++at, after, &o, &failed);
            // All replies are right, or the client is closed.
            struct span received = buf_span(&o.received);
            struct span wanted = buf_span(&usual.received);
            bool same = o.dropped || (t->varies ? replies_in(received) == replies_in(wanted)
                                                : span_equal(received, wanted));
            if (!same && other == 0)
                is_bytes(received, wanted, "%s: call %u", t->name, at);
            if ((!good || !same) && bad + other == 0)
                diag("%s: call %u: %s", t->name, at,
                     good ? "the reply is wrong" : "the server is wrong afterwards");
            bad += !good;
            other += !same;
            dropped += o.dropped;
            buf_release(&o.received);
        }
        ok(bad == 0 && other == 0 && at < CALLS_MAX, "%s, %s: %u calls, %u close the client",
           t->name, after ? "a call and all later ones" : "one call", at - 1, dropped);
        tried += at - 1;
    }
    buf_release(&usual.received);
}

int main(void)
{
    struct error error;
    require(log_open("/dev/null", LOG_NOTICE, &error), "%s", error.text);
    settings = test_settings;
    settings.enable_debug_command = ENABLE_YES;
    for (unsigned i = 0; i < 2; i++)
        datasets[i] = make_dataset(&lines[i]);
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++)
        check_talk(&talks[i]);
    for (unsigned i = 0; i < 2; i++) {
        dataset_close(datasets[i]);
        buf_release(&lines[i]);
    }
    diag("%u calls failed", tried);
    return done_testing();
}
