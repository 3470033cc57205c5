// Files that change while a dataset is open: what is reported, which keys are still found, and how
// a dataset with a spoiled index is replaced.
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mapping.h"
#include "data/build/image.h"
#include "data/build/sort.h"
#include "data/stele.h"
#include "data/trie.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"

static const struct table table = {5, 20000};
static const size_t half = 10000 * TABLE_LINE;
static const char *data;
static const char *path; // path of its index file

static void opened_fresh(struct opened *o, enum dataset_index index)
{
    unlink(path);
    unlink(data);
    data = table_file(&table, "table.data");
    if (index != DATASET_INDEX_NONE)
        index_written(data, NULL);
    opened_init(o, data, index, NULL);
    require(o->dataset != NULL, "%s", o->error.text);
    dataset_finish(o->dataset, NULL);
    dataset_check(o->dataset);
    notices_clear(&o->notices);
    ok(table_is_served(&table, o->dataset) && dataset_damage(o->dataset) == 0,
       "(before the damage, every key has its value)");
}

static enum dataset_presence presence(const struct opened *o, size_t i)
{
    struct span value = {NULL, 0};
    char wanted[TABLE_VALUE + 1];
    enum dataset_presence found = dataset_presence(o->dataset, table_key(&table, i), &value);
    table_value(&table, i, wanted);
    ok(found != DATASET_PRESENT || span_equal(value, span_text(wanted)), "(key %zu has its value)",
       i);
    return found;
}

static void is_reported_once(struct opened *o, const char *what, const char *status)
{
    dataset_check(o->dataset);
    dataset_check(o->dataset);
    is_number(o->notices.warnings, 1, "%s: reported once", status);
    ok(notices_have(&o->notices, what), "%s: the notice names the file and the damage", status);
    is_text(dataset_status(o->dataset), status, "%s: status", status);
}

static void check_cut(void)
{
    static const struct uuid absent = {0};
    struct opened o;
    struct span value;
    opened_fresh(&o, DATASET_INDEX_NONE);
    file_resize(data, half);
    is_reported_once(&o, "table.data' was truncated or overwritten in place: the data from byte ",
                     "truncated");
    ok(dataset_look(o.dataset) > 0 && dataset_damage(o.dataset) > 0, "truncated: damage is found");
    is_number(presence(&o, 0), DATASET_PRESENT, "truncated: a key before the cut is found");
    is_number(presence(&o, table.count - 1), DATASET_UNREADABLE,
              "truncated: a key after the cut is unreadable");
    is_number(dataset_presence(o.dataset, absent, &value), DATASET_ABSENT,
              "truncated: a key that never existed");
    ok(!dataset_may_be_spoiled(o.dataset), "truncated: another index would not help");
    ok(dataset_open_again(o.dataset, &o.error) == NULL && strstr(o.error.text, "truncated") != NULL,
       "truncated: not opened again: %s", o.error.text);
    opened_close(&o);
}

// Replaces the image in the index file of a table by one whose slots have numbers of granules, as
// for large data.
static void use_granules(const struct table *t, const char *index)
{
    struct trie_record *records = calloc(t->count, sizeof *records);
    struct trie_image image;
    struct error error = {""};
    struct buf file = file_content(index);
    for (size_t i = 0; i < t->count; i++)
        records[i] = (struct trie_record){table_key(t, i), i * TABLE_LINE};
    require(trie_sort(records, t->count) == t->count &&
                trie_build(records, t->count, UINT64_C(1) << 31, &image, &error),
            "%s", error.text);
    file.len = INDEX_IMAGE_AT;
    buf_append(&file, span_of(image.memory.ptr, image.memory.len));
    forge_header(&file)->image_bytes = image.memory.len;
    forge_seal(&file);
    forge_write(index, &file);
    trie_image_release(&image);
    buf_release(&file);
    free(records);
}

// Returns how many lines are wrong when they are read with system calls, by key and by rank.
static unsigned count_misread(const struct table *t, const struct dataset *d)
{
    char space[TABLE_LINE + DATASET_READ_EXTRA];
    struct bytes buffer = {space, sizeof space};
    struct dataset_line line;
    struct uuid id;
    unsigned wrong = 0;
    for (size_t i = 0; i < t->count; i++) {
        char value[TABLE_VALUE + 1];
        table_value(t, i, value);
        wrong += dataset_read_key(d, table_key(t, i), true, buffer, &line) != DATASET_READ_FOUND ||
                 line.offset != i * TABLE_LINE || !span_equal(line.value, span_text(value));
        uint64_t rank = dataset_seek(d, table_key(t, i));
        wrong += dataset_read_rank(d, rank, true, buffer, &id, &line) != DATASET_READ_FOUND ||
                 line.offset != i * TABLE_LINE || !uuid_equal(id, table_key(t, i));
        wrong += dataset_read_offset_of_rank(d, rank) > line.offset ||
                 dataset_read_offset_of_rank(d, rank) + GRANULE <= line.offset;
    }
    return wrong;
}

// Cuts the file at several bytes of a line. The lines before the cut are found, the others are
// not.
static void check_cut_in_line(void)
{
    static const struct table few = {6, 500};
    size_t line = few.count / 2;
    unsigned wrong = 0;
    const char *index = test_path("line.data.idx");
    for (size_t byte = 0; byte < TABLE_LINE; byte += 7) {
        struct opened o;
        data = table_file(&few, "line.data");
        index_written(data, NULL);
        use_granules(&few, index);
        opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
        require(o.dataset != NULL, "%s", o.error.text);
        wrong += dataset_trie(o.dataset)->granule_shift == 0;
        if (byte == 0)
            wrong += !table_is_served(&few, o.dataset) + count_misread(&few, o.dataset);
        file_resize(data, line * TABLE_LINE + byte);
        for (size_t i = line - 3; i < line + 3; i++) {
            struct span value;
            enum dataset_presence found = dataset_presence(o.dataset, table_key(&few, i), &value);
            wrong += found != (i < line ? DATASET_PRESENT : DATASET_UNREADABLE);
        }
        opened_close(&o);
        unlink(index);
    }
    is_number(wrong, 0, "cut within a line: the lines before it are found in their granules");
}

static void check_changed(void)
{
    struct opened o;
    opened_fresh(&o, DATASET_INDEX_NONE);
    file_patch(data, half, span_text("x"));
    is_reported_once(&o, "table.data' was overwritten in place", "overwritten");
    is_number(presence(&o, table.count / 2), DATASET_UNREADABLE,
              "overwritten: a line that has another key now");
    opened_close(&o);

    opened_fresh(&o, DATASET_INDEX_NONE);
    file_patch(data, table.count * TABLE_LINE, span_text("more"));
    is_reported_once(&o, "table.data' was appended to", "appended");
    ok(table_is_served(&table, o.dataset), "appended: the lines of the opening are served");
    opened_close(&o);
}

// A notice is one line, whatever the name of the file is.
static void check_name(void)
{
    struct opened o;
    for (unsigned i = 0; i < 3; i++) {
        const char *strange = table_file(&table, "two\nlines.data");
        opened_init(&o, strange, DATASET_INDEX_NONE, NULL);
        require(o.dataset != NULL, "%s", o.error.text);
        if (i == 0)
            file_patch(strange, table.count * TABLE_LINE, span_text("more"));
        else if (i == 1)
            file_patch(strange, half, span_text("x"));
        else
            file_resize(strange, half);
        dataset_check(o.dataset);
        ok(o.notices.count == 1 && notices_have(&o.notices, "two\\x0alines.data' was "),
           "a name of two lines is reported as one");
        opened_close(&o);
    }
}

static void opens_again(struct opened *o, const char *status, const char *name)
{
    ok(dataset_may_be_spoiled(o->dataset) && dataset_is_spoiled(o->dataset, NULL, &o->error),
       "%s: spoiled: %s", name, o->error.text);
    struct dataset *again = dataset_open_again(o->dataset, &o->error);
    require(again != NULL, "%s: %s", name, o->error.text);
    dataset_finish(again, NULL);
    ok(!dataset_may_be_spoiled(o->dataset), "%s: it does not count as spoiled for a minute", name);
    dataset_close(o->dataset);
    o->dataset = again;
    ok(dataset_is_rebuilt(again) && table_is_served(&table, again),
       "%s: the new dataset has every key", name);
    is_text(dataset_index_status(again), status, "%s: index status", name);
}

static void check_index(void)
{
    struct opened o;
    opened_fresh(&o, DATASET_INDEX_WRITE);
    file_patch(path, INDEX_IMAGE_AT + 64, span_text("spoiled spoiled spoiled"));
    opens_again(&o, "mapped", "an index that was overwritten");
    file_resize(path, INDEX_IMAGE_AT);
    opens_again(&o, "memory", "the new index file was truncated");
    opened_close(&o);

    opened_fresh(&o, DATASET_INDEX_WRITE);
    struct buf same = file_content(path);
    file_patch(path, 0, buf_span(&same));
    ok(dataset_may_be_spoiled(o.dataset) && !dataset_is_spoiled(o.dataset, NULL, &o.error) &&
           !dataset_may_be_spoiled(o.dataset),
       "written with the same bytes: not spoiled");
    buf_release(&same);
    opened_close(&o);
}

static void check_library(void)
{
    stele_catch_faults();
    data = table_file(&table, "library.data");
    char reason[256];
    struct stele *s = stele_open(data, reason, sizeof reason);
    require(s != NULL, "%s", reason);
    ok(stele_is_whole(s), "stele_is_whole is true for a sound file");
    file_resize(data, half);
    ok(!stele_is_whole(s), "stele_is_whole is false for a truncated file");
    stele_close(s);
}

int main(void)
{
    mapping_catch_faults();
    data = test_path("table.data");
    path = test_path("table.data.idx");
    check_cut();
    check_cut_in_line();
    check_changed();
    check_name();
    check_index();
    check_library();
    return done_testing();
}
