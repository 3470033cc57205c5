// Values of many MiB. Every command that needs the end of such a value searches for it in several
// turns, so that other clients are served in between. The file is sparse, so it takes no disk
// space.
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
    "the requested data may be in the lost part\r\n"

enum {
    LONG = 24 * 1024 * 1024,
    KEY_LEN = 37,                           // bytes of a key and the space after it
    LONG_AT = 2 * KEY_LEN + 6,              // offset of the first long value in the file
    LAST_AT = LONG_AT + LONG + 1 + KEY_LEN, // offset of the second one, which has no newline
    TURN_BYTES = 5 * 1024 * 1024 / 4,       // bytes of a value that one turn searches at most
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

// Sends the requests and gives `p` turns until all are answered. After each turn, `other` must get
// a reply too. Returns the number of turns.
static unsigned answer(struct party *p, struct party *other, const char *requests)
{
    unsigned turns = 0;
    unsigned delayed = 0;
    party_send(p, requests);
    while ((p->done < p->sent || p->status != FEED_NEEDS_INPUT) && !p->closed &&
           turns < TURNS_MAX) {
        party_turn(p);
        turns++;
        party_send(other, "GET " SHORT_KEY);
        party_turn(other);
        delayed += !span_equal(party_receive(other), span_text("$5\r\nshort\r\n"));
    }
    is_number(delayed, 0, "%s: another client is served after each of %u turns", one_line(requests),
              turns);
    return turns;
}

// Checks that the requests, which search `values` long values, take many turns and get `wanted`.
static void takes_turns(const char *requests, unsigned values, const char *wanted)
{
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    unsigned turns = answer(p, other, requests);
    ok(turns >= values * (LONG / TURN_BYTES) && turns < TURNS_MAX,
       "%s: the search takes many turns", one_line(requests));
    is_bytes(party_receive(p), span_text(wanted), "%s: the reply is right", one_line(requests));
    party_end(p);
    party_end(other);
}

// Checks the same for a reply that contains a long value between `before` and `after`.
static void gives_values(const char *requests, unsigned values, const char *before,
                         const char *after)
{
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    unsigned turns = answer(p, other, requests);
    ok(turns >= values * (LONG / TURN_BYTES), "%s: the search takes many turns",
       one_line(requests));
    struct span received = party_receive(p);
    struct span text = span_of(dataset_text(o.dataset).ptr + LONG_AT, LONG);
    size_t head = strlen(before);
    bool good = received.len == head + LONG + strlen(after) &&
                memcmp(received.ptr, before, head) == 0 &&
                memcmp(received.ptr + head, text.ptr, LONG) == 0 &&
                memcmp(received.ptr + head + LONG, after, strlen(after)) == 0;
    ok(good, "%s: the reply is right", one_line(requests));
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
    is_number((int64_t)party_receive(p).len, 11 + 6 + LONG + 10 + 2,
              "DUMP replies with the whole value");
    ok(answer(p, other, "STRLEN " LAST_KEY) > 1, "STRLEN searches for the end of the value");
    is_number(answer(p, other, "GETBIT " LAST_KEY " 0"), 1,
              "the same client's next command does not search again");
    party_receive(p);
    ok(answer(p, other, "LCS " LONG_KEY " " LAST_KEY " LEN") <= 3,
       "LCS does not search for the ends of long values");
    ok(memcmp(party_receive(p).ptr, "-ERR String too long for LCS", 28) == 0,
       "LCS refuses long values");
    is_number(answer(p, other, "EXISTS " LONG_KEY "\nTYPE " LONG_KEY "\nTTL " LONG_KEY), 1,
              "commands that do not need the value do not search for its end");
    party_receive(p);
    is_number((int64_t)counter_get(&loops.service[0].stats.keyspace_misses), 0,
              "no lookup counts as a miss");
    uint64_t hits = counter_get(&loops.service[0].stats.keyspace_hits);
    unsigned turns = answer(p, other, "STRLEN " LONG_KEY);
    is_number((int64_t)(counter_get(&loops.service[0].stats.keyspace_hits) - hits), turns + 1,
              "a search in many turns counts as one hit");
    party_receive(p);
    unsigned most = 0;
    for (unsigned i = 0; i < 50; i++) {
        unsigned took = answer(p, other, "RANDOMKEY");
        most = took > most ? took : most;
    }
    is_number(most, 1, "RANDOMKEY does not search for the end of the value");
    // end() ends the client in the middle of this search. The address sanitizer finds leaks.
    party_send(p, "STRLEN " LAST_KEY);
    party_turn(p);
    is_number(p->status, FEED_TURN_OVER, "a search is still in progress when its client leaves");
    end();
}

// A new dataset has another value for the key. A search in progress continues in the old dataset,
// and the next command searches the new one.
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
    party_send(p, "STRLEN " LONG_KEY);
    party_turn(p);
    loops_publish(&loops, 0, second.dataset);
    answer(p, other, "STRLEN " LONG_KEY);
    is_bytes(party_receive(p), span_text(":" LENGTH "\r\n:12582912\r\n"),
             "a search continues in the dataset in which it began");
    end();
    opened_close(&second);
    unlink(second_path);
}

static void check_damage(void)
{
    begin();
    struct party *p = party_new(&loops, 0);
    struct party *other = party_new(&loops, 0);
    party_send(p, "STRLEN " LAST_KEY);
    party_turn(p);
    file_resize(path, LAST_AT + LONG / 2);
    dataset_check(o.dataset);
    while (!p->closed && p->done < p->sent)
        party_turn(p);
    ok(p->closed && p->received.len == 0,
       "a client whose value is truncated during the search is closed without a reply");
    p = party_new(&loops, 0);
    ok(answer(p, other, "STRLEN " LONG_KEY) >= LONG / TURN_BYTES,
       "a value in the rest of the file is searched in many turns");
    is_bytes(party_receive(p), span_text(":" LENGTH "\r\n"), "the length of that value is right");
    answer(p, other, "STRLEN " LAST_KEY "\nGET " LAST_KEY);
    is_bytes(party_receive(p), span_text(UNREADABLE UNREADABLE), "a lost value is an error");
    file_resize(path, LONG_AT + LONG / 2);
    dataset_check(o.dataset);
    answer(p, other, "STRLEN " LONG_KEY "\nMGET " SHORT_KEY " " LONG_KEY "\nGET " SHORT_KEY);
    is_bytes(party_receive(p), span_text(UNREADABLE UNREADABLE "$5\r\nshort\r\n"),
             "a second truncation makes another value an error, but not the first one");
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
