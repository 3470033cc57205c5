// The table of pages that were lately found in memory: when a page counts as read often, and which
// pages are displaced.
#include "data/recent_pages.h"

#include "support/tap.h"

enum { BUSY_READS = 16, BUSY_MS = 500, STALE_MS = 30 * 1000, WRAP_MS = 1 << 24 };

static struct recent_pages *new_table(uint64_t pages)
{
    struct recent_pages *table = recent_pages_new(pages);
    require(table != NULL, "no memory");
    return table;
}

// Reads the page at intervals, and returns its state after each read as a letter.
static const char *states(struct recent_pages *table, uint64_t page, uint64_t *ms, uint64_t every,
                          unsigned reads)
{
    static char text[64];
    static const char letters[] = {[PAGE_UNKNOWN] = '-', [PAGE_RECENT] = 'r', [PAGE_BUSY] = 'b'};
    require(reads < sizeof text, "too many reads");
    for (unsigned i = 0; i < reads; i++, *ms += every)
        text[i] = letters[recent_pages_look(table, page, *ms)];
    text[reads] = '\0';
    return text;
}

static void check_states(uint64_t ms)
{
    struct recent_pages *table = new_table(64);
    is_text(states(table, 7, &ms, 1, 3), "---", "from %llu ms on: an unknown page stays unknown",
            (unsigned long long)ms);
    recent_pages_add(table, 7, ms);
    is_text(states(table, 7, &ms, BUSY_MS, 16), "rrrrrrrrrrrrrrbb",
            "a page is busy after 16 reads, the first of which has added it");
    is_text(states(table, 7, &ms, BUSY_MS + 1, 1), "b", "it is still busy after the same interval");
    is_text(states(table, 7, &ms, BUSY_MS + 1, 20), "rrrrrrrrrrrrrrrrrrrr",
            "a page that is read at longer intervals is never busy");
    is_text(states(table, 7, &ms, 0, BUSY_READS - 1), "rrrrrrrrrrrrrrb",
            "and needs as many reads again");
    recent_pages_add(table, 7, ms);
    is_text(states(table, 7, &ms, 0, 1), "b", "adding a page that is there changes nothing");
    is_text(states(table, 8, &ms, 0, 1), "-", "another page is unknown");
    is_text(states(table, 7 + (UINT64_C(1) << 44), &ms, 0, 1), "-",
            "a page of another dataset with the same offset is unknown");
    recent_pages_free(table);
}

// Returns how many of the pages from `first` on are known.
static unsigned known(struct recent_pages *table, uint64_t first, unsigned count, uint64_t ms)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        found += recent_pages_look(table, first + i, ms) != PAGE_UNKNOWN;
    return found;
}

static void add(struct recent_pages *table, uint64_t first, unsigned count, uint64_t ms)
{
    for (unsigned i = 0; i < count; i++)
        recent_pages_add(table, first + i, ms);
}

static void check_displacement(void)
{
    enum { PAGES = 1024, HOT = 64, STREAM = 20 * PAGES };
    struct recent_pages *table = new_table(PAGES);
    uint64_t ms = 1000;
    add(table, 0, HOT, ms);
    unsigned before = known(table, 0, HOT, ms); // this is their second read
    add(table, 1000000, STREAM, ms + 10);
    is_number(known(table, 0, HOT, ms + 20), before,
              "a stream of pages that are read once displaces none that were read twice");
    unsigned recent = known(table, 1000000 + STREAM - HOT, HOT, ms + 20);
    ok(recent > HOT / 2, "most of the last pages of the stream are known: %u of %d", recent, HOT);
    unsigned oldest = known(table, 1000000, HOT, ms + 20);
    ok(oldest < HOT / 2, "most of the first ones are not: %u of %d", oldest, HOT);
    add(table, 2000000, STREAM, ms + 20 + STALE_MS + 1);
    unsigned stale = known(table, 0, HOT, ms + 20 + STALE_MS + 1);
    ok(stale < HOT / 4, "pages that were not read for 30 s are displaced: %u of %d are left", stale,
       HOT);
    recent_pages_free(table);
}

// Of pages that were read once, the one that was read longest ago goes first.
static void check_oldest_first(void)
{
    enum { SETS = 16, WAYS = 4 };
    struct recent_pages *table = new_table(1); // the smallest table
    for (uint64_t page = 0; page < SETS * WAYS * 8; page++)
        recent_pages_add(table, page, 1000 + page);
    unsigned found = known(table, 0, SETS * WAYS * 8, 3000);
    is_number(found, SETS * WAYS, "a full table has as many pages as it has entries");
    recent_pages_free(table);
    table = new_table(1);
    unsigned lost = 0;
    for (uint64_t page = 0; page < 1000; page++) {
        recent_pages_add(table, page, 1000 + page);
        lost += recent_pages_look(table, page, 1000 + page) == PAGE_UNKNOWN;
    }
    is_number(lost, 0, "a page is known right after it was added, however full the table is");
    recent_pages_free(table);
}

static void check_sizes(void)
{
    struct recent_pages *table = new_table(UINT64_MAX); // limited to RECENT_PAGES_MAX
    add(table, 0, 1000, 1);
    ok(known(table, 0, 1000, 2) == 1000, "a table of the largest size");
    recent_pages_free(table);
    recent_pages_free(NULL);
}

int main(void)
{
    check_states(0);
    check_states(123456789);
    check_states(3 * (uint64_t)WRAP_MS - 1000); // the times that the table keeps begin again at 0
    check_displacement();
    check_oldest_first();
    check_sizes();
    return done_testing();
}
