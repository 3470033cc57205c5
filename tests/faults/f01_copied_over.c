// Faults F1 and F2 (docs/faults.md): another file is copied over the served file, as `cp` does it:
// the file is truncated and then written again. A key whose line was overwritten answers an error,
// not nil. A value that is being sent is never completed with bytes of the other file.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

enum { KEYS = 4000, ASKED = 1000, LARGE = 20 * 1024 * 1024, BEGUN = 64 * 1024 };

static void append_key(struct buf *to, char kind, unsigned i)
{
    buf_printf(to, "%c0000000-0000-4000-8000-%012u", kind, i);
}

static struct buf lines(char kind, unsigned count)
{
    struct buf text = {0};
    for (unsigned i = 0; i < count; i++) {
        append_key(&text, kind, i);
        buf_printf(&text, " value %c %u\n", kind, i);
    }
    return text;
}

static void copy_over(const char *path, struct span content)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    require(fd >= 0, "cannot open %s", path);
    for (size_t at = 0; at < content.len;) {
        ssize_t written = write(fd, content.ptr + at, content.len - at);
        require(written > 0, "cannot write");
        at += (size_t)written;
    }
    close(fd);
}

// Sends GET for key `i`. Returns 'v' for a value, 'n' for nil, 'e' for the error of unreadable
// data, and 'c' if the server closed the connection. Then it connects again.
static char get_key(int port, int *fd, unsigned i)
{
    struct buf request = {0};
    struct buf reply = {0};
    struct buf key = {0};
    char what = 'c';
    append_key(&key, 'a', i);
    buf_printf(&request, "GET %.*s\r\n", (int)key.len, key.ptr);
    if (send_all(*fd, buf_span(&request)) && receive(*fd, &reply, 1)) {
        while (reply.ptr[reply.len - 1] != '\n' && receive(*fd, &reply, 1))
            ;
        struct span line = buf_span(&reply);
        what = occurrences(line, "$-1\r\n") > 0                ? 'n'
               : occurrences(line, "-ERR data unreadable") > 0 ? 'e'
                                                               : 'v';
        if (what == 'v') {
            size_t len = strtoul(reply.ptr + 1, NULL, 10);
            receive(*fd, &reply, len + 2);
        }
    }
    if (what == 'c') {
        close(*fd);
        *fd = connect_tcp(port);
    }
    buf_release(&request);
    buf_release(&reply);
    buf_release(&key);
    return what;
}

static void copied_over_keys(const char *threads)
{
    struct buf old = lines('a', KEYS);
    struct buf other = lines('b', KEYS * 3 / 4);
    const char *path = test_file("keys.data", buf_span(&old));
    struct server_process s =
        server_start(path, (const char *const[]){"--threads", threads, "--index", "none", NULL});
    int fd = connect_tcp(s.port);
    ok(get_key(s.port, &fd, 5) == 'v', "%s loops: a key is served", threads);
    copy_over(path, buf_span(&other));
    unsigned count[256] = {0};
    for (unsigned i = 0; i < ASKED; i++)
        count[(unsigned char)get_key(s.port, &fd, i)]++;
    is_number(count['n'], 0, "%s loops: no overwritten key answers nil", threads);
    is_number(count['v'], 0, "%s loops: no overwritten key answers a value", threads);
    ok(count['e'] >= ASKED - 1, "%s loops: overwritten keys answer an error", threads);
    close(fd);
    is_number(server_stop(&s), 0, "%s loops: exit code", threads);
    buf_release(&old);
    buf_release(&other);
}

// Makes a file of one line with a large value, made of `byte`, and `others` short lines after it.
static struct buf large_lines(char byte, unsigned others)
{
    struct buf text = {0};
    append_key(&text, 'a', 0);
    buf_append_text(&text, " ");
    append_bytes(&text, byte, LARGE);
    buf_append_text(&text, "\n");
    struct buf rest = lines('c', others);
    buf_append(&text, buf_span(&rest));
    buf_release(&rest);
    return text;
}

static void copied_over_a_value(void)
{
    struct buf old = large_lines('A', 2000);
    struct buf other = large_lines('B', 1000);
    struct buf got = {0};
    const char *path = test_file("large.data", buf_span(&old));
    struct server_process s =
        server_start(path, (const char *const[]){"--threads", "1", "--index", "none", NULL});
    int fd = connect_narrow(s.port);
    require(send_all(fd, SPAN("GET a0000000-0000-4000-8000-000000000000\r\n")), "cannot send");
    require(receive(fd, &got, BEGUN), "no reply");
    server_await_idle(&s);
    copy_over(path, buf_span(&other));
    receive_to_end(fd, &got);
    ok(got.len < LARGE, "a value that is being sent ends early: %zu bytes", got.len);
    close(fd);
    is_number(server_stop(&s), 0, "exit code");
    buf_release(&old);
    buf_release(&other);
    buf_release(&got);
}

int main(void)
{
    copied_over_keys("1");
    copied_over_keys("2");
    copied_over_a_value();
    return done_testing();
}
