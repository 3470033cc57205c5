// Reading a text in chunks on threads gives what reading it in one piece gives: the same records in
// the same order, the same counts, the same first malformed lines.
#include "data/records.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/parallel.h"
#include "support/keysets.h"
#include "support/tap.h"

enum { LINES = 3000 };

// Lines of every kind: records of a key set, duplicates of earlier keys in either case, malformed
// ones; with or without a final newline.
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

static bool same_errors(const struct records *a, const struct records *b)
{
    for (uint64_t i = 0; i < a->malformed && i < RECORDS_ERRORS_MAX; i++)
        if (a->errors[i].fault != b->errors[i].fault || a->errors[i].line != b->errors[i].line ||
            a->errors[i].offset != b->errors[i].offset ||
            !span_equal(a->errors[i].text, b->errors[i].text))
            return false;
    return true;
}

static bool same(const struct records *a, const struct records *b)
{
    if (a->kept != b->kept || a->total != b->total || a->lines != b->lines ||
        a->malformed != b->malformed || a->value_bytes != b->value_bytes || !same_errors(a, b))
        return false;
    for (size_t i = 0; i < a->kept; i++)
        if (!uuid_equal(a->items[i].id, b->items[i].id) || a->items[i].offset != b->items[i].offset)
            return false;
    return true;
}

// What the records must be, found the slow way: line by line, then each key's last line.
static bool is_right(const struct records *r, struct span text)
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
    for (size_t i = 0; i < total; i++) { // is it the last of its key, then it is kept
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
    static const struct records_division divisions[] = {{1, 1},   {1, 4},    {40, 1},     {64, 3},
                                                        {999, 8}, {5000, 2}, {100000, 2}, {0, 0}};
    for (unsigned round = 0; round < 30; round++) {
        const struct keyset *set = &keysets[round % keyset_count];
        struct buf text = mixed_text(r, set);
        struct error error = {""};
        struct records whole;
        require(records_read(&whole, buf_span(&text), (struct records_division){SIZE_MAX / 2, 1},
                             &error),
                "%s", error.text);
        bool good = round >= 15 || is_right(&whole, buf_span(&text));
        for (unsigned i = 0; i < sizeof divisions / sizeof *divisions; i++) {
            struct records parts;
            require(records_read(&parts, buf_span(&text), divisions[i], &error), "%s", error.text);
            good &= same(&whole, &parts);
            records_release(&parts);
        }
        ok(good, "%s: %zu lines, %zu keys, %zu malformed, in any division", set->name,
           (size_t)whole.lines, whole.kept, (size_t)whole.malformed);
        records_release(&whole);
        buf_release(&text);
    }
}

static void check_many(struct random *r)
{
    enum { MANY = 200000 };
    struct uuid *keys = calloc(MANY, sizeof *keys);
    for (unsigned set = 0; set < keyset_count; set++) {
        struct buf text = {0};
        struct records records;
        struct error error = {""};
        size_t count = keyset_fill(&keysets[set], r, keys, MANY);
        keys_write_lines(r, keys, count, 0, &text);
        require(
            records_read(&records, buf_span(&text), (struct records_division){100000, 4}, &error),
            "%s", error.text);
        size_t distinct = keys_sort(keys, count);
        bool good = records.kept == distinct && records.total == count;
        for (size_t i = 0; good && i < distinct; i++)
            good = uuid_equal(records.items[i].id, keys[i]);
        ok(good, "%s: %zu keys in order, in partitions", keysets[set].name, distinct);
        records_release(&records);
        buf_release(&text);
    }
    free(keys);
}

static void add_part(void *context, size_t part)
{
    unsigned *done = context;
    done[part]++;
}

static void check_parallel(void)
{
    unsigned done[1000];
    ok(parallel_threads() >= 1, "there is a thread");
    for (unsigned threads = 0; threads <= 100; threads += 20) {
        bool once = true;
        memset(done, 0, sizeof done);
        parallel_run(threads, 1000, add_part, done);
        for (unsigned i = 0; i < 1000; i++)
            once &= done[i] == 1;
        ok(once, "each part is done once on %u threads", threads);
    }
    parallel_run(4, 0, add_part, done);
    ok(true, "no parts are no work");
}

int main(void)
{
    struct random r = random_seeded();
    check_parallel();
    check_divisions(&r);
    check_many(&r);
    return done_testing();
}
