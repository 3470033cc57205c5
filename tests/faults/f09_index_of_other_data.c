// Fault F9 (docs/faults.md): the index file belongs to other data than the data file: to data that
// looks the same, was the same once, or only has the same size. The server notices before its first
// answer and rebuilds the index. With --index-trust sampled it may notice later. Then a dataset
// with a new index replaces the wrong one.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/stele.h"
#include "data/uuid_text.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

#define SECOND INT64_C(1000000000)

// Large enough that the samples leave out most of it.
static const struct table table = {1, 60000};
static const char *data;
static const char *path; // path of the index file

static struct index_header header_of_index(void)
{
    struct index_header h;
    struct buf file = file_content(path);
    require(file.len > sizeof h, "no index");
    memcpy(&h, file.ptr, sizeof h);
    buf_release(&file);
    return h;
}

// Changes the header as if the index had been built long after its data, so that its times prove
// it.
static void prove(void)
{
    struct buf file = file_content(path);
    forge_header(&file)->facts.data.read_ns += 3600 * SECOND;
    forge_seal_header(&file);
    forge_write(path, &file);
    buf_release(&file);
}

// Writes the data file and its index file, as new files.
static void write_pair(void)
{
    unlink(path);
    unlink(data);
    data = table_file(&table, "table.data");
    index_written(data, NULL);
}

// How the server makes sure that the index belongs to the data: by its times, by comparing the data
// with its checksums, or by building it again.
enum outcome { PROVEN, COMPARED, REBUILT };

// Opens the pair of files on disk and checks how the server accepts its index.
static void is_accepted(enum outcome outcome, const struct table *t, const char *name)
{
    struct opened o;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    require(o.dataset != NULL, "%s: %s", name, o.error.text);
    is_text(dataset_index_status(o.dataset), outcome == REBUILT ? "writing" : "mapped",
            "%s: status when opened", name);
    ok(table_is_served(t, o.dataset), "%s: the first answer is right", name);
    is_number(notices_have(&o.notices, "verified in "), outcome == COMPARED,
              "%s: the data is compared", name);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "%s: status when finished", name);
    is_number(dataset_index_is_mapped(o.dataset), outcome != REBUILT,
              "%s: the index file is the old one", name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) && table_is_served(t, o.dataset),
       "%s: the index file is right in the end %s", name, o.error.text);
    opened_close(&o);
}

static void check_racy(void)
{
    struct opened o;
    write_pair();
    struct index_header young = header_of_index();
    ok(young.facts.data.changed_ns > young.facts.data.read_ns - 2 * SECOND,
       "the data was just written");
    is_accepted(COMPARED, &table, "young data");
    struct index_header stamped = header_of_index();
    ok(stamped.facts.data.read_ns > young.facts.data.read_ns &&
           stamped.facts.data.sample == young.facts.data.sample &&
           stamped.facts.data.content == young.facts.data.content &&
           stamped.facts.data.changed_ns == young.facts.data.changed_ns,
       "young data: the header has the new time of reading");
    prove();
    is_accepted(PROVEN, &table, "the same data long after");
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && o.notices.count == 0, "nothing is logged about a proven index");
    opened_close(&o);
    ok(files_beside(test_path("table.data.idx")) == 0, "nothing is left behind");

    // A dataset that is opened for reading leaves the header as it is.
    write_pair();
    struct index_header before = header_of_index();
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "read only: verified");
    opened_close(&o);
    struct index_header after = header_of_index();
    ok(memcmp(&before, &after, sizeof before) == 0, "read only: the file is not changed");

    atomic_bool cancel = true;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    dataset_finish(o.dataset, &cancel);
    opened_close(&o);
    after = header_of_index();
    ok(memcmp(&before, &after, sizeof before) == 0, "cancelled: the file is not changed");

    // With `await_proof`, the dataset waits until the times are old enough to be a proof.
    struct dataset_settings waiting = {.index = DATASET_INDEX_WRITE, .await_proof = true};
    opened_with(&o, data, &waiting);
    dataset_finish(o.dataset, NULL);
    opened_close(&o);
    is_accepted(PROVEN, &table, "after waiting for a proof");
}

static void check_renamed(void)
{
    struct stat status;
    write_pair();
    prove();
    const char *other = test_path("other.data");
    require(stat(data, &status) == 0 && rename(data, other) == 0 && rename(other, data) == 0,
            "cannot rename");
    struct stat now;
    // The clock of the file system ticks every few milliseconds.
    while (stat(data, &now) == 0 && now.st_ctim.tv_sec == status.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == status.st_ctim.tv_nsec)
        require(rename(data, other) == 0 && rename(other, data) == 0, "cannot rename");
    is_accepted(COMPARED, &table, "renamed");
    ok(header_of_index().facts.data.changed_ns == now.st_ctim.tv_sec * SECOND + now.st_ctim.tv_nsec,
       "renamed: the header has the new time");
    prove();
    is_accepted(PROVEN, &table, "renamed, and proven again");

    // A copy replaces the data file.
    struct buf text = file_content(data);
    unlink(data);
    test_file("table.data", buf_span(&text));
    is_accepted(COMPARED, &table, "a copy");
    require(stat(data, &status) == 0, "no data");
    ok(header_of_index().facts.data.inode == status.st_ino, "a copy: the header has the new inode");

    // Both files are renamed. The index is found by its name.
    const char *moved = test_path("moved.data");
    const char *moved_index = test_path("moved.data.idx");
    struct opened o;
    require(rename(path, moved_index) == 0 && rename(data, moved) == 0, "cannot rename");
    opened_init(&o, moved, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && dataset_index_is_mapped(o.dataset) &&
           table_is_served(&table, o.dataset),
       "a renamed pair: the index is mapped");
    ok(notices_have(&o.notices, "verified in "), "a renamed pair: the index is verified");
    opened_close(&o);
    buf_release(&text);
}

// Changes the data file in place and restores its mtime.
static void patch_quietly(size_t at, struct span bytes)
{
    struct stat status;
    require(stat(data, &status) == 0, "no data");
    file_patch(data, at, bytes);
    const struct timespec times[] = {status.st_atim, status.st_mtim};
    require(utimensat(AT_FDCWD, data, times, 0) == 0, "cannot set times");
}

// Returns the number of a line near the middle of the file that the samples of the index cover, or
// do not cover.
static size_t line_that_is(bool sampled)
{
    struct buf text = file_content(data);
    struct identity id = header_of_index().facts.data;
    size_t line = table.count / 2;
    bool found = false;
    for (; !found && line < table.count - 3000; line++) {
        text.ptr[line * TABLE_LINE + 9] ^= 1;
        bool seen = identity_sample(buf_span(&text), id.seed) != id.sample;
        text.ptr[line * TABLE_LINE + 9] ^= 1;
        found = seen == sampled;
    }
    require(found, "no such line");
    buf_release(&text);
    return line - 1;
}

static const struct table changed = {9, 60000}; // one of its keys replaces a key of `table`

// Whether `d` serves the changed data: key `number` is that of `changed`.
static bool serves_change(const struct dataset *d, size_t number)
{
    struct span value;
    return dataset_get(d, table_key(&changed, number), &value) &&
           !dataset_get(d, table_key(&table, number), &value) &&
           dataset_figures(d)->keys == table.count;
}

// Replaces the key of one line. Returns its number.
static size_t change(bool sampled)
{
    char text[TABLE_LINE];
    write_pair();
    prove();
    size_t number = line_that_is(sampled);
    uuid_format(table_key(&changed, number), text);
    patch_quietly(number * TABLE_LINE, span_of(text, UUID_TEXT_LEN));
    return number;
}

static void check_changed(bool sampled)
{
    const char *name = sampled ? "changed inside a sample" : "changed outside the samples";
    struct opened o;
    size_t number = change(sampled);
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    require(o.dataset != NULL, "%s", o.error.text);
    is_text(dataset_index_status(o.dataset), "writing", "%s: status", name);
    ok(notices_have(&o.notices, "was not built from the data in") &&
           notices_have(&o.notices, ": building\n"),
       "%s: noticed when opened", name);
    ok(serves_change(o.dataset, number), "%s: the changed data is served at once", name);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "%s: status when finished", name);
    ok(notices_have(&o.notices, "wrote '") && serves_change(o.dataset, number),
       "%s: the new index is written", name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) && serves_change(o.dataset, number),
       "%s: the index file is the new one %s", name, o.error.text);
    opened_close(&o);

    // A dataset that must not write builds an index in memory. One that needs the file does not
    // open.
    number = change(sampled);
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset == NULL, "%s: stele check --index fails", name);
    ok(strstr(o.error.text, "was not built from the data in") != NULL, "%s: it says why", name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    ok(o.dataset != NULL && serves_change(o.dataset, number),
       "%s: a reader serves the changed data", name);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "memory", "%s: a reader keeps the index in memory",
            name);
    opened_close(&o);
    char error[256];
    char key[UUID_TEXT_LEN + 1] = "";
    struct stele_value value;
    struct stele *t = stele_open(data, error, sizeof error);
    uuid_format(table_key(&changed, number), key);
    ok(t != NULL && stele_get(t, key, &value), "%s: the first answer of the library is right",
       name);
    stele_close(t);
}

// With DATASET_TRUST_SAMPLED, a change outside the samples is noticed later. This dataset does not
// change its answers then; another dataset replaces it.
static void check_sampled(void)
{
    struct opened o;
    struct dataset_settings settings = {.index = DATASET_INDEX_WRITE,
                                        .trust = DATASET_TRUST_SAMPLED};
    struct span value;
    write_pair();
    opened_with(&o, data, &settings);
    is_text(dataset_index_status(o.dataset), "verifying", "sampled: not compared yet");
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "sampled: compared when finished");
    ok(!dataset_is_spoiled(o.dataset, NULL, &o.error), "sampled: the index is right");
    opened_close(&o);
    ok(header_of_index().facts.data.read_ns > 0, "sampled: the header has a time of reading");

    size_t number = change(true);
    opened_with(&o, data, &settings);
    ok(o.dataset != NULL && serves_change(o.dataset, number),
       "samples show a change: the index is rebuilt");
    opened_close(&o);

    number = change(false);
    opened_with(&o, data, &settings);
    require(o.dataset != NULL, "%s", o.error.text);
    is_text(dataset_index_status(o.dataset), "verifying", "samples show no change: served");
    ok(!dataset_get(o.dataset, table_key(&changed, number), &value),
       "samples show no change: the new key is missed at first");
    uint64_t rank = dataset_seek(o.dataset, table_key(&table, 7));
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "damaged",
            "samples show no change: noticed when finished");
    ok(dataset_seek(o.dataset, table_key(&table, 7)) == rank,
       "samples show no change: no rank has changed");
    ok(dataset_may_be_spoiled(o.dataset) && dataset_is_spoiled(o.dataset, NULL, &o.error) &&
           strstr(o.error.text, "was not built from the data in") != NULL,
       "samples show no change: the reason: %s", o.error.text);
    struct dataset *again = dataset_open_again(o.dataset, &o.error);
    require(again != NULL, "%s", o.error.text);
    ok(serves_change(again, number), "samples show no change: another dataset serves it");
    dataset_finish(again, NULL);
    is_text(dataset_index_status(again), "mapped",
            "samples show no change: the other dataset writes its index");
    dataset_close(again);
    opened_close(&o);
}

// Other data of the same size under the same name.
static void check_replaced(void)
{
    const struct table other = {2, table.count};
    write_pair();
    prove();
    unlink(data);
    table_file(&other, "table.data");
    is_accepted(REBUILT, &other, "other data of the same size");
    const struct table longer = {2, table.count + 1};
    table_file(&longer, "table.data");
    is_accepted(REBUILT, &longer, "longer data");
    const struct table none = {2, 0};
    table_file(&none, "table.data");
    is_accepted(REBUILT, &none, "an empty file");
}

// The data changes after it was read and before the index is written. Then no index file may be
// written, as it would seem to belong to the changed data.
static void check_changed_before_written(void)
{
    struct opened o;
    char text[TABLE_LINE];
    for (unsigned i = 0; i < 2; i++) {
        unlink(path);
        unlink(data);
        data = table_file(&table, "table.data");
        // The change must show in the times, which the file system counts in steps.
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
        dataset_finish(o.dataset, NULL);
        const char *how = i == 0 ? "changed, its mtime set back" : "changed";
        ok(notices_have(&o.notices, "changed after it was read") && o.notices.warnings == 1,
           "%s before the index is written: a warning says so", how);
        is_text(dataset_index_status(o.dataset), "memory", "%s: served from memory", how);
        opened_close(&o);
        ok(!file_exists(path) && files_beside(test_path("table.data.idx")) == 0,
           "%s: no file is left behind", how);
    }
}

// A server finds the index of one table beside the data of another table of the same size.
static void check_server(void)
{
    const struct table other = {3, table.count};
    const char *second = table_file(&other, "second.data");
    write_pair();
    require(rename(path, test_path("second.data.idx")) == 0, "cannot rename");
    for (unsigned i = 0; i < 2; i++) {
        struct server_process s = server_start(second, NULL);
        ok(server_answers(s.port, &other), "a server, start %u: the answers are right", i);
        if (i == 0)
            log_await(s.log_path, " * wrote '");
        struct buf log = file_content(s.log_path);
        is_number(occurrences(buf_span(&log), "was not built from the data in '"), i == 0,
                  i == 0 ? "one line says that the index is rebuilt" : "no line says so");
        is_number(log_warnings(s.log_path), 0, "there is no warning");
        buf_release(&log);
        is_number(server_stop(&s), 0, "the server ends well");
    }
}

int main(void)
{
    data = test_path("table.data");
    path = test_path("table.data.idx");
    check_racy();
    check_renamed();
    check_changed(true);
    check_changed(false);
    check_sampled();
    check_replaced();
    check_changed_before_written();
    check_server();
    return done_testing();
}
