// Values of many MiB: finding where one ends is work like any other, so it is done in turns, by
// every command that has to know. The file is sparse: what is long in it takes no room.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mapping.h"
#include "data/dataset.h"
#include "support/server.h"
#include "support/service.h"
#include "support/table.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define SHORT_KEY "00000000-0000-4000-8000-000000000001"
#define LONG_KEY "00000000-0000-4000-8000-000000000002"
#define LAST_KEY "00000000-0000-4000-8000-000000000003"
#define LENGTH "25165824" // of both long values
#define UNREADABLE                                                                                 \
    "-ERR data unreadable: a file of the dataset was truncated, overwritten or cannot be read; "   \
    "what was asked for may be in the lost part\r\n"

enum {
    LONG = 24 * 1024 * 1024,
    KEY_LEN = 37,                           // with the space
    LONG_AT = 2 * KEY_LEN + 6,              // where the first long value is in the file
    LAST_AT = LONG_AT + LONG + 1 + KEY_LEN, // and the other one, which no newline ends
    TURN_BYTES = 5 * 1024 * 1024 / 4,       // of a value that are searched in a turn, at most
    TURNS_MAX = 100000,
};

static struct loops loops;
static struct opened o;
static const char *path;

static void write_at(int fd, off_t at, const char *text)
{
    require(pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text), "cannot write");
}

static void begin(void)
{
    path = test_path("long.data");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0, "cannot write '%s'", path);
    write_at(fd, 0, SHORT_KEY " short\n");
    write_at(fd, LONG_AT - KEY_LEN, LONG_KEY " a");
    write_at(fd, LONG_AT + LONG - 1, "z\n" LAST_KEY " a");
    write_at(fd, LAST_AT + LONG - 1, "z");
    close(fd);
    opened_init(&o, path, DATASET_INDEX_NONE, NULL);
    require(o.dataset != NULL, "%s", o.error.text);
    loops_init(&loops, 1, &test_settings, o.dataset);
}

static void end(void)
{
    loops_release(&loops);
    opened_close(&o);
    unlink(path);
}

// Says it and takes turns until all has been answered; in each turn in between, another client is
// answered. How many turns it took.
static unsigned answer(struct party *p, struct party *other, const char *requests)
{
    unsigned turns = 0;
    unsigned unheard = 0;
    say(p, requests);
    while ((p->done < p->sent || p->status != FEED_NEEDS_INPUT) && !p->closed &&
           turns < TURNS_MAX) {
        party_turn(p);
        turns++;
        say(other, "GET " SHORT_KEY);
        party_turn(other);
        unheard += !span_equal(hear(other), span_text("$5\r\nshort\r\n"));
    }
    is_number(unheard, 0, "%s: others are answered in each of %u turns", one_line(requests), turns);
    return turns;
}

static void takes_turns(const char *requests, unsigned values, const char *wanted)
{
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    unsigned turns = answer(p, other, requests);
    ok(turns >= values * (LONG / TURN_BYTES) && turns < TURNS_MAX, "not in a few of them");
    is_bytes(hear(p), span_text(wanted), "and right");
    party_end(p);
    party_end(other);
}

// The same of a reply that has long values in it, of which both ends are compared.
static void gives_values(const char *requests, unsigned values, const char *before,
                         const char *after)
{
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    unsigned turns = answer(p, other, requests);
    ok(turns >= values * (LONG / TURN_BYTES), "not in a few of them");
    struct span heard = hear(p);
    struct span text = span_of(dataset_text(o.dataset).ptr + LONG_AT, LONG);
    size_t head = strlen(before);
    bool good = heard.len == head + LONG + strlen(after) && memcmp(heard.ptr, before, head) == 0 &&
                memcmp(heard.ptr + head, text.ptr, LONG) == 0 &&
                memcmp(heard.ptr + head + LONG, after, strlen(after)) == 0;
    ok(good, "and right");
    party_end(p);
    party_end(other);
}

static void check_commands(void)
{
    char usage[32];
    begin();
    const struct dataset_figures *f = dataset_figures(o.dataset);
    snprintf(usage, sizeof usage, ":%llu\r\n",
             (unsigned long long)(LONG + 38 + f->index_bytes / f->keys));
    takes_turns("STRLEN " LONG_KEY, 1, ":" LENGTH "\r\n");
    takes_turns("STRLEN " LAST_KEY, 1, ":" LENGTH "\r\n");
    takes_turns("GETRANGE " LONG_KEY " -1 -1", 1, "$1\r\nz\r\n");
    takes_turns("SUBSTR " LAST_KEY " 0 0", 1, "$1\r\na\r\n");
    takes_turns("GETBIT " LONG_KEY " 1", 1, ":1\r\n");
    takes_turns("BITCOUNT " LONG_KEY " 0 0", 1, ":3\r\n");
    takes_turns("BITPOS " LONG_KEY " 1 -1 -1", 1, ":201326585\r\n");
    takes_turns("BITFIELD_RO " LONG_KEY " GET u8 0 GET u8 8", 1, "*2\r\n:97\r\n:0\r\n");
    takes_turns("MEMORY USAGE " LONG_KEY, 1, usage);
    takes_turns("OBJECT ENCODING " LONG_KEY, 1, "$3\r\nraw\r\n");
    takes_turns("OBJECT REFCOUNT " LAST_KEY, 1, ":1\r\n");
    takes_turns("MULTI\nSTRLEN " LONG_KEY "\nSTRLEN " LAST_KEY "\nEXEC", 2,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:" LENGTH "\r\n:" LENGTH "\r\n");
    takes_turns("STRLEN " LONG_KEY "\nSTRLEN " LAST_KEY "\nSTRLEN " SHORT_KEY, 2,
                ":" LENGTH "\r\n:" LENGTH "\r\n:5\r\n");
    gives_values("GET " LONG_KEY, 1, "$" LENGTH "\r\n", "\r\n");
    gives_values("MGET " SHORT_KEY " " LONG_KEY " " SHORT_KEY, 1,
                 "*3\r\n$5\r\nshort\r\n$" LENGTH "\r\n", "\r\n$5\r\nshort\r\n");
    gives_values("STELE.RANGE " SHORT_KEY " " LONG_KEY " WITHVALUES", 1,
                 "*4\r\n$36\r\n" SHORT_KEY "\r\n$5\r\nshort\r\n$36\r\n" LONG_KEY "\r\n$" LENGTH
                 "\r\n",
                 "\r\n");
    end();
}

static void check_others(void)
{
    begin();
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    answer(p, other, "DUMP " LONG_KEY);
    is_number((int64_t)hear(p).len, 11 + 6 + LONG + 10 + 2, "DUMP");
    ok(answer(p, other, "STRLEN " LAST_KEY) > 1, "a value is searched for its end");
    is_number(answer(p, other, "GETBIT " LAST_KEY " 0"), 1, "and not again for the same client");
    hear(p);
    ok(answer(p, other, "LCS " LONG_KEY " " LAST_KEY " LEN") <= 3, "LCS does not search for it");
    ok(memcmp(hear(p).ptr, "-ERR String too long for LCS", 28) == 0, "but refuses");
    is_number(answer(p, other, "EXISTS " LONG_KEY "\nTYPE " LONG_KEY "\nTTL " LONG_KEY), 1,
              "who does not ask for the value");
    hear(p);
    is_number((int64_t)counter_get(&loops.service[0].stats.keyspace_misses), 0,
              "nothing is missed");
    uint64_t hits = counter_get(&loops.service[0].stats.keyspace_hits);
    unsigned turns = answer(p, other, "STRLEN " LONG_KEY);
    is_number((int64_t)(counter_get(&loops.service[0].stats.keyspace_hits) - hits), turns + 1,
              "a lookup in many turns is one hit");
    hear(p);
    unsigned most = 0;
    for (unsigned i = 0; i < 50; i++) {
        unsigned took = answer(p, other, "RANDOMKEY");
        most = took > most ? took : most;
    }
    is_number(most, 1, "RANDOMKEY does not look at the value");
    say(p, "STRLEN " LAST_KEY);
    party_turn(p);
    is_number(p->status, FEED_TURN_OVER, "(a search that is given up)");
    end();
}

// The other dataset has another value of that key; the search and what it found is not its.
static void check_reload(void)
{
    begin();
    struct opened second;
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    const char *second_path = test_path("second.data");
    int fd = open(second_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0, "cannot write");
    write_at(fd, 0, SHORT_KEY " short\n" LONG_KEY " a");
    write_at(fd, LONG_AT + LONG / 2 - 1, "z\n");
    close(fd);
    opened_init(&second, second_path, DATASET_INDEX_NONE, NULL);
    require(second.dataset != NULL, "%s", second.error.text);
    say(p, "STRLEN " LONG_KEY);
    party_turn(p);
    loops_publish(&loops, 0, second.dataset);
    answer(p, other, "STRLEN " LONG_KEY);
    is_bytes(hear(p), span_text(":" LENGTH "\r\n:12582912\r\n"),
             "a search goes on in the data that it began with");
    end();
    opened_close(&second);
    unlink(second_path);
}

static void check_damage(void)
{
    begin();
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    say(p, "STRLEN " LAST_KEY);
    party_turn(p);
    file_resize(path, LAST_AT + LONG / 2);
    dataset_check(o.dataset);
    while (!p->closed && p->done < p->sent)
        party_turn(p);
    ok(p->closed && p->heard.len == 0, "whose value is cut in a search is told nothing");
    p = party_new(&loops, 0);
    ok(answer(p, other, "STRLEN " LONG_KEY) >= LONG / TURN_BYTES,
       "what is left is searched in turns");
    is_bytes(hear(p), span_text(":" LENGTH "\r\n"), "and right");
    answer(p, other, "STRLEN " LAST_KEY "\nGET " LAST_KEY);
    is_bytes(hear(p), span_text(UNREADABLE UNREADABLE), "what is lost is an error");
    file_resize(path, LONG_AT + LONG / 2);
    dataset_check(o.dataset);
    answer(p, other, "STRLEN " LONG_KEY "\nMGET " SHORT_KEY " " LONG_KEY "\nGET " SHORT_KEY);
    is_bytes(hear(p), span_text(UNREADABLE UNREADABLE "$5\r\nshort\r\n"), "also when more is lost");
    end();
}

int main(void)
{
    mapping_catch_faults();
    check_commands();
    check_others();
    check_reload();
    check_damage();
    return done_testing();
}
