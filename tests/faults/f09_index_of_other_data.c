// F9: an index of other data than the file beside it holds: data that looks the same, was the same
// once, or is only of the same size. It is found out before the first answer and built anew. Where
// samples are to do, it is found out soon after, and another dataset takes its place.
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

// Opens with what is on disk and settles. How the index was met: its data's times prove it, its
// data was compared, or it was built anew.
enum met { PROVEN, COMPARED, REBUILT };
static void settles(enum met met, const struct table *t, const char *name)
{
    struct opened o;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    require(o.dataset != NULL, "%s: %s", name, o.error.text);
    is_text(dataset_index_status(o.dataset), met == REBUILT ? "writing" : "mapped",
            "%s: status when opened", name);
    ok(table_is_served(t, o.dataset), "%s: served from the first answer on", name);
    is_number(notices_have(&o.notices, "verified in "), met == COMPARED, "%s: compared", name);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "%s: status when settled", name);
    is_number(dataset_index_is_mapped(o.dataset), met != REBUILT, "%s: from the file as it was",
              name);
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
    settles(COMPARED, &table, "young data");
    struct index_header stamped = header_of_index();
    ok(stamped.facts.data.read_ns > young.facts.data.read_ns &&
           stamped.facts.data.sample == young.facts.data.sample &&
           stamped.facts.data.content == young.facts.data.content &&
           stamped.facts.data.changed_ns == young.facts.data.changed_ns,
       "the header is stamped with the new time");
    prove();
    settles(PROVEN, &table, "the same data long after");
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && o.notices.count == 0, "nothing is said of a proven index");
    opened_close(&o);
    ok(files_beside(test_path("table.data.idx")) == 0, "nothing is left behind");

    // What is not allowed to write does not stamp.
    fresh();
    struct index_header before = header_of_index();
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "verified for reading");
    opened_close(&o);
    struct index_header after = header_of_index();
    ok(memcmp(&before, &after, sizeof before) == 0, "leaves the file as it is");

    atomic_bool cancel = true;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    dataset_finish(o.dataset, &cancel);
    opened_close(&o);
    after = header_of_index();
    ok(memcmp(&before, &after, sizeof before) == 0, "nor does what is cancelled before");

    // Who may wait until the times are old enough notes a proof.
    struct dataset_settings waiting = {.index = DATASET_INDEX_WRITE, .await_proof = true};
    opened_with(&o, data, &waiting);
    dataset_finish(o.dataset, NULL);
    opened_close(&o);
    settles(PROVEN, &table, "after waiting for a proof");
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
    settles(COMPARED, &table, "renamed");
    ok(header_of_index().facts.data.changed_ns == now.st_ctim.tv_sec * SECOND + now.st_ctim.tv_nsec,
       "stamped with the new time");
    prove();
    settles(PROVEN, &table, "proven again");

    // A copy, put in the place of the first.
    struct buf text = file_content(data);
    unlink(data);
    test_file("table.data", buf_span(&text));
    settles(COMPARED, &table, "a copy");
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
    ok(notices_have(&o.notices, "verified in "), "and verified");
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

// The number of a line in the middle that the samples of the present index leave out, or not.
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
    require(found, "all is sampled, or nothing");
    buf_release(&text);
    return line - 1;
}

static const struct table changed = {9, 60000}; // of whose records one takes the place of ours

// Whether the data as it is now is what `d` serves: one record is another's.
static bool serves_change(const struct dataset *d, size_t number)
{
    struct span value;
    return dataset_get(d, table_key(&changed, number), &value) &&
           !dataset_get(d, table_key(&table, number), &value) &&
           dataset_figures(d)->keys == table.count;
}

static size_t change(bool sampled)
{
    char text[TABLE_LINE];
    fresh();
    prove();
    size_t number = line_that_is(sampled);
    uuid_format(table_key(&changed, number), text);
    patch_quietly(number * TABLE_LINE, span_of(text, UUID_TEXT_LEN));
    return number;
}

static void check_changed(bool sampled)
{
    const char *name = sampled ? "changed where it is sampled" : "changed where nobody looks";
    struct opened o;
    size_t number = change(sampled);
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    require(o.dataset != NULL, "%s", o.error.text);
    is_text(dataset_index_status(o.dataset), "writing", "%s: status", name);
    ok(notices_have(&o.notices, "was built from other data than") &&
           notices_have(&o.notices, ": building\n"),
       "%s: found when opening", name);
    ok(serves_change(o.dataset, number), "%s: the present data is served at once", name);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "%s: status when settled", name);
    ok(notices_have(&o.notices, "wrote '") && serves_change(o.dataset, number), "%s: written",
       name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset != NULL && dataset_verify(o.dataset, &o.error) && serves_change(o.dataset, number),
       "%s: the file is the new one %s", name, o.error.text);
    opened_close(&o);

    // One that must not write builds for itself; one that wants only the file does not open.
    number = change(sampled);
    opened_init(&o, data, DATASET_INDEX_ONLY, NULL);
    ok(o.dataset == NULL, "%s: stele check --index would tell", name);
    ok(strstr(o.error.text, "was built from other data than") != NULL, "%s: and why", name);
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    ok(o.dataset != NULL && serves_change(o.dataset, number), "%s: served to a reader", name);
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "memory", "%s: in its memory", name);
    opened_close(&o);
    char error[256];
    char key[UUID_TEXT_LEN + 1] = "";
    struct stele_value value;
    struct stele *t = stele_open(data, error, sizeof error);
    uuid_format(table_key(&changed, number), key);
    ok(t != NULL && stele_get(t, key, &value), "%s: the library answers right at once", name);
    stele_close(t);
}

// Where samples are enough, what they do not show is found out later, and by another dataset: what
// this one answers does not change.
static void check_sampled(void)
{
    struct opened o;
    struct dataset_settings settings = {.index = DATASET_INDEX_WRITE,
                                        .trust = DATASET_TRUST_SAMPLED};
    struct span value;
    fresh();
    opened_with(&o, data, &settings);
    is_text(dataset_index_status(o.dataset), "verifying", "samples are enough: not compared yet");
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "mapped", "samples are enough: then it is");
    ok(!dataset_is_spoiled(o.dataset, NULL, &o.error), "samples are enough: it is right");
    opened_close(&o);
    ok(header_of_index().facts.data.read_ns > 0, "samples are enough: stamped");

    size_t number = change(true);
    opened_with(&o, data, &settings);
    ok(o.dataset != NULL && serves_change(o.dataset, number), "samples show a change: built anew");
    opened_close(&o);

    number = change(false);
    opened_with(&o, data, &settings);
    require(o.dataset != NULL, "%s", o.error.text);
    is_text(dataset_index_status(o.dataset), "verifying", "samples show no change: served");
    ok(!dataset_get(o.dataset, table_key(&changed, number), &value), "(the new key is missed)");
    uint64_t rank = dataset_seek(o.dataset, table_key(&table, 7));
    dataset_finish(o.dataset, NULL);
    is_text(dataset_index_status(o.dataset), "damaged", "samples show no change: found out");
    ok(dataset_seek(o.dataset, table_key(&table, 7)) == rank,
       "samples show no change: no rank has changed");
    ok(dataset_may_be_spoiled(o.dataset) && dataset_is_spoiled(o.dataset, NULL, &o.error) &&
           strstr(o.error.text, "was built from other data than") != NULL,
       "samples show no change: told why: %s", o.error.text);
    struct dataset *again = dataset_open_again(o.dataset, &o.error);
    require(again != NULL, "%s", o.error.text);
    ok(serves_change(again, number), "samples show no change: another dataset serves it");
    dataset_finish(again, NULL);
    is_text(dataset_index_status(again), "mapped", "samples show no change: and writes its index");
    dataset_close(again);
    opened_close(&o);
}

// Other data of the same size under the same name.
static void check_replaced(void)
{
    const struct table other = {2, table.count};
    fresh();
    prove();
    unlink(data);
    table_file(&other, "table.data");
    settles(REBUILT, &other, "other data of the same size");
    const struct table longer = {2, table.count + 1};
    table_file(&longer, "table.data");
    settles(REBUILT, &longer, "longer data");
    const struct table none = {2, 0};
    table_file(&none, "table.data");
    settles(REBUILT, &none, "emptied data");
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
        dataset_finish(o.dataset, NULL);
        const char *how = i == 0 ? "changed, its mtime set back" : "changed";
        ok(notices_have(&o.notices, "changed after it was read") && o.notices.warnings == 1,
           "%s before the index is written: told so", how);
        is_text(dataset_index_status(o.dataset), "memory", "%s: served from memory", how);
        opened_close(&o);
        ok(!file_exists(path) && files_beside(test_path("table.data.idx")) == 0,
           "%s: nothing is left", how);
    }
}

// The same as a server meets it: the index of a table beside another one of its size.
static void check_server(void)
{
    const struct table other = {3, table.count};
    const char *second = table_file(&other, "second.data");
    fresh();
    require(rename(path, test_path("second.data.idx")) == 0, "cannot rename");
    for (unsigned i = 0; i < 2; i++) {
        struct server_process s = server_start(second, NULL);
        ok(server_answers(s.port, &other), "a server beside it, start %u: serves right", i);
        if (i == 0)
            log_await(s.log_path, " * wrote '");
        struct buf log = file_content(s.log_path);
        is_number(occurrences(buf_span(&log), "was built from other data than '"), i == 0,
                  i == 0 ? "says in one line that it is built anew" : "nothing is wrong then");
        is_number(log_warnings(s.log_path), 0, "which is no warning");
        buf_release(&log);
        is_number(server_stop(&s), 0, "and ends well");
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
