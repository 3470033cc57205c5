// CLIENT PAUSE, UNPAUSE, REPLY, UNBLOCK, NO-EVICT, NO-TOUCH and CAPA: they change how clients are
// served. A pause concerns the clients of all loops, so a loop task carries it to each loop.
#include <stdlib.h>

#include "base/clock.h"
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/loop_task.h"
#include "serve/session.h"

// ---- CLIENT PAUSE -------------------------------------------------------------------------------

struct pause {
    struct loop_task task;
    uint64_t until; // end of the pause, monotonic ns; 0: end the present pause now
};

static bool visit_pause(struct loop_task *task, struct service *service)
{
    const struct pause *p = (const struct pause *)task;
    if (p->until == 0)
        session_end_pause(service);
    else if (p->until > service->paused_until) // the pause that ends last counts, as in Redis
        service->paused_until = p->until;
    return true;
}

// Pauses all loops until `until` (monotonic ns), or ends the pause if it is 0. Replies OK when all
// loops have done so. The handler must return the result.
static enum command_result pause_until(struct session *s, uint64_t until)
{
    if (s->task == NULL) {
        struct pause *p = calloc(1, sizeof *p);
        if (p == NULL) {
            s->oom = true;
            return COMMAND_DONE;
        }
        p->task.visit = visit_pause;
        p->task.release = loop_task_free;
        p->until = until;
        session_await(s, &p->task);
    }
    if (session_task(s) == NULL)
        return COMMAND_WAIT;
    resp_status(&s->reply, "OK");
    session_end_task(s);
    return COMMAND_DONE;
}

// Pauses the commands of all clients. In Redis, the mode WRITE pauses only writes. Stele refuses
// writes, so in this mode the handler only checks the arguments and replies OK.
static enum command_result client_pause_command(struct session *s, const struct resp_request *r)
{
    int64_t milliseconds;
    bool write = r->argc == 4 && span_is(resp_arg(r, 3), "write");
    if (r->argc > 4) {
        reply_wrong_subcommand(s, r, "CLIENT");
    } else if (r->argc == 4 && !write && !span_is(resp_arg(r, 3), "all")) {
        resp_error(&s->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    } else if (!number_parse(resp_arg(r, 2), &milliseconds)) {
        resp_error(&s->reply, "ERR timeout is not an integer or out of range");
    } else if (milliseconds < 0) {
        resp_error(&s->reply, "ERR timeout is negative");
    } else if (milliseconds > INT64_MAX - (int64_t)(clock_wall_us() / 1000)) {
        resp_error(&s->reply, "ERR timeout is out of range");
    } else if (write) {
        resp_status(&s->reply, "OK");
    } else {
        // A pause that ends later than the clock can count lasts for ever.
        int64_t now = (int64_t)clock_monotonic_ns();
        bool countable = milliseconds <= (INT64_MAX - now) / 1000000;
        return pause_until(s, countable ? (uint64_t)(now + milliseconds * 1000000) : INT64_MAX);
    }
    return COMMAND_DONE;
}

static enum command_result client_unpause_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    return pause_until(s, 0);
}

// ---- other subcommands --------------------------------------------------------------------------

// OFF suppresses all replies, SKIP the reply to the next command. Neither has a reply of its own.
static enum command_result client_reply_command(struct session *s, const struct resp_request *r)
{
    struct span mode = resp_arg(r, 2);
    if (span_is(mode, "on")) {
        s->reply_mode &= REPLY_SKIP_NEXT;
        s->reply.out = s->turn.out;
        resp_status(&s->reply, "OK");
    } else if (span_is(mode, "off")) {
        s->reply_mode |= REPLY_OFF;
    } else if (!span_is(mode, "skip")) {
        reply_syntax_error(s);
    } else if ((s->reply_mode & REPLY_OFF) == 0) {
        s->reply_mode |= REPLY_SKIP_NEXT;
    }
    return COMMAND_DONE;
}

// Sets `*flag` from the word "on" or "off" and replies.
static enum command_result reply_on_off(struct session *s, struct span word, bool *flag)
{
    bool on = span_is(word, "on");
    if (on || span_is(word, "off")) {
        *flag = on;
        resp_status(&s->reply, "OK");
    } else {
        reply_syntax_error(s);
    }
    return COMMAND_DONE;
}

// When clients exceed `maxmemory-clients`, those with NO-EVICT are closed last. They are not
// exempt, so the limit always holds.
static enum command_result client_no_evict_command(struct session *s, const struct resp_request *r)
{
    return reply_on_off(s, resp_arg(r, 2), &s->no_evict);
}

// Has no effect: Stele does not record when a key was last read.
static enum command_result client_no_touch_command(struct session *s, const struct resp_request *r)
{
    return reply_on_off(s, resp_arg(r, 2), &s->no_touch);
}

// Accepts any capability that a client announces. None has an effect here.
static enum command_result client_capa_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// Replies 0, "no client was unblocked", because no command blocks.
static enum command_result client_unblock_command(struct session *s, const struct resp_request *r)
{
    int64_t id;
    bool known =
        r->argc == 3 || span_is(resp_arg(r, 3), "timeout") || span_is(resp_arg(r, 3), "error");
    if (r->argc > 4)
        reply_wrong_subcommand(s, r, "CLIENT");
    else if (!known)
        resp_error(&s->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    else if (!number_parse(resp_arg(r, 2), &id))
        reply_not_an_integer(s);
    else
        resp_integer(&s->reply, 0);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument on_off_words[] = {
    {"on", "pure-token", "ON", 0, NULL}, {"off", "pure-token", "OFF", 0, NULL}, {0}};
static const struct command_argument enabled_words[] = {{"enabled", "oneof", NULL, 0, on_off_words},
                                                        {0}};
static const struct command_argument capabilities[] = {
    {"capability", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument pause_modes[] = {
    {"write", "pure-token", "WRITE", 0, NULL}, {"all", "pure-token", "ALL", 0, NULL}, {0}};
static const struct command_argument pause_words[] = {
    {"timeout", "integer", NULL, 0, NULL},
    {"mode", "oneof", NULL, ARGUMENT_OPTIONAL, pause_modes},
    {0}};
static const struct command_argument reply_modes[] = {{"on", "pure-token", "ON", 0, NULL},
                                                      {"off", "pure-token", "OFF", 0, NULL},
                                                      {"skip", "pure-token", "SKIP", 0, NULL},
                                                      {0}};
static const struct command_argument reply_words[] = {
    {"on_off_skip", "oneof", NULL, 0, reply_modes}, {0}};
static const struct command_argument unblock_modes[] = {
    {"timeout", "pure-token", "TIMEOUT", 0, NULL}, {"error", "pure-token", "ERROR", 0, NULL}, {0}};
static const struct command_argument unblock_words[] = {
    {"client-id", "integer", NULL, 0, NULL},
    {"timeout_error", "oneof", NULL, ARGUMENT_OPTIONAL, unblock_modes},
    {0}};
static const struct command_change client_pause_history[] = {{"6.2.0", "Accepts `WRITE` and `ALL`"},
                                                             {0}};

const struct command client_control_commands[] = {
    {"client|capa", -3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "8.0.0", 0, client_capa_command,
     "Accepts the capabilities of the client, which have no effect", "O(1)", NULL, capabilities,
     .deviation = "Redis 7.0 does not have this command."},
    {"client|no-evict", 3, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_CONNECTION, "7.0.0",
     0, client_no_evict_command,
     "With ON, when clients take too much memory, this connection is closed only if no other is "
     "left to close",
     "O(1)", NULL, enabled_words,
     .deviation = "Redis never closes a connection with `ON` for taking too much memory. Stele "
                  "closes it when no others are left to close, so that `maxmemory-clients` always "
                  "holds."},
    {"client|no-touch", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "7.2.0", 0,
     client_no_touch_command, "Returns OK, as the server does not record when a key was read",
     "O(1)", NULL, enabled_words, .deviation = "Redis 7.0 does not have this command."},
    {"client|pause", -3, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_CONNECTION, "2.9.50",
     0, client_pause_command,
     "Suspends the commands of all connections for a number of milliseconds", "O(1)", NULL,
     pause_words, .history = client_pause_history,
     .deviation = "`WRITE` suspends nothing, as writes are refused. During a pause, `AUTH`, "
                  "`HELLO`, `QUIT`, `RESET` and `CLIENT UNPAUSE` are still answered. But a client "
                  "gets its replies in order. So if it has sent another command before one of "
                  "these, both wait for the end of the pause. A timeout that is too large "
                  "for the clock is an error, as in Redis 7.2 and later."},
    {"client|reply", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "3.2.0", 0, client_reply_command,
     "Sets whether this connection receives replies; SKIP omits only the next reply", "O(1)", NULL,
     reply_words},
    {"client|unblock", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0,
     client_unblock_command, "Returns 0, as no connection ever blocks", "O(1)", NULL,
     unblock_words},
    {"client|unpause", 2, ADMIN | SUBCOMMAND | ADMINISTRATIVE | UNPAUSED, NO_KEYS, GROUP_CONNECTION,
     "6.2.0", 0, client_unpause_command, "Ends the pause that CLIENT PAUSE started",
     "O(N) where N is the number of connections"},
    {0},
};
