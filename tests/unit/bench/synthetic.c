// Tests of synthetic records: each follows from the seed and its number alone.
#include "support/synthetic.h"

#include <string.h>

#include "data/uuid_text.h"
#include "support/keysets.h"
#include "support/tap.h"

enum { RECORDS = 20000, VALUE_MAX = 100 };

struct record {
    struct uuid key;
    size_t len;
    char value[VALUE_MAX + SYNTHETIC_SLACK];
};

static struct record record_at(uint64_t seed, uint64_t i)
{
    struct record record = {0};
    struct random r = synthetic_random(seed, i);
    record.key = synthetic_key(&r);
    record.len = synthetic_length(&r, 1, VALUE_MAX);
    synthetic_value(&r, record.len, record.value);
    return record;
}

static bool same(const struct record *a, const struct record *b)
{
    return uuid_equal(a->key, b->key) && a->len == b->len &&
           memcmp(a->value, b->value, a->len) == 0;
}

static void repeats(uint64_t seed)
{
    struct record first = record_at(seed, RECORDS - 1);
    struct record other = record_at(seed + 1, RECORDS - 1);
    struct record next = record_at(seed, RECORDS);
    struct record again = record_at(seed, RECORDS - 1);
    ok(same(&first, &again), "a record is the same whatever was made before it");
    ok(!same(&first, &next), "the next record is another one");
    ok(!same(&first, &other), "another seed has another record");
}

static void keys_and_values(uint64_t seed)
{
    static struct uuid keys[RECORDS];
    size_t shortest = SIZE_MAX;
    size_t longest = 0;
    bool newline = false;
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct record record = record_at(seed, i);
        keys[i] = record.key;
        shortest = record.len < shortest ? record.len : shortest;
        longest = record.len > longest ? record.len : longest;
        newline = newline || memchr(record.value, '\n', record.len) != NULL;
    }
    is_number((int64_t)keys_sort(keys, RECORDS), RECORDS, "all keys are distinct");
    is_number((int64_t)shortest, 1, "the shortest value");
    is_number((int64_t)longest, VALUE_MAX, "the longest value");
    ok(!newline, "no value has a newline");
}

int main(void)
{
    struct random r = random_seeded();
    uint64_t seed = random_next(&r);
    repeats(seed);
    keys_and_values(seed);
    return done_testing();
}
