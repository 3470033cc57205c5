// `stele bench`: the index by itself, without a server: building, memory, lookups of keys that are
// there and of keys that are not, one by one and in groups.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tool/tool.h"

enum {
    LOOKUPS = 2000000,
    GROUP = 64,
    ROUNDS = 3, // the quickest counts: the others were disturbed
};

// splitmix64 (Steele, Lea & Flood 2014); the same keys at each run.
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

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

static void choose_keys(const struct dataset *d, struct uuid *present, struct uuid *absent)
{
    uint64_t state = 1;
    uint64_t keys = dataset_figures(d)->keys;
    struct span value;
    for (size_t i = 0; i < LOOKUPS; i++) {
        dataset_at(d, next_random(&state) % keys, &present[i], &value);
        absent[i] = (struct uuid){next_random(&state), next_random(&state)};
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
    struct uuid *keys = malloc(2 * (size_t)LOOKUPS * sizeof *keys);
    if (d == NULL || keys == NULL || dataset_figures(d)->keys == 0) {
        if (d != NULL)
            fprintf(stderr, "stele: %s\n", keys == NULL ? "no memory" : "no keys to look up");
        free(keys);
        dataset_close(d);
        return TOOL_ERROR;
    }
    const struct dataset_figures *f = dataset_figures(d);
    uint64_t hits;
    uint64_t misses;
    choose_keys(d, keys, keys + LOOKUPS);
    printf("%-24s %10llu\n", "keys", (unsigned long long)f->keys);
    printf("%-24s %10.3f s\n", "index built in", (double)f->build_ns / 1e9);
    printf("%-24s %10.2f\n", "index bytes a key", (double)f->index_bytes / (double)f->keys);
    printf("%-24s %10s %10s\n", "", "hits", "misses");
    printf("%-24s %7.1f ns", "lookup, one by one", measure(d, keys, look_up_singly, &hits));
    printf(" %7.1f ns\n", measure(d, keys + LOOKUPS, look_up_singly, &misses));
    printf("%-24s %7.1f ns", "lookup, in groups", measure(d, keys, look_up_in_groups, &hits));
    printf(" %7.1f ns\n", measure(d, keys + LOOKUPS, look_up_in_groups, &misses));
    int code = hits == LOOKUPS ? TOOL_OK : TOOL_ERROR;
    if (code != TOOL_OK)
        fprintf(stderr, "stele: %llu of %d keys were not found\n",
                (unsigned long long)(LOOKUPS - hits), LOOKUPS);
    free(keys);
    dataset_close(d);
    return code;
}
