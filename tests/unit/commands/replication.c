// PSYNC, SYNC and REPLCONF, and what CLIENT LIST, INFO and ROLE say about replicas. The sessions
// run in memory, without sockets, and without reader threads.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crc64.h"
#include "data/dataset.h"
#include "serve/replication.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define B "00000000-3271-4935-88cf-a06f3cbb80a5"
#define PING "*1\r\n$4\r\nPING\r\n"

static struct loops loops;

// Returns the reply to the requests, which is valid until the next call.
static struct span ask(struct party *p, const char *requests)
{
    party_send(p, requests);
    loops_run(&loops);
    return party_receive(p);
}

static bool has(struct span reply, const char *what)
{
    return ok(memmem(reply.ptr, reply.len, what, strlen(what)) != NULL, "it has: %s", what);
}

static bool begins(struct span reply, const char *what)
{
    size_t len = strlen(what);
    return is_bytes(span_of(reply.ptr, reply.len < len ? reply.len : len), span_text(what),
                    "the reply begins with: %s", what);
}

// Removes the first line, and returns it.
static struct span line_of(struct span *reply)
{
    const char *end = memmem(reply->ptr, reply->len, "\r\n", 2);
    require(end != NULL, "no line");
    struct span line = span_of(reply->ptr, (size_t)(end - reply->ptr));
    *reply = span_of(end + 2, reply->len - line.len - 2);
    return line;
}

static void check_file(struct span file, unsigned keys)
{
    begins(file, "REDIS0009");
    is_number((int64_t)crc64(0, file), 0, "its checksum");
    is_number(occurrences(file, "\x24" A) + occurrences(file, "\x24" B), keys, "its keys");
}

static void check_options(void)
{
    struct party *p = party_new(&loops, 0);
    replies(p, "REPLCONF listening-port 7000 ip-address 10.1.1.1 capa eof capa psync2", "+OK\r\n");
    replies(p, "REPLCONF version 7.4.0 rdb-only 1 rdb-filter-only functions", "+OK\r\n");
    replies(p, "REPLCONF rdb-only 2", "-ERR value is out of range, value must between 0 and 1\r\n");
    replies(p, "REPLCONF rdb-only x", "-ERR value is not an integer or out of range\r\n");
    replies(p, "REPLCONF rdb-filter-only keys",
            "-ERR Unsupported rdb-filter-only option: keys\r\n");
    replies(p, "REPLCONF ack 1\nREPLCONF getack *\nPING", "+PONG\r\n");
    replies(p, "REPLCONF capa", "-ERR syntax error\r\n");
    replies(p, "REPLCONF a b", "-ERR Unrecognized REPLCONF option: a\r\n");
    replies(p, "PSYNC ? x", "-ERR value is not an integer or out of range\r\n");
    replies(p, "PSYNC ? -1 FAILOVER", "-ERR PSYNC FAILOVER can't be sent to a master.\r\n");
    has(ask(p, "CLIENT LIST TYPE normal"), " flags=N ");
    is_number((int64_t)ask(p, "CLIENT LIST TYPE replica").len, 6, "no replica yet");
    has(ask(p, "INFO replication"), "connected_slaves:0\r\n");
    party_end(p);
}

// The whole life of a replica that can read a marked file.
static void check_marked(void)
{
    char text[128];
    uint64_t now = clock_monotonic_ns();
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, loops.group.count - 1);
    struct span info = ask(other, "INFO replication");
    char id[41] = "";
    const char *at = memmem(info.ptr, info.len, "master_replid:", 14);
    memcpy(id, at + 14, 40);
    ask(p, "REPLCONF listening-port 7000 capa eof capa psync2");
    struct span reply = ask(p, "PSYNC ? -1");
    snprintf(text, sizeof text, "+FULLRESYNC %s 0", id);
    is_bytes(line_of(&reply), span_text(text), "the id is that of INFO");
    struct span mark = line_of(&reply);
    begins(mark, "$EOF:");
    is_number((int64_t)mark.len, 45, "the mark has 40 characters");
    is_bytes(span_of(reply.ptr + reply.len - 40, 40), span_of(mark.ptr + 5, 40),
             "the mark ends the file");
    check_file(span_of(reply.ptr, reply.len - 40), 2);

    has(ask(other, "CLIENT LIST TYPE replica"), " flags=S ");
    snprintf(text, sizeof text,
             "connected_slaves:1\r\nslave0:ip=10.0.0.%llu,port=7000,state=online,"
             "offset=0,lag=0\r\n",
             (unsigned long long)p->session.id);
    has(ask(other, "INFO replication"), text);
    snprintf(text, sizeof text,
             "*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*3\r\n$8\r\n10.0.0.%llu\r\n$4\r\n"
             "7000\r\n$1\r\n0\r\n",
             (unsigned long long)p->session.id);
    has(ask(other, "ROLE"), text);

    replicas_tick(p->session.service, now + 20 * CLOCK_SECOND);
    loops_run(&loops);
    is_number((int64_t)party_receive(p).len, 0, "nothing follows the mark before it is confirmed");
    replies(p, "REPLCONF ACK 0\nPSYNC ? -1\nSYNC\nREPLCONF ACK 0", "");
    replicas_tick(p->session.service, now + 9 * CLOCK_SECOND);
    loops_run(&loops);
    is_number((int64_t)party_receive(p).len, 0, "no PING before 10 seconds");
    replicas_tick(p->session.service, now + 20 * CLOCK_SECOND);
    replicas_tick(p->session.service, now + 21 * CLOCK_SECOND);
    loops_run(&loops);
    is_bytes(party_receive(p), span_text(PING), "one PING after 10 seconds");
    has(ask(other, "INFO replication"), "master_repl_offset:14\r\n");
    ask(p, "REPLCONF ACK 14");
    replies(p, "RESET", "-ERR can only reset normal connections\r\n");
    has(ask(other, "INFO replication"), ",state=online,offset=14,lag=0\r\n");
    party_end(p);
    has(ask(other, "INFO replication"), "connected_slaves:0\r\n");

    p = party_new(&loops, 0);
    ask(p, "REPLCONF capa psync2");
    snprintf(text, sizeof text, "PSYNC %s 15", id);
    reply = ask(p, text);
    snprintf(text, sizeof text, "+CONTINUE %s\r\n", id);
    is_bytes(reply, span_text(text), "a replica with this data continues");
    has(ask(other, "INFO replication"), ",state=online,offset=14,lag=0\r\n");
    replicas_tick(p->session.service, now + 30 * CLOCK_SECOND);
    loops_run(&loops);
    is_bytes(party_receive(p), span_text(PING), "it gets a PING");
    has(ask(other, "INFO replication"), "master_repl_offset:28\r\n");
    replicas_tick(p->session.service, now + 80 * CLOCK_SECOND);
    ok(p->session.killed, "a replica that is silent for a minute is closed");
    party_end(p);

    p = party_new(&loops, 0);
    snprintf(text, sizeof text, "PSYNC %s 15", id);
    is_bytes(ask(p, text), span_text("+CONTINUE\r\n"), "an old replica continues without an id");
    party_end(p);

    p = party_new(&loops, 0);
    begins(ask(p, "PSYNC 0123456789012345678901234567890123456789 15"), "+FULLRESYNC ");
    has(ask(other, "INFO stats"), "sync_full:2\r\nsync_partial_ok:2\r\nsync_partial_err:1\r\n");
    party_end(p);
    ask(other, "CONFIG RESETSTAT");
    party_end(other);
}

static void check_length(void)
{
    struct party *p = party_new(&loops, 0);
    struct span reply = ask(p, "CLIENT REPLY OFF\nSYNC");
    struct span len = line_of(&reply);
    is_number(atoll(len.ptr + 1), (int64_t)reply.len, "SYNC: the length is right");
    check_file(reply, 2);
    uint64_t now = clock_monotonic_ns();
    replicas_tick(p->session.service, now + 70 * CLOCK_SECOND);
    loops_run(&loops);
    is_bytes(party_receive(p), span_text(PING), "a replica that never acknowledges gets PINGs");
    party_end(p);

    p = party_new(&loops, 0);
    reply = ask(p, "REPLCONF rdb-filter-only functions\nPSYNC ? -1");
    line_of(&reply); // OK
    line_of(&reply);
    len = line_of(&reply);
    is_number(atoll(len.ptr + 1), (int64_t)reply.len, "without keys: the length is right");
    check_file(reply, 0);
    party_end(p);

    p = party_new(&loops, 0);
    reply = ask(p, "REPLCONF rdb-only 1\nPSYNC ? -1");
    ok(p->closed, "rdb-only: the connection is closed after the file");
    party_end(p);
}

// A replica that copies while the dataset is replaced gets the old one whole, and is then closed.
static void check_publication(struct dataset *next)
{
    struct party *p = party_new(&loops, 0);
    struct party *slow = party_new(&loops, 0);
    ask(p, "PSYNC ? -1");
    slow->slow = true;
    party_send(slow, "PSYNC ? -1");
    loops_run(&loops);
    ok(!slow->closed && output_pending(&slow->output) < 300 * 1024,
       "a replica that does not read gets %zu bytes", output_pending(&slow->output));
    loops_publish(&loops, 0, next);
    loops_run(&loops);
    ok(p->closed, "a replica is closed when the dataset is replaced");
    slow->slow = false;
    loops_run(&loops);
    struct span reply = party_receive(slow);
    line_of(&reply);
    struct span len = line_of(&reply);
    is_number(atoll(len.ptr + 1), (int64_t)reply.len, "a copy in progress is completed");
    check_file(reply, 2);
    ok(slow->closed, "and then closed");
    party_end(p);
    party_end(slow);
}

static void check_password(struct dataset *dataset)
{
    struct settings settings = test_settings;
    settings.requirepass = "secret";
    loops_init(&loops, 1, &settings, dataset);
    struct party *p = party_new(&loops, 0);
    replies(p, "PSYNC ? -1", "-NOMASTERLINK Can't SYNC before AUTH\r\n");
    replies(p, "REPLCONF capa eof", "-NOAUTH Authentication required.\r\n");
    begins(ask(p, "AUTH secret\nPSYNC ? -1"), "+OK\r\n+FULLRESYNC ");
    loops_release(&loops);
}

int main(void)
{
    static char large[700 * 1024];
    memset(large, 'x', sizeof large);
    memcpy(large, A " ", 37);
    memcpy(large + 600 * 1024, "\n" B " ", 38);
    struct dataset *dataset = loops_dataset(A " value\n" B " other\n");
    struct dataset *other = loops_dataset(A " new\n");
    large[sizeof large - 1] = '\0';
    struct dataset *large_dataset = loops_dataset(large);
    for (unsigned count = 1; count <= 2; count++) {
        loops_init(&loops, count, &test_settings, dataset);
        check_options();
        check_marked();
        check_length();
        loops_release(&loops);
        loops_init(&loops, count, &test_settings, large_dataset);
        check_publication(other);
        loops_release(&loops);
    }
    check_password(dataset);
    dataset_close(dataset);
    dataset_close(other);
    dataset_close(large_dataset);
    return done_testing();
}
