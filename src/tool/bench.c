// `stele bench` measures the index alone, without a server: the time to build it, its memory, and
// lookups of existing and missing keys, one by one and in groups. With --cold it measures lookups
// of data that is not in memory instead.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "data/trie.h"
#include "tool/bars.h"
#include "tool/bench_cold.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum {
    SEED = 0x57e1e, // chooses the same keys in every run
    READS = 1000000,
    LOOKUPS = 2000000,
    GROUP = 64, // keys that are looked up together
    ROUNDS = 3, // rounds of a measurement; its result is the time of the fastest one
    STEPS = 9,  // steps of progress in measure_all, of about equal time
};

// Kinds of lookups: of existing keys, of random missing keys, and of missing keys that differ from
// an existing one in a single bit.
enum { HITS, MISSES, NEAR_MISSES, KINDS };

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

// Returns the time of a lookup in ns, and sets `*found` to the number of hits.
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

// Returns the number of keys whose lookup reads a line of the data file. `ids` are keys that the
// data file does not have.
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

// Measures how fast the machine's memory is. Returns the time, in ns, of a read at a random offset
// of the data file. Each offset depends on the result of the read before, so that reads cannot
// overlap. A lookup of one existing key needs at least two such reads: one in the index, and then
// one in the data file.
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
        volatile uint64_t end = state; // keeps the compiler from removing the reads
        (void)end;
        double each = (double)(clock_monotonic_ns() - start) / READS;
        if (round == 0 || each < best)
            best = each;
    }
    return best;
}

// Chooses LOOKUPS keys of each kind.
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

// The results. Times are in ns.
struct figures {
    double read;             // time of a dependent read
    double singly[KINDS];    // time of a lookup, one by one
    double in_groups[KINDS]; // time of a lookup, in groups
    uint64_t touches[KINDS]; // number of misses that read the data file
    uint64_t hits;           // number of existing keys found; the least of two measurements
};

static void measure_all(const struct dataset *d, const struct uuid *keys, const char *file,
                        struct figures *f)
{
    uint64_t found[2];
    unsigned done = 0;
    tool_step("measuring", file, false);
    f->read = time_dependent_reads(dataset_text(d));
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const struct uuid *ids = keys + kind * (size_t)LOOKUPS;
        tool_step_at(++done, STEPS);
        f->singly[kind] = measure(d, ids, look_up_singly, &found[0]);
        tool_step_at(++done, STEPS);
        f->in_groups[kind] = measure(d, ids, look_up_in_groups, &found[1]);
        tool_step_at(++done, STEPS);
        if (kind == HITS)
            f->hits = found[0] < found[1] ? found[0] : found[1];
        else
            f->touches[kind] = count_touches(d, ids);
    }
    tool_step_hide();
}

static void show_times(const char *name, const double *times)
{
    printf("%-26s %7.1f ns %7.1f ns %8.1f ns\n", name, times[HITS], times[MISSES],
           times[NEAR_MISSES]);
}

static void show(const struct dataset_figures *d, const struct figures *f)
{
    printf("%-26s %10llu\n", "keys", (ull)d->keys);
    printf("%-26s %10.3f s\n", "index built in", (double)d->build_ns / 1e9);
    printf("%-26s %10.2f\n", "index bytes a key", (double)d->index_bytes / (double)d->keys);
    printf("%-26s %7.1f ns\n", "one dependent read", f->read);
    printf("%-26s %10s %10s %10s\n", "", "hits", "misses", "near misses");
    show_times("lookup, one by one", f->singly);
    show_times("lookup, in groups", f->in_groups);
    printf("%-26s %10s %8.2f %% %9.2f %%\n", "misses touching the data", "",
           (double)f->touches[MISSES] * 100 / LOOKUPS,
           (double)f->touches[NEAR_MISSES] * 100 / LOOKUPS);
}

// Draws all times as bars, so that one sees how many reads of memory a lookup takes.
static void draw(const struct figures *f)
{
    static const char *const names[2][KINDS] = {
        {"hits, one by one", "misses, one by one", "near misses, one by one"},
        {"hits, in groups", "misses, in groups", "near misses, in groups"},
    };
    struct bar bars[1 + 2 * KINDS] = {{.label = "one dependent read", .value = f->read}};
    enum { BARS = sizeof bars / sizeof *bars };
    for (unsigned i = 1; i < BARS; i++) {
        unsigned way = (i - 1) / KINDS;
        unsigned kind = (i - 1) % KINDS;
        bars[i].label = names[way][kind];
        bars[i].value = way == 0 ? f->singly[kind] : f->in_groups[kind];
    }
    for (unsigned i = 0; i < BARS; i++)
        snprintf(bars[i].text, sizeof bars[i].text, "%9.1f ns %6.2f x", bars[i].value,
                 bars[i].value / f->read);
    bars_print("time of a lookup, and how many dependent reads take as long", bars, BARS);
}

static int bench_resident(const struct dataset *d, const char *file)
{
    struct uuid *keys = malloc(KINDS * (size_t)LOOKUPS * sizeof *keys);
    struct figures f = {0};
    if (keys == NULL) {
        tool_say("no memory");
        return TOOL_ERROR;
    }
    choose_keys(d, keys, keys + LOOKUPS, keys + 2 * LOOKUPS);
    measure_all(d, keys, file, &f);
    show(dataset_figures(d), &f);
    draw(&f);
    free(keys);
    if (f.hits == LOOKUPS)
        return TOOL_OK;
    tool_say("%llu of %d keys were not found", (ull)(LOOKUPS - f.hits), LOOKUPS);
    return TOOL_ERROR;
}

static int bench(const struct options *o)
{
    struct dataset_settings settings = o->settings;
    settings.malformed = DATASET_SKIP_MALFORMED;
    struct dataset *d = tool_open(o->file, &settings);
    int code = TOOL_ERROR;
    if (d == NULL)
        return code;
    if (dataset_figures(d)->keys == 0)
        tool_say("no keys to look up");
    else
        code = o->cold ? bench_cold(d, o->file) : bench_resident(d, o->file);
    return tool_close(d, code);
}

static const char *set_index(struct options *o, const char *value)
{
    o->settings.index_path = value;
    if (strcmp(value, "none") == 0)
        o->settings.index = DATASET_INDEX_NONE;
    return *value != '\0' ? NULL : "must be a path, or none";
}

static const char *set_cold(struct options *o, const char *value)
{
    (void)value;
    o->cold = true;
    return NULL;
}

static const struct option_row rows[] = {
    {"--cold", NULL,
     "measure lookups that wait for the disk. First removes FILE from the memory of the system, so "
     "servers of FILE must read it again",
     set_cold},
    {"--index", "PATH|none",
     "path of the index file (default: FILE.idx), or none to build the index in memory", set_index},
    TOOL_HELP_ROW,
};

const struct tool_command tool_bench = {
    .name = "bench",
    .words = "FILE [--cold] [--index PATH|none]",
    .help = "measure building the index and looking up keys",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = bench,
    .example = "stele bench devices.data --cold",
};
