// Tests of the keys that a benchmark requests when the data is larger than memory.
#include "support/working_set.h"

#include <stdlib.h>
#include <string.h>

#include "data/uuid_text.h"
#include "support/synthetic.h"
#include "support/tap.h"

enum { PAGE = 4096, LINE = UUID_TEXT_LEN + 2, RECORDS = 200000, VALUE_MAX = 100 };

static struct working_set some_set(uint64_t seed)
{
    return (struct working_set){
        .seed = seed, .value_min = 1, .value_max = VALUE_MAX, .records = RECORDS, .hot = 1000};
}

static void hot(const struct working_set *w)
{
    bool spread = true;
    for (uint64_t n = 0; n < w->hot; n++)
        spread = spread && working_set_hot(w, n) == n * (RECORDS / w->hot);
    ok(spread, "the hot records are spread evenly over the file");
}

// Returns the offset of each record in the file.
static uint64_t *offsets(const struct working_set *w)
{
    uint64_t *at = calloc(RECORDS + 1, sizeof *at);
    require(at != NULL, "no memory");
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct random r = synthetic_random(w->seed, i);
        synthetic_key(&r);
        at[i + 1] = at[i] + LINE + synthetic_length(&r, w->value_min, w->value_max);
    }
    return at;
}

static void cold(const struct working_set *w)
{
    uint64_t *at = offsets(w);
    uint64_t pages = at[RECORDS] / PAGE + 1;
    bool *seen = calloc(pages, sizeof *seen);
    require(seen != NULL, "no memory");
    uint64_t drawn = pages / 2;
    uint64_t again = 0;
    uint64_t ascending = 0;
    for (uint64_t n = 0; n < drawn; n++) {
        uint64_t page = at[working_set_cold(w, n)] / PAGE;
        again += seen[page];
        seen[page] = true;
        ascending += working_set_cold(w, n + 1) > working_set_cold(w, n);
    }
    is_number((int64_t)again, 0, "half as many cold records as pages: each in another page");
    ok(ascending > drawn * 4 / 10 && ascending < drawn * 6 / 10, "they are in a random order");
    free(seen);
    free(at);
}

static void bounds(uint64_t seed)
{
    bool inside = true;
    for (uint64_t records = 1; records < 1000; records++) {
        struct working_set w = some_set(seed);
        w.records = records;
        w.hot = 1;
        for (uint64_t n = 0; n < 100; n++)
            inside =
                inside && working_set_cold(&w, n) < records && working_set_hot(&w, 0) < records;
    }
    ok(inside, "few records: no number is too large");
}

static void record(const struct working_set *w)
{
    char key[UUID_TEXT_LEN];
    char wanted_key[UUID_TEXT_LEN];
    char value[VALUE_MAX + SYNTHETIC_SLACK];
    char wanted[VALUE_MAX + SYNTHETIC_SLACK];
    struct random r = synthetic_random(w->seed, 77);
    uuid_format(synthetic_key(&r), wanted_key);
    size_t wanted_len = synthetic_length(&r, 1, VALUE_MAX);
    synthetic_value(&r, wanted_len, wanted);
    ok(working_set_room(w) <= sizeof value, "the room for a value");
    size_t len = working_set_record(w, 77, key, value);
    is_bytes(span_of(key, sizeof key), span_of(wanted_key, sizeof key), "the key of a record");
    is_bytes(span_of(value, len), span_of(wanted, wanted_len), "the value of a record");
}

int main(void)
{
    struct random r = random_seeded();
    struct working_set w = some_set(random_next(&r));
    hot(&w);
    cold(&w);
    bounds(w.seed);
    record(&w);
    return done_testing();
}
