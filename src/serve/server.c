// The server group: size, time, stopping, debugging.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/number.h"
#include "data/dataset.h"
#include "serve/handlers.h"
#include "serve/session.h"

enum { DEBUG_SLEEP_MAX = 3600 }; // seconds

enum command_result dbsize_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_integer(&s->reply, (int64_t)dataset_figures(s->service->dataset)->keys);
    return COMMAND_DONE;
}

enum command_result time_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    uint64_t now = clock_wall_us();
    char digits[NUMBER_TEXT_MAX];
    resp_array(&s->reply, 2);
    resp_bulk(&s->reply, span_of(digits, number_format(digits, now / 1000000)));
    resp_bulk(&s->reply, span_of(digits, number_format(digits, now % 1000000)));
    return COMMAND_DONE;
}

// When the index was built from what the file held.
enum command_result lastsave_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    uint64_t built_at_us = dataset_figures(s->service->dataset)->built_at_us;
    resp_integer(&s->reply, (int64_t)(built_at_us / 1000000));
    return COMMAND_DONE;
}

// A primary without replicas: what INFO and HELLO say too.
enum command_result role_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_array(&s->reply, 3);
    resp_bulk_text(&s->reply, "master");
    resp_integer(&s->reply, 0);
    resp_array(&s->reply, 0);
    return COMMAND_DONE;
}

// There is nothing to save or to wait for, so every option of Redis is accepted and means nothing,
// but for ABORT, which has nothing to abort.
enum command_result shutdown_command(struct session *s, const struct resp_request *r)
{
    static const char *const options[] = {"save", "nosave", "now", "force"};
    if (!s->service->settings->enable_shutdown_command) {
        resp_error(&s->reply,
                   "NOPERM User default has no permissions to run the 'shutdown' command");
        return COMMAND_DONE;
    }
    for (uint32_t i = 1; i < r->argc; i++) {
        bool known = false; // an unknown one ends the loop, a known one may come a few times
        for (unsigned o = 0; o < sizeof options / sizeof *options; o++)
            known |= span_is(resp_arg(r, i), options[o]);
        if (!known || i > 8) {
            resp_error(&s->reply, span_is(resp_arg(r, i), "abort") && r->argc == 2
                                      ? "ERR No shutdown in progress."
                                      : "ERR syntax error");
            return COMMAND_DONE;
        }
    }
    s->service->group->stop(s->service->group->stop_context);
    return COMMAND_CLOSE; // as in Redis, the end of the connection is the reply
}

static bool parse_seconds(struct span text, double *seconds)
{
    char copy[64];
    char *end;
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *seconds = strtod(copy, &end);
    return *end == '\0' && isfinite(*seconds) && *seconds >= 0 && *seconds <= DEBUG_SLEEP_MAX;
}

enum command_result debug_command(struct session *s, const struct resp_request *r)
{
    struct span word = resp_arg(r, 1);
    double seconds;
    if (span_is(word, "sleep") && r->argc == 3 && parse_seconds(resp_arg(r, 2), &seconds)) {
        struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
        while (nanosleep(&left, &left) != 0 && errno == EINTR)
            ;
        resp_status(&s->reply, "OK");
    } else {
        resp_error(&s->reply,
                   "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG "
                   "HELP.",
                   session_echoed(word), word.ptr);
    }
    return COMMAND_DONE;
}
