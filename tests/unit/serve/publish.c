// The dataset is replaced while clients are in the middle of replies. Each reply, and each
// transaction, is entirely from one of the two datasets. A client that has seen the new one never
// sees the old one again. The old one is released when its last reader is done.
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

// Makes a dataset whose values begin with `value`, so that a reply shows which dataset it is from.
// `backwards` reverses the order of the lines. The first value is large. `*lines` gets the text,
// which the dataset borrows.
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
    is_number(atomic_load(&dataset_ref(old_data)->count), 1,
              "the old dataset has no reference left");
    is_number(atomic_load(&dataset_ref(new_data)->count), 1,
              "the new dataset has no reference left");
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

static void check_counts(struct span received, unsigned old_values, unsigned new_values,
                         const char *name)
{
    is_number(occurrences(received, "\r\nold"), old_values, "%s: old values", name);
    is_number(occurrences(received, "\r\nnew"), new_values, "%s: new values", name);
}

// The dataset is replaced in the middle of a reply that takes many turns.
static void check_long_reply(const char *request, unsigned values, const char *name)
{
    begin();
    struct party *p = party_new(&loops, 0);
    if (request != NULL)
        party_send(p, request);
    else
        ask_for(&p->requests, "MGET", 1, KEYS - 1);
    ask_for(&p->requests, "GET", 1, 1);
    p->sent = p->requests.len;
    party_turn(p);
    ok(p->status == FEED_TURN_OVER, "%s: the reply takes more than a turn", name);
    publish();
    ok(atomic_load(&dataset_ref(old_data)->count) == 2,
       "%s: the unfinished reply keeps the old dataset", name);
    loops_run(&loops);
    check_counts(party_receive(p), values, 1, name);
    ok(atomic_load(&dataset_ref(old_data)->count) == 1, "%s: the finished reply does not", name);
    party_end(p);
    end();
}

static void check_transaction(void)
{
    begin();
    struct party *p = party_new(&loops, 0);
    party_send(p, "MULTI");
    for (unsigned i = 1; i <= OFF_HALF; i++)
        ask_for(&p->requests, "GET", i, 1);
    party_send(p, "EXEC");
    ask_for(&p->requests, "GET", 1, 1);
    p->sent = p->requests.len;
    while (p->session.transaction == NULL || p->done + 200 < p->requests.len)
        party_turn(p);
    party_turn(p);
    require(p->session.transaction != NULL, "the transaction is over");
    publish();
    loops_run(&loops);
    check_counts(party_receive(p), OFF_HALF, 1, "EXEC");
    party_end(p);
    end();
}

// Each client, whatever it asks and whenever it has its turns, gets first old and then new values.
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
            ask_for(&p[i]->requests, "MGET", (unsigned)random_below(r, KEYS - count), count);
        }
        p[i]->sent = p[i]->requests.len;
    }
    for (unsigned turns = 0; turns < 40; turns++)
        party_turn(p[random_below(r, CLIENTS)]);
    publish();
    loops_run(&loops);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct span received = party_receive(p[i]);
        bool seen_new = false;
        bool in_old = false, in_new = false;
        for (size_t at = 0; at + 5 < received.len; at++) {
            bool array = received.ptr[at] == '*' && (at == 0 || received.ptr[at - 1] == '\n');
            if (array) {
                mixed += in_old && in_new;
                in_old = false;
                in_new = false;
            }
            in_old |= memcmp(received.ptr + at, "\r\nold", 5) == 0;
            in_new |= memcmp(received.ptr + at, "\r\nnew", 5) == 0;
            back += in_old && seen_new;
            seen_new |= in_new;
        }
        party_end(p[i]);
    }
    is_number(mixed, 0, "no reply has values of both datasets");
    is_number(back, 0, "no old value comes after a new one");
    end();
}

// A borrowed value keeps the old dataset until the client has read it.
static void check_borrowed(void)
{
    begin();
    struct party *p = party_new(&loops, 0);
    p->slow = true;
    ask_for(&p->requests, "GET", 0, 1);
    p->sent = p->requests.len;
    party_turn(p);
    publish();
    ok(atomic_load(&dataset_ref(old_data)->count) == 2,
       "a reply that is not sent yet keeps the old dataset");
    p->slow = false;
    loops_run(&loops);
    struct span received = party_receive(p);
    ok(received.len > LARGE && occurrences(received, "ooooo") > 0 &&
           occurrences(received, "nnnnn") == 0,
       "the reply is from the old dataset");
    ok(atomic_load(&dataset_ref(old_data)->count) == 1, "the sent reply does not");
    party_end(p);
    end();
}

// The invalidation comes after the last old reply and before the first new one.
static void check_tracking(void)
{
    static const char invalidation[] = ">2\r\n$10\r\ninvalidate\r\n_\r\n";
    begin();
    struct party *p = party_new(&loops, 0);
    party_send(p, "HELLO 3\nCLIENT TRACKING ON");
    loops_run(&loops);
    party_receive(p);
    ask_for(&p->requests, "MGET", 1, KEYS - 1);
    ask_for(&p->requests, "GET", 1, 1);
    p->sent = p->requests.len;
    party_turn(p);
    publish();
    loops_run(&loops);
    struct span received = party_receive(p);
    const char *at = memmem(received.ptr, received.len, invalidation, sizeof invalidation - 1);
    require(at != NULL, "no invalidation");
    struct span before = span_of(received.ptr, (size_t)(at - received.ptr));
    struct span rest = span_of(at, received.len - before.len);
    check_counts(before, KEYS - 1, 0, "before the invalidation");
    check_counts(rest, 0, 1, "after it");
    is_number(occurrences(received, "invalidate"), 1, "there is one invalidation");
    // An idle client gets the invalidation at once.
    loops_publish(&loops, 0, old_data);
    loops_run(&loops);
    is_bytes(party_receive(p), span_of(invalidation, sizeof invalidation - 1),
             "an idle client gets the invalidation");
    party_end(p);
    end();
}

// ---- SCAN ---------------------------------------------------------------------------------------

enum { SCANNED = 2000 };

// Makes a dataset for SCAN. A third of the keys is in both parts; the parts have different numbers
// of other keys.
static struct dataset *make_part(unsigned part, struct buf *lines)
{
    for (unsigned i = 0; i < SCANNED; i++)
        if (i % 3 == 0 || (i % 3 == part && i % part == 0))
            buf_printf(lines, "%08x-0000-4000-8000-000000000000 v\n", i * 2097143u);
    buf_append(lines, span_of("", 1));
    return loops_dataset(lines->ptr);
}

// The dataset is replaced by the other part after every `calls` calls of a SCAN. Keys that are in
// both parts are returned exactly once, the others at most once.
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
        party_send(p, request);
        loops_run(&loops);
        struct span received = party_receive(p);
        int head = 0;
        require(sscanf(received.ptr, "*2\r\n$%*u\r\n%31[0-9]\r\n*%*u\r\n%n", cursor, &head) == 1 &&
                    head > 0,
                "no reply of SCAN");
        for (const char *at = received.ptr + head; at + 42 <= received.ptr + received.len;
             at += 43) {
            unsigned number = (unsigned)strtoul(at + 5, NULL, 16) / 2097143u;
            require(number < SCANNED, "no key: %.42s", at);
            seen[number]++;
        }
        if (call % calls == 0)
            loops_publish(&loops, 0, parts[++published % 2]);
    }
    for (unsigned i = 0; i < SCANNED; i++)
        wrong += i % 3 == 0 ? seen[i] != 1 : seen[i] > 1;
    is_number(wrong, 0, "SCAN %s, the dataset is replaced every %u calls, %u times", options, calls,
              published);
    party_end(p);
    loops_release(&loops);
    for (unsigned i = 0; i < 2; i++) {
        dataset_close(parts[i]);
        buf_release(&lines[i]);
    }
}

// Commands of an EXEC report the dataset that the EXEC reads. A client that turns on tracking
// within it gets an invalidation after it, as the values that it has read are old by then.
static void check_in_transaction(void)
{
    begin();
    struct dataset *small = loops_dataset("00000000-0000-4000-8000-000000000000 x\n");
    struct party *p = party_new(&loops, 0);
    party_send(p, "HELLO 3\nMULTI");
    for (unsigned i = 1; i <= OFF_HALF; i++)
        ask_for(&p->requests, "GET", i, 1);
    party_send(p, "CLIENT TRACKING ON");
    ask_for(&p->requests, "GET", 1, 1);
    party_send(p, "INFO keyspace dataset operations\nDBSIZE\nEXEC\nINFO keyspace dataset");
    while (p->session.transaction == NULL || !p->session.transaction->executing)
        party_turn(p);
    require(p->session.tracking == NULL, "tracking is on too early");
    loops_publish(&loops, 0, small);
    loops_run(&loops);
    struct span received = party_receive(p);
    const char *at = memmem(received.ptr, received.len, "invalidate", 10);
    ok(at != NULL, "an invalidation comes after an EXEC that turns on tracking");
    size_t within = at != NULL ? (size_t)(at - received.ptr) : received.len;
    struct span before = span_of(received.ptr, within);
    struct span rest = span_of(received.ptr + within, received.len - within);
    is_number(occurrences(before, "db0:keys=3000,"), 1,
              "INFO keyspace in the EXEC: keys of its dataset");
    is_number(occurrences(before, "dataset_keys:3000\r"), 1,
              "INFO dataset in the EXEC: the same keys");
    is_number(occurrences(before, "stored_keys:3000\r"), 1,
              "INFO operations in the EXEC: the same keys");
    is_number(occurrences(before, "dataset_generation:1\r"), 1,
              "INFO dataset in the EXEC: the first generation");
    is_number(occurrences(before, "\r\n:3000\r\n"), 1, "DBSIZE in the EXEC: the same keys");
    is_number(occurrences(rest, "db0:keys=1,"), 1,
              "INFO keyspace after it: keys of the next dataset");
    is_number(occurrences(rest, "dataset_generation:2\r"), 1,
              "INFO dataset after it: the second generation");
    party_end(p);
    loops_publish(&loops, 0, new_data);
    is_number(atomic_load(&dataset_ref(small)->count), 1,
              "the small dataset has no reference left");
    dataset_close(small);
    end();
}

// A client that reads a generation finds its data in every loop: each loop reports the new number
// only when all loops have switched.
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
            party_send(p[i], "INFO dataset");
            loops_run(&loops);
            struct span received = party_receive(p[i]);
            is_number(occurrences(received,
                                  turned < 3 ? "dataset_generation:1\r" : "dataset_generation:2\r"),
                      1, "%u of 3 loops have switched: the generation in loop %u", turned, i);
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
    check_in_transaction();
    check_generation();
    check_scan(1, "COUNT 7");
    check_scan(3, "COUNT 50");
    check_scan(40, "COUNT 10");
    check_scan(1, "COUNT 100 MATCH *");
    return done_testing();
}
