// F22, F1: a client watches keys while the data file is replaced, or loses its end. EXEC answers
// nil when one of the keys is not, or may not be, what it was, and runs otherwise.
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

// What clients say, to be answered in this order.
static void says(int fd, const char *words, const char *wanted)
{
    struct buf request = {0};
    append_request(&request, words);
    answers(fd, buf_span(&request), span_text(wanted), "%s", words);
    buf_release(&request);
}

static int opened(int port, const char *keys)
{
    char words[128];
    int fd = control_open(port);
    snprintf(words, sizeof words, "WATCH %s", keys);
    says(fd, words, "+OK\r\n");
    says(fd, "MULTI", "+OK\r\n");
    says(fd, "PING", "+QUEUED\r\n");
    return fd;
}

static void says_exec(int fd, bool runs)
{
    says(fd, "EXEC", runs ? "*1\r\n+PONG\r\n" : "*-1\r\n");
    close(fd);
}

// A file with a long value of A and a short one of B.
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
    int a = opened(s.port, A);
    int b = opened(s.port, B);
    int both = opened(s.port, A " " B);
    int none = opened(s.port, "00000000-0000-4000-8000-00000000000c");
    require(rename(write_data("next.data", "other", '1'), live) == 0, "cannot rename");
    says(control, "STELE.RELOAD", "+OK\r\n");
    says_exec(a, true);
    says_exec(b, false);
    says_exec(both, false);
    says_exec(none, true);
    a = opened(s.port, A);
    b = opened(s.port, B);
    require(rename(write_data("next.data", "other", '2'), live) == 0, "cannot rename");
    says(control, "STELE.RELOAD", "+OK\r\n");
    says_exec(a, false);
    says_exec(b, true);

    // The end of the file goes, and with it what B was.
    a = opened(s.port, A);
    b = opened(s.port, B);
    none = opened(s.port, "00000000-0000-4000-8000-00000000000c");
    require(truncate(live, LONG + (off_t)sizeof A + 5) == 0, "cannot cut");
    log_await(s.log_path, "was truncated");
    says_exec(a, true);
    says_exec(b, false);
    b = control_open(s.port);
    says(
        b, "WATCH " B,
        "-ERR data unreadable: a file of the dataset was truncated, overwritten or cannot be read; "
        "what was asked for may be in the lost part\r\n");
    close(b);
    close(none);
    close(control);
    is_number(server_stop(&s), 0, "the server ends well");
    return done_testing();
}
