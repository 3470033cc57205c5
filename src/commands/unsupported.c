// Commands about what is not here: modules, scripts, functions, an append-only file, replicas, and
// a look at what other clients send. They tell so in the words of a Redis that has none of it.
#include "base/number.h"
#include "serve/handlers.h"
#include "serve/session.h"

enum { REPLCONF_WORDS_MAX = 64 };

enum command_result module_list_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_array(&s->reply, 0);
    return COMMAND_DONE;
}

enum command_result monitor_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_error(&s->reply, "NOPERM User default has no permissions to run the 'monitor' command");
    return COMMAND_DONE;
}

// Of what a redis-server that replicates from another says before PSYNC, all is fine with us.
enum command_result replconf_command(struct session *s, const struct resp_request *r)
{
    static const char *const options[] = {"listening-port", "ip-address", "capa",
                                          "version",        "rdb-only",   "rdb-filter-only"};
    int64_t port;
    if (r->argc % 2 == 0 || r->argc > REPLCONF_WORDS_MAX) {
        resp_error(&s->reply, "ERR syntax error");
        return COMMAND_DONE;
    }
    for (uint32_t i = 1; i < r->argc; i += 2) {
        struct span word = resp_arg(r, i);
        bool known = false;
        for (unsigned o = 0; o < sizeof options / sizeof *options; o++)
            known |= span_is(word, options[o]);
        if (!known) {
            // Redis leaves newlines at the end of this message out; elsewhere it shows spaces.
            while (word.len > 0 &&
                   (word.ptr[word.len - 1] == '\r' || word.ptr[word.len - 1] == '\n'))
                word.len--;
            resp_error(&s->reply, "ERR Unrecognized REPLCONF option: %.*s", session_echoed(word),
                       word.ptr);
            return COMMAND_DONE;
        }
        if (span_is(word, "listening-port") && !number_parse(resp_arg(r, i + 1), &port)) {
            resp_error(&s->reply, "ERR value is not an integer or out of range");
            return COMMAND_DONE;
        }
    }
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// SYNC and PSYNC. To any other error, NOAUTH too, a redis-server says the whole handshake again at
// once, a thousand times a second; to this one it says it in a second.
enum command_result sync_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_error(&s->reply, "NOMASTERLINK Can't SYNC while not connected with my master");
    return COMMAND_DONE;
}

enum command_result script_exists_command(struct session *s, const struct resp_request *r)
{
    if (s->cursor == 0) {
        resp_array(&s->reply, r->argc - 2);
        s->cursor = 2;
    }
    for (; s->cursor < r->argc; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        resp_integer(&s->reply, 0);
    }
    return COMMAND_DONE;
}

enum command_result script_flush_command(struct session *s, const struct resp_request *r)
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
enum command_result script_kill_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_error(&s->reply, "NOTBUSY No scripts in execution right now.");
    return COMMAND_DONE;
}

// Each option may be given once, so that no request takes long.
enum command_result function_list_command(struct session *s, const struct resp_request *r)
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

enum command_result function_stats_command(struct session *s, const struct resp_request *r)
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

enum command_result waitaof_command(struct session *s, const struct resp_request *r)
{
    int64_t local;
    int64_t replicas;
    int64_t timeout;
    if (!number_parse(resp_arg(r, 1), &local) || !number_parse(resp_arg(r, 2), &replicas)) {
        resp_error(&s->reply, "ERR value is not an integer or out of range");
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
