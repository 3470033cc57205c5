// Fault F7 (docs/faults.md): the file is cut while large values are sent from its mapping to
// clients that read slowly. A client receives bytes of its value, and then the connection closes.
// It never receives a complete reply with other bytes. A second test, in this process, makes a page
// of such a value unreadable while the file keeps its length. Then only the kernel notices, and
// sendmsg fails.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mapping.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "faults/support/hammer.h"
#include "net/publisher.h"
#include "net/server.h"
#include "support/server.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { LARGE = 8 << 20, FIRST_BYTES = 30000 };

static struct held_file file;
static const char *path;

// Makes a file of two large values. The file is cut within `records[0]`, which comes second in it.
static void make_file(void)
{
    file.records = calloc(2, sizeof *file.records);
    require(file.records != NULL, "no memory");
    for (unsigned i = 0; i < 2; i++) {
        struct held *r = &file.records[1 - i];
        snprintf(r->key, sizeof r->key, "3479d894-3271-4935-88cf-a06f3cbb80a%u", i);
        r->line = file.text.len;
        buf_append_text(&file.text, r->key);
        buf_append_text(&file.text, " ");
        r->value = file.text.len;
        while (file.text.len < r->value + LARGE)
            buf_printf(&file.text, "%zu ", file.text.len);
        r->end = file.text.len;
        buf_append_text(&file.text, "\n");
    }
    file.count = 2;
    require(!file.text.oom, "no memory");
}

// Sends a GET over a new connection that has little room for the reply. Returns the descriptor, and
// the expected reply in `wanted`.
static int request_value(int port, unsigned record, struct buf *wanted)
{
    struct buf request = {0};
    int fd = connect_narrow(port);
    buf_printf(&request, "GET %s\r\nPING\r\n", file.records[record].key);
    *wanted = (struct buf){0};
    buf_printf(wanted, "$%zu\r\n", held_value(&file, record).len);
    buf_append(wanted, held_value(&file, record));
    buf_append_text(wanted, "\r\n+PONG\r\n");
    require(!wanted->oom && send_all(fd, buf_span(&request)), "cannot ask");
    buf_release(&request);
    return fd;
}

static void cut(size_t at, const char *threads, const char *name)
{
    struct buf wanted[2];
    struct buf got[2] = {{0}, {0}};
    int fd[2];
    path = test_file("served.data", buf_span(&file.text));
    struct server_process s = server_start(path, WORDS("--threads", threads, "--index", "none"));
    for (unsigned i = 0; i < 2; i++) {
        fd[i] = request_value(s.port, i, &wanted[i]);
        require(receive(fd[i], &got[i], FIRST_BYTES), "%s: no reply", name);
    }
    server_await_idle(&s);
    require(truncate(path, (off_t)at) == 0, "cannot cut");
    ok(receive_to_end(fd[0], &got[0]), "%s: the connection ends", name);
    ok(got[0].len < held_value(&file, 0).len, "%s: it ends before the value does", name);
    ok(memcmp(got[0].ptr, wanted[0].ptr, got[0].len) == 0, "%s: the received bytes are right",
       name);
    // The bytes that are left may belong to another file by now, as cp truncates a file and writes
    // it again. So the server sends no more of a value it has begun, wherever the cut is.
    ok(receive_to_end(fd[1], &got[1]), "%s: the other connection ends too", name);
    ok(got[1].len <= wanted[1].len && memcmp(got[1].ptr, wanted[1].ptr, got[1].len) == 0,
       "%s: its received bytes are right", name);
    for (unsigned i = 0; i < 2; i++) {
        close(fd[i]);
        buf_release(&got[i]);
        buf_release(&wanted[i]);
    }
    server_await_idle(&s);
    hammer_check(s.port, &file, at, name);
    is_number(server_stop(&s), 0, "%s: the server ends well", name);
}

// ---- a page that cannot be read -----------------------------------------------------------------

static void *serve(void *server)
{
    server_run(server);
    return NULL;
}

// Makes the page at offset `at` of the data fault, although the file is long enough for it. Only
// reading the page shows it.
static void break_page(const struct dataset *d, size_t at, size_t page)
{
    int fd = open(test_file("empty", span_text("")), O_RDONLY | O_CLOEXEC);
    void *where = (void *)((uintptr_t)(dataset_text(d).ptr + at) / page * page);
    require(fd >= 0 && mmap(where, page, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == where,
            "cannot break a page");
    close(fd);
}

// Waits until the publisher has read all of the data. Otherwise it might meet the broken page while
// the other value is being sent, and the server would close that connection too.
static void await_read(const struct dataset *d)
{
    uint64_t content;
    while (!dataset_checksum(d, &content))
        poll(NULL, 0, 1);
}

static void cannot_read(size_t page)
{
    struct settings settings = test_settings;
    static const struct dataset_settings none = {.index = DATASET_INDEX_NONE};
    struct error error = {""};
    struct buf wanted[2];
    struct buf got[2] = {{0}, {0}};
    pthread_t thread;
    size_t broken = (file.records[0].value + LARGE / 2) / page * page;
    path = test_file("served.data", buf_span(&file.text));
    settings.tcp = true;
    settings.bind = (struct setting_list){1, {"127.0.0.1"}};
    settings.threads = 2;
    settings.runtime.maxclients = 100;
    settings.tcp_backlog = 16;
    require(log_open(test_path("log"), LOG_NOTICE, &error), "%s", error.text);
    struct server *server = server_open(&settings, command_groups, &error);
    struct dataset *d = dataset_open(path, &none, NULL, &error);
    const struct dataset_source source = {.path = path};
    require(server != NULL && d != NULL && server_listen(server, &source, d, &error), "%s",
            error.text);
    require(pthread_create(&thread, NULL, serve, server) == 0, "no thread");
    int port = atoi(strrchr(server_address(server), ':') + 1);
    int fd = request_value(port, 0, &wanted[0]);
    // The server reads the whole value once, to find its end. It has done that by now.
    require(receive(fd, &got[0], FIRST_BYTES), "no reply");
    await_read(d);
    break_page(d, broken, page);
    ok(receive_to_end(fd, &got[0]), "a page: the connection ends");
    ok(got[0].len >= FIRST_BYTES && got[0].len < held_value(&file, 0).len,
       "a page: it ends before the value does, after %zu bytes", got[0].len);
    ok(memcmp(got[0].ptr, wanted[0].ptr, got[0].len) == 0, "a page: the received bytes are right");
    int other = request_value(port, 1, &wanted[1]);
    receive(other, &got[1], wanted[1].len);
    is_bytes(buf_span(&got[1]), buf_span(&wanted[1]), "a page: the other value is served");
    close(fd);
    close(other);
    for (unsigned i = 0; i < 2; i++) {
        buf_release(&got[i]);
        buf_release(&wanted[i]);
    }
    kill(getpid(), SIGTERM);
    pthread_join(thread, NULL);
    server_close(server);
}

int main(void)
{
    make_file();
    const struct held *r = &file.records[0];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    cut((r->value + LARGE / 2) / page * page, "1", "at a page");
    cut((r->value + LARGE / 2) / page * page + 77, "2", "inside a page");
    cut((r->end - 1) / page * page - 5, "1", "near the value's end");
    cut(r->line + 5, "2", "before the value");
    mapping_catch_faults();
    cannot_read(page);
    held_release(&file);
    return done_testing();
}
