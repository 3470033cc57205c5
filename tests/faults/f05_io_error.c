// Fault F5 (docs/faults.md): the disk cannot read pages of the data file. Most tests run in this
// process: they replace a page by one that faults as an unreadable page does, while the file keeps
// its length. One test has real I/O errors, where the machine allows to mount a file system: it
// cuts the backing file of a loop device.
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mapping.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "faults/support/hammer.h"
#include "net/publisher.h"
#include "net/server.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/service.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"
#include "unit/support/loops.h"

static size_t page;

static const char unreadable[] = "-ERR data unreadable";

// Makes the page at `at` fault, although the file is long enough for it.
static void break_page(const char *at)
{
    int fd = open(test_file("empty", span_text("")), O_RDONLY | O_CLOEXEC);
    void *where = (void *)((uintptr_t)at / page * page);
    require(fd >= 0 && mmap(where, page, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == where,
            "cannot break a page");
    close(fd);
}

// ---- in this process ----------------------------------------------------------------------------

// Gets record `i` over a new connection. Returns 'v' for its value, 'e' for the error of unreadable
// data, 'c' if the connection was closed, and '?' for anything else.
static char get_record(struct loops *l, const struct held_file *f, size_t i)
{
    struct party *p = party_new(l, 0);
    struct buf request = {0};
    struct buf wanted = {0};
    struct span value = held_value(f, i);
    buf_printf(&request, "GET %s", f->records[i].key);
    buf_append(&request, span_of("", 1));
    buf_printf(&wanted, "$%zu\r\n", value.len);
    buf_append(&wanted, value);
    buf_append_text(&wanted, "\r\n");
    party_send(p, request.ptr);
    loops_run(l);
    struct span received = party_receive(p);
    char what = span_equal(received, buf_span(&wanted)) ? 'v'
                : received.len > sizeof unreadable &&
                        memcmp(received.ptr, unreadable, sizeof unreadable - 1) == 0
                    ? 'e'
                : p->closed && received.len == 0 ? 'c'
                                                 : '?';
    party_end(p);
    buf_release(&request);
    buf_release(&wanted);
    return what;
}

static bool touches(const struct held *r, size_t offset)
{
    return r->line <= offset + page && r->end >= offset;
}

// Breaks `count` pages, every third one, and gets all records.
static void check_pages(unsigned count, const char *name)
{
    static struct loops loops;
    struct held_file file;
    struct opened o;
    held_make(&file, 2500, true);
    size_t first = file.records[file.count / 4].line / page * page;
    unsigned closed = 0, other = 0, lost = 0, spared = 0;
    opened_init(&o, test_file("served.data", buf_span(&file.text)), DATASET_INDEX_NONE, NULL);
    loops_init(&loops, 1, &test_settings, o.dataset);
    for (unsigned i = 0; i < count; i++)
        break_page(dataset_text(o.dataset).ptr + first + 3 * i * page);
    for (size_t i = 0; i < file.count; i++) {
        const struct held *r = &file.records[i];
        bool broken = false;
        char what = get_record(&loops, &file, i);
        for (unsigned j = 0; j < count; j++)
            broken = broken || touches(r, first + 3 * j * page);
        closed += what == 'c';
        lost += broken && what == 'v' && r->end - r->value < page;
        spared += what == 'v';
        other += what == '?';
    }
    is_number(other, 0, "%s: replies are values or errors, or the connection closes", name);
    ok(closed > 0 && closed <= count, "%s: a connection closes when a broken page is detected",
       name);
    ok(lost < 2 * count,
       "%s: of the records in broken pages, at most a few at the edges are served", name);
    ok(spared > file.count / 5, "%s: more than a fifth of all records are served", name);
    unsigned again = 0;
    for (size_t i = 0; i < file.count; i++) {
        char what = get_record(&loops, &file, i);
        again += what != 'v' && what != 'e';
    }
    is_number(again, 0, "%s: once detected, no connection closes", name);
    is_text(dataset_status(o.dataset), "unreadable", "%s: status", name);
    dataset_check(o.dataset);
    dataset_check(o.dataset);
    is_number(o.notices.warnings, 1, "%s: there is one warning", name);
    ok(notices_have(&o.notices, "cannot be read"), "%s: the warning says what is wrong", name);
    loops_release(&loops);
    opened_close(&o);
    held_release(&file);
}

// ---- while the file is opened -------------------------------------------------------------------

static const struct table table = {1, 300000};
static const char *opened_path;

// The progress callback of the index build: breaks pages of the mapped file when it is called
// first.
static void break_on_progress(void *context, uint64_t done, uint64_t total)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    (void)context;
    (void)done;
    (void)total;
    require(maps != NULL, "no maps");
    while (opened_path != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, opened_path) != NULL) {
            uintptr_t begin = (uintptr_t)strtoull(line, NULL, 16);
            for (size_t at = 0; at < table.count * TABLE_LINE; at += 97 * page)
                break_page((const char *)begin + at);
            opened_path = NULL;
        }
    fclose(maps);
}

static void check_opening(void)
{
    struct error error = {""};
    struct dataset_settings settings = {.malformed = DATASET_SKIP_MALFORMED,
                                        .build_memory = 4 << 20,
                                        .progress = break_on_progress};
    // On one processor, a single thread reads the file. So most of the file is not read yet when
    // the progress is first reported.
    cpu_set_t usable;
    cpu_set_t one;
    require(sched_getaffinity(0, sizeof usable, &usable) == 0, "no processors");
    CPU_ZERO(&one);
    for (size_t i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &usable))
            CPU_SET(i, &one);
    require(sched_setaffinity(0, sizeof one, &one) == 0, "cannot choose a processor");
    const char *path = table_file(&table, "table.data");
    opened_path = path;
    struct dataset *d = dataset_open(path, &settings, NULL, &error);
    require(sched_setaffinity(0, sizeof usable, &usable) == 0, "cannot choose processors");
    ok(d == NULL && strstr(error.text, "cannot read all of '") != NULL,
       "the dataset is not opened: %s", error.text);
    dataset_close(d);
}

// ---- before a reload publishes the dataset ------------------------------------------------------

// With an existing index, opening does not read the whole data file. A reload reads it before it
// publishes the dataset.
static void check_warming(void)
{
    struct opened o;
    struct error error = {""};
    atomic_bool cancel = false;
    const char *path = table_file(&table, "warmed.data");
    opened_init(&o, path, DATASET_INDEX_WRITE, NULL);
    ok(dataset_warm(o.dataset, false, UINT64_MAX, &cancel, &error), "a sound file is read");
    break_page(dataset_text(o.dataset).ptr + table.count * TABLE_LINE / 2);
    ok(!dataset_warm(o.dataset, false, UINT64_MAX, &cancel, &error) &&
           strstr(error.text, "cannot read all of '") != NULL,
       "an unreadable file is refused: %s", error.text);
    opened_close(&o);
}

// ---- a real disk --------------------------------------------------------------------------------

static int run(const char *const *words)
{
    struct buf out = {0};
    int code = run_program(words, &out, &out);
    buf_release(&out);
    return code;
}

// Mounts the image at `folder`, for this test and its children only.
static bool has_mounted(const char *image, const char *folder, const char *options)
{
    static bool alone;
    alone = alone ||
            (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    return alone && run(WORDS("mount", "-o", options, image, folder)) == 0;
}

// Returns the offset at which the image of the disk stores the byte `at` of the file, or -1 if it
// is unknown.
static off_t place_in_image(const char *path, size_t at)
{
    struct {
        struct fiemap map;
        struct fiemap_extent extent[8];
    } f = {.map = {
               .fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = 8}};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t place = -1;
    if (fd >= 0 && ioctl(fd, FS_IOC_FIEMAP, &f) == 0)
        for (unsigned i = 0; i < f.map.fm_mapped_extents && i < 8; i++) {
            const struct fiemap_extent *e = &f.map.fm_extents[i];
            if (at >= e->fe_logical && at < e->fe_logical + e->fe_length)
                place = (off_t)(e->fe_physical + (at - e->fe_logical));
        }
    close(fd);
    return place;
}

static struct dataset *open_none(void *context, struct error *error)
{
    (void)context;
    error_set(error, "there is no other dataset");
    return NULL;
}

static void note(void *context, bool warning, const char *text)
{
    (void)context;
    log_write(warning ? LOG_WARNING : LOG_NOTICE, "%s", text);
}

static const struct dataset_source no_source = {open_none, NULL, "served.data"};

static void *serve(void *server)
{
    server_run(server);
    return NULL;
}

// Gets record `i`. A connection may close when the server detects a broken page, and there may be
// some that the server has not yet met. So the request is repeated over another connection.
static bool is_served(redisContext **c, int port, const struct held_file *file, size_t i)
{
    redisReply *reply = NULL;
    for (unsigned tries = 0; reply == NULL && tries <= MAPPING_LOST_MAX + 1; tries++) {
        if ((*c)->err != 0) {
            redisFree(*c);
            *c = hammer_connect(port);
        }
        reply = redisCommand(*c, "GET %s", file->records[i].key);
    }
    bool served = reply != NULL && held_is(file, i, reply);
    freeReplyObject(reply);
    return served;
}

// The disk breaks after the dataset has been opened and before the server has read its data. The
// server runs in this process, because another one would have begun to read.
static void serve_from_broken_disk(const char *image, const char *data, const char *index,
                                   struct held_file *file, off_t place, size_t broken_from)
{
    struct hammer h;
    struct error error = {""};
    pthread_t thread;
    char log[256];
    struct settings settings = test_settings;
    struct dataset_settings how = {
        .index = DATASET_INDEX_WRITE, .index_path = index, .notice = note};
    settings.tcp = true;
    settings.bind = (struct setting_list){1, {"127.0.0.1"}};
    settings.threads = 2;
    settings.read_threads = 4;
    settings.runtime.maxclients = 100;
    settings.tcp_backlog = 16;
    settings.enable_shutdown_command = true;
    snprintf(log, sizeof log, "%s", test_file("log", span_text("")));
    require(log_open(log, LOG_NOTICE, &error), "%s", error.text);
    struct dataset *d = dataset_open(data, &how, NULL, &error);
    require(d != NULL, "%s", error.text);
    require(truncate(image, place) == 0, "cannot cut the image");
    struct server *server = server_open(&settings, command_groups, &error);
    require(server != NULL && server_listen(server, &no_source, d, &error), "%s", error.text);
    int port = atoi(strrchr(server_address(server), ':') + 1);
    require(pthread_create(&thread, NULL, serve, server) == 0, "no thread");

    hammer_start(&h, port, file);
    log_await(log, "cannot be read, and requests for it answer errors");
    hammer_await(&h);
    hammer_stop(&h);
    diag("a real disk: %lu exact, %lu refused, %lu closed", atomic_load(&h.exact),
         atomic_load(&h.refused), atomic_load(&h.closed));
    is_number((int64_t)atomic_load(&h.wrong), 0, "a real disk: no reply is wrong");
    ok(atomic_load(&h.refused) > 0, "a real disk: some replies are errors");
    ok(hammer_info(port, "dataset", "dataset_status:unreadable"), "a real disk: INFO reports it");
    redisContext *c = hammer_connect(port);
    size_t exact = 0, wanted = 0;
    for (; wanted < file->count && file->records[wanted].end < broken_from; wanted++)
        exact += is_served(&c, port, file, wanted);
    is_number((int64_t)exact, (int64_t)wanted, "a real disk: the readable keys are served");
    freeReplyObject(redisCommand(c, "SHUTDOWN"));
    redisFree(c);
    pthread_join(thread, NULL);
    server_close(server);
    ok(true, "a real disk: the server ends");
}

static void check_real_disk(void)
{
    const char *image = test_file("image", span_text(""));
    const char *folder = test_path("disk");
    const char *index = test_path("disk.idx");
    char data[256];
    struct held_file file;
    struct buf forged;
    held_make(&file, 2500, true);
    snprintf(data, sizeof data, "%s/served.data", folder);
    mkdir(folder, 0700);
    bool mounted = truncate(image, 32 << 20) == 0 &&
                   run(WORDS("mkfs.ext4", "-q", "-F", image)) == 0 &&
                   has_mounted(image, folder, "loop");
    if (!mounted) {
        ok(true, "# SKIP a real disk: no file system can be mounted here");
        held_release(&file);
        return;
    }
    int fd = open(data, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    require(write(fd, file.text.ptr, file.text.len) == (ssize_t)file.text.len && fsync(fd) == 0,
            "cannot write");
    close(fd);
    size_t broken_from = file.text.len / 2 / page * page;
    off_t place = place_in_image(data, broken_from);
    index_written(data, index);
    // The times of a data file prove that the index belongs to it only if the file was last changed
    // some time before it was indexed. This file was written just before. So the index file is
    // given a later time (read_ns). Otherwise the server would read the whole data file to compare
    // it.
    forged = file_content(index);
    forge_header(&forged)->facts.data.read_ns += 3600 * INT64_C(1000000000);
    forge_seal_header(&forged);
    forge_write(index, &forged);
    buf_release(&forged);
    require(umount(folder) == 0, "cannot unmount");
    if (place > 0 && has_mounted(image, folder, "loop,ro,noload"))
        serve_from_broken_disk(image, data, index, &file, place, broken_from);
    else
        ok(true, "# SKIP a real disk: %s",
           place > 0 ? "it cannot be mounted read-only" : "the blocks of the file are unknown");
    (void)umount2(folder, MNT_DETACH);
    held_release(&file);
}

int main(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    mapping_catch_faults();
    check_pages(1, "one page");
    check_pages(5, "some pages");
    check_pages(60, "many pages");
    check_opening();
    check_warming();
    check_real_disk();
    return done_testing();
}
