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

#define MIB (1024u * 1024)

enum {
    POSITIONS = 256,        // places of the text that are sampled; a disk may have to seek for each
    LINES_EACH = 16,        // lines sampled at each place
    SEARCH_BYTES = 1 << 16, // bytes searched for the end of a line at each place
    NODE_BYTES = 1,         // bytes of nodes per key, roughly
    NODE_BYTES_MOST = 2,    // the same for keys in clusters
    HUGE_PAGE = 2 << 20,    // bytes
    LINE_BYTES = 40,        // bytes per line while it is sorted, including overhead of allocators
    SMALL_BYTES = 1 << 20,  // bytes of a small build besides its lines
    // A range is divided into units (image.h) only if it has more than UNIT_MIN keys and more than
    // 1/UNIT_SHARE of the keys of the pass.
    UNIT_MIN = 1 << 12,
    UNIT_SHARE = 32,
    // Work of sorting and indexing one record, in the units of records_pass: reading a byte is 1.
    RECORD_WORK = RECORDS_SORT_WORK + 8,
};

// Keys of lines that are spread evenly over the text, in key order.
struct sample {
    struct uuid *keys;
    size_t count;   // number of keys
    uint64_t lines; // number of lines of the whole text: an estimate until the first pass is done
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
    uint64_t done;             // work of the passes before the present one
    uint64_t total;            // expected work of all passes
    uint64_t reported;         // work that was last reported to `progress`
};

uint64_t build_memory_default(void)
{
    return process_memory_allowed() / 4;
}

// Returns the next key; for the last key, the first.
static struct uuid uuid_next(struct uuid id)
{
    id.lo++;
    id.hi += id.lo == 0;
    return id;
}

static struct uuid uuid_before(struct uuid id)
{
    id.hi -= id.lo == 0;
    id.lo--;
    return id;
}

// ---- estimating ---------------------------------------------------------------------------------

// State of taking the sample.
struct sampling {
    struct span text;
    struct sample *sample;
    uint64_t bytes; // bytes read
    uint64_t lines; // lines in these bytes
};

// Reads some lines after one position of the text.
static void sample_lines_at(void *context, unsigned worker, size_t position)
{
    struct sampling *k = context;
    struct sample *s = k->sample;
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    uint64_t at = k->text.len / POSITIONS * position;
    uint64_t left = k->text.len - at < SEARCH_BYTES ? k->text.len - at : SEARCH_BYTES;
    (void)worker;
    if (left == 0)
        return;
    const char *start = k->text.ptr + at;
    const char *newline = memchr(start, '\n', left);
    uint64_t skip = position == 0 ? 0 : newline != NULL ? (uint64_t)(newline - start) + 1 : left;
    if (skip == left)
        k->bytes += left; // all of these bytes are in one long value
    lines_init(&reader, span_of(start + skip, left - skip));
    for (unsigned i = 0; i < LINES_EACH; i++) {
        if ((result = lines_next(&reader, &record, &fault)) == LINE_END)
            break;
        k->lines++;
        if (result == LINE_RECORD)
            s->keys[s->count++] = record.id;
    }
    k->bytes += reader.offset;
}

// Samples lines all over the text. Each position may wait for the disk. So each is a job of its
// own, as this thread yields to the event loops between two jobs (base/yield.h). Returns false when
// memory is short.
static bool take_sample(struct building *g)
{
    struct sample *s = &g->sample;
    struct sampling sampling = {.text = g->text, .sample = s};
    g->first_sample = malloc(POSITIONS * LINES_EACH * sizeof *g->first_sample);
    if (g->first_sample == NULL)
        return false;
    *s = (struct sample){.keys = g->first_sample};
    parallel_run(1, POSITIONS, sample_lines_at, &sampling);
    qsort(s->keys, s->count, sizeof *s->keys, uuid_compare);
    if (sampling.lines > 0)
        s->lines =
            (uint64_t)((double)g->text.len / (double)sampling.bytes * (double)sampling.lines) + 1;
    return true;
}

// Returns the number of the first key of the sample that is not less than `id`.
static size_t sample_seek(const struct sample *s, struct uuid id)
{
    size_t lo = 0;
    size_t hi = s->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (uuid_less(s->keys[middle], id))
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

// Estimates the number of lines whose keys are between keys number `lo` and `hi` of the sample.
static uint64_t lines_between(const struct sample *s, size_t lo, size_t hi)
{
    return s->count == 0 ? s->lines
                         : (uint64_t)((double)(hi - lo) / (double)s->count * (double)s->lines);
}

// Chooses the last key of a range that begins at `low` and should have at most `capacity` lines.
static struct uuid choose_end(const struct sample *s, struct uuid low, uint64_t capacity)
{
    size_t from = sample_seek(s, low);
    if (lines_between(s, from, s->count) <= capacity)
        return all_keys.high;
    size_t most = (size_t)((double)capacity / (double)s->lines * (double)s->count);
    struct uuid a = s->keys[from + most / 8 * 7];
    struct uuid b = s->keys[from + most];
    if (uuid_less(a, b))
        return records_round_end(a, b);
    // One key has many lines. The range ends before that key, or contains only that key.
    return uuid_less(low, a) ? uuid_before(a) : a;
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
// range becomes several units. The keys of each begin with the same bits (records_is_prefix_range).
static bool add_units(struct building *g, struct key_range range, uint64_t lo, uint64_t hi,
                      struct error *error)
{
    const struct trie_sorted *s = &g->records.sorted;
    if (hi - lo <= UNIT_MIN || hi - lo <= s->count / UNIT_SHARE || records_is_prefix_range(range))
        return trie_builder_add(&g->builder, s, lo, hi, error);
    struct uuid end = records_round_end(range.low, range.high);
    uint64_t middle = trie_sorted_after(s, end);
    struct uuid begin = uuid_next(end);
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
    g->to_file = g->to_file || (g->settings->fd >= 0 && !uuid_equal(r->range.high, all_keys.high));
    if (!check_memory(g, good, error)) // there may be more lines than estimated
        return false;
    return trie_builder_init(&g->builder, g->text.len, good, g->to_file ? g->settings->fd : -1,
                             g->settings->fd_at, r->threads, error);
}

// Plans the pass over the keys from `low` on, and updates the expected total of the work.
static struct records_pass plan_pass(struct building *g, struct uuid low)
{
    const struct sample *s = &g->sample;
    uint64_t blocks = records_blocks(&g->records, memory_left(g) / block_bytes(g));
    // Some blocks are not full, and the estimate is not exact, so 7 % are kept in reserve.
    uint64_t capacity = blocks * TRIE_BLOCK / 100 * 93;
    size_t from = sample_seek(s, low);
    uint64_t left = lines_between(s, from, s->count);
    uint64_t passes = capacity > 0 ? left / capacity + 1 : 1;
    struct records_pass pass = {
        .range = {low, choose_end(s, low, capacity)},
        .spread = all_keys,
        .blocks = blocks,
        .progress = report_pass,
        .progress_context = g,
    };
    bool all = uuid_equal(pass.range.high, all_keys.high);
    size_t to = all ? s->count : sample_seek(s, pass.range.high);
    if (s->count > 0)
        pass.spread = (struct key_range){s->keys[0], s->keys[s->count - 1]};
    pass.records_estimated = lines_between(s, from, to);
    g->total = g->done + passes * g->text.len + left * RECORD_WORK;
    if (g->total < g->reported)
        g->total = g->reported;
    return pass;
}

// Appends the records of the last pass to the image.
static bool append_pass(struct building *g, bool all, struct error *error)
{
    const struct records *r = &g->records;
    g->built->value_bytes -= r->dropped_bytes;
    g->built->keys += r->sorted.count;
    g->done += g->text.len + r->sorted.count * RECORD_WORK;
    bool added = all ? trie_builder_add(&g->builder, &r->sorted, 0, r->sorted.count, error)
                     : add_units(g, r->range, 0, r->sorted.count, error);
    report(g, g->done);
    return added;
}

// Reads and sorts the records with keys from `low` on, as many as fit into memory, and appends them
// to the image. Sets `*high` to the last key of the range. Returns false with a message on failure.
static bool do_pass(struct building *g, struct uuid low, struct uuid *high, struct error *error)
{
    struct records *r = &g->records;
    struct records_pass pass = plan_pass(g, low);
    if (!records_read(r, &pass, error))
        return false;
    g->built->cuts += r->cuts;
    if (g->built->passes++ == 0 && !begin_image(g, error))
        return false;
    *high = r->range.high;
    if (g->builder.units == NULL) // the build stops because of malformed lines
        return true;
    bool all = uuid_equal(low, all_keys.low) && uuid_equal(*high, all_keys.high);
    return append_pass(g, all, error);
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
    if (!take_sample(g)) {
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
    return records_init(&g->records, g->text, settings->division,
                        blocks_max < blocks_all ? blocks_max : blocks_all, error);
}

static bool do_passes(struct building *g, struct error *error)
{
    struct uuid low = all_keys.low;
    struct uuid high;
    do {
        if (!do_pass(g, low, &high, error))
            return false;
        low = uuid_next(high);
    } while (g->builder.units != NULL && !uuid_equal(high, all_keys.high));
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
    bool built = prepare(&g, error) && do_passes(&g, error) && finish(&g, error);
    records_release(&g.records);
    trie_builder_release(&g.builder);
    free(g.first_sample);
    uint64_t missing = b->missing;
    if (!built)
        build_release(b);
    b->missing = missing;
    return built;
}

void build_release(struct built *b)
{
    trie_image_release(&b->image);
    *b = (struct built){0};
}
