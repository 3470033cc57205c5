// Merges the keys of two datasets in order.
//
// The merge is divided into parts that several threads do at the same time. A part has the same
// number of keys, of both datasets together, however differently these are distributed. (This is
// "merge path": Green, McColl & Bader, "GPU Merge Path", 2012.) So each part's differences fit into
// a list of fixed size. The threads do a few parts, and then the caller reports their lists in
// order.
//
// A key's line is at a random place of the data file, so reading it waits for memory. These waits
// overlap: the lines of the next keys are prefetched while the present ones are compared.
#include "data/compare.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/parallel.h"
#include "base/process.h"
#include "data/dataset.h"
#include "data/trie.h"

enum {
    PART = 16 * 1024, // keys of a part, of both datasets together
    // Parts that are done together, for each thread. Starting and ending threads takes time, so
    // they do many. The differences of parts are kept until they are reported, so these are fewer.
    COUNTED_PER_THREAD = 64,
    REPORTED_PER_THREAD = 16,
    REPORTED_MAX = 96,        // of all threads; the differences of so many parts take 63 MB
    GROUP = 128,              // lines of one dataset that are prefetched together
    CACHE_LINE = 64,          // bytes
    PREFETCHED_LINES_MAX = 4, // cache lines of a data file's line that are prefetched
    PIECE = 32 * 1024 * 1024, // bytes of a data file that are mapped at a time
    TRIES_MAX = 4,            // comparisons of the same parts while others write to an index file
};

#ifndef MADV_POPULATE_READ // glibc 2.35; the kernel knows it since 5.14
#define MADV_POPULATE_READ 22
#endif

// The keys of one dataset that a part reads.
struct side {
    const struct dataset *dataset;
    const struct trie *trie;
    unsigned cache_lines;     // number of cache lines that are prefetched for each key
    uint64_t next;            // rank of the first key that is not prefetched
    uint64_t end;             // rank after the last key of the part
    bool has_last;            // `last` is set
    struct uuid last;         // the last key that was read; the next one must be greater
    unsigned prefetched;      // number of `granules`
    unsigned at;              // number of the present key in `ids`
    unsigned count;           // number of `ids` and `offsets`
    uint64_t granules[GROUP]; // places of the lines that are prefetched
    struct uuid ids[GROUP];   // keys that were read
    uint64_t offsets[GROUP];  // offsets of their lines
};

// A place between two keys of each dataset: the ranks of the keys after it.
struct place {
    uint64_t old;
    uint64_t new;
};

// A part of the merge, and what it has found.
struct part {
    struct place begin;
    struct place end;
    struct difference *differences; // room for PART + 1; NULL if none are to be reported
    size_t count;                   // number of differences
    struct dataset_difference counts;
    bool good; // all keys and values could be read
};

struct comparing {
    const struct dataset *old;
    const struct dataset *new;
    const struct trie *old_trie;
    const struct trie *new_trie;
    const struct compare_settings *settings;
    struct part *parts;
    size_t part_count; // number of parts that are done together
};

static bool is_cancelled(const struct comparing *c)
{
    return c->settings->cancel != NULL && atomic_load(c->settings->cancel);
}

// ---- the keys of one dataset --------------------------------------------------------------------

// Sets `*id` and `*offset` to the key of this rank and the offset of its line. Returns false when
// its slot or its line is damaged.
static bool key_at(const struct trie *t, uint64_t rank, struct uuid *id, uint64_t *offset)
{
    uint64_t granule;
    return trie_granule_at(t, rank, &granule) && trie_key_in(t, granule, offset, id);
}

// Prefetches the lines of the next keys. Returns false when a slot is damaged.
static bool prefetch(struct side *s)
{
    uint64_t left = s->end - s->next;
    s->prefetched = left < GROUP ? (unsigned)left : GROUP;
    for (unsigned i = 0; i < s->prefetched; i++)
        if (!trie_granule_at(s->trie, s->next + i, &s->granules[i]) ||
            s->granules[i] >= s->trie->data.len)
            return false;
    // These are in a loop of their own, so that their searches of the page table overlap.
    for (unsigned i = 0; i < s->prefetched; i++)
        for (unsigned j = 0; j < s->cache_lines; j++)
            __builtin_prefetch(s->trie->data.ptr + s->granules[i] + j * CACHE_LINE);
    s->next += s->prefetched;
    return true;
}

// Reads the keys whose lines are prefetched, and prefetches the next ones. Returns false when a
// slot or a line is damaged, or a key is not greater than the one before it.
static bool read_group(struct side *s)
{
    s->at = 0;
    s->count = s->prefetched;
    for (unsigned i = 0; i < s->count; i++) {
        if (!trie_key_in(s->trie, s->granules[i], &s->offsets[i], &s->ids[i]) ||
            (s->has_last && !uuid_less(s->last, s->ids[i])))
            return false;
        s->last = s->ids[i];
        s->has_last = true;
    }
    return prefetch(s);
}

// Whether there is a present key, or the part has no more keys of this dataset. If the keys that
// were read are used up, reads more. Returns false on damage.
static inline bool load(struct side *s)
{
    return s->at < s->count || s->prefetched == 0 || read_group(s);
}

// Begins with the keys from rank `begin` to `end` - 1.
static bool side_init(struct side *s, const struct dataset *d, uint64_t begin, uint64_t end,
                      bool keys_only)
{
    uint64_t offset;
    s->dataset = d;
    s->trie = dataset_trie(d);
    s->next = begin;
    s->end = end;
    s->at = 0;
    s->count = 0;
    s->has_last = begin > 0;
    // A line may begin anywhere in a cache line. So most lines touch one more than their length
    // says. A key alone touches at most two.
    uint64_t average = s->trie->count > 0 ? s->trie->data.len / s->trie->count : 0;
    uint64_t lines = 1 + (average + CACHE_LINE - 1) / CACHE_LINE;
    s->cache_lines = keys_only                      ? 2
                     : lines < PREFETCHED_LINES_MAX ? (unsigned)lines
                                                    : PREFETCHED_LINES_MAX;
    return (begin == 0 || key_at(s->trie, begin - 1, &s->last, &offset)) && prefetch(s);
}

// ---- a part -------------------------------------------------------------------------------------

static void note(struct part *p, enum difference_kind kind, struct uuid id, uint64_t old_offset,
                 uint64_t new_offset)
{
    assert(p->count <= PART);
    p->differences[p->count++] = (struct difference){kind, id, old_offset, new_offset};
}

// Compares the values of a key that both datasets have. Returns false when one of them cannot be
// read.
static bool compare_values(const struct side *old, const struct side *new, struct part *p)
{
    uint64_t old_offset = old->offsets[old->at];
    uint64_t new_offset = new->offsets[new->at];
    struct span a = dataset_value(old->dataset, old_offset);
    struct span b = dataset_value(new->dataset, new_offset);
    if (a.ptr == NULL || b.ptr == NULL)
        return false;
    if (span_equal(a, b)) {
        p->counts.same++;
        return true;
    }
    p->counts.changed++;
    if (p->differences != NULL)
        note(p, DIFFERENCE_CHANGED, old->ids[old->at], old_offset, new_offset);
    return true;
}

// Merges the two sides. Returns false when something could not be read.
static bool merge(struct side *old, struct side *new, bool keys_only, struct part *p)
{
    while (load(old) && load(new)) {
        bool has_old = old->at < old->count;
        bool has_new = new->at < new->count;
        if (!has_old && !has_new)
            return true;
        if (!has_new || (has_old && uuid_less(old->ids[old->at], new->ids[new->at]))) {
            p->counts.removed++;
            if (p->differences != NULL)
                note(p, DIFFERENCE_REMOVED, old->ids[old->at], old->offsets[old->at],
                     DATASET_NO_OFFSET);
            old->at++;
        } else if (!has_old || uuid_less(new->ids[new->at], old->ids[old->at])) {
            p->counts.added++;
            if (p->differences != NULL)
                note(p, DIFFERENCE_ADDED, new->ids[new->at], DATASET_NO_OFFSET,
                     new->offsets[new->at]);
            new->at++;
        } else {
            if (keys_only)
                p->counts.same++;
            else if (!compare_values(old, new, p))
                return false;
            old->at++;
            new->at++;
        }
    }
    return false;
}

static void do_part(void *context, unsigned worker, size_t number)
{
    const struct comparing *c = context;
    const struct compare_settings *settings = c->settings;
    struct part *p = &c->parts[number];
    struct side old;
    struct side new;
    (void)worker;
    p->count = 0;
    p->counts = (struct dataset_difference){0};
    p->good = true;
    if (is_cancelled(c))
        return;
    p->good = side_init(&old, c->old, p->begin.old, p->end.old, settings->keys_only) &&
              side_init(&new, c->new, p->begin.new, p->end.new, settings->keys_only) &&
              merge(&old, &new, settings->keys_only, p);
}

// ---- the parts ----------------------------------------------------------------------------------

// Sets `*place` so that `keys` keys of both datasets together are before it; one more if it would
// otherwise separate two equal keys. Every key before it is less than every key after it. Returns
// false when a slot or a line is damaged.
static bool find_place(const struct comparing *c, uint64_t keys, struct place *place)
{
    const struct trie *old = c->old_trie;
    const struct trie *new = c->new_trie;
    uint64_t lo = keys > new->count ? keys - new->count : 0;
    uint64_t hi = keys < old->count ? keys : old->count;
    struct uuid a;
    struct uuid b;
    uint64_t offset;
    // Of two equal keys, that of the old dataset comes first here.
    while (lo < hi) {
        uint64_t middle = lo + (hi - lo) / 2;
        if (!key_at(old, middle, &a, &offset) || !key_at(new, keys - middle - 1, &b, &offset))
            return false;
        if (uuid_less(b, a))
            hi = middle;
        else
            lo = middle + 1;
    }
    *place = (struct place){lo, keys - lo};
    if (place->old == 0 || place->new == new->count)
        return true;
    if (!key_at(old, place->old - 1, &a, &offset) || !key_at(new, place->new, &b, &offset))
        return false;
    place->new += uuid_equal(a, b);
    return true;
}

// Chooses the next parts, from `*at` on, and sets `*at` to their end. Returns their number, or 0
// when a slot or a line is damaged.
static size_t choose_parts(struct comparing *c, struct place *at)
{
    uint64_t total = c->old_trie->count + c->new_trie->count;
    size_t count = 0;
    while (count < c->part_count && at->old + at->new < total) {
        uint64_t done = at->old + at->new;
        struct part *p = &c->parts[count++];
        p->begin = *at;
        if (!find_place(c, total - done < PART ? total : done + PART, at) ||
            at->old < p->begin.old || at->new < p->begin.new)
            return 0;
        p->end = *at;
    }
    return count;
}

// Adds the counts of the parts, and reports their differences in order.
static bool report_parts(const struct comparing *c, size_t count,
                         struct dataset_difference *difference, struct error *error)
{
    const struct compare_settings *settings = c->settings;
    for (size_t i = 0; i < count; i++) {
        const struct part *p = &c->parts[i];
        difference->added += p->counts.added;
        difference->removed += p->counts.removed;
        difference->changed += p->counts.changed;
        difference->same += p->counts.same;
        for (size_t j = 0; j < p->count; j++)
            if (!settings->report(settings->context, &p->differences[j], error))
                return false;
    }
    return true;
}

// Returns how many parts are done together.
static size_t parts_together(const struct comparing *c, unsigned threads)
{
    uint64_t all = (c->old_trie->count + c->new_trie->count) / PART + 1;
    uint64_t count = (uint64_t)threads * COUNTED_PER_THREAD;
    if (c->settings->report != NULL) {
        count = (uint64_t)threads * REPORTED_PER_THREAD;
        count = count < REPORTED_MAX ? count : REPORTED_MAX;
    }
    return (size_t)(count < all ? count : all);
}

static bool allocate(struct comparing *c, struct error *error)
{
    bool reports = c->settings->report != NULL;
    c->parts = calloc(c->part_count, sizeof *c->parts);
    bool good = c->parts != NULL;
    for (size_t i = 0; i < c->part_count && good && reports; i++) {
        c->parts[i].differences = malloc((PART + 1) * sizeof *c->parts->differences);
        good = c->parts[i].differences != NULL;
    }
    if (!good)
        error_set(error, "not enough memory to compare two files");
    return good;
}

static void release(struct comparing *c)
{
    for (size_t i = 0; i < c->part_count && c->parts != NULL; i++)
        free(c->parts[i].differences);
    free(c->parts);
}

// ---- the pages of the data files ----------------------------------------------------------------

static size_t pieces_of(const struct dataset *d)
{
    return (dataset_text(d).len + PIECE - 1) / PIECE;
}

// Returns a piece of a data file, and sets `*d` to the dataset that it belongs to. The pieces of
// the old one come first.
static struct span piece_at(const struct comparing *c, size_t number, const struct dataset **d)
{
    bool is_old = number < pieces_of(c->old);
    *d = is_old ? c->old : c->new;
    size_t at = (is_old ? number : number - pieces_of(c->old)) * PIECE;
    struct span text = dataset_text(*d);
    return span_of(text.ptr + at, text.len - at < PIECE ? text.len - at : PIECE);
}

static void read_piece(void *context, unsigned worker, size_t number)
{
    const struct dataset *d;
    struct span piece = piece_at(context, number, &d);
    (void)worker;
    if (!is_cancelled(context))
        dataset_will_need(d, piece.ptr, piece.len);
}

static void map_piece(void *context, unsigned worker, size_t number)
{
    const struct dataset *d;
    struct span piece = piece_at(context, number, &d);
    (void)worker;
    if (!is_cancelled(context))
        (void)madvise((void *)(uintptr_t)piece.ptr, piece.len, MADV_POPULATE_READ);
}

// Reads what is not in memory of both data files, in the order of the files, and then maps all of
// their pages. Otherwise the comparison would do this page by page, in random order, which takes
// several times as long. If the files do not fit into memory, this would be in vain.
static void map_pages(struct comparing *c, unsigned threads)
{
    size_t pieces = pieces_of(c->old) + pieces_of(c->new);
    if (dataset_text(c->old).len + dataset_text(c->new).len > process_memory_allowed() / 4 * 3)
        return;
    parallel_run(threads, pieces, read_piece, c);
    parallel_run(threads, pieces, map_piece, c);
}

// ---- the whole comparison -----------------------------------------------------------------------

// Whether the files of `d` are whole, and the data is as it was opened.
static bool is_right(const struct dataset *d, struct error *error)
{
    if (dataset_look(d) != 0)
        error_set(error, "'%s' or its index was truncated, overwritten or cannot be read",
                  dataset_path(d));
    else if (dataset_index_is_damaged(d))
        error_set(error, "the index of '%s' is damaged or was overwritten", dataset_path(d));
    else if (!dataset_is_unchanged(d))
        error_set(error, "'%s' was changed while it was compared", dataset_path(d));
    else
        return true;
    return false;
}

// Compares the next parts, from `*at` on, and sets `*at` to their end. Returns their number, or 0
// when a slot or a line is damaged. When somebody writes to an index file meanwhile, compares them
// again: that may be a server that writes down that the index belongs to the data. The second time
// the index is compared with its checksums.
static size_t do_parts(struct comparing *c, unsigned threads, struct place *at)
{
    const struct place begin = *at;
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        unsigned old_round = dataset_index_round(c->old);
        unsigned new_round = dataset_index_round(c->new);
        size_t count = choose_parts(c, at);
        parallel_run(threads, count, do_part, c);
        bool good = count > 0;
        for (size_t i = 0; i < count; i++)
            good = good && c->parts[i].good;
        if (dataset_index_round_is_valid(c->old, old_round) &&
            dataset_index_round_is_valid(c->new, new_round))
            return good ? count : 0;
        if (is_cancelled(c) || dataset_index_is_damaged(c->old) || dataset_index_is_damaged(c->new))
            return 0;
        *at = begin;
    }
    return 0;
}

// Compares everything. Sets `*readable` to false, without a message, when a key or a value could
// not be read; otherwise a failure has a message.
static bool compare_all(struct comparing *c, unsigned threads,
                        struct dataset_difference *difference, bool *readable, struct error *error)
{
    const struct compare_settings *settings = c->settings;
    struct place at = {0, 0};
    uint64_t total = c->old_trie->count + c->new_trie->count;
    map_pages(c, threads);
    while (at.old + at.new < total) {
        size_t count = do_parts(c, threads, &at);
        *readable = count > 0;
        if (is_cancelled(c)) {
            *readable = true;
            error_set(error, "interrupted");
            return false;
        }
        if (!*readable || !report_parts(c, count, difference, error))
            return false;
        if (settings->progress != NULL)
            settings->progress(settings->context, at.old + at.new, total);
    }
    return true;
}

bool compare_datasets(const struct dataset *old, const struct dataset *new,
                      const struct compare_settings *settings,
                      struct dataset_difference *difference, struct error *error)
{
    static const struct compare_settings plain;
    unsigned threads = parallel_threads();
    struct comparing c = {.old = old,
                          .new = new,
                          .old_trie = dataset_trie(old),
                          .new_trie = dataset_trie(new),
                          .settings = settings != NULL ? settings : &plain};
    c.part_count = parts_together(&c, threads);
    bool readable = true;
    *difference = (struct dataset_difference){0};
    bool good = is_right(old, error) && is_right(new, error) && allocate(&c, error) &&
                compare_all(&c, threads, difference, &readable, error);
    release(&c);
    if (!good && readable)
        return false;
    // If something could not be read, a file that is not right any more is the reason.
    if (!is_right(old, error) || !is_right(new, error))
        return false;
    if (!good)
        error_set(error,
                  "the index of '%s' or '%s' is wrong: its keys are not in order, or it is being "
                  "written to",
                  dataset_path(old), dataset_path(new));
    return good;
}

bool compare_count_lost(const struct dataset *old, const struct dataset *new,
                        const struct compare_settings *settings, uint64_t *lost,
                        struct error *error)
{
    struct compare_settings keys = {.keys_only = true};
    struct dataset_difference difference;
    if (settings != NULL) {
        keys.progress = settings->progress;
        keys.context = settings->context;
        keys.cancel = settings->cancel;
    }
    if (!compare_datasets(old, new, &keys, &difference, error))
        return false;
    *lost = difference.removed;
    return true;
}
