// Which data an index is of: the numbers themselves, and what a dataset makes of a data file that
// is the same, looks the same, or was the same once (faults F9 and F2 of its kind).
#include "data/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/forge.h"
#include "support/guard.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"

#define SECOND INT64_C(1000000000)

// ---- numbers ------------------------------------------------------------------------------------

static void check_proof(void)
{
    const struct identity then = {10, 20, 1000 * SECOND, 1001 * SECOND, 1010 * SECOND, 1, 2};
    const struct identity now = {10, 20, 1000 * SECOND, 1001 * SECOND, 0, 0, 0};
    struct identity other;
    ok(identity_is_proven(&then, &now), "all the same: proven");
#define DIFFERS(what, change)                                                                      \
    other = now;                                                                                   \
    other.change;                                                                                  \
    ok(!identity_is_proven(&then, &other), "not with " what)
    DIFFERS("another size", bytes++);
    DIFFERS("another inode", inode++);
    DIFFERS("another mtime", modified_ns++);
    DIFFERS("another ctime", changed_ns--);
    static const struct {
        int64_t modified, changed, read;
        bool proven;
    } times[] = {
        {8 * SECOND - 1, 0, 10 * SECOND, true},
        {8 * SECOND, 0, 10 * SECOND, false},
        {0, 8 * SECOND - 1, 10 * SECOND, true},
        {0, 8 * SECOND, 10 * SECOND, false},
        {10 * SECOND, 0, 10 * SECOND, false},
        {11 * SECOND, 0, 10 * SECOND, false},
        {-5 * SECOND, -4 * SECOND, 0, true},
        {0, 0, INT64_MIN, false},
        {INT64_MIN, INT64_MIN, INT64_MIN, false},
        {INT64_MIN, INT64_MIN, INT64_MIN + 2 * SECOND, false},
        {INT64_MIN, INT64_MIN, INT64_MIN + 2 * SECOND + 1, true},
        {INT64_MAX, INT64_MAX, INT64_MAX, false},
    };
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++) {
        struct identity a = {1, 2, times[i].modified, times[i].changed, times[i].read, 0, 0};
        is_number(identity_is_proven(&a, &a), times[i].proven, "times, %u", i);
    }
}

static void check_status(void)
{
    struct stat status = {.st_size = 7, .st_ino = 9};
    int64_t before = (int64_t)clock_wall_us() * 1000;
    status.st_mtim = (struct timespec){3, 4};
    status.st_ctim = (struct timespec){5, 6};
    struct identity id = identity_of_file(&status);
    ok(id.bytes == 7 && id.inode == 9 && id.modified_ns == 3 * SECOND + 4 &&
           id.changed_ns == 5 * SECOND + 6 && id.read_ns >= before &&
           id.read_ns <= (int64_t)clock_wall_us() * 1000,
       "of a file: size, inode, times and now");
    status.st_mtim.tv_sec = 10413792000; // the year 2300
    identity_of_file(&status);
    status.st_mtim.tv_sec = INT64_MIN;
    status.st_ctim.tv_sec = INT64_MAX;
    identity_of_file(&status);
    ok(true, "of any time a file system may tell");
}

static void check_sample(struct random *r)
{
    enum { LARGE = 3 * 1024 * 1024, ENDS = 64 * 1024 };
    static const size_t lengths[] = {0, 1, 37, 4095, 4096, 4097, ENDS, ENDS + 1, 2 * ENDS, LARGE};
    uint64_t samples[sizeof lengths / sizeof *lengths];
    char *text = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = (char)random_next(r);
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct guard guard = {0};
        struct bytes copy = guard_copy(&guard, span_of(text, lengths[i]));
        samples[i] = identity_sample(span_of(copy.ptr, copy.len));
        bool same = samples[i] == identity_sample(span_of(text, lengths[i]));
        for (unsigned j = 0; j < i; j++)
            same = same && samples[i] != samples[j];
        ok(same, "a sample of %zu bytes, unlike the others", lengths[i]);
        guard_release(&guard);
    }
    size_t unseen = 0;
    size_t missed = 0;
    uint64_t last = samples[sizeof lengths / sizeof *lengths - 1];
    for (unsigned i = 0; i < 400; i++) {
        // Inside the first 64 KiB, inside the last, anywhere.
        size_t at = i < 50    ? random_below(r, ENDS)
                    : i < 100 ? LARGE - 1 - random_below(r, ENDS)
                              : random_below(r, LARGE);
        at = i == 0 ? 0 : i == 1 ? ENDS - 1 : i == 50 ? LARGE - 1 : i == 51 ? LARGE - ENDS : at;
        text[at] ^= 1;
        bool equal = identity_sample(span_of(text, LARGE)) == last;
        text[at] ^= 1;
        missed += i < 100 && equal;
        unseen += i >= 100 && equal;
    }
    is_number((int64_t)missed, 0, "a change of either end is seen");
    // 64 blocks of 768 and both ends are 12 % of it.
    ok(unseen > 200 && unseen < 295, "of 300 changes anywhere most are unseen: %zu", unseen);
    free(text);
}

static void check_content(void)
{
    enum { LARGE = 3 * CHECKSUM_BLOCK + 17 };
    char *text = calloc(1, LARGE);
    uint64_t whole;
    uint64_t other;
    atomic_bool cancel = true;
    ok(identity_content(span_of(NULL, 0), &whole, NULL) && whole == 0x2d06800538d394c2u,
       "no content");
    ok(identity_content(span_of(text, LARGE), &whole, NULL), "content");
    for (size_t at = 0; at < LARGE; at += LARGE / 7) {
        text[at] = 1;
        ok(identity_content(span_of(text, LARGE), &other, NULL) && other != whole,
           "byte %zu changed", at);
        text[at] = 0;
    }
    ok(identity_content(span_of(text, LARGE - 1), &other, NULL) && other != whole, "a byte less");
    ok(!identity_content(span_of(text, LARGE), &other, &cancel), "cancelled");
    free(text);
}

// ---- files --------------------------------------------------------------------------------------

// Large enough that the samples leave out most of it.
static const struct table table = {1, 60000};
static const char *data;
static const char *path; // of its index

static struct index_header header_of_index(void)
{
    struct index_header h;
    struct buf file = file_content(path);
    require(file.len > sizeof h, "no index");
    memcpy(&h, file.ptr, sizeof h);
    buf_release(&file);
    return h;
}

// As if the index had been made long after its data: its times prove it then.
static void prove(void)
{
    struct buf file = file_content(path);
    forge_header(&file)->facts.data.read_ns += 3600 * SECOND;
    forge_seal_header(&file);
    forge_write(path, &file);
    buf_release(&file);
}

static void fresh(void)
{
    unlink(path);
    unlink(data);
    data = table_file(&table, "table.data");
    index_written(data, NULL);
}

// Opens with what is on disk and settles. The status before, and whether a rebuild was needed.
static void settles(const char *before, bool rebuilt, const struct table *t, const char *name)
{
    struct opened o;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    require(o.dataset != NULL, "%s: %s", name, o.error.text);
    is_text(dataset_index_status(o.dataset), before, "%s: status when opened", name);
    dataset_settle(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "%s: status when settled", name);
    ok(table_is_served(t, o.dataset), "%s: served", name);
    is_number(dataset_index_is_mapped(o.dataset), !rebuilt, "%s: from the file as it was", name);
    if (strcmp(before, "verifying") == 0)
        ok(notices_have(&o.notices, rebuilt ? "is of other data than" : "verified '"),
           "%s: and told so", name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) && table_is_served(t, o.dataset),
       "%s: the file is right then %s", name, o.error.text);
    opened_close(&o);
}

static void check_racy(void)
{
    struct opened o;
    fresh();
    struct index_header young = header_of_index();
    ok(young.facts.data.changed_ns > young.facts.data.read_ns - 2 * SECOND, "(data just written)");
    settles("verifying", false, &table, "young data");
    struct index_header stamped = header_of_index();
    ok(stamped.facts.data.read_ns > young.facts.data.read_ns &&
           stamped.facts.data.sample == young.facts.data.sample &&
           stamped.facts.data.content == young.facts.data.content &&
           stamped.facts.data.changed_ns == young.facts.data.changed_ns,
       "the header is stamped with the new time");
    prove();
    settles("mapped", false, &table, "the same data long after");
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && o.notices.count == 0, "nothing is said of a proven index");
    opened_close(&o);
    ok(!file_exists(test_path("table.data.idx.tmp")), "nothing is left behind");

    // What is not allowed to write does not stamp.
    fresh();
    struct index_header before = header_of_index();
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    dataset_settle(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "verified for reading");
    opened_close(&o);
    struct index_header after = header_of_index();
    ok(memcmp(&before, &after, sizeof before) == 0, "leaves the file as it is");

    atomic_bool cancel = true;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    dataset_settle(o.dataset, &cancel);
    is_text(dataset_index_status(o.dataset), "verifying", "cancelled: not verified");
    ok(o.notices.count == 0, "and nothing said");
    opened_close(&o);
    after = header_of_index();
    ok(memcmp(&before, &after, sizeof before) == 0, "nor stamped");
}

static void check_renamed(void)
{
    struct stat status;
    fresh();
    prove();
    const char *other = test_path("other.data");
    require(stat(data, &status) == 0 && rename(data, other) == 0 && rename(other, data) == 0,
            "cannot rename");
    struct stat now;
    // The clock of the file system ticks every few milliseconds.
    while (stat(data, &now) == 0 && now.st_ctim.tv_sec == status.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == status.st_ctim.tv_nsec)
        require(rename(data, other) == 0 && rename(other, data) == 0, "cannot rename");
    settles("verifying", false, &table, "renamed");
    ok(header_of_index().facts.data.changed_ns == now.st_ctim.tv_sec * SECOND + now.st_ctim.tv_nsec,
       "stamped with the new time");
    prove();
    settles("mapped", false, &table, "proven again");

    // A copy, put in the place of the first.
    struct buf text = file_content(data);
    unlink(data);
    test_file("table.data", buf_span(&text));
    settles("verifying", false, &table, "a copy");
    require(stat(data, &status) == 0, "no data");
    ok(header_of_index().facts.data.inode == status.st_ino, "stamped with the new inode");

    // Both moved to another name: the index is found by the name.
    const char *moved = test_path("moved.data");
    const char *moved_index = test_path("moved.data.idx");
    struct opened o;
    require(rename(path, moved_index) == 0 && rename(data, moved) == 0, "cannot rename");
    opened_init(&o, moved, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && dataset_index_is_mapped(o.dataset) &&
           table_is_served(&table, o.dataset),
       "a published pair is mapped");
    dataset_settle(o.dataset, NULL);
    ok(notices_have(&o.notices, "verified '"), "and verified");
    opened_close(&o);
    buf_release(&text);
}

// Changes the file in place and sets its mtime to what it was.
static void patch_quietly(size_t at, struct span bytes)
{
    struct stat status;
    require(stat(data, &status) == 0, "no data");
    file_patch(data, at, bytes);
    const struct timespec times[] = {status.st_atim, status.st_mtim};
    require(utimensat(AT_FDCWD, data, times, 0) == 0, "cannot set times");
}

// The number of a line in the middle that the samples leave out.
static size_t unsampled_line(void)
{
    struct buf text = file_content(data);
    uint64_t sample = identity_sample(buf_span(&text));
    size_t line = table.count / 2;
    bool found = false;
    for (; !found && line < table.count - 3000; line += 30) {
        text.ptr[line * TABLE_LINE] ^= 1;
        text.ptr[(line + 1) * TABLE_LINE - 1] ^= 1;
        found = identity_sample(buf_span(&text)) == sample;
        text.ptr[line * TABLE_LINE] ^= 1;
        text.ptr[(line + 1) * TABLE_LINE - 1] ^= 1;
    }
    require(found, "all is sampled");
    buf_release(&text);
    return line - 30;
}

// One record of another table in the place of one of ours.
static void check_changed(bool sampled)
{
    const char *name = sampled ? "changed where it is sampled" : "changed where nobody looks";
    const struct table other = {9, table.count};
    struct opened o;
    struct span value;
    fresh();
    prove();
    size_t number = sampled ? 5 : unsampled_line();
    char text[TABLE_LINE];
    uuid_format(table_key(&other, number), text);
    patch_quietly(number * TABLE_LINE, span_of(text, UUID_TEXT_LEN));

    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    require(o.dataset != NULL, "%s", o.error.text);
    is_text(dataset_index_status(o.dataset), sampled ? "writing" : "verifying", "%s: status", name);
    if (sampled)
        ok(notices_have(&o.notices, "is of other data than") &&
               notices_have(&o.notices, ": building\n"),
           "%s: found when opening", name);
    ok(!dataset_get(o.dataset, table_key(&table, number), &value),
       "%s: the old key is not answered for", name);
    is_number(dataset_get(o.dataset, table_key(&other, number), &value), sampled,
              "%s: the new one is missed until found", name);
    dataset_settle(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "%s: status when settled", name);
    if (!sampled)
        ok(notices_have(&o.notices, "is of other data than") &&
               notices_have(&o.notices, ": building anew\n"),
           "%s: found when settling", name);
    ok(notices_have(&o.notices, "wrote '"), "%s: written", name);
    ok(dataset_get(o.dataset, table_key(&other, number), &value) &&
           !dataset_get(o.dataset, table_key(&table, number), &value) &&
           dataset_figures(o.dataset)->keys == table.count,
       "%s: the present data is served", name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) &&
           dataset_get(o.dataset, table_key(&other, number), &value),
       "%s: the file is the new one %s", name, o.error.text);
    opened_close(&o);

    // One that must not write builds for itself; one that wants only the file does not open, or
    // does not pass.
    unlink(path);
    fresh();
    patch_quietly(number * TABLE_LINE, span_of(text, UUID_TEXT_LEN));
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset == NULL ? sampled : !sampled && !dataset_verify(o.dataset, &o.error),
       "%s: stele check --index would tell", name);
    ok(strstr(o.error.text, "is of other data than") != NULL, "%s: and why", name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    dataset_settle(o.dataset, NULL);
    ok(dataset_get(o.dataset, table_key(&other, number), &value), "%s: served to a reader", name);
    is_text(dataset_index_status(o.dataset), "memory", "%s: in its memory", name);
    opened_close(&o);
}

// F9: other data of the same size under the same name.
static void check_replaced(void)
{
    const struct table other = {2, table.count};
    fresh();
    prove();
    unlink(data);
    table_file(&other, "table.data");
    settles("writing", true, &other, "other data of the same size");
    const struct table longer = {2, table.count + 1};
    table_file(&longer, "table.data");
    settles("writing", true, &longer, "longer data");
    const struct table none = {2, 0};
    table_file(&none, "table.data");
    settles("writing", true, &none, "emptied data");
}

// What changes between reading and writing must not become an index that looks right.
static void check_changed_before_written(void)
{
    struct opened o;
    char text[TABLE_LINE];
    for (unsigned i = 0; i < 2; i++) {
        unlink(path);
        unlink(data);
        data = table_file(&table, "table.data");
        // Old enough that a change shows in the times.
        struct stat status;
        require(stat(data, &status) == 0, "no data");
        opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
        require(o.dataset != NULL, "%s", o.error.text);
        uuid_format(table_key(&(struct table){9, 1}, 0), text);
        struct stat now = status;
        while (now.st_ctim.tv_sec == status.st_ctim.tv_sec &&
               now.st_ctim.tv_nsec == status.st_ctim.tv_nsec) {
            if (i == 0)
                patch_quietly(0, span_of(text, UUID_TEXT_LEN));
            else
                file_patch(data, 0, span_of(text, UUID_TEXT_LEN));
            require(stat(data, &now) == 0, "no data");
        }
        dataset_settle(o.dataset, NULL);
        const char *how = i == 0 ? "changed, its mtime set back" : "changed";
        ok(notices_have(&o.notices, "changed after it was read") && o.notices.warnings == 1,
           "%s before the index is written: told so", how);
        is_text(dataset_index_status(o.dataset), "memory", "%s: served from memory", how);
        opened_close(&o);
        ok(!file_exists(path) && !file_exists(test_path("table.data.idx.tmp")),
           "%s: nothing is left", how);
    }
}

int main(void)
{
    struct random r = random_seeded();
    check_proof();
    check_status();
    check_sample(&r);
    check_content();
    data = test_path("table.data");
    path = test_path("table.data.idx");
    check_racy();
    check_renamed();
    check_changed(true);
    check_changed(false);
    check_replaced();
    check_changed_before_written();
    return done_testing();
}
