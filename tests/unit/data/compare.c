// Comparing two datasets (data/compare.c) finds what a simple model finds: for random data with
// duplicates, keys in upper case, long values, and numbers of keys around the size of a part. A
// file that is damaged or written to gives an error, never wrong counts.
#include "data/compare.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mapping.h"
#include "data/trie_image.h"
#include "support/forge.h"
#include "support/keysets.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"

enum {
    PART = 16 * 1024, // keys of a part in data/compare.c
    POOL = 120000,    // most keys of a random comparison
    LONG = 70000,     // bytes of a long value, which is more than DATASET_PART
    ABSENT = -1,
};

// ---- a pair of datasets and its model -----------------------------------------------------------

// Keys in order, and for each key its value in both datasets: a number, or ABSENT.
struct pair {
    size_t count;
    struct uuid keys[POOL];
    int32_t values[2][POOL];
    struct buf texts[2];
    struct dataset *datasets[2];
};

static struct pair pair;

// Appends the text of a value. Different numbers stand for different texts.
static void append_value(int32_t value, struct buf *to)
{
    if (value == 0)
        return;
    if (value % 5000 == 1) {
        char *text = buf_reserve(to, LONG);
        require(text != NULL, "no memory");
        memset(text, 'x', LONG);
        to->len += LONG;
    }
    buf_printf(to, value % 3 == 0 ? "%d" : "%d and some more text", value);
}

static void append_line(struct random *r, struct uuid id, int32_t value, struct buf *to)
{
    char key[UUID_TEXT_LEN];
    bool upper = random_below(r, 8) == 0;
    uuid_format(id, key);
    for (unsigned i = 0; i < sizeof key && upper; i++)
        key[i] = ascii_upper(key[i]);
    buf_append(to, span_of(key, sizeof key));
    buf_append_text(to, " ");
    append_value(value, to);
    buf_append_text(to, "\n");
}

// Writes the lines of one dataset in random order. Some keys have earlier lines with other values.
static void write_text(struct random *r, unsigned which)
{
    static uint32_t order[POOL];
    struct buf *text = &pair.texts[which];
    const int32_t *values = pair.values[which];
    size_t count = 0;
    for (uint32_t i = 0; i < pair.count; i++) {
        if (values[i] == ABSENT)
            continue;
        if (random_below(r, 10) == 0)
            append_line(r, pair.keys[i], (int32_t)random_below(r, 100), text);
        order[count++] = i;
    }
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below(r, i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swapped;
    }
    for (size_t i = 0; i < count; i++)
        append_line(r, pair.keys[order[i]], values[order[i]], text);
    if (text->len > 0 && random_below(r, 2) == 0)
        text->len--;
    require(!text->oom, "no memory");
}

static void pair_open(struct random *r)
{
    for (unsigned i = 0; i < 2; i++) {
        struct error error = {""};
        pair.texts[i] = (struct buf){0};
        write_text(r, i);
        pair.datasets[i] = dataset_open_memory(buf_span(&pair.texts[i]), i == 0 ? "old" : "new",
                                               DATASET_REFUSE_MALFORMED, NULL, &error);
        require(pair.datasets[i] != NULL, "%s", error.text);
    }
}

static void pair_close(void)
{
    for (unsigned i = 0; i < 2; i++) {
        dataset_close(pair.datasets[i]);
        buf_release(&pair.texts[i]);
    }
}

// ---- comparing with the model -------------------------------------------------------------------

// What was reported so far, compared with the model on the fly.
struct reports {
    size_t at;      // number of the first key of the model that is not yet passed
    unsigned wrong; // number of reports that differ from the model
    uint64_t done;  // last progress
    uint64_t total; // total of the last progress
    bool backwards; // progress went back
};

static bool is_reported(size_t i)
{
    return pair.values[0][i] != pair.values[1][i];
}

static enum difference_kind kind_of(size_t i)
{
    if (pair.values[0][i] == ABSENT)
        return DIFFERENCE_ADDED;
    return pair.values[1][i] == ABSENT ? DIFFERENCE_REMOVED : DIFFERENCE_CHANGED;
}

// Whether the line at `offset` is the one that `d` serves for the key; if `d` lacks the key,
// whether there is no offset.
static bool is_line(const struct dataset *d, struct uuid id, uint64_t offset, bool has_key)
{
    uint64_t found;
    (void)dataset_find_many(d, &id, 1, &found);
    return offset == found && (offset != DATASET_NO_OFFSET) == has_key;
}

static bool check_report(void *context, const struct difference *d, struct error *error)
{
    struct reports *r = context;
    (void)error;
    while (r->at < pair.count && !is_reported(r->at))
        r->at++;
    bool good = r->at < pair.count && uuid_equal(d->id, pair.keys[r->at]) &&
                d->kind == kind_of(r->at) &&
                is_line(pair.datasets[0], d->id, d->old_offset, d->kind != DIFFERENCE_ADDED) &&
                is_line(pair.datasets[1], d->id, d->new_offset, d->kind != DIFFERENCE_REMOVED);
    r->wrong += !good;
    r->at++;
    return true;
}

static void check_progress(void *context, uint64_t done, uint64_t total)
{
    struct reports *r = context;
    r->backwards |= done < r->done || done > total;
    r->done = done;
    r->total = total;
}

static bool counts_are(const struct dataset_difference *got,
                       const struct dataset_difference *wanted)
{
    if (memcmp(got, wanted, sizeof *got) == 0)
        return true;
    diag("added %llu of %llu, removed %llu of %llu, changed %llu of %llu, same %llu of %llu",
         (unsigned long long)got->added, (unsigned long long)wanted->added,
         (unsigned long long)got->removed, (unsigned long long)wanted->removed,
         (unsigned long long)got->changed, (unsigned long long)wanted->changed,
         (unsigned long long)got->same, (unsigned long long)wanted->same);
    return false;
}

static struct dataset_difference model_counts(void)
{
    struct dataset_difference counts = {0};
    for (size_t i = 0; i < pair.count; i++) {
        bool has_old = pair.values[0][i] != ABSENT;
        bool has_new = pair.values[1][i] != ABSENT;
        counts.added += !has_old && has_new;
        counts.removed += has_old && !has_new;
        counts.same += has_old && has_new && !is_reported(i);
        counts.changed += has_old && has_new && is_reported(i);
    }
    return counts;
}

// Compares the two datasets in every way, and the results with the model.
static void check_pair(const char *name)
{
    const struct dataset *old = pair.datasets[0];
    const struct dataset *new = pair.datasets[1];
    struct error error = {""};
    struct reports reports = {0};
    struct dataset_difference got;
    struct dataset_difference wanted = model_counts();
    struct compare_settings settings = {
        .report = check_report, .progress = check_progress, .context = &reports};
    uint64_t keys = wanted.added + wanted.removed + 2 * (wanted.changed + wanted.same);
    uint64_t lost = UINT64_MAX;

    ok(compare_datasets(old, new, &settings, &got, &error) && counts_are(&got, &wanted),
       "%s: counts %s", name, error.text);
    while (reports.at < pair.count && !is_reported(reports.at))
        reports.at++;
    ok(reports.wrong == 0 && reports.at == pair.count,
       "%s: each difference is reported once, in order", name);
    ok(!reports.backwards && reports.done == keys && reports.total == keys,
       "%s: progress reaches the number of keys", name);
    ok(compare_datasets(old, new, NULL, &got, &error) && counts_are(&got, &wanted),
       "%s: counts without reports", name);
    ok(compare_count_lost(old, new, NULL, &lost, &error) && lost == wanted.removed,
       "%s: number of lost keys", name);
    settings = (struct compare_settings){.keys_only = true};
    wanted.same += wanted.changed;
    wanted.changed = 0;
    ok(compare_datasets(old, new, &settings, &got, &error) && counts_are(&got, &wanted),
       "%s: counts of keys only", name);
}

// ---- random pairs -------------------------------------------------------------------------------

// Chances, of 100: that a dataset has a key, and that both have the same value.
struct chances {
    unsigned old;
    unsigned new;
    unsigned same;
};

static void fill_pair(struct random *r, const struct keyset *set, size_t count,
                      const struct chances *chances)
{
    pair.count = keys_sort(pair.keys, keyset_fill(set, r, pair.keys, count));
    for (size_t i = 0; i < pair.count; i++) {
        int32_t value = (int32_t)random_below(r, 10000);
        pair.values[0][i] = random_below(r, 100) < chances->old ? value : ABSENT;
        if (random_below(r, 100) >= chances->same)
            value = (int32_t)random_below(r, 10000);
        pair.values[1][i] = random_below(r, 100) < chances->new ? value : ABSENT;
    }
}

static void check_random(struct random *r)
{
    static const struct chances chances[] = {
        {100, 100, 100}, {100, 100, 0}, {100, 0, 0},  {0, 100, 0},  {0, 0, 0},
        {50, 50, 50},    {99, 99, 99},  {1, 100, 50}, {100, 1, 50},
    };
    enum { CHANCES = sizeof chances / sizeof *chances };
    static const size_t counts[] = {0, 1, 2, 100, 129, PART / 2 - 1, PART / 2, PART / 2 + 1, PART};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (unsigned j = 0; j < CHANCES; j++) {
            char name[128];
            const struct keyset *set = &keysets[random_below(r, keyset_count)];
            fill_pair(r, set, counts[i], &chances[j]);
            snprintf(name, sizeof name, "%zu keys (%s), %u %% old, %u %% new, %u %% same",
                     pair.count, set->name, chances[j].old, chances[j].new, chances[j].same);
            pair_open(r);
            check_pair(name);
            pair_close();
        }
    }
}

// More keys than are compared before the first report, unless there are many processors.
static void check_many(struct random *r)
{
    fill_pair(r, &keysets[0], POOL, &(struct chances){90, 90, 90});
    pair_open(r);
    check_pair("many keys");
    pair_close();
    // The new dataset has all of its keys between two keys of the old one, or before or after them.
    for (unsigned gap = 0; gap < 3; gap++) {
        size_t from = gap * (POOL / 3);
        fill_pair(r, &keysets[0], POOL, &(struct chances){100, 0, 0});
        for (size_t i = from; i < from + POOL / 3 && i < pair.count; i++) {
            pair.values[0][i] = ABSENT;
            pair.values[1][i] = (int32_t)random_below(r, 10000);
        }
        pair_open(r);
        check_pair("keys in a gap");
        pair_close();
    }
}

static void check_itself(struct random *r)
{
    struct error error = {""};
    struct dataset_difference got;
    fill_pair(r, &keysets[0], 1000, &(struct chances){100, 100, 100});
    pair_open(r);
    const struct dataset *d = pair.datasets[0];
    struct dataset_difference wanted = {.same = dataset_figures(d)->keys};
    ok(compare_datasets(d, d, NULL, &got, &error) && counts_are(&got, &wanted),
       "a dataset is the same as itself");
    pair_close();
}

// ---- how a comparison ends early ----------------------------------------------------------------

static bool refuse_third(void *context, const struct difference *d, struct error *error)
{
    unsigned *count = context;
    (void)d;
    if (++*count < 3)
        return true;
    error_set(error, "the disk is full");
    return false;
}

static void check_ended(struct random *r)
{
    struct error error = {""};
    struct dataset_difference got;
    unsigned count = 0;
    uint64_t lost;
    atomic_bool cancel = true;
    struct compare_settings settings = {.cancel = &cancel};
    fill_pair(r, &keysets[0], 1000, &(struct chances){100, 50, 0});
    pair_open(r);
    ok(!compare_datasets(pair.datasets[0], pair.datasets[1], &settings, &got, &error),
       "a comparison that is cancelled fails");
    is_text(error.text, "interrupted", "the message says so");
    ok(!compare_count_lost(pair.datasets[0], pair.datasets[1], &settings, &lost, &error),
       "counting lost keys can be cancelled");
    settings = (struct compare_settings){.report = refuse_third, .context = &count};
    ok(!compare_datasets(pair.datasets[0], pair.datasets[1], &settings, &got, &error),
       "a report that fails ends the comparison");
    is_text(error.text, "the disk is full", "the message is that of the report");
    is_number(count, 3, "nothing is reported after that");
    pair_close();
}

// ---- files that change --------------------------------------------------------------------------

static const struct table old_table = {5, 20000};
static const struct table new_table = {6, 20000};

// The files of a comparison that is expected to fail.
struct files {
    struct opened old;
    struct opened new;
    const char *path; // path of the file that is changed
    void (*change)(const char *path);
};

// Sets times that the file did not have before, as the clock of the file system may be too coarse
// to give other times to a change.
static void set_other_times(const char *path)
{
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    require(utimensat(AT_FDCWD, path, times, 0) == 0, "cannot set times");
}

static void cut(const char *path)
{
    file_resize(path, 10000 * TABLE_LINE + 17);
}

static void append(const char *path)
{
    file_patch(path, old_table.count * TABLE_LINE, span_text("appended"));
    set_other_times(path);
}

static void overwrite(const char *path)
{
    file_patch(path, 10000 * TABLE_LINE + UUID_TEXT_LEN + 1, span_text("spoiled"));
    set_other_times(path);
}

static void overwrite_key(const char *path)
{
    file_patch(path, 10000 * TABLE_LINE, span_text("spoiled"));
    set_other_times(path);
}

static void overwrite_index(const char *path)
{
    file_patch(path, INDEX_IMAGE_AT + 4096, span_text("spoiled spoiled"));
    set_other_times(path);
}

// Writes the same bytes.
static void rewrite_index(const char *path)
{
    struct buf same = file_content(path);
    file_patch(path, 0, buf_span(&same));
    set_other_times(path);
    buf_release(&same);
}

static void change_at_progress(void *context, uint64_t done, uint64_t total)
{
    struct files *f = context;
    (void)done;
    (void)total;
    if (f->change != NULL)
        f->change(f->path);
    f->change = NULL;
}

static void open_files(struct files *f, enum dataset_index index)
{
    static const char *const names[] = {"old.data", "new.data", "old.data.idx", "new.data.idx"};
    for (unsigned i = 0; i < 4; i++)
        unlink(test_path(names[i]));
    opened_init(&f->old, table_file(&old_table, "old.data"), index, NULL);
    opened_init(&f->new, table_file(&new_table, "new.data"), index, NULL);
    require(f->old.dataset != NULL && f->new.dataset != NULL, "cannot open the tables");
    dataset_finish(f->old.dataset, NULL);
    dataset_finish(f->new.dataset, NULL);
}

// The file `file` is changed before the comparison, and, unless it is an index, during it.
static void check_change(const char *name, enum dataset_index index, const char *file,
                         void (*change)(const char *path), const char *complaint)
{
    struct files f;
    struct dataset_difference got;
    const struct dataset_difference wanted = {.added = new_table.count, .removed = old_table.count};
    for (unsigned during = 0; during < (change == overwrite_index ? 1 : 2); during++) {
        struct error error = {""};
        struct compare_settings settings = {.progress = change_at_progress, .context = &f};
        const char *when = during ? "during the comparison" : "before the comparison";
        open_files(&f, index);
        f.change = NULL;
        f.path = strdup(test_path(file));
        ok(compare_datasets(f.old.dataset, f.new.dataset, &settings, &got, &error) &&
               counts_are(&got, &wanted),
           "(before, the two tables are compared)");
        if (during)
            f.change = change;
        else
            change(f.path);
        ok(!compare_datasets(f.old.dataset, f.new.dataset, &settings, &got, &error) &&
               strstr(error.text, complaint) != NULL,
           "%s %s %s: %s", file, name, when, error.text);
        free((char *)(uintptr_t)f.path);
        opened_close(&f.old);
        opened_close(&f.new);
    }
}

static void check_changes(void)
{
    check_change("is cut", DATASET_INDEX_NONE, "old.data", cut, "truncated");
    check_change("is cut", DATASET_INDEX_WRITE, "new.data", cut, "truncated");
    check_change("is appended to", DATASET_INDEX_WRITE, "old.data", append, "changed");
    check_change("is overwritten", DATASET_INDEX_WRITE, "new.data", overwrite, "changed");
    check_change("has another key", DATASET_INDEX_NONE, "new.data", overwrite_key, "changed");
    check_change("is overwritten", DATASET_INDEX_WRITE, "old.data.idx", overwrite_index,
                 "old.data' is damaged or was overwritten");
}

struct writer {
    const char *index;
    atomic_bool begun; // the comparison has begun
    unsigned delay_us;
};

static void *write_once(void *argument)
{
    struct writer *w = argument;
    while (!atomic_load(&w->begun))
        sched_yield();
    for (uint64_t end = clock_monotonic_ns() + w->delay_us * 1000; clock_monotonic_ns() < end;)
        sched_yield();
    rewrite_index(w->index);
    return NULL;
}

// Another process writes to an index while it is read, but its bytes stay the same: a server that
// writes down that the index belongs to the data. The comparison succeeds.
static void check_index_writes(struct random *r)
{
    enum { ROUNDS = 60, DELAY_US = 4000 };
    const struct dataset_difference wanted = {.added = new_table.count, .removed = old_table.count};
    unsigned failed = 0;
    struct files f;
    open_files(&f, DATASET_INDEX_WRITE);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct writer w = {.index = test_path(i % 2 == 0 ? "old.data.idx" : "new.data.idx"),
                           .delay_us = (unsigned)random_below(r, DELAY_US)};
        struct dataset_difference got;
        struct error error = {""};
        pthread_t thread;
        require(pthread_create(&thread, NULL, write_once, &w) == 0, "no thread");
        atomic_store(&w.begun, true);
        bool good = compare_datasets(f.old.dataset, f.new.dataset, NULL, &got, &error);
        pthread_join(thread, NULL);
        if (!good || !counts_are(&got, &wanted)) {
            failed++;
            diag("%u us: %s", w.delay_us, error.text);
        }
    }
    is_number(failed, 0, "an index is written to during the comparison, %u times", ROUNDS);
    opened_close(&f.old);
    opened_close(&f.new);
}

// ---- an index that is wrong, although its checksums are right
// ------------------------------------

// Lets a slot of the index be that of another key.
static void forge_slot(const char *index, uint64_t to, uint64_t from)
{
    struct buf file = file_content(index);
    struct trie_header h;
    memcpy(&h, file.ptr + INDEX_IMAGE_AT, sizeof h);
    char *slots = file.ptr + INDEX_IMAGE_AT + h.slots_at;
    memcpy(slots + to * h.slot_bytes, slots + from * h.slot_bytes, h.slot_bytes);
    forge_seal(&file);
    forge_write(index, &file);
    buf_release(&file);
}

static void check_forged(void)
{
    // The ranks include those at which parts of the comparison may begin and end.
    static const struct {
        uint64_t to;
        uint64_t from;
    } slots[] = {{0, 1}, {100, 99}, {100, 19999}, {19999, 19998}, {19999, 0}, {8191, 8192}};
    for (unsigned i = 0; i < sizeof slots / sizeof *slots; i++) {
        for (unsigned which = 0; which < 2; which++) {
            struct files f;
            struct error error = {""};
            struct dataset_difference got;
            uint64_t lost;
            const char *path = test_path(which == 0 ? "old.data.idx" : "new.data.idx");
            open_files(&f, DATASET_INDEX_WRITE);
            struct opened *o = which == 0 ? &f.old : &f.new;
            opened_close(o);
            forge_slot(path, slots[i].to, slots[i].from);
            opened_init(o, test_path(which == 0 ? "old.data" : "new.data"), DATASET_INDEX_ONLY,
                        NULL);
            require(o->dataset != NULL, "%s", o->error.text);
            dataset_finish(o->dataset, NULL);
            ok(!compare_datasets(f.old.dataset, f.new.dataset, NULL, &got, &error) &&
                   strstr(error.text, "is wrong") != NULL,
               "slot %llu is that of key %llu: %s", (unsigned long long)slots[i].to,
               (unsigned long long)slots[i].from, error.text);
            ok(!compare_count_lost(f.old.dataset, f.new.dataset, NULL, &lost, &error),
               "slot %llu is that of key %llu: lost keys are not counted",
               (unsigned long long)slots[i].to, (unsigned long long)slots[i].from);
            opened_close(&f.old);
            opened_close(&f.new);
        }
    }
}

// The keys are not in order at the end of a part. The other dataset has no keys, so that the part
// ends after exactly PART keys.
static void check_forged_end(void)
{
    struct files f;
    struct error error = {""};
    struct dataset_difference got;
    struct dataset *none =
        dataset_open_memory(span_of(NULL, 0), "none", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(none != NULL, "%s", error.text);
    open_files(&f, DATASET_INDEX_WRITE);
    opened_close(&f.old);
    forge_slot(test_path("old.data.idx"), PART, PART - 1);
    opened_init(&f.old, test_path("old.data"), DATASET_INDEX_ONLY, NULL);
    require(f.old.dataset != NULL, "%s", f.old.error.text);
    dataset_finish(f.old.dataset, NULL);
    ok(!compare_datasets(f.old.dataset, none, NULL, &got, &error) &&
           strstr(error.text, "is wrong") != NULL,
       "a key is in two parts: %s", error.text);
    ok(!compare_datasets(none, f.old.dataset, NULL, &got, &error),
       "a key of the new dataset is in two parts");
    dataset_close(none);
    opened_close(&f.old);
    opened_close(&f.new);
}

int main(void)
{
    mapping_catch_faults();
    struct random r = random_seeded();
    check_random(&r);
    check_many(&r);
    check_itself(&r);
    check_ended(&r);
    check_changes();
    check_index_writes(&r);
    check_forged();
    check_forged_end();
    return done_testing();
}
