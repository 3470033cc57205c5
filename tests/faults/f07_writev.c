// The file is cut while large values are on their way out of its mapping to clients that read
// slowly. A client gets bytes of its value and then the end of the connection, never a whole reply
// that is not the value; one whose value is still there gets all of it.
#include <sys/socket.h>

#include "faults/hammer.h"
#include "support/talk.h"
#include "support/watch.h"

enum { LARGE = 8 << 20, FIRST_BYTES = 30000 };

static struct held_file file;
static const char *path;

// Two records with large values. `records[0]` is the one that is cut.
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

// Asks for a value and reads only a little of it.
static int ask(int port, unsigned record, struct buf *wanted)
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
        fd[i] = ask(s.port, i, &wanted[i]);
        require(receive(fd[i], &got[i], FIRST_BYTES), "%s: no reply", name);
    }
    settle_server(&s);
    require(truncate(path, (off_t)at) == 0, "cannot cut");
    ok(receive_to_end(fd[0], &got[0]), "%s: the connection ends", name);
    ok(got[0].len < held_value(&file, 0).len, "%s: before the value does", name);
    ok(memcmp(got[0].ptr, wanted[0].ptr, got[0].len) == 0, "%s: what has come is right", name);
    // What is left may be of another file by now (cp truncates and writes anew), so the rest of a
    // value that has been begun is not sent, wherever the cut is.
    ok(receive_to_end(fd[1], &got[1]), "%s: the other one ends, too", name);
    ok(got[1].len <= wanted[1].len && memcmp(got[1].ptr, wanted[1].ptr, got[1].len) == 0,
       "%s: what it has got is right", name);
    for (unsigned i = 0; i < 2; i++) {
        close(fd[i]);
        buf_release(&got[i]);
        buf_release(&wanted[i]);
    }
    settle_server(&s);
    hammer_check(s.port, &file, at, name);
    is_number(server_stop(&s), 0, "%s: the server ends well", name);
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
    held_release(&file);
    return done_testing();
}
