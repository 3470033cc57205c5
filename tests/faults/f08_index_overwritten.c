// Fault F8 (docs/faults.md): the index file is overwritten in place while the server uses it, with
// noise or with the index of other data. No existing key answers nil, and no key has the value of
// another. The index is rebuilt while clients are served.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/uuid_text.h"
#include "faults/support/hammer.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

static const struct table table = {1, 20000};
static const struct table other_table = {2, 20000};
static const char *data;
static const char *path;   // path of the index file
static struct buf noise;   // an index file in which noise replaces the trie image
static struct buf foreign; // the index file of the other table

// Writes a sound data file and its index file, as new files.
static void write_pair(void)
{
    unlink(path);
    unlink(data);
    data = table_file(&table, "table.data");
    index_written(data, NULL);
}

static void overwrite_image(struct span with)
{
    struct stat status;
    require(stat(path, &status) == 0 && (size_t)status.st_size >= with.len, "no index");
    file_patch(path, INDEX_IMAGE_AT, span_of(with.ptr + INDEX_IMAGE_AT, with.len - INDEX_IMAGE_AT));
}

static void overwrite_all(struct span with)
{
    file_patch(path, 0, with);
}

// ---- a dataset ----------------------------------------------------------------------------------

static void opened_fresh(struct opened *o, enum dataset_index index)
{
    write_pair();
    opened_init(o, data, index, NULL);
    require(o->dataset != NULL, "%s", o->error.text);
    dataset_finish(o->dataset, NULL);
    // dataset_finish may have written new times of the data file into the index file. This changes
    // the times of the index file, but is no damage.
    ok(!dataset_is_spoiled(o->dataset, NULL, &o->error) && !dataset_may_be_spoiled(o->dataset) &&
           table_is_served(&table, o->dataset),
       "a sound pair is served");
    notices_clear(&o->notices);
}

static void is_spoiled(struct opened *o, const char *name)
{
    ok(table_is_not_mistaken(&table, o->dataset), "%s: no key has the value of another", name);
    ok(dataset_may_be_spoiled(o->dataset), "%s: a change of the file is noticed", name);
    is_text(dataset_status(o->dataset), "ok", "%s: the data is sound", name);
    ok(dataset_is_spoiled(o->dataset, NULL, &o->error), "%s: the damage is found", name);
    ok(strstr(o->error.text, "table.data.idx' was overwritten in place") != NULL,
       "%s: the reason: %s", name, o->error.text);
}

static void opens_again(struct opened *o, const char *status, const char *name)
{
    struct dataset *again = dataset_open_again(o->dataset, &o->error);
    require(again != NULL, "%s: %s", name, o->error.text);
    dataset_finish(again, NULL);
    ok(!dataset_may_be_spoiled(o->dataset), "%s: the old dataset is not checked again", name);
    dataset_close(o->dataset);
    o->dataset = again;
    ok(table_is_served(&table, again), "%s: all keys are served again", name);
    is_text(dataset_index_status(again), status, "%s: index status", name);
    ok(!dataset_may_be_spoiled(again), "%s: the new dataset is sound", name);
}

static void is_mended(enum dataset_index index, void (*overwrite)(struct span),
                      const struct buf *with, const char *status, const char *name)
{
    struct opened o;
    opened_fresh(&o, index);
    overwrite(buf_span(with));
    is_spoiled(&o, name);
    opens_again(&o, status, name);
    opened_close(&o);
}

// Writing the same bytes is no damage. A cancelled check leaves the change to be checked later.
static void check_touched(void)
{
    struct opened o;
    opened_fresh(&o, DATASET_INDEX_WRITE);
    struct buf file = file_content(path);
    file_patch(path, 0, buf_span(&file));
    ok(dataset_may_be_spoiled(o.dataset), "the same bytes written: noticed");
    ok(!dataset_is_spoiled(o.dataset, NULL, &o.error) && !dataset_may_be_spoiled(o.dataset),
       "the same bytes written: no damage");
    atomic_bool cancel = true;
    overwrite_image(buf_span(&noise));
    ok(!dataset_is_spoiled(o.dataset, &cancel, &o.error), "cancelled: the damage is not found");
    ok(dataset_may_be_spoiled(o.dataset), "cancelled: the change is not forgotten");
    buf_release(&file);
    opened_close(&o);
}

// The index file is rebuilt once. If it is damaged again, the index stays in memory, as the disk
// may be broken.
static void check_again(void)
{
    struct opened o;
    opened_fresh(&o, DATASET_INDEX_WRITE);
    overwrite_image(buf_span(&noise));
    is_spoiled(&o, "the first time");
    opens_again(&o, "mapped", "the first time");
    overwrite_image(buf_span(&noise));
    is_spoiled(&o, "the second time");
    opens_again(&o, "memory", "the second time");
    opened_close(&o);
}

// The data file was replaced meanwhile. The index is rebuilt from the served data, not from the
// file that the next reload will load.
static void check_replaced(void)
{
    struct opened o;
    opened_fresh(&o, DATASET_INDEX_WRITE);
    overwrite_image(buf_span(&noise));
    require(rename(table_file(&other_table, "next.data"), data) == 0, "cannot rename");
    is_spoiled(&o, "replaced data");
    opens_again(&o, "memory", "replaced data");
    opened_close(&o);
}

// Lines that were appended are neither served before a reload nor written to an index file.
static void check_appended(void)
{
    struct opened o;
    opened_fresh(&o, DATASET_INDEX_WRITE);
    int fd = open(data, O_WRONLY | O_APPEND | O_CLOEXEC);
    static const char more[] = "00000000-0000-4000-8000-000000000001 new\nno record";
    require(write(fd, more, sizeof more - 1) == (ssize_t)sizeof more - 1, "cannot append");
    close(fd);
    dataset_check(o.dataset);
    is_text(dataset_status(o.dataset), "appended", "appended data: status before the damage");
    overwrite_image(buf_span(&noise));
    ok(dataset_is_spoiled(o.dataset, NULL, &o.error), "appended data: the index is damaged");
    opens_again(&o, "memory", "appended data");
    is_text(dataset_status(o.dataset), "appended", "appended data: status");
    dataset_check(o.dataset);
    is_number(o.notices.warnings, 1, "appended data: there is one warning");
    opened_close(&o);
}

// The data has changed too, so the index cannot be rebuilt.
static void check_malformed(void)
{
    struct opened o;
    opened_fresh(&o, DATASET_INDEX_WRITE);
    overwrite_image(buf_span(&noise));
    file_patch(data, TABLE_LINE * 100, span_of("no record", 9));
    ok(dataset_is_spoiled(o.dataset, NULL, &o.error), "malformed data: the index is damaged");
    ok(dataset_open_again(o.dataset, &o.error) == NULL, "malformed data: not opened again");
    ok(strstr(o.error.text, "malformed") != NULL, "malformed data: %s", o.error.text);
    ok(!dataset_may_be_spoiled(o.dataset), "malformed data: not tried again");
    ok(table_is_not_mistaken(&table, o.dataset), "malformed data: no key has the value of another");
    opened_close(&o);
}

// ---- a server -----------------------------------------------------------------------------------

// Gets all keys. Each answers its value or, unless `all` is set, an error. None answers nil.
static void get_all(int port, bool all, const char *name)
{
    redisContext *c = hammer_connect(port);
    size_t exact = 0, missed = 0;
    for (size_t i = 0; i < table.count; i++) {
        char key[UUID_TEXT_LEN + 1] = "";
        char value[TABLE_VALUE + 1];
        uuid_format(table_key(&table, i), key);
        table_value(&table, i, value);
        redisReply *reply = redisCommand(c, "GET %s", key);
        require(reply != NULL, "%s: the connection is closed", name);
        exact += reply->type == REDIS_REPLY_STRING && strcmp(reply->str, value) == 0;
        missed += is_refusal(reply);
        freeReplyObject(reply);
    }
    is_number((int64_t)(exact + (all ? 0 : missed)), (int64_t)table.count, "%s", name);
    redisFree(c);
}

static void check_server(const char *threads, const char *pages, void (*overwrite)(struct span),
                         const struct buf *with, const char *name)
{
    write_pair();
    struct server_process s =
        server_start(data, WORDS("--threads", threads, "--index-pages", pages));
    get_all(s.port, true, "a sound pair is served");
    overwrite(buf_span(with));
    if (strcmp(pages, "shared") == 0) {
        get_all(s.port, false, "no key has the value of another");
        log_await(s.log_path, "built the index of ");
        ok(log_has(s.log_path, "table.data.idx' was overwritten in place: block "),
           "%s: the log says why", name);
        ok(hammer_info(s.port, "dataset", "dataset_generation:1\r"), "%s: the data is the same",
           name);
        ok(hammer_info(s.port, "dataset", "dataset_status:ok"), "%s: the data is sound", name);
    }
    get_all(s.port, true, name);
    is_number(server_stop(&s), 0, "%s: the server ends well", name);
    is_number(log_warnings(s.log_path), strcmp(pages, "shared") == 0, "%s: one warning", name);
    // The next start uses the rebuilt index file.
    if (strcmp(pages, "shared") == 0) {
        s = server_start(data, WORDS("--threads", threads));
        ok(log_has(s.log_path, "mapped the index"), "%s: the next start maps it", name);
        is_number(server_stop(&s), 0, "%s: the next server ends well", name);
    }
}

int main(void)
{
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    index_written(data, NULL);
    struct buf good = file_content(path);
    buf_append(&noise, buf_span(&good));
    for (size_t i = INDEX_IMAGE_AT; i < index_checksums_at(forge_header(&good)->image_bytes); i++)
        noise.ptr[i] = (char)(i * 37 + i / 251);
    const char *others = table_file(&other_table, "other.data");
    index_written(others, NULL);
    foreign = file_content(test_path("other.data.idx"));
    require(foreign.len == good.len, "the indexes are not of one size");

    is_mended(DATASET_INDEX_WRITE, overwrite_image, &noise, "mapped", "noise");
    is_mended(DATASET_INDEX_WRITE, overwrite_all, &foreign, "mapped", "the index of other data");
    is_mended(DATASET_INDEX_READ, overwrite_image, &noise, "memory", "noise, read only");
    check_touched();
    check_again();
    check_replaced();
    check_appended();
    check_malformed();
    check_server("1", "shared", overwrite_image, &noise, "server, noise");
    check_server("2", "shared", overwrite_all, &foreign, "server, the index of other data");
    check_server("2", "huge", overwrite_image, &noise,
                 "server with a copy of the index in huge pages");
    buf_release(&good);
    buf_release(&noise);
    buf_release(&foreign);
    return done_testing();
}
