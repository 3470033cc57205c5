// `stele sample` prints random lines of a data file, for tests. Each key has the same chance. The
// lines are in key order, so they need not be kept in memory.
#include <inttypes.h>
#include <stdio.h>

#include "base/number.h"
#include "base/random.h"
#include "data/lines.h"
#include "tool/tool.h"

// Returns a random number less than `n`, all with the same probability. This is the method of
// Lemire, Fast Random Integer Generation in an Interval, 2019.
static uint64_t random_below(uint64_t *state, uint64_t n)
{
    unsigned __int128 product;
    do
        product = (unsigned __int128)splitmix64(state) * n;
    while ((uint64_t)product < -n % n);
    return (uint64_t)(product >> 64);
}

// Prints the line of the key with this rank as it is in the file. Returns false when it cannot be
// read, or standard output does not take it.
static bool print_line(const struct dataset *d, uint64_t rank)
{
    struct uuid id;
    uint64_t offset;
    if (!dataset_offset_at(d, rank, &id, &offset))
        return false;
    struct span value = dataset_value(d, offset);
    if (value.ptr == NULL)
        return false;
    fwrite(value.ptr - LINE_VALUE_AT, 1, LINE_VALUE_AT + value.len, stdout);
    putchar('\n');
    return !ferror(stdout);
}

// Each key is chosen with the probability that the number of lines still wanted has among the keys
// that are left. So every set of keys is as probable as any other. This is algorithm S in Knuth,
// The Art of Computer Programming, volume 2, section 3.4.2.
static bool print_sample(const struct dataset *d, uint64_t wanted, uint64_t seed)
{
    uint64_t keys = dataset_figures(d)->keys;
    for (uint64_t rank = 0; rank < keys && wanted > 0; rank++)
        if (random_below(&seed, keys - rank) < wanted) {
            if (!print_line(d, rank))
                return false;
            wanted--;
        }
    return true;
}

static int sample(const struct options *o)
{
    int64_t wanted;
    uint64_t seed = o->sample.has_seed ? o->sample.seed : random_number() >> 32;
    if (o->key_count != 1 || !number_parse(span_text(o->keys[0]), &wanted) || wanted < 0) {
        tool_say("the number of lines must be a number, 0 or more");
        return TOOL_ERROR;
    }
    struct dataset *d = tool_open(o->file, &o->settings);
    if (d == NULL)
        return TOOL_ERROR;
    if (!o->sample.has_seed)
        fprintf(stderr, "stele: --seed %" PRIu64 "\n", seed);
    return tool_close(d, print_sample(d, (uint64_t)wanted, seed) ? TOOL_OK : TOOL_ERROR);
}

static const char *set_seed(struct options *o, const char *value)
{
    int64_t seed;
    if (!number_parse(span_text(value), &seed) || seed < 0)
        return "must be a number, 0 or more";
    o->sample.seed = (uint64_t)seed;
    o->sample.has_seed = true;
    return NULL;
}

static const struct option_row rows[] = {
    {"--seed", "S", "seed of the random numbers (default: a random one, which is printed)",
     set_seed},
    TOOL_INDEX_MEMORY_ROW,
    TOOL_HELP_ROW,
};

const struct tool_command tool_sample = {
    .name = "sample",
    .words = "FILE N [--seed S] [--build-memory SIZE]",
    .help = "print N random lines with different keys, in key order, or all if there are fewer; "
            "the same file and seed give the same lines",
    .takes_keys = true,
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = sample,
    .example = "stele sample devices.data 1000 --seed 1 > sample.data",
};
