// `stele bench`: the index by itself, without a server: building, memory, lookups of keys that are
// there and of keys that are not, one by one and in groups.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "data/trie.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum {
    SEED = 0x57e1e, // the same keys at each run
    READS = 1000000,
    LOOKUPS = 2000000,
    GROUP = 64,
    ROUNDS = 3, // the quickest counts: the others were disturbed
};

static void look_up_singly(const struct dataset *d, const struct uuid *ids, uint64_t *found)
{
    struct span value;
    for (size_t i = 0; i < LOOKUPS; i++)
        *found += dataset_get(d, ids[i], &value);
}

static void look_up_in_groups(const struct dataset *d, const struct uuid *ids, uint64_t *found)
{
    struct span values[GROUP];
    for (size_t i = 0; i < LOOKUPS; i += GROUP) {
        size_t count = LOOKUPS - i < GROUP ? LOOKUPS - i : GROUP;
        dataset_get_many(d, ids + i, count, values);
        for (size_t j = 0; j < count; j++)
            *found += values[j].ptr != NULL;
    }
}

// Nanoseconds a lookup; `*found` is how many of them were hits.
static double measure(const struct dataset *d, const struct uuid *ids,
                      void (*look_up)(const struct dataset *d, const struct uuid *ids,
                                      uint64_t *found),
                      uint64_t *found)
{
    double best = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_monotonic_ns();
        *found = 0;
        look_up(d, ids, found);
        double each = (double)(clock_monotonic_ns() - start) / LOOKUPS;
        if (round == 0 || each < best)
            best = each;
    }
    return best;
}

// How many of the keys that are not there had a line of the data file looked at.
static uint64_t count_touches(const struct dataset *d, const struct uuid *ids)
{
    uint64_t touched = 0;
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct trie_probe probe;
        uint64_t offset;
        trie_find_probed(dataset_trie(d), ids[i], &offset, &probe);
        touched += probe.touches > 0;
    }
    return touched;
}

// What memory costs here: nanoseconds for a read anywhere in the data file whose place depends on
// the one before. A lookup alone is two of them.
static double time_dependent_reads(struct span text)
{
    double best = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_monotonic_ns();
        uint64_t state = SEED;
        uint64_t seen = 0;
        for (unsigned i = 0; i < READS; i++) {
            state += seen;
            seen = (unsigned char)text.ptr[splitmix64(&state) % text.len];
        }
        volatile uint64_t end = state; // so that the reads are not left out
        (void)end;
        double each = (double)(clock_monotonic_ns() - start) / READS;
        if (round == 0 || each < best)
            best = each;
    }
    return best;
}

// Keys that are there; keys that are not; and keys that differ from one that is there in one bit.
static void choose_keys(const struct dataset *d, struct uuid *present, struct uuid *absent,
                        struct uuid *near)
{
    uint64_t state = SEED;
    uint64_t keys = dataset_figures(d)->keys;
    struct span value;
    for (size_t i = 0; i < LOOKUPS; i++) {
        dataset_at(d, splitmix64(&state) % keys, &present[i], &value);
        absent[i] = (struct uuid){splitmix64(&state), splitmix64(&state)};
        near[i] = present[i];
        unsigned bit = (unsigned)(splitmix64(&state) % 128);
        *(bit < 64 ? &near[i].hi : &near[i].lo) ^= UINT64_C(1) << bit % 64;
    }
}

int tool_bench(int argc, char *argv[])
{
    struct dataset_settings settings = tool_settings();
    const char *file = NULL;
    settings.malformed = DATASET_SKIP_MALFORMED;
    for (int i = 1; i < argc; i++)
        if (!tool_index_option(&settings, argc, argv, &i))
            file = file == NULL && argv[i][0] != '-' ? argv[i] : "";
    if (file == NULL || *file == '\0') {
        fprintf(stderr, "usage: stele bench FILE [--index PATH|none]\n");
        return TOOL_ERROR;
    }
    struct dataset *d = tool_open(file, &settings);
    struct uuid *keys = malloc(3 * (size_t)LOOKUPS * sizeof *keys);
    if (d == NULL || keys == NULL || dataset_figures(d)->keys == 0) {
        if (d != NULL)
            fprintf(stderr, "stele: %s\n", keys == NULL ? "no memory" : "no keys to look up");
        free(keys);
        dataset_close(d);
        return TOOL_ERROR;
    }
    const struct dataset_figures *f = dataset_figures(d);
    const struct uuid *absent = keys + LOOKUPS;
    const struct uuid *near = absent + LOOKUPS;
    uint64_t hits;
    uint64_t found;
    choose_keys(d, keys, keys + LOOKUPS, keys + 2 * LOOKUPS);
    printf("%-26s %10llu\n", "keys", (ull)f->keys);
    printf("%-26s %10.3f s\n", "index built in", (double)f->build_ns / 1e9);
    printf("%-26s %10.2f\n", "index bytes a key", (double)f->index_bytes / (double)f->keys);
    printf("%-26s %7.1f ns\n", "one dependent read", time_dependent_reads(dataset_text(d)));
    printf("%-26s %10s %10s %10s\n", "", "hits", "misses", "near misses");
    printf("%-26s %7.1f ns", "lookup, one by one", measure(d, keys, look_up_singly, &hits));
    printf(" %7.1f ns", measure(d, absent, look_up_singly, &found));
    printf(" %8.1f ns\n", measure(d, near, look_up_singly, &found));
    printf("%-26s %7.1f ns", "lookup, in groups", measure(d, keys, look_up_in_groups, &hits));
    printf(" %7.1f ns", measure(d, absent, look_up_in_groups, &found));
    printf(" %8.1f ns\n", measure(d, near, look_up_in_groups, &found));
    printf("%-26s %10s %8.2f %% %9.2f %%\n", "misses touching the data", "",
           (double)count_touches(d, absent) * 100 / LOOKUPS,
           (double)count_touches(d, near) * 100 / LOOKUPS);
    int code = hits == LOOKUPS ? TOOL_OK : TOOL_ERROR;
    if (code != TOOL_OK)
        fprintf(stderr, "stele: %llu of %d keys were not found\n",
                (unsigned long long)(LOOKUPS - hits), LOOKUPS);
    free(keys);
    return tool_close(d, code);
}
