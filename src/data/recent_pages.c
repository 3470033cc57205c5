// The table is set-associative, like the cache of a processor: a hash of the page number chooses a
// set of WAYS entries, and the page may be in any of them.
#include "data/recent_pages.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/random.h"

enum {
    WAYS = 4,
    // Reads after which a page is worth mapping, each at most BUSY_MS after the one before. Mapping
    // a page takes as long as some ten system calls that read it.
    BUSY_READS = 16,
    BUSY_MS = 500,
    READS_MAX = 255,
    STALE_MS = 30 * 1000, // an entry not read for so long may be displaced like any other
    SETS_MIN = 16,
};

// A zeroed entry is empty.
struct entry {
    uint32_t tag; // bits of the hash that do not choose the set; never 0
    uint32_t last_ms : 24;
    uint32_t reads : 8;
};
_Static_assert(sizeof(struct entry) == 8, "the header states the size");

struct recent_pages {
    size_t bytes; // of the mapping that holds this struct
    uint64_t sets;
    struct entry entries[];
};

struct recent_pages *recent_pages_new(uint64_t pages)
{
    uint64_t sets = SETS_MIN;
    while (sets * WAYS < pages && sets * WAYS < RECENT_PAGES_MAX)
        sets *= 2;
    size_t bytes = sizeof(struct recent_pages) + sets * WAYS * sizeof(struct entry);
    struct recent_pages *table = memory_map(bytes, SIZE_MAX);
    if (table != NULL) {
        table->bytes = bytes;
        table->sets = sets;
    }
    return table;
}

void recent_pages_free(struct recent_pages *table)
{
    if (table != NULL)
        memory_unmap(table, table->bytes);
}

// Returns the set of a page, and its tag.
static struct entry *set_of(struct recent_pages *table, uint64_t page, uint32_t *tag)
{
    uint64_t hash = splitmix64(&page);
    *tag = (uint32_t)(hash >> 32) | 1;
    return &table->entries[(hash & (table->sets - 1)) * WAYS];
}

// Returns the milliseconds since the entry was last read. Times have 24 bits, so a page that was
// not read for 4.6 hours seems to have been read lately; it is asked about all the same.
static uint32_t age_of(const struct entry *e, uint64_t now_ms)
{
    return ((uint32_t)now_ms - e->last_ms) & 0xffffff;
}

static struct entry *find(struct entry *set, uint32_t tag)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].tag == tag)
            return &set[i];
    return NULL;
}

static void note_read(struct entry *e, uint64_t now_ms)
{
    bool lately = age_of(e, now_ms) <= BUSY_MS;
    unsigned reads = e->reads < READS_MAX ? e->reads + 1u : READS_MAX;
    // A page that is read at long intervals is read more than once, but is not busy.
    e->reads = (lately || reads <= 2 ? reads : 2) & 0xff;
    e->last_ms = (uint32_t)now_ms & 0xffffff;
}

enum page_state recent_pages_look(struct recent_pages *table, uint64_t page, uint64_t now_ms)
{
    uint32_t tag;
    struct entry *set = set_of(table, page, &tag);
    struct entry *e = find(set, tag);
    if (e == NULL)
        return PAGE_UNKNOWN;
    note_read(e, now_ms);
    return e->reads >= BUSY_READS ? PAGE_BUSY : PAGE_RECENT;
}

// Returns how little an entry is worth: the entry with the highest number is displaced first.
static uint32_t worthlessness(const struct entry *e, uint64_t now_ms)
{
    uint32_t age = age_of(e, now_ms);
    bool once = e->tag == 0 || e->reads <= 1 || age > STALE_MS;
    return age + (once ? UINT32_C(1) << 24 : 0);
}

void recent_pages_add(struct recent_pages *table, uint64_t page, uint64_t now_ms)
{
    uint32_t tag;
    struct entry *set = set_of(table, page, &tag);
    struct entry *victim = find(set, tag);
    if (victim != NULL)
        return; // recent_pages_look has noted the read
    victim = set;
    for (unsigned i = 1; i < WAYS; i++)
        if (worthlessness(&set[i], now_ms) > worthlessness(victim, now_ms))
            victim = &set[i];
    *victim = (struct entry){tag, (uint32_t)now_ms & 0xffffff, 1};
}
