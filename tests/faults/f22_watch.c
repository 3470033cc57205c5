// Faults F22 and F1 (docs/faults.md): a client watches keys while the data file is replaced, or its
// end is cut off. EXEC answers nil if one of the keys has, or may have, another value. Otherwise it
// runs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

#define A "00000000-0000-4000-8000-00000000000a"
#define B "00000000-0000-4000-8000-00000000000b"

enum { LONG = 3 * 1024 * 1024 };

// Sends a request and checks the reply.
static void check_reply(int fd, const char *words, const char *wanted)
{
    struct buf request = {0};
    append_request(&request, words);
    answers(fd, buf_span(&request), span_text(wanted), "%s", words);
    buf_release(&request);
}

// Opens a connection that watches the keys and has queued a command.
static int open_watching(int port, const char *keys)
{
    char words[128];
    int fd = control_open(port);
    snprintf(words, sizeof words, "WATCH %s", keys);
    check_reply(fd, words, "+OK\r\n");
    check_reply(fd, "MULTI", "+OK\r\n");
    check_reply(fd, "PING", "+QUEUED\r\n");
    return fd;
}

// Sends EXEC, checks whether it runs, and closes the connection.
static void check_exec(int fd, bool runs)
{
    check_reply(fd, "EXEC", runs ? "*1\r\n+PONG\r\n" : "*-1\r\n");
    close(fd);
}

// Writes a file with a long value of A, which ends with `last`, and a short value of B.
static const char *write_data(const char *name, const char *short_value, char last)
{
    struct buf text = {0};
    buf_append_text(&text, A " ");
    append_bytes(&text, 'v', LONG);
    buf_printf(&text, "%c\n" B " %s\n", last, short_value);
    const char *path = test_file(name, buf_span(&text));
    buf_release(&text);
    return path;
}

int main(void)
{
    const char *live = write_data("live.data", "first", '1');
    struct server_process s = server_start(live, WORDS("--requirepass", CONTROL_PASSWORD));
    int control = control_open(s.port);
    int a = open_watching(s.port, A);
    int b = open_watching(s.port, B);
    int both = open_watching(s.port, A " " B);
    int none = open_watching(s.port, "00000000-0000-4000-8000-00000000000c");
    require(rename(write_data("next.data", "other", '1'), live) == 0, "cannot rename");
    check_reply(control, "STELE.RELOAD", "+OK\r\n");
    check_exec(a, true);
    check_exec(b, false);
    check_exec(both, false);
    check_exec(none, true);
    a = open_watching(s.port, A);
    b = open_watching(s.port, B);
    require(rename(write_data("next.data", "other", '2'), live) == 0, "cannot rename");
    check_reply(control, "STELE.RELOAD", "+OK\r\n");
    check_exec(a, false);
    check_exec(b, true);

    // The end of the file is cut off, and with it the value of B.
    a = open_watching(s.port, A);
    b = open_watching(s.port, B);
    none = open_watching(s.port, "00000000-0000-4000-8000-00000000000c");
    require(truncate(live, LONG + (off_t)sizeof A + 5) == 0, "cannot cut");
    log_await(s.log_path, "was truncated");
    check_exec(a, true);
    check_exec(b, false);
    b = control_open(s.port);
    check_reply(
        b, "WATCH " B,
        "-ERR data unreadable: a file of the dataset was truncated, overwritten or cannot be read; "
        "the requested data may be in the lost part\r\n");
    close(b);
    close(none);
    close(control);
    is_number(server_stop(&s), 0, "the server ends well");
    return done_testing();
}
