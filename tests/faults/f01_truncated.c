// Faults F1 and F8 (docs/faults.md): the data file, or its index file, is truncated in place while
// 50 clients ask for its keys. Each reply is exact or an error, or the connection closes. Keys that
// can still be read are served. The server logs the damage once and does not crash.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/dataset.h"
#include "faults/support/hammer.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { RECORDS = 1500 };

enum index_kind {
    INDEX_MAPPED,  // the server finds an index file at its start and maps it
    INDEX_WRITTEN, // the server writes the index file, and then maps it
    INDEX_MEMORY,  // the index is in memory; there is no file
};

static struct held_file file;
static size_t page;

// Returns the first start of a page at offset `at` or after it.
static size_t at_page(size_t at)
{
    return (at + page - 1) / page * page;
}

static size_t inside_value(void)
{
    return file.records[900].value + 2;
}

static size_t inside_large_value(void)
{
    const struct held *r = &file.records[900 / HAMMER_LARGE * HAMMER_LARGE + 20];
    return r->value + (r->end - r->value) / 2 + 1;
}

static struct server_process start(enum index_kind kind, const char *threads, const char *name)
{
    const char *path = test_file("served.data", buf_span(&file.text));
    unlink(test_path("served.data.idx"));
    if (kind == INDEX_MAPPED) {
        struct buf out = {0};
        require(run_program(WORDS(tool_program(), "index", path), &out, &out) == 0, "no index");
        buf_release(&out);
    }
    struct server_process s =
        kind == INDEX_MEMORY ? server_start(path, WORDS("--threads", threads, "--index", "none"))
                             : server_start(path, WORDS("--threads", threads));
    if (kind == INDEX_WRITTEN)
        log_await(s.log_path, "wrote '");
    ok(hammer_info(s.port, "dataset", "dataset_status:ok"), "%s: INFO reports sound data at first",
       name);
    return s;
}

static void is_survived(struct server_process *s, struct hammer *h, const char *message,
                        const char *name)
{
    hammer_await(h);
    log_await(s->log_path, message);
    hammer_await(h);
    hammer_stop(h);
    is_number((int64_t)atomic_load(&h->wrong), 0, "%s: no reply is wrong", name);
    diag("%s: %lu exact, %lu refused, %lu closed", name, atomic_load(&h->exact),
         atomic_load(&h->refused), atomic_load(&h->closed));
}

static void ends_well(struct server_process *s, const char *message, const char *name)
{
    is_number(server_stop(s), 0, "%s: the server ends well", name);
    struct buf log = file_content(s->log_path);
    is_number(occurrences(buf_span(&log), message), 1, "%s: the log reports the damage once", name);
    buf_release(&log);
}

// Cuts the data file at offset `at`. If `again` is set, fills it with zeros to its old length.
static void cut_data(enum index_kind kind, const char *threads, size_t at, bool again,
                     const char *name)
{
    static const char message[] = "was truncated or overwritten in place";
    struct hammer h;
    struct server_process s = start(kind, threads, name);
    hammer_start(&h, s.port, &file);
    ok(atomic_load(&h.wrong) + atomic_load(&h.refused) + atomic_load(&h.closed) == 0,
       "%s: all replies are exact before the cut", name);
    int fd = open(test_path("served.data"), O_WRONLY | O_CLOEXEC);
    require(ftruncate(fd, (off_t)at) == 0 && (!again || ftruncate(fd, (off_t)file.text.len) == 0),
            "cannot cut");
    close(fd);
    is_survived(&s, &h, message, name);
    ok(hammer_info(s.port, "dataset", "dataset_status:truncated"), "%s: INFO reports the damage",
       name);
    redisContext *c = hammer_connect(s.port);
    redisReply *reply = redisCommand(c, "SCAN 0");
    ok(reply != NULL && is_refusal(reply), "%s: SCAN answers an error", name);
    freeReplyObject(reply);
    redisFree(c);
    if (!again)
        hammer_check(s.port, &file, at, name);
    else
        ok(atomic_load(&h.refused) > 0, "%s: some replies are errors", name);
    ends_well(&s, message, name);
}

// Cuts the index file to `parts` percent of its length. A lookup takes an offset from the index. It
// finds the key only if the line at this offset of the data file begins with the key. So every
// value is right, even if the index is wrong. If a lookup finds no key, the reply is an error until
// the index has been rebuilt.
static void cut_index(enum index_kind kind, const char *threads, size_t parts, const char *name)
{
    static const char message[] =
        "served.data.idx' was truncated or cannot be read: rebuilding the index";
    struct hammer h;
    struct stat status;
    struct server_process s = start(kind, threads, name);
    const char *path = test_path("served.data.idx");
    hammer_start(&h, s.port, &file);
    require(stat(path, &status) == 0 &&
                truncate(path, parts > 0 ? status.st_size * (off_t)parts / 100 : 0) == 0,
            "cannot cut");
    is_survived(&s, &h, message, name);
    log_await(s.log_path, "built the index of ");
    hammer_check(s.port, &file, file.text.len, name);
    ok(hammer_info(s.port, "dataset", "dataset_status:ok"), "%s: INFO reports sound data", name);
    ends_well(&s, message, name);
}

int main(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    held_make(&file, RECORDS, true);
    cut_data(INDEX_MAPPED, "1", 0, false, "to nothing");
    cut_data(INDEX_WRITTEN, "2", at_page(file.records[700].value), false, "at a page");
    cut_data(INDEX_MEMORY, "2", inside_value(), false, "inside a value");
    cut_data(INDEX_MAPPED, "2", inside_large_value(), false, "inside a large value");
    cut_data(INDEX_WRITTEN, "1", file.records[901].line + 20, false, "inside a key");
    cut_data(INDEX_MEMORY, "1", file.records[902].end, false, "before a newline");
    cut_data(INDEX_MAPPED, "2", file.text.len - 1, false, "the last byte");
    cut_data(INDEX_MEMORY, "2", inside_large_value(), true, "cut and filled with zeros");
    cut_data(INDEX_MAPPED, "1", inside_value(), true, "cut and filled, one loop");
    cut_index(INDEX_MAPPED, "2", 0, "the index to nothing");
    cut_index(INDEX_MAPPED, "1", 40, "the index in its middle");
    cut_index(INDEX_WRITTEN, "2", 40, "the index that the server wrote, in its middle");
    cut_index(INDEX_WRITTEN, "1", 99, "the end of the index");
    held_release(&file);
    return done_testing();
}
