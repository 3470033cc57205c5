// Fault F28 (docs/faults.md): a reader thread cannot read a line: the disk fails, or the file was
// cut or replaced while requests were parked. Only requests for lost lines get errors. All others
// get their values, and nobody gets a reply twice or none.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults/support/slow_disk.h"
#include "faults/support/slow_server.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"

enum { READERS = 4, GOOD = 1000, BAD = 2000, MAPPED = 200, PAGE_LINES = 4096 / SLOW_LINE };

static int hot;

static bool is_refused(struct span reply)
{
    static const char error[] = "-ERR data unreadable: ";
    return reply.len > sizeof error && memcmp(reply.ptr, error, sizeof error - 1) == 0;
}

static bool is_value(struct span reply, unsigned i)
{
    struct buf value = {0};
    struct buf wanted = {0};
    slow_value(&value, 'a', i);
    append_bulk(&wanted, buf_span(&value));
    bool same = span_equal(reply, buf_span(&wanted));
    buf_release(&value);
    buf_release(&wanted);
    return same;
}

static size_t file_size(const char *path)
{
    struct stat status;
    require(stat(path, &status) == 0, "no data file");
    return (size_t)status.st_size;
}

static void ask(int fd, const char *command, unsigned i)
{
    char text[64];
    snprintf(text, sizeof text, "%s %s", command, slow_key(i));
    slow_send(fd, text);
}

// Asks for one key with nothing held.
static struct span get(int fd, unsigned i)
{
    ask(fd, "GET", i);
    return slow_replies(fd, 1);
}

// Serves an undamaged file again.
static void reload(void)
{
    slow_file('a');
    slow_send(hot, "STELE.RELOAD");
    is_bytes(slow_replies(hot, 1), span_text("+OK\r\n"), "(a reload works)");
    slow_hot_is_served(hot, "after the reload");
}

// Parks three clients: one asks for a line that will be lost, one for another, one for both in a
// pipeline. Calls `damage` and checks the replies.
static void check_parked(void (*damage)(void), const char *name)
{
    char text[256];
    int bad = slow_client();
    int good = slow_client();
    int both = slow_client();
    slow_disk_hold(true);
    snprintf(text, sizeof text, "PING\nGET %s", slow_key(BAD));
    slow_send(bad, text);
    snprintf(text, sizeof text, "PING\nGET %s", slow_key(GOOD));
    slow_send(good, text);
    snprintf(text, sizeof text, "PING\nGET %s\nGET %s\nSTRLEN %s\nGET %s", slow_key(GOOD + 1),
             slow_key(BAD + 1), slow_key(BAD + 2), slow_key(GOOD + 2));
    slow_send(both, text);
    // The reply to PING shows that the request after it waits, too.
    is_bytes(slow_replies(bad, 1), span_text("+PONG\r\n"), "(the first client is served)");
    is_bytes(slow_replies(good, 1), span_text("+PONG\r\n"), "(the second one is, too)");
    is_bytes(slow_replies(both, 1), span_text("+PONG\r\n"), "(and the third)");
    slow_disk_await_held(1);
    slow_hot_is_served(hot, name);
    // From now on reader threads read hot lines too, and a thread that is held may have taken them.
    damage();
    slow_disk_hold(false);
    ok(is_refused(slow_replies(bad, 1)), "%s: a lost line gets an error", name);
    ok(is_value(slow_replies(good, 1), GOOD), "%s: another client gets its value", name);
    ok(is_value(slow_replies(both, 1), GOOD + 1), "%s, pipeline: a value", name);
    ok(is_refused(slow_replies(both, 1)), "%s, pipeline: an error", name);
    ok(is_refused(slow_replies(both, 1)), "%s, pipeline: an error", name);
    ok(is_value(slow_replies(both, 1), GOOD + 2), "%s, pipeline: a value again", name);
    ok(slow_is_silent(bad) && slow_is_silent(good) && slow_is_silent(both),
       "%s: nothing is answered twice", name);
    slow_hot_is_served(hot, name);
    close(bad);
    close(both);
    ok(is_refused(get(good, BAD + 1)), "%s: the line stays lost", name);
    ok(is_value(get(good, GOOD + 3), GOOD + 3), "%s: others are served", name);
    is_bytes(get(good, 5000), span_text("$-1\r\n"), "%s: a missing key is missing", name);
    close(good);
}

// An MGET with a lost line gets an error, or its connection closes if a part has been sent.
static void check_mget(void)
{
    char text[256];
    struct buf reply = {0};
    int fd = slow_client();
    snprintf(text, sizeof text, "MGET %s %s %s", slow_key(GOOD), slow_key(BAD), slow_key(GOOD + 1));
    slow_send(fd, text);
    bool some = receive(fd, &reply, 1) && reply.ptr[0] == '-';
    if (some) {
        while (reply.ptr[reply.len - 1] != '\n')
            require(receive(fd, &reply, 1), "no reply");
        ok(is_refused(buf_span(&reply)), "MGET with a lost line: an error");
    } else {
        ok(receive_to_end(fd, &reply) && reply.len < SLOW_LINE * 2,
           "MGET with a lost line: the connection closes after a part of the reply");
    }
    buf_release(&reply);
    close(fd);
}

static void fail_page(void)
{
    slow_disk_fail(BAD / PAGE_LINES * 4096, (BAD / PAGE_LINES + 1) * 4096, EIO);
}

// Cuts the file in the middle of a line. The client whose request detects the damage may be
// disconnected (F1), so that is another one.
static void cut_in_line(unsigned line)
{
    struct buf rest = {0};
    int fd = slow_client();
    file_resize(slow_path(), line * SLOW_LINE + 5);
    ask(fd, "GET", 1);
    shutdown(fd, SHUT_WR);
    ok(receive_to_end(fd, &rest), "(the damage is detected)");
    buf_release(&rest);
    close(fd);
}

static void cut(void)
{
    cut_in_line(BAD - 100);
}

// A request is parked. The line of the one after it in the pipeline is in a busy page, so it was
// found in the mapping already. Then the file loses that line, too.
static void check_mapped(void)
{
    char text[256];
    int fd = slow_client();
    for (unsigned n = 0; n < 100; n++) // the page gets busy
        require(is_value(get(fd, MAPPED), MAPPED), "no value");
    unsigned asked = slow_disk_reads()->asked;
    ok(is_value(get(fd, MAPPED), MAPPED) && slow_disk_reads()->asked == asked,
       "a line in a busy page is read from the mapping");
    slow_disk_hold(true);
    snprintf(text, sizeof text, "PING\nGET %s\nGET %s\nMGET %s %s", slow_key(GOOD),
             slow_key(MAPPED), slow_key(1), slow_key(MAPPED));
    slow_send(fd, text);
    is_bytes(slow_replies(fd, 1), span_text("+PONG\r\n"), "(the client is served)");
    slow_disk_await_held(1);
    cut_in_line(MAPPED / 2);
    slow_disk_hold(false);
    ok(is_refused(slow_replies(fd, 1)), "cut while it is parked: a lost line gets an error");
    ok(is_refused(slow_replies(fd, 1)), "so does the line that was found in the mapping");
    ok(is_refused(slow_replies(fd, 1)), "also in an MGET");
    ok(is_value(get(fd, 1), 1), "another line is served");
    close(fd);
}

// A page in the middle of a large value cannot be read. The client gets an error, or the value's
// beginning and then the end of the connection.
static void check_large(void)
{
    enum { LARGE = SLOW_LINES + SLOW_LARGE - 1 };
    struct buf whole = {0};
    struct buf value = {0};
    struct buf got = {0};
    size_t size = file_size(slow_path());
    int fd = slow_client();
    slow_value(&value, 'a', LARGE);
    append_bulk(&whole, buf_span(&value));
    ask(fd, "GET", LARGE);
    is_bytes(slow_replies(fd, 1), buf_span(&whole), "a large value");
    slow_disk_fail((size - value.len / 2) / 4096 * 4096,
                   (size - value.len / 2) / 4096 * 4096 + 4096, EIO);
    ask(fd, "GET", LARGE);
    shutdown(fd, SHUT_WR);
    ok(receive_to_end(fd, &got), "an I/O error in it: the connection ends");
    bool begins = got.len < whole.len && memcmp(got.ptr, whole.ptr, got.len) == 0;
    ok(begins || is_refused(buf_span(&got)), "after %zu bytes of the value, or an error", got.len);
    slow_hot_is_served(hot, "an I/O error in a large value");
    buf_release(&whole);
    buf_release(&value);
    buf_release(&got);
    close(fd);
}

// Without memory for the page, only that request gets an error.
static void check_memory(void)
{
    int fd = slow_client();
    slow_disk_fail(BAD / PAGE_LINES * 4096, (BAD / PAGE_LINES + 1) * 4096, ENOMEM);
    ok(is_refused(get(fd, BAD)), "no memory for a page: an error");
    slow_disk_fail(0, 0, 0);
    ok(is_value(get(fd, BAD), BAD), "the next request succeeds");
    close(fd);
}

static void check_short_reads(void)
{
    static const size_t most[] = {1, 7, 100, 4095};
    int fd = slow_client();
    for (unsigned n = 0; n < sizeof most / sizeof *most; n++) {
        bool right = true;
        slow_disk_shorten(most[n]);
        for (unsigned i = 0; i < 40; i++) // over a page and into the next, and some large values
            right &= is_value(get(fd, 2500 + 80 * n + i), 2500 + 80 * n + i);
        for (unsigned i = SLOW_LINES; i < SLOW_LINES + (most[n] > 1 ? 3 : 1); i++)
            right &= is_value(get(fd, i), i);
        ok(right, "reads of at most %zu bytes: every value is whole", most[n]);
    }
    slow_disk_shorten(0);
    close(fd);
}

// The old file is read, although another has its path now.
static void check_replaced(void)
{
    int fd = slow_client();
    slow_disk_hold(true);
    ask(fd, "GET", BAD);
    slow_disk_await_held(1);
    slow_file('b');
    slow_disk_hold(false);
    ok(is_value(slow_replies(fd, 1), BAD), "replaced by a rename: the old value");
    ok(slow_is_silent(fd), "and once");
    close(fd);
}

int main(void)
{
    slow_server_start(READERS, false);
    hot = slow_client();
    check_short_reads();
    check_memory();
    check_replaced();
    reload();
    check_parked(fail_page, "an I/O error");
    check_mget();
    slow_disk_fail(0, 0, 0);
    reload();
    check_parked(cut, "a cut file");
    check_mget();
    reload();
    check_mapped();
    reload();
    check_large();
    slow_disk_fail(0, 0, 0);
    reload();
    int fd = slow_client();
    ok(is_value(get(fd, BAD), BAD), "after the reload the line is there");
    close(fd);
    close(hot);
    slow_server_stop();
    return done_testing();
}
