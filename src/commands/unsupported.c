// Commands about features that Stele does not have: modules, scripts, functions, an append-only
// file, and MONITOR. Most replies are those of a Redis server that does not use these features.
// MONITOR returns an error.
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/session.h"

static enum command_result module_list_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_array(&s->reply, 0);
    return COMMAND_DONE;
}

static enum command_result monitor_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_error(&s->reply, "NOPERM User default has no permissions to run the 'monitor' command");
    return COMMAND_DONE;
}

static enum command_result script_exists_command(struct session *s, const struct resp_request *r)
{
    if (s->request.cursor == 0) {
        resp_array(&s->reply, r->argc - 2);
        s->request.cursor = 2;
    }
    for (; s->request.cursor < r->argc; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        resp_integer(&s->reply, 0);
    }
    return COMMAND_DONE;
}

static enum command_result script_flush_command(struct session *s, const struct resp_request *r)
{
    bool known =
        r->argc == 2 ||
        (r->argc == 3 && (span_is(resp_arg(r, 2), "sync") || span_is(resp_arg(r, 2), "async")));
    if (known)
        resp_status(&s->reply, "OK");
    else
        resp_error(&s->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    return COMMAND_DONE;
}

// SCRIPT KILL and FUNCTION KILL.
static enum command_result script_kill_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_error(&s->reply, "NOTBUSY No scripts in execution right now.");
    return COMMAND_DONE;
}

// Each option may be given only once, so no request takes long.
static enum command_result function_list_command(struct session *s, const struct resp_request *r)
{
    bool with_code = false;
    bool named = false;
    for (uint32_t i = 2; i < r->argc; i++) {
        struct span word = resp_arg(r, i);
        if (!with_code && span_is(word, "withcode")) {
            with_code = true;
        } else if (!named && span_is(word, "libraryname")) {
            if (++i == r->argc) {
                resp_error(&s->reply, "ERR library name argument was not given");
                return COMMAND_DONE;
            }
            named = true;
        } else {
            resp_error(&s->reply, "ERR Unknown argument %.*s", session_echoed(word), word.ptr);
            return COMMAND_DONE;
        }
    }
    resp_array(&s->reply, 0);
    return COMMAND_DONE;
}

static enum command_result function_stats_command(struct session *s, const struct resp_request *r)
{
    struct resp_writer *w = &s->reply;
    (void)r;
    resp_map(w, 2);
    resp_bulk_text(w, "running_script");
    resp_null(w);
    resp_bulk_text(w, "engines");
    resp_map(w, 1);
    resp_bulk_text(w, "LUA");
    resp_map(w, 2);
    resp_bulk_text(w, "libraries_count");
    resp_integer(w, 0);
    resp_bulk_text(w, "functions_count");
    resp_integer(w, 0);
    return COMMAND_DONE;
}

static enum command_result waitaof_command(struct session *s, const struct resp_request *r)
{
    int64_t local;
    int64_t replicas;
    int64_t timeout;
    if (!number_parse(resp_arg(r, 1), &local) || !number_parse(resp_arg(r, 2), &replicas)) {
        reply_not_an_integer(s);
    } else if (local < 0 || local > 1) {
        resp_error(&s->reply, "ERR value is out of range, must be between 0 and 1");
    } else if (replicas < 0) {
        resp_error(&s->reply, "ERR value is out of range, must be positive");
    } else if (!number_parse(resp_arg(r, 3), &timeout)) {
        resp_error(&s->reply, "ERR timeout is not an integer or out of range");
    } else if (timeout < 0) {
        resp_error(&s->reply, "ERR timeout is negative");
    } else {
        resp_array(&s->reply, 2);
        resp_integer(&s->reply, 0);
        resp_integer(&s->reply, 0);
    }
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument waitaof_words[] = {{"numlocal", "integer", NULL, 0, NULL},
                                                        {"numreplicas", "integer", NULL, 0, NULL},
                                                        {"timeout", "integer", NULL, 0, NULL},
                                                        {0}};
static const struct command_argument script_exists_words[] = {
    {"sha1", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument async_or_sync[] = {
    {"async", "pure-token", "ASYNC", 0, NULL}, {"sync", "pure-token", "SYNC", 0, NULL}, {0}};
static const struct command_argument script_flush_words[] = {
    {"async", "oneof", NULL, ARGUMENT_OPTIONAL, async_or_sync}, {0}};
static const struct command_argument library_words[] = {
    {"library-name-pattern", "string", "LIBRARYNAME", ARGUMENT_OPTIONAL, NULL},
    {"withcode", "pure-token", "WITHCODE", ARGUMENT_OPTIONAL, NULL},
    {0}};

const struct command unsupported_commands[] = {
    {"function",
     -2,
     0,
     {0, 0, 0},
     "",
     GROUP_SCRIPTING,
     "7.0.0",
     .summary = "A container for the commands about functions, which Stele does not have"},
    {"function|help",
     2,
     LOADING | STALE,
     {0, 0, 0},
     "",
     GROUP_SCRIPTING,
     "7.0.0",
     0,
     help_command,
     "Returns a description of each subcommand",
     "O(1)"},
    {"function|kill",
     2,
     NOSCRIPT | ALLOW_BUSY,
     {0, 0, 0},
     "",
     GROUP_SCRIPTING,
     "7.0.0",
     0,
     script_kill_command,
     "Returns an error, as no function is running",
     "O(1)",
     "request_policy:all_shards response_policy:one_succeeded"},
    {"function|list",
     -2,
     NOSCRIPT,
     {0, 0, 0},
     "",
     GROUP_SCRIPTING,
     "7.0.0",
     0,
     function_list_command,
     "Returns an empty list, as there are no functions",
     "O(1)",
     "nondeterministic_output_order",
     library_words},
    {"function|stats",
     2,
     NOSCRIPT | ALLOW_BUSY,
     {0, 0, 0},
     "",
     GROUP_SCRIPTING,
     "7.0.0",
     0,
     function_stats_command,
     "Reports that no function is running and that there are no libraries",
     "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special"},
    {"module", -2, 0, NO_KEYS, GROUP_SERVER, "4.0.0", 0, NULL,
     "A container for the commands about modules", NULL},
    {"module|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"module|list", 2, ADMIN | NOSCRIPT, NO_KEYS, GROUP_SERVER, "4.0.0", 0, module_list_command,
     "Returns an empty list, as there are no modules", "O(1)", "nondeterministic_output_order"},
    {"module|load", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, NO_KEYS, GROUP_SERVER,
     "4.0.0", 0, NULL, "Returns an error, as Stele does not support modules", "O(1)"},
    {"module|loadex", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, NO_KEYS, GROUP_SERVER,
     "7.0.0", 0, NULL, "Returns an error, as Stele does not support modules", "O(1)"},
    {"module|unload", 3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, NO_KEYS, GROUP_SERVER,
     "4.0.0", 0, NULL, "Returns an error, as Stele does not support modules", "O(1)"},
    {"monitor", 1, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "1.0.0", 0, monitor_command,
     "Returns an error, as the command would show the requests of other clients", "O(1)",
     .deviation =
         "The error is `NOPERM`, as the command would show the requests of other clients."},
    {"script", -2, 0, NO_KEYS, GROUP_SCRIPTING, "2.6.0", IN_SLOW, NULL,
     "A container for the commands about scripts, which Stele does not have", NULL,
     .deviation = "`SCRIPT LOAD` and `SCRIPT DEBUG` do not exist, as there is no interpreter."},
    {"script|exists", -3, NOSCRIPT, NO_KEYS, GROUP_SCRIPTING, "2.6.0", 0, script_exists_command,
     "Returns 0 for each script, as there are no scripts", "O(N) where N is the number of scripts",
     "request_policy:all_shards response_policy:agg_logical_and", script_exists_words},
    {"script|flush", -2, NOSCRIPT, NO_KEYS, GROUP_SCRIPTING, "2.6.0", 0, script_flush_command,
     "Returns OK, as there are no scripts to remove", "O(1)",
     "request_policy:all_nodes response_policy:all_succeeded", script_flush_words},
    {"script|help", 2, LOADING | STALE, NO_KEYS, GROUP_SCRIPTING, "5.0.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"script|kill", 2, NOSCRIPT | ALLOW_BUSY, NO_KEYS, GROUP_SCRIPTING, "2.6.0", 0,
     script_kill_command, "Returns an error, as no script is running", "O(1)",
     "request_policy:all_shards response_policy:one_succeeded"},
    {"waitaof", 4, BLOCKING, NO_KEYS, GROUP_GENERIC, "7.2.0", IN_CONNECTION, waitaof_command,
     "Returns 0 and 0 immediately, as there is no append-only file and nothing is written", "O(1)",
     "request_policy:all_shards response_policy:agg_min", waitaof_words,
     .deviation =
         "Redis has this command since 7.2. Stele never waits, whatever numbers are given."},
    {0},
};
