// F9: an index of other data than the file beside it holds: data that looks the same, was the same
// once, or is only of the same size. It is found out, at the start or soon after, and built anew.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
    ok(files_beside(test_path("table.data.idx")) == 0, "nothing is left behind");

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

// Other data of the same size under the same name.
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
        is_number(occurrences(buf_span(&log), "is of other data than '"), i == 0,
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
    check_replaced();
    check_changed_before_written();
    check_server();
    return done_testing();
}
