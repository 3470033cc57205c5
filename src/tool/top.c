// `stele top` shows the figures of a server, from INFO alone, again and again. In a terminal it is
// a page, elsewhere a block of lines.
//
// When the server does not answer, the last figures stay, and the last line says why. Each interval
// it is tried again. An attempt to connect, or a reply that has begun, may keep the user waiting
// for REPLY_SECONDS; all other waits end when q is pressed.
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/terminal.h"
#include "client/info.h"
#include "tool/ask_server.h"
#include "tool/screen.h"
#include "tool/top_page.h"

enum {
    REPLY_SECONDS = 2,
    DEFAULT_INTERVAL_MS = 1000,
    STATE_MAX = 640, // bytes of the last line
    TIME_TEXT = 16,
};

// A reply to INFO.
struct sample {
    struct buf text;
    uint64_t at_ns; // monotonic time; 0: there is none
};

struct top {
    const struct options *options;
    struct remote server;
    bool connected;
    struct sample now;
    struct sample before;
    char state[STATE_MAX]; // empty: nothing to say
    bool has_failed;       // the last attempt; `state` says why
};

enum answer { ANSWERED, FAILED, QUIT };

static void time_text(char to[TIME_TEXT])
{
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) == NULL || strftime(to, TIME_TEXT, "%H:%M:%S", &local) == 0)
        *to = '\0';
}

// ---- asking -------------------------------------------------------------------------------------

static void disconnect(struct top *t)
{
    remote_close(&t->server);
    t->connected = false;
}

// Keeps a new sample. The one before is of no use when the server has started again since.
static void keep(struct top *t, struct span info, uint64_t at_ns)
{
    struct sample oldest = t->before;
    struct span run_id = info_text(info, "run_id");
    bool first = t->now.at_ns == 0;
    bool same = !first && span_equal(run_id, info_text(buf_span(&t->now.text), "run_id"));
    char time[TIME_TEXT];
    t->before = t->now;
    t->now = oldest;
    t->now.text.len = 0;
    buf_append(&t->now.text, info);
    t->now.at_ns = at_ns;
    if (!same)
        t->before.at_ns = 0;
    if (t->has_failed || (!first && !same)) {
        time_text(time);
        snprintf(t->state, sizeof t->state, "%s the server %s", time,
                 same ? "answers again" : "has started again");
    }
    t->has_failed = false;
}

static enum answer failed(struct top *t, const struct error *error)
{
    char time[TIME_TEXT];
    time_text(time);
    snprintf(t->state, sizeof t->state, "%s %s; trying again", time, error->text);
    t->has_failed = true;
    disconnect(t);
    return FAILED;
}

static void draw(const struct top *t);

// Asks the server, and keeps the reply. On failure sets `error` and the state.
static enum answer ask(struct top *t, struct error *error)
{
    uint64_t until = clock_monotonic_ns() + REPLY_SECONDS * CLOCK_SECOND;
    if (!t->connected) {
        if (ask_server_open(&t->server, t->options, REPLY_SECONDS, error) != TOOL_OK)
            return failed(t, error);
        t->connected = true;
    }
    if (!ask_server_send_info(&t->server, error))
        return failed(t, error);
    enum screen_event event;
    while ((event = screen_wait(t->server.fd, until)) == SCREEN_DRAW)
        draw(t);
    if (event == SCREEN_QUIT)
        return QUIT;
    if (event == SCREEN_TIME) {
        error_set(error, "%s: no answer in time", t->server.address);
        return failed(t, error);
    }
    struct span info = remote_receive(&t->server, error);
    if (info.ptr == NULL)
        return failed(t, error);
    keep(t, info, clock_monotonic_ns());
    return ANSWERED;
}

// ---- showing ------------------------------------------------------------------------------------

static void format(const struct top *t, unsigned columns, unsigned rows, struct buf *to)
{
    char last[STATE_MAX + 64];
    struct top_page page = {.address = tool_name(t->options->file),
                            .now = buf_span(&t->now.text),
                            .seconds = 1,
                            .columns = columns,
                            .rows = rows};
    if (t->before.at_ns != 0) {
        page.before = buf_span(&t->before.text);
        page.seconds = (double)(t->now.at_ns - t->before.at_ns) / (double)CLOCK_SECOND;
    }
    if (rows > 0) {
        snprintf(last, sizeof last, "q quits%s%s", *t->state != '\0' ? "  " : "", t->state);
        page.state = last;
    } else if (*t->state != '\0') {
        page.state = t->state;
    }
    top_page(&page, to);
}

static void draw(const struct top *t)
{
    struct buf page = {0};
    format(t, screen_columns(), screen_rows(), &page);
    (void)screen_draw(buf_span(&page));
    buf_release(&page);
}

static void print(const struct top *t)
{
    struct buf page = {0};
    format(t, terminal_width(STDOUT_FILENO), 0, &page);
    fwrite(page.ptr, 1, page.len, stdout);
    buf_release(&page);
}

static uint64_t interval_ns(const struct top *t)
{
    unsigned ms = t->options->server.interval_ms;
    return (uint64_t)(ms > 0 ? ms : DEFAULT_INTERVAL_MS) * (CLOCK_SECOND / 1000);
}

// Shows the page until the user quits.
static int show_page(struct top *t)
{
    struct error error;
    for (enum answer answer = ANSWERED; answer != QUIT;) {
        uint64_t until = clock_monotonic_ns() + interval_ns(t);
        enum screen_event event;
        draw(t);
        while ((event = screen_wait(-1, until)) == SCREEN_DRAW)
            draw(t);
        answer = event == SCREEN_QUIT ? QUIT : ask(t, &error);
    }
    screen_close();
    return TOOL_OK;
}

// Prints a block after each interval, or only one with --once. While the server does not answer,
// prints a line when that begins.
static int print_blocks(struct top *t)
{
    struct error error;
    for (bool first = true;; first = false) {
        bool had_failed = t->has_failed;
        (void)screen_wait(-1, clock_monotonic_ns() + interval_ns(t));
        enum answer answer = ask(t, &error);
        if (answer != ANSWERED && t->options->server.once) {
            tool_say("%s", error.text);
            return TOOL_ERROR;
        }
        if (!first && (answer == ANSWERED || !had_failed))
            putchar('\n');
        if (answer == ANSWERED)
            print(t);
        else if (!had_failed)
            puts(t->state);
        if (!t->has_failed)
            t->state[0] = '\0';
        if (t->options->server.once || fflush(stdout) != 0)
            return tool_finish(TOOL_OK);
    }
}

static int top(const struct options *o)
{
    struct top t = {.options = o};
    struct error error = {""};
    int code = TOOL_ERROR;
    if (ask(&t, &error) != ANSWERED)
        tool_say("%s", error.text);
    else if (!o->server.once && screen_is_possible() && screen_open())
        code = show_page(&t);
    else
        code = print_blocks(&t);
    disconnect(&t);
    buf_release(&t.now.text);
    buf_release(&t.before.text);
    return code;
}

static const char *set_interval(struct options *o, const char *value)
{
    double seconds;
    if (!info_parse_number(span_text(value), &seconds) || seconds < 0.1 || seconds > 3600)
        return "must be a number of seconds from 0.1 to 3600";
    o->server.interval_ms = (unsigned)(seconds * 1000);
    return NULL;
}

static const char *set_once(struct options *o, const char *value)
{
    (void)value;
    o->server.once = true;
    return NULL;
}

static const struct option_row rows[] = {
    {"--interval", "S", "seconds between two looks at the server (default: 1)", set_interval},
    {"--once", NULL, "print the figures once, after one interval, and exit", set_once},
    TOOL_HELP_ROW,
};

const struct tool_command tool_top = {
    .name = "top",
    .words = "ADDRESS [--interval S] [--once]",
    .help = "show what the server at ADDRESS (HOST:PORT or the path of a Unix socket) does: its "
            "data, load, memory and commands; q quits; into a pipe or file, print the figures each "
            "interval; the variable REDISCLI_AUTH has the password",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = top,
    .takes_store = true,
    .example = "stele top 127.0.0.1:6379",
};
