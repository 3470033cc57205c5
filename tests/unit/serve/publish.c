// A dataset takes the place of another while clients are in the middle of replies: each reply, and
// each transaction, is wholly from one of the two, a client that has heard the new one never hears
// the old again, and the old one goes when its last reader has.
#include <stdio.h>
#include <stdlib.h>

#include "data/dataset.h"
#include "serve/transaction.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

enum { KEYS = 3000, LARGE = 64 * 1024, OFF_HALF = 1500 };

static struct dataset *old_data;
static struct dataset *new_data;
static struct buf old_lines;
static struct buf new_lines;
static struct loops loops;

// The same keys in another order, and values that tell of which dataset they are. The first one is
// large. `*lines` is the text it stands on.
static struct dataset *make_dataset(const char *value, bool backwards, struct buf *lines)
{
    for (unsigned n = 0; n < KEYS; n++) {
        unsigned i = backwards ? KEYS - 1 - n : n;
        buf_printf(lines, "00000000-0000-4000-8000-%012u %s", i, value);
        if (i == 0)
            append_bytes(lines, *value, LARGE);
        buf_append_text(lines, "\n");
    }
    buf_append(lines, span_of("", 1));
    return loops_dataset(lines->ptr);
}

static void begin(void)
{
    old_data = make_dataset("old", false, &old_lines);
    new_data = make_dataset("new", true, &new_lines);
    loops_init(&loops, 1, &test_settings, old_data);
}

static void end(void)
{
    loops_release(&loops);
    is_number(atomic_load(&dataset_ref(old_data)->count), 1, "nobody holds the old dataset");
    is_number(atomic_load(&dataset_ref(new_data)->count), 1, "nobody holds the new dataset");
    dataset_close(old_data);
    dataset_close(new_data);
    buf_release(&old_lines);
    buf_release(&new_lines);
}

static void publish(void)
{
    loops_publish(&loops, 0, new_data);
}

static void ask_for(struct buf *to, const char *command, unsigned first, unsigned count)
{
    buf_printf(to, "*%u\r\n", 1 + count);
    append_bulk(to, span_text(command));
    for (unsigned i = first; i < first + count; i++) {
        char key[64];
        snprintf(key, sizeof key, "00000000-0000-4000-8000-%012u", i);
        append_bulk(to, span_text(key));
    }
}

static void check_counts(struct span heard, unsigned old_values, unsigned new_values,
                         const char *name)
{
    is_number(occurrences(heard, "\r\nold"), old_values, "%s: old values", name);
    is_number(occurrences(heard, "\r\nnew"), new_values, "%s: new values", name);
}

// A reply that takes many turns, in the middle of which the dataset is replaced.
static void check_long_reply(const char *request, unsigned values, const char *name)
{
    begin();
    struct party *p = party_new(&loops, 0);
    if (request != NULL)
        say(p, request);
    else
        ask_for(&p->said, "MGET", 1, KEYS - 1);
    ask_for(&p->said, "GET", 1, 1);
    p->sent = p->said.len;
    party_turn(p);
    ok(p->status == FEED_TURN_OVER, "%s: it takes more than a turn", name);
    publish();
    ok(atomic_load(&dataset_ref(old_data)->count) == 2, "%s: the old dataset is held", name);
    loops_run(&loops);
    check_counts(hear(p), values, 1, name);
    ok(atomic_load(&dataset_ref(old_data)->count) == 1, "%s: then it is not", name);
    party_end(p);
    end();
}

static void check_transaction(void)
{
    begin();
    struct party *p = party_new(&loops, 0);
    say(p, "MULTI");
    for (unsigned i = 1; i <= OFF_HALF; i++)
        ask_for(&p->said, "GET", i, 1);
    say(p, "EXEC");
    ask_for(&p->said, "GET", 1, 1);
    p->sent = p->said.len;
    while (p->session.transaction == NULL || p->done + 200 < p->said.len)
        party_turn(p);
    party_turn(p);
    require(p->session.transaction != NULL, "it is over");
    publish();
    loops_run(&loops);
    check_counts(hear(p), OFF_HALF, 1, "EXEC");
    party_end(p);
    end();
}

// Each client, whatever it asks and however its turns fall, hears the old, then the new.
static void check_pipelines(struct random *r)
{
    enum { CLIENTS = 8, REQUESTS = 600 };
    struct party *p[CLIENTS];
    unsigned mixed = 0, back = 0;
    begin();
    for (unsigned i = 0; i < CLIENTS; i++) {
        p[i] = party_new(&loops, 0);
        for (unsigned n = 0; n < REQUESTS; n++) {
            unsigned count = random_below(r, 8) == 0 ? 700 : 1 + (unsigned)random_below(r, 5);
            ask_for(&p[i]->said, "MGET", (unsigned)random_below(r, KEYS - count), count);
        }
        p[i]->sent = p[i]->said.len;
    }
    for (unsigned turns = 0; turns < 40; turns++)
        party_turn(p[random_below(r, CLIENTS)]);
    publish();
    loops_run(&loops);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct span heard = hear(p[i]);
        bool seen_new = false;
        bool in_old = false, in_new = false;
        for (size_t at = 0; at + 5 < heard.len; at++) {
            bool array = heard.ptr[at] == '*' && (at == 0 || heard.ptr[at - 1] == '\n');
            if (array) {
                mixed += in_old && in_new;
                in_old = false;
                in_new = false;
            }
            in_old |= memcmp(heard.ptr + at, "\r\nold", 5) == 0;
            in_new |= memcmp(heard.ptr + at, "\r\nnew", 5) == 0;
            back += in_old && seen_new;
            seen_new |= in_new;
        }
        party_end(p[i]);
    }
    is_number(mixed, 0, "no reply is of both");
    is_number(back, 0, "none is of the old one behind the new");
    end();
}

// A value that leaves from the mapping of the old dataset keeps it, as slowly as it is read.
static void check_borrowed(void)
{
    begin();
    struct party *p = party_new(&loops, 0);
    p->slow = true;
    ask_for(&p->said, "GET", 0, 1);
    p->sent = p->said.len;
    party_turn(p);
    publish();
    ok(atomic_load(&dataset_ref(old_data)->count) == 2, "a reply on its way holds it");
    p->slow = false;
    loops_run(&loops);
    struct span heard = hear(p);
    ok(heard.len > LARGE && occurrences(heard, "ooooo") > 0 && occurrences(heard, "nnnnn") == 0,
       "the reply is of the old one");
    ok(atomic_load(&dataset_ref(old_data)->count) == 1, "then nobody does");
    party_end(p);
    end();
}

// The invalidation stands behind the last old reply and before the first new one.
static void check_tracking(void)
{
    static const char invalidation[] = ">2\r\n$10\r\ninvalidate\r\n_\r\n";
    begin();
    struct party *p = party_new(&loops, 0);
    say(p, "HELLO 3\nCLIENT TRACKING ON");
    loops_run(&loops);
    hear(p);
    ask_for(&p->said, "MGET", 1, KEYS - 1);
    ask_for(&p->said, "GET", 1, 1);
    p->sent = p->said.len;
    party_turn(p);
    publish();
    loops_run(&loops);
    struct span heard = hear(p);
    const char *at = memmem(heard.ptr, heard.len, invalidation, sizeof invalidation - 1);
    require(at != NULL, "no invalidation");
    struct span before = span_of(heard.ptr, (size_t)(at - heard.ptr));
    struct span behind = span_of(at, heard.len - before.len);
    check_counts(before, KEYS - 1, 0, "before the invalidation");
    check_counts(behind, 0, 1, "behind it");
    is_number(occurrences(heard, "invalidate"), 1, "there is one");
    // And a client that asks for nothing is told at once.
    loops_publish(&loops, 0, old_data);
    loops_run(&loops);
    is_bytes(hear(p), span_of(invalidation, sizeof invalidation - 1), "told while idle");
    party_end(p);
    end();
}

// ---- SCAN ---------------------------------------------------------------------------------------

enum { SCANNED = 2000 };

// Keys of these numbers: a third is in both parts, and each has another number of others.
static struct dataset *make_part(unsigned part, struct buf *lines)
{
    for (unsigned i = 0; i < SCANNED; i++)
        if (i % 3 == 0 || (i % 3 == part && i % part == 0))
            buf_printf(lines, "%08x-0000-4000-8000-000000000000 v\n", i * 2097143u);
    buf_append(lines, span_of("", 1));
    return loops_dataset(lines->ptr);
}

// Datasets of which a third of the keys is in both take each other's place between the calls of a
// SCAN, seldom or often: those keys come exactly once, the others once at most.
static void check_scan(unsigned calls, const char *options)
{
    struct dataset *parts[2];
    struct buf lines[2] = {{0}, {0}};
    unsigned char seen[SCANNED] = {0};
    char request[128], cursor[32] = "0";
    unsigned wrong = 0, published = 0;
    for (unsigned i = 0; i < 2; i++)
        parts[i] = make_part(1 + i, &lines[i]);
    loops_init(&loops, 1, &test_settings, parts[0]);
    struct party *p = party_new(&loops, 0);
    for (unsigned call = 1; call == 1 || strcmp(cursor, "0") != 0; call++) {
        snprintf(request, sizeof request, "SCAN %s %s", cursor, options);
        say(p, request);
        loops_run(&loops);
        struct span heard = hear(p);
        int head = 0;
        require(sscanf(heard.ptr, "*2\r\n$%*u\r\n%31[0-9]\r\n*%*u\r\n%n", cursor, &head) == 1 &&
                    head > 0,
                "no reply of SCAN");
        for (const char *at = heard.ptr + head; at + 42 <= heard.ptr + heard.len; at += 43) {
            unsigned number = (unsigned)strtoul(at + 5, NULL, 16) / 2097143u;
            require(number < SCANNED, "no key: %.42s", at);
            seen[number]++;
        }
        if (call % calls == 0)
            loops_publish(&loops, 0, parts[++published % 2]);
    }
    for (unsigned i = 0; i < SCANNED; i++)
        wrong += i % 3 == 0 ? seen[i] != 1 : seen[i] > 1;
    is_number(wrong, 0, "SCAN %s, another dataset each %u calls, %u times", options, calls,
              published);
    party_end(p);
    loops_release(&loops);
    for (unsigned i = 0; i < 2; i++) {
        dataset_close(parts[i]);
        buf_release(&lines[i]);
    }
}

// What an EXEC tells of the dataset is of the one it reads; and who begins to track within it is
// told of the other one behind it, as what it has read there is old by then.
static void check_within(void)
{
    begin();
    struct dataset *small = loops_dataset("00000000-0000-4000-8000-000000000000 x\n");
    struct party *p = party_new(&loops, 0);
    say(p, "HELLO 3\nMULTI");
    for (unsigned i = 1; i <= OFF_HALF; i++)
        ask_for(&p->said, "GET", i, 1);
    say(p, "CLIENT TRACKING ON");
    ask_for(&p->said, "GET", 1, 1);
    say(p, "INFO keyspace dataset operations\nDBSIZE\nEXEC\nINFO keyspace dataset");
    while (p->session.transaction == NULL || !p->session.transaction->executing)
        party_turn(p);
    require(p->session.tracking == NULL, "it is too late");
    loops_publish(&loops, 0, small);
    loops_run(&loops);
    struct span heard = hear(p);
    const char *at = memmem(heard.ptr, heard.len, "invalidate", 10);
    ok(at != NULL, "who begins to track in an EXEC is told that what it has read is old");
    size_t within = at != NULL ? (size_t)(at - heard.ptr) : heard.len;
    struct span before = span_of(heard.ptr, within);
    struct span behind = span_of(heard.ptr + within, heard.len - within);
    is_number(occurrences(before, "db0:keys=3000,"), 1, "the keys that the EXEC sees");
    is_number(occurrences(before, "dataset_keys:3000\r"), 1, "in the dataset");
    is_number(occurrences(before, "stored_keys:3000\r"), 1, "and to its operations");
    is_number(occurrences(before, "dataset_generation:1\r"), 1, "which is the first");
    is_number(occurrences(before, "\r\n:3000\r\n"), 1, "as DBSIZE says");
    is_number(occurrences(behind, "db0:keys=1,"), 1, "behind it, those of the next");
    is_number(occurrences(behind, "dataset_generation:2\r"), 1, "which is the second");
    party_end(p);
    loops_publish(&loops, 0, new_data);
    is_number(atomic_load(&dataset_ref(small)->count), 1, "nobody holds the small dataset");
    dataset_close(small);
    end();
}

// Who hears a generation finds its data in every loop: the number rises when the last one has gone
// on, whichever is asked.
static void check_generation(void)
{
    old_data = make_dataset("old", false, &old_lines);
    new_data = make_dataset("new", true, &new_lines);
    loops_init(&loops, 3, &test_settings, old_data);
    struct party *p[3];
    for (unsigned i = 0; i < 3; i++)
        p[i] = party_new(&loops, i);
    for (unsigned turned = 0; turned <= 3; turned++) {
        if (turned > 0)
            loops_publish(&loops, turned - 1, new_data);
        for (unsigned i = 0; i < 3; i++) {
            say(p[i], "INFO dataset");
            loops_run(&loops);
            struct span heard = hear(p[i]);
            is_number(occurrences(heard,
                                  turned < 3 ? "dataset_generation:1\r" : "dataset_generation:2\r"),
                      1, "%u of 3 loops have gone on: what loop %u says", turned, i);
        }
    }
    for (unsigned i = 0; i < 3; i++)
        party_end(p[i]);
    end();
}

int main(void)
{
    struct random r = random_seeded();
    check_long_reply(NULL, KEYS - 1, "MGET");
    check_long_reply("STELE.RANGE 00000000-0000-4000-8000-000000000001 + WITHVALUES", KEYS - 1,
                     "STELE.RANGE");
    check_transaction();
    check_pipelines(&r);
    check_borrowed();
    check_tracking();
    check_within();
    check_generation();
    check_scan(1, "COUNT 7");
    check_scan(3, "COUNT 50");
    check_scan(40, "COUNT 10");
    check_scan(1, "COUNT 100 MATCH *");
    return done_testing();
}
