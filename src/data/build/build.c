// Builds the image in passes, one for each range of keys. The build estimates the number of lines
// and the distribution of their keys, and chooses ranges that fit into memory. Then it reads and
// sorts each range and appends it to the image. A wrong estimate costs time, but the result is
// right: a range that does not fit is shortened while it is read (records.c), and the next range
// begins where it ends.
#include "data/build/build.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/parallel.h"
#include "base/process.h"
#include "data/build/sample.h"
#include "data/identity.h"

#define MIB (1024u * 1024)

enum {
    NODE_BYTES = 1,        // bytes of nodes per key, roughly
    NODE_BYTES_MOST = 2,   // the same for keys in clusters
    HUGE_PAGE = 2 << 20,   // bytes
    LINE_BYTES = 40,       // bytes per line while it is sorted, including overhead of allocators
    SMALL_BYTES = 1 << 20, // bytes of a small build besides its lines
    // A range is divided into units (image.h) only if it has more than UNIT_MIN keys and more than
    // 1/UNIT_SHARE of the keys of the pass.
    UNIT_MIN = 1 << 12,
    UNIT_SHARE = 32,
    // Work of sorting and indexing one record, in the units of records_pass: reading a byte is 1.
    RECORD_WORK = RECORDS_SORT_WORK + 8,
    // The same for a record in the temporary file, which must first be read.
    SPILLED_WORK = RECORDS_RETURN_WORK + RECORD_WORK,
};

// State of a build.
struct building {
    struct built *built;
    const struct build_settings *settings;
    struct span text;
    uint64_t memory; // bytes, as in the settings or the default
    uint64_t most;   // bytes, as in the settings; UINT64_MAX: no limit
    struct records records;
    struct trie_builder builder;
    struct sample sample;
    struct uuid *first_sample; // keys of the sample that was taken before the first pass; owned
    bool to_file;              // the image is built in the file
    struct spill spill;        // the temporary file for records, when it is open
    bool spill_was_opened;     // opening it was tried
    uint64_t spilled;          // number of records in it that no pass has read yet
    uint64_t done;             // work of the passes before the present one
    uint64_t total;            // expected work of all passes
    uint64_t reported;         // work that was last reported to `progress`
};

uint64_t build_memory_default(void)
{
    return process_memory_allowed() / 4;
}

// ---- a pass -------------------------------------------------------------------------------------

static void report(struct building *g, uint64_t done)
{
    if (done > g->total)
        done = g->total;
    if (done > g->reported)
        g->reported = done;
    if (g->settings->progress != NULL)
        g->settings->progress(g->settings->progress_context, g->reported, g->total);
}

static void report_pass(void *context, uint64_t work)
{
    struct building *g = context;
    report(g, g->done + work);
}

// Returns the bytes that the build keeps free: for allocators and stacks, and because the last huge
// page of the records, of the slots and of the nodes is not full.
static uint64_t slack(const struct building *g)
{
    return g->memory / 64 + 3 * HUGE_PAGE;
}

// Returns the bytes of memory that are missing for an index of `lines`, built with as little memory
// as possible; 0 when there is enough.
static uint64_t missing_bytes(const struct building *g, uint64_t lines)
{
    uint64_t records = lines * LINE_BYTES;
    uint64_t needed = records < BUILD_RECORDS_MIN
                          ? records + SMALL_BYTES
                          : BUILD_RECORDS_MIN + records_other_bytes(&g->records) + slack(g);
    if (!g->to_file)
        needed += lines * (trie_slot_bytes(g->text.len) + NODE_BYTES_MOST);
    return needed > g->most ? needed - g->most : 0;
}

// Checks that there is enough memory to index `lines` lines. If there is not, the image will be
// built in the file, if there is one. Returns false with a message when that is not enough either.
static bool check_memory(struct building *g, uint64_t lines, struct error *error)
{
    g->built->missing = missing_bytes(g, lines);
    if (g->built->missing > 0 && !g->to_file && g->settings->fd >= 0) {
        g->to_file = true;
        g->built->missing = missing_bytes(g, lines);
    }
    if (g->built->missing == 0)
        return true;
    error_set(error,
              "an index of %llu lines takes %llu MiB of memory to build, and %llu MiB are missing",
              (unsigned long long)lines,
              (unsigned long long)(g->most + g->built->missing + MIB - 1) / MIB,
              (unsigned long long)(g->built->missing + MIB - 1) / MIB);
    return false;
}

// Returns the bytes of memory that the pass may use for its records and for their part of the
// image.
static uint64_t memory_left(const struct building *g)
{
    uint64_t taken = records_other_bytes(&g->records) + trie_builder_memory(&g->builder) + slack(g);
    if (g->settings->open_spill != NULL)
        taken += (uint64_t)g->records.threads * SPILL_BUFFER;
    uint64_t least = g->memory / 4 > BUILD_RECORDS_MIN ? g->memory / 4 : BUILD_RECORDS_MIN;
    if (g->settings->records_memory != 0)
        return g->settings->records_memory;
    uint64_t left = g->memory > taken + least ? g->memory - taken : least;
    uint64_t most = g->most > taken + BUILD_RECORDS_MIN ? g->most - taken : BUILD_RECORDS_MIN;
    return left < most ? left : most;
}

// Returns the bytes of memory for one block of records and its part of the image.
static uint64_t block_bytes(const struct building *g)
{
    unsigned each = NODE_BYTES + (g->to_file ? 0 : trie_slot_bytes(g->text.len));
    return BLOCK_POOL_BYTES + (g->settings->records_memory != 0 ? 0 : TRIE_BLOCK * each);
}

// Appends the records with ranks from `lo` to `hi` - 1, which are all records of the range. A large
// range becomes several units. The keys of each begin with the same bits (key_range_is_prefix).
static bool add_units(struct building *g, struct key_range range, uint64_t lo, uint64_t hi,
                      struct error *error)
{
    const struct trie_sorted *s = &g->records.sorted;
    if (hi - lo <= UNIT_MIN || hi - lo <= s->count / UNIT_SHARE || key_range_is_prefix(range))
        return trie_builder_add(&g->builder, s, lo, hi, error);
    struct uuid end = key_range_round_end(range.low, range.high);
    uint64_t middle = trie_sorted_after(s, end);
    struct uuid begin = key_after(end);
    return add_units(g, (struct key_range){range.low, end}, lo, middle, error) &&
           add_units(g, (struct key_range){begin, range.high}, middle, hi, error);
}

// Copies the counts of the first pass and begins the image. Returns false with a message when there
// are too many keys for the memory or for an image.
static bool begin_image(struct building *g, struct error *error)
{
    const struct records *r = &g->records;
    struct built *b = g->built;
    uint64_t good = r->lines - r->malformed;
    b->lines = r->lines;
    b->malformed = r->malformed;
    b->value_bytes = r->value_bytes;
    memcpy(b->errors, r->errors, sizeof b->errors);
    if (r->malformed > 0 && g->settings->stop_if_malformed)
        return true;
    g->sample = (struct sample){r->sample, r->sample_count, good};
    bool whole = r->spilled.run_count == 0 && uuid_equal(r->range.high, all_keys.high);
    g->to_file = g->to_file || (g->settings->fd >= 0 && !whole);
    if (!check_memory(g, good, error)) // there may be more lines than estimated
        return false;
    return trie_builder_init(&g->builder, g->text.len, good, g->to_file ? g->settings->fd : -1,
                             g->settings->fd_at, r->threads, error);
}

// Returns the temporary file for records, or NULL if there is none. Opens it when it is first
// needed.
static struct spill *spill_of(void *context)
{
    struct building *g = context;
    const struct build_settings *settings = g->settings;
    char folder[256] = "";
    if (settings->open_spill != NULL && !g->spill_was_opened) {
        uint64_t image = g->sample.lines * (trie_slot_bytes(g->text.len) + NODE_BYTES_MOST);
        uint64_t bytes = spill_bytes(g->text.len, g->sample.lines);
        int fd =
            settings->open_spill(settings->spill_context, bytes + (settings->fd >= 0 ? image : 0),
                                 folder, sizeof folder);
        if (fd >= 0)
            (void)spill_open(&g->spill, fd, g->text.len, bytes, g->records.threads, folder);
    }
    g->spill_was_opened = true;
    return g->spill.buffers != NULL ? &g->spill : NULL;
}

// Returns the number of blocks that a pass may use now.
static uint64_t pass_blocks(const struct building *g)
{
    uint64_t blocks = records_blocks(&g->records, memory_left(g) / block_bytes(g));
    return blocks < g->records.blocks_max ? blocks : g->records.blocks_max;
}

// Returns the number of records that surely fit into `blocks`. Some blocks are not full, and
// estimates are not exact, so 7 % are kept in reserve.
static uint64_t capacity_of(uint64_t blocks)
{
    return blocks * TRIE_BLOCK / 100 * 93;
}

// Sets the expected total of the work: what is done, and `left`.
static void set_total(struct building *g, uint64_t left)
{
    g->total = g->done + left;
    if (g->total < g->reported)
        g->total = g->reported;
}

// Plans the pass over the keys of `range`, which reads the text. If they will not fit into memory,
// opens the temporary file; without one, the pass has a part of the range.
static struct records_pass plan_pass(struct building *g, struct key_range range)
{
    const struct sample *s = &g->sample;
    uint64_t blocks = pass_blocks(g);
    uint64_t capacity = capacity_of(blocks);
    size_t from = sample_seek(s, range.low);
    uint64_t left = sample_lines_between(s, from, s->count);
    uint64_t passes = capacity > 0 ? left / capacity + 1 : 1;
    bool spills = passes > 1 && spill_of(g) != NULL;
    struct records_pass pass = {
        .range = range,
        .spread = all_keys,
        .blocks = blocks,
        .spill = spill_of,
        .progress = report_pass,
        .context = g,
    };
    if (!spills)
        pass.range.high = sample_choose_end(s, range.low, capacity);
    bool all = uuid_equal(pass.range.high, all_keys.high);
    size_t to = all ? s->count : sample_seek(s, pass.range.high);
    if (s->count > 0)
        pass.spread = (struct key_range){s->keys[0], s->keys[s->count - 1]};
    pass.records_estimated = sample_lines_between(s, from, to);
    set_total(g, spills ? g->text.len + left * (RECORDS_SPILL_WORK + SPILLED_WORK)
                        : passes * g->text.len + left * RECORD_WORK);
    return pass;
}

// Plans the pass over the keys of `range`, which reads a part of the temporary file.
static struct records_pass plan_spilled(struct building *g, const struct spill_part *part,
                                        struct key_range range)
{
    uint64_t count = spill_part_count(part);
    set_total(g, (count + g->spilled) * SPILLED_WORK);
    return (struct records_pass){
        .range = range,
        .spread = spill_part_bounds(part),
        .records_estimated = count,
        .blocks = pass_blocks(g),
        .from = part,
        .spill = spill_of,
        .progress = report_pass,
        .context = g,
    };
}

// Appends the records of the last pass to the image.
static bool append_pass(struct building *g, bool all, struct error *error)
{
    const struct records *r = &g->records;
    g->built->keys += r->sorted.count;
    g->done += r->sorted.count * (RECORD_WORK - RECORDS_SORT_WORK);
    bool added = all ? trie_builder_add(&g->builder, &r->sorted, 0, r->sorted.count, error)
                     : add_units(g, r->range, 0, r->sorted.count, error);
    report(g, g->done);
    return added;
}

static bool build_spilled(struct building *g, const struct spilled *spilled, struct key_range range,
                          struct error *error);

// Moves the runs of the last pass out of `g->records`, and builds the image from them. `part` is
// what the pass has read.
static bool build_again(struct building *g, const struct spill_part *part, struct key_range range,
                        struct error *error)
{
    struct spilled spilled = g->records.spilled;
    g->records.spilled = (struct spilled){0};
    if (part != NULL)
        spill_free(&g->spill, part);
    struct spill_part all = {&spilled, 0, spilled.list_count};
    g->spilled += spill_part_count(&all);
    bool built = build_spilled(g, &spilled, range, error);
    spilled_release(&spilled);
    return built;
}

// Appends the records of a range to the image, in as many passes as are needed. `part` is the part
// of the temporary file that has all records of the range; NULL: the text has them. Returns false
// with a message on failure.
static bool build_range(struct building *g, const struct spill_part *part, struct key_range range,
                        struct error *error)
{
    struct records *r = &g->records;
    struct uuid low = range.low;
    for (;;) {
        struct key_range rest = {low, range.high};
        struct records_pass pass = part == NULL ? plan_pass(g, rest) : plan_spilled(g, part, rest);
        if (!records_read(r, &pass, error))
            return false;
        g->done += r->work;
        g->built->cuts += r->cuts;
        if (part == NULL && g->built->passes++ == 0 && !begin_image(g, error))
            return false;
        if (g->builder.units == NULL) // the build stops because of malformed lines
            return true;
        g->built->value_bytes -= r->dropped_bytes;
        if (r->spilled.run_count > 0)
            return build_again(g, part, rest, error);
        bool last = uuid_equal(r->range.high, range.high);
        bool all =
            last && uuid_equal(low, all_keys.low) && uuid_equal(r->range.high, all_keys.high);
        if (!append_pass(g, all, error))
            return false;
        if (last)
            break;
        low = key_after(r->range.high);
    }
    if (part != NULL)
        spill_free(&g->spill, part);
    return true;
}

// Returns the number of zero bits at the end of the key after `id`.
static unsigned roundness(struct uuid id)
{
    struct uuid next = key_after(id);
    return next.lo != 0   ? (unsigned)__builtin_ctzll(next.lo)
           : next.hi != 0 ? 64 + (unsigned)__builtin_ctzll(next.hi)
                          : 128;
}

// Extends `part` from the list `part->first` on by as many lists as surely fit into memory, but by
// at least one with records. Returns the last key of the part. Of all ends that leave the part at
// most an eighth smaller, it chooses the best for the trie (key_range_round_end). `high` is the
// last key of the range that all lists have.
static struct uuid choose_part(const struct building *g, struct spill_part *part, struct uuid high)
{
    const struct spilled *s = part->spilled;
    uint64_t capacity = capacity_of(pass_blocks(g));
    uint64_t count = 0;
    struct uuid before = {0, 0}; // greatest key of the lists until now
    struct uuid chosen = high;
    unsigned best = 0;
    for (size_t i = part->first; i < s->list_count; i++) {
        if (s->counts[i] == 0)
            continue;
        if (count > 0) {
            struct uuid end = key_range_round_end(before, s->bounds[i].low);
            unsigned round = count < capacity / 8 * 7 ? 0 : roundness(end);
            if (round >= best) {
                best = round;
                chosen = end;
                part->end = i;
            }
            if (count + s->counts[i] > capacity)
                return chosen;
        }
        count += s->counts[i];
        before = s->bounds[i].high;
    }
    part->end = s->list_count;
    return high;
}

// Builds the image from all records of `spilled`, part after part. They are all records of the
// range.
static bool build_spilled(struct building *g, const struct spilled *spilled, struct key_range range,
                          struct error *error)
{
    struct spill_part part = {.spilled = spilled};
    struct key_range rest = range;
    for (; part.first < spilled->list_count; part.first = part.end) {
        rest.high = choose_part(g, &part, range.high);
        uint64_t count = spill_part_count(&part);
        g->spilled -= count;
        if (count > 0 && !build_range(g, &part, rest, error))
            return false;
        rest.low = key_after(rest.high);
    }
    return true;
}

// Takes the sample, decides where the image is built, and allocates the memory for the records.
// Returns false with a message when memory is short.
static bool prepare(struct building *g, struct error *error)
{
    const struct build_settings *settings = g->settings;
    g->memory = settings->memory != 0 ? settings->memory : build_memory_default();
    g->most = settings->most != 0 ? settings->most : UINT64_MAX;
    if (g->memory > g->most)
        g->memory = g->most;
    bool sampled = sample_take(&g->sample, g->text);
    g->first_sample = g->sample.keys;
    if (!sampled) {
        error_set(error, "no memory to build the index");
        return false;
    }
    if (!check_memory(g, g->sample.lines, error))
        return false;
    // This is the greatest number of blocks that a single pass over the whole text needs when the
    // keys are in random order.
    uint64_t blocks_all = g->text.len / LINE_MIN / TRIE_BLOCK * 5 / 4 + RECORDS_BLOCKS_MORE;
    uint64_t needed = g->sample.lines / TRIE_BLOCK * block_bytes(g);
    g->to_file = g->to_file || (settings->fd >= 0 && needed + needed / 10 > memory_left(g));
    uint64_t blocks_max = memory_left(g) / block_bytes(g);
    struct records *r = &g->records;
    if (!records_init(r, g->text, settings->division,
                      blocks_max < blocks_all ? blocks_max : blocks_all, error))
        return false;
    if (r->chunk_bytes % IDENTITY_BLOCK == 0 || r->chunk_count <= 1)
        r->sums = settings->sums;
    g->built->summed = r->sums != NULL;
    return true;
}

static bool finish(struct building *g, struct error *error)
{
    struct built *b = g->built;
    // The last step of building the image needs the memory of the records.
    records_release(&g->records);
    g->sample = (struct sample){0};
    if (g->builder.units != NULL) {
        b->in_file = g->to_file;
        b->duplicates = b->lines - b->malformed - b->keys;
        if (!trie_builder_finish(&g->builder, &b->image, &b->image_bytes, error))
            return false;
    }
    report(g, g->total);
    return true;
}

bool build_index(struct built *b, struct span text, const struct build_settings *settings,
                 struct error *error)
{
    struct building g = {.built = b, .settings = settings, .text = text};
    *b = (struct built){0};
    bool built = prepare(&g, error) && build_range(&g, NULL, all_keys, error) && finish(&g, error);
    records_release(&g.records);
    trie_builder_release(&g.builder);
    free(g.first_sample);
    b->spilled = g.spill.records;
    struct built failed = {.missing = b->missing,
                           .spill_failed = atomic_load(&g.spill.failed) != 0};
    spill_close(&g.spill);
    if (!built) {
        build_release(b);
        *b = failed;
    }
    return built;
}

void build_release(struct built *b)
{
    trie_image_release(&b->image);
    *b = (struct built){0};
}
