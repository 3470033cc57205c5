// Reading a text in chunks, on several threads and in several passes has the same result as reading
// it in one piece: the same records in the same order, the same counts and the same malformed
// lines.
#include "data/build/records.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/parallel.h"
#include "data/uuid_text.h"
#include "support/keysets.h"
#include "support/memory.h"
#include "support/tap.h"

// The time of passes over small blocks grows with the square of the lines; sanitizers multiply it.
enum { LINES = CHECKED_BUILD ? 1000 : 3000 };

// Makes lines of every kind: records of a key set, duplicates in upper or lower case, and malformed
// lines. The last line has a newline or none.
static struct buf mixed_text(struct random *r, const struct keyset *set)
{
    static struct uuid keys[LINES];
    struct buf text = {0};
    size_t count = keyset_fill(set, r, keys, LINES);
    unsigned duplicates = (unsigned)random_below(r, 3);
    unsigned malformed = (unsigned)random_below(r, 2);
    for (size_t i = 0; i < count; i++) {
        unsigned kind = (unsigned)random_below(r, 40);
        size_t line = text.len;
        if (kind == 0 && malformed > 0) {
            static const char *const bad[] = {"\n", "bad\n", "\xef\xbb\xbf\n", " \n"};
            buf_append_text(&text, bad[random_below(r, 4)]);
            continue;
        }
        struct uuid id = kind < 10 && duplicates > 0 ? keys[random_below(r, i + 1)] : keys[i];
        keys_write_lines(r, &id, 1, 60, &text);
        for (size_t j = line; kind == 1 && j < line + UUID_TEXT_LEN; j++)
            text.ptr[j] = ascii_upper(text.ptr[j]);
    }
    if (text.len > 0 && random_below(r, 2) == 0)
        text.len--;
    return text;
}

// The records and counts of a text.
struct result {
    struct trie_record *items; // in key order
    size_t kept;
    uint64_t total; // number of well-formed lines
    uint64_t lines;
    uint64_t malformed;
    uint64_t value_bytes; // bytes of the values of the kept records
    struct line_error errors[RECORDS_ERRORS_MAX];
    unsigned passes;
    unsigned cuts;
};

static void append(struct result *result, const struct trie_sorted *s)
{
    for (size_t p = 0; p < s->part_count; p++) {
        for (uint64_t rank = s->parts[p].rank; rank < s->parts[p + 1].rank; rank++) {
            uint64_t within = rank - s->parts[p].rank;
            uint32_t block = s->order[s->parts[p].block + within / TRIE_BLOCK];
            result->items[result->kept++] =
                s->blocks[(uint64_t)block * TRIE_BLOCK + within % TRIE_BLOCK];
        }
    }
}

// Reads the text in as many passes as are needed when each may use `blocks`. The estimates that it
// is given are right, or `wrong` on purpose.
static struct result read_in_passes(struct span text, struct records_division division,
                                    size_t blocks, bool wrong)
{
    struct records r;
    struct error error = {""};
    struct result result = {.items = calloc(text.len / LINE_MIN + 1, sizeof *result.items)};
    struct records_pass pass = {.range = all_keys, .spread = all_keys, .blocks = blocks};
    pass.records_estimated = text.len / (wrong ? 3 : 80);
    if (wrong)
        pass.spread.high = (struct uuid){0x0123456789ab4000u, 5};
    require(records_init(&r, text, division, blocks, &error), "%s", error.text);
    do {
        require(records_read(&r, &pass, &error), "%s", error.text);
        append(&result, &r.sorted);
        if (result.passes++ == 0)
            result.value_bytes = r.value_bytes;
        result.value_bytes -= r.dropped_bytes;
        result.cuts += r.cuts;
        pass.range.low = r.range.high;
        if (++pass.range.low.lo == 0)
            pass.range.low.hi++;
    } while (!uuid_equal(r.range.high, all_keys.high));
    result.lines = r.lines;
    result.malformed = r.malformed;
    result.total = r.lines - r.malformed;
    memcpy(result.errors, r.errors, sizeof r.errors);
    records_release(&r);
    return result;
}

static struct result read_whole(struct span text, struct records_division division)
{
    struct result result =
        read_in_passes(text, division, text.len / LINE_MIN / TRIE_BLOCK * 2 + 20000, false);
    require(result.passes == 1, "%u passes, although one is enough", result.passes);
    return result;
}

static bool same_errors(const struct result *a, const struct result *b)
{
    for (uint64_t i = 0; i < a->malformed && i < RECORDS_ERRORS_MAX; i++)
        if (a->errors[i].fault != b->errors[i].fault || a->errors[i].line != b->errors[i].line ||
            a->errors[i].offset != b->errors[i].offset ||
            !span_equal(a->errors[i].text, b->errors[i].text))
            return false;
    return true;
}

static bool same(const struct result *a, const struct result *b)
{
    if (a->kept != b->kept || a->total != b->total || a->lines != b->lines ||
        a->malformed != b->malformed || a->value_bytes != b->value_bytes || !same_errors(a, b))
        return false;
    for (size_t i = 0; i < a->kept; i++)
        if (!uuid_equal(a->items[i].id, b->items[i].id) || a->items[i].offset != b->items[i].offset)
            return false;
    return true;
}

// Finds the expected records in a slow and simple way: line by line, then the last line of each
// key.
static bool is_right(const struct result *r, struct span text)
{
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    uint64_t value_bytes = 0;
    size_t total = 0;
    uint64_t lines = 0;
    struct trie_record *all = calloc(LINES + 1, sizeof *all);
    lines_init(&reader, text);
    while ((result = lines_next(&reader, &record, &fault)) != LINE_END) {
        lines++;
        if (result == LINE_RECORD)
            all[total++] = (struct trie_record){record.id, record.offset};
    }
    size_t kept = 0;
    bool good = r->total == total && r->lines == lines && r->malformed == lines - total;
    for (size_t i = 0; i < r->kept; i++) {
        good &= i == 0 || uuid_less(r->items[i - 1].id, r->items[i].id);
        value_bytes += line_value(text, r->items[i].offset).len;
    }
    for (size_t i = 0; i < total; i++) { // the last record of each key is kept
        bool last = true;
        for (size_t j = i + 1; last && j < total; j++)
            last = !uuid_equal(all[i].id, all[j].id);
        if (!last)
            continue;
        size_t lo = 0;
        size_t hi = r->kept;
        while (lo < hi) {
            size_t middle = (lo + hi) / 2;
            if (uuid_less(r->items[middle].id, all[i].id))
                lo = middle + 1;
            else
                hi = middle;
        }
        good &= lo < r->kept && r->items[lo].offset == all[i].offset;
        kept++;
    }
    free(all);
    return good && kept == r->kept && value_bytes == r->value_bytes;
}

static void check_divisions(struct random *r)
{
    // Each pass starts threads anew, so the division with the most passes has one thread. Emulators
    // take a millisecond and hundreds of kilobytes for each thread.
    static const struct records_division divisions[] = {
        {1, 1, 0},    {1, 4, 16},     {40, 1, 0}, {64, 3, 100},   {999, 8, 0},
        {5000, 1, 7}, {100000, 2, 0}, {0, 0, 0},  {5000, 2, 100},
    };
    static const size_t blocks[] = {1, 20, 33, 50};
    for (unsigned round = 0; round < 15; round++) {
        const struct keyset *set = &keysets[round % keyset_count];
        struct buf text = mixed_text(r, set);
        struct result whole =
            read_whole(buf_span(&text), (struct records_division){SIZE_MAX / 2, 1, 0});
        bool good = is_right(&whole, buf_span(&text));
        unsigned passes = 0;
        unsigned cuts = 0;
        for (unsigned i = 0; i < sizeof divisions / sizeof *divisions; i++) {
            struct result parts = read_whole(buf_span(&text), divisions[i]);
            good &= same(&whole, &parts);
            free(parts.items);
            // Chunks of one byte are slow, so they are read in one pass only.
            for (unsigned j = i % 4; i >= 2 && j < sizeof blocks / sizeof *blocks; j += 2) {
                parts = read_in_passes(buf_span(&text), divisions[i], blocks[j], j % 2 > 0);
                good &= same(&whole, &parts);
                passes += parts.passes;
                cuts += parts.cuts;
                free(parts.items);
            }
        }
        ok(good, "%s: %zu lines, %zu keys, %zu malformed, however divided; %u passes, %u cuts",
           set->name, (size_t)whole.lines, whole.kept, (size_t)whole.malformed, passes, cuts);
        free(whole.items);
        buf_release(&text);
    }
}

static void check_many(struct random *r)
{
    enum { MANY = CHECKED_BUILD ? 50000 : 200000 }; // the sanitizers find as much in a quarter
    static const struct {
        size_t blocks;
        struct records_division division;
    } cases[] = {
        {MANY, {100000, 4, 0}},
        {MANY, {100000, 4, 500}},
        {MANY / TRIE_BLOCK / 3, {0, 0, 0}},
        {MANY / TRIE_BLOCK, {100000, 2, 1000}},
    };
    struct uuid *keys = calloc(MANY, sizeof *keys);
    for (unsigned set = 0; set < keyset_count; set++) {
        struct buf text = {0};
        size_t count = keyset_fill(&keysets[set], r, keys, MANY);
        keys_write_lines(r, keys, count, 0, &text);
        size_t distinct = keys_sort(keys, count);
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct result result =
                read_in_passes(buf_span(&text), cases[i].division, cases[i].blocks, i > 2);
            bool good = result.kept == distinct && result.total == count;
            for (size_t j = 0; good && j < distinct; j++)
                good = uuid_equal(result.items[j].id, keys[j]);
            ok(good, "%s: %zu keys in order, in parts; %u passes, %u cuts", keysets[set].name,
               distinct, result.passes, result.cuts);
            free(result.items);
        }
        buf_release(&text);
    }
    free(keys);
}

static void add_part(void *context, unsigned worker, size_t part)
{
    unsigned *done = context;
    (void)worker;
    done[part]++;
}

static void check_parallel(void)
{
    unsigned done[1000];
    ok(parallel_threads() >= 1, "there is at least one thread");
    for (unsigned threads = 0; threads <= 100; threads += 20) {
        bool once = true;
        memset(done, 0, sizeof done);
        parallel_run(threads, 1000, add_part, done);
        for (unsigned i = 0; i < 1000; i++)
            once &= done[i] == 1;
        ok(once, "with %u threads, each part is done once", threads);
    }
    parallel_run(4, 0, add_part, done);
    ok(true, "without parts, no work is done");
}

int main(void)
{
    struct random r = random_seeded();
    check_parallel();
    check_divisions(&r);
    check_many(&r);
    return done_testing();
}
