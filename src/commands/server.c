// The server group: DBSIZE, TIME, LASTSAVE, ROLE, SHUTDOWN and DEBUG.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/replica.h"
#include "serve/session.h"

enum { DEBUG_SLEEP_MAX = 3600 }; // seconds

static enum command_result dbsize_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_integer(&s->reply, (int64_t)dataset_figures(session_dataset(s))->keys);
    return COMMAND_DONE;
}

static enum command_result time_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    uint64_t now = clock_wall_us();
    char digits[NUMBER_TEXT_MAX];
    resp_array(&s->reply, 2);
    resp_bulk(&s->reply, span_of(digits, number_format(digits, now / 1000000)));
    resp_bulk(&s->reply, span_of(digits, number_format(digits, now % 1000000)));
    return COMMAND_DONE;
}

// Replies with the time at which the index was built from the data file, as nothing else is saved.
static enum command_result lastsave_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    uint64_t built_at_us = dataset_figures(session_dataset(s))->built_at_us;
    resp_integer(&s->reply, (int64_t)(built_at_us / 1000000));
    return COMMAND_DONE;
}

// The reply of a replica. Its link to the primary always works, as it needs none.
static void reply_replica(struct session *s, const char *host, unsigned port)
{
    resp_array(&s->reply, 5);
    resp_bulk_text(&s->reply, "slave");
    resp_bulk_text(&s->reply, host);
    resp_integer(&s->reply, port);
    resp_bulk_text(&s->reply, "connected");
    resp_integer(&s->reply, (int64_t)session_snapshot(s)->generation + 1);
}

// The reply of a primary. Its replicas are the clients that copy the dataset.
static void reply_primary(struct session *s)
{
    struct replica_facts facts[REPLICAS_SHOWN];
    char digits[NUMBER_TEXT_MAX + 1];
    unsigned count;
    int64_t offset;
    unsigned described =
        replicas_describe(s->service->group, facts, REPLICAS_SHOWN, &count, &offset);
    unsigned online = 0;
    for (unsigned i = 0; i < described; i++)
        online += facts[i].state == REPLICA_ONLINE;
    session_charge(s, described);
    resp_array(&s->reply, 3);
    resp_bulk_text(&s->reply, "master");
    resp_integer(&s->reply, offset);
    resp_array(&s->reply, online);
    for (unsigned i = 0; i < described; i++) {
        if (facts[i].state != REPLICA_ONLINE)
            continue;
        resp_array(&s->reply, 3);
        resp_bulk_text(&s->reply, facts[i].ip);
        snprintf(digits, sizeof digits, "%lld", (long long)facts[i].port);
        resp_bulk_text(&s->reply, digits);
        snprintf(digits, sizeof digits, "%lld", (long long)facts[i].received);
        resp_bulk_text(&s->reply, digits);
    }
}

// Replies as INFO and HELLO do.
static enum command_result role_command(struct session *s, const struct resp_request *r)
{
    const struct cluster_view *view = s->service->view;
    unsigned primary = cluster_own_primary(view); // it may change at any time, so it is read once
    (void)r;
    if (view != NULL && primary != view->self) {
        const struct topology_node *node = &view->topology->nodes[primary];
        reply_replica(s, node->host, node->port);
    } else if (s->service->settings->announce_replica) {
        reply_replica(s, REPLICA_NO_PRIMARY, 0);
    } else {
        reply_primary(s);
    }
    return COMMAND_DONE;
}

// There is nothing to save or to wait for, so the options of Redis are accepted and have no effect.
// Only ABORT is an error, as there is never a shutdown to abort.
static enum command_result shutdown_command(struct session *s, const struct resp_request *r)
{
    static const char *const options[] = {"save", "nosave", "now", "force"};
    if (!s->service->settings->enable_shutdown_command) {
        resp_error(&s->reply,
                   "NOPERM User default has no permissions to run the 'shutdown' command");
        return COMMAND_DONE;
    }
    for (uint32_t i = 1; i < r->argc; i++) {
        bool known = false; // a known option may be repeated a few times
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
    return COMMAND_CLOSE; // as in Redis, the client receives no reply; the connection closes
}

// Parses the argument of DEBUG SLEEP, a decimal number. Returns false if it is invalid or too
// large.
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

// A sample of each type of RESP3, with which authors of clients test their parsers. In RESP2, Redis
// converts most of them to other types.
static const struct {
    const char *kind;
    const char *resp2; // NULL: the type does not exist in RESP2
    const char *resp3;
} samples[] = {
    {"string", "$11\r\nHello World\r\n", "$11\r\nHello World\r\n"},
    {"integer", ":12345\r\n", ":12345\r\n"},
    {"double", "$5\r\n3.141\r\n", ",3.141\r\n"},
    {"bignum", "$37\r\n1234567999999999999999999999999999999\r\n",
     "(1234567999999999999999999999999999999\r\n"},
    {"null", "$-1\r\n", "_\r\n"},
    {"array", "*3\r\n:0\r\n:1\r\n:2\r\n", "*3\r\n:0\r\n:1\r\n:2\r\n"},
    {"set", "*3\r\n:0\r\n:1\r\n:2\r\n", "~3\r\n:0\r\n:1\r\n:2\r\n"},
    {"map", "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
     "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"},
    {"attrib", "$39\r\nSome real reply following the attribute\r\n",
     "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
     "$39\r\nSome real reply following the attribute\r\n"},
    {"push", NULL,
     ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"
     "$40\r\nSome real reply following the push reply\r\n"},
    {"verbatim", "$25\r\nThis is a verbatim\nstring\r\n",
     "=29\r\ntxt:This is a verbatim\nstring\r\n"},
    {"true", ":1\r\n", "#t\r\n"},
    {"false", ":0\r\n", "#f\r\n"},
};

static void reply_sample(struct session *s, struct span kind)
{
    unsigned i = 0;
    while (i < sizeof samples / sizeof *samples && !span_is(kind, samples[i].kind))
        i++;
    if (i == sizeof samples / sizeof *samples)
        resp_error(&s->reply, "ERR Wrong protocol type name. Please use one of the following: "
                              "string|integer|double|bignum|null|array|set|map|attrib|push|"
                              "verbatim|true|false");
    else if (s->reply.protocol == RESP2 && samples[i].resp2 == NULL)
        resp_error(&s->reply, "ERR RESP2 is not supported by this command");
    else
        output_append(s->reply.out,
                      span_text(s->reply.protocol == RESP2 ? samples[i].resp2 : samples[i].resp3));
}

static void reply_debug_help(struct session *s)
{
    static const char *const lines[] = {
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ERROR <string>",
        "    Returns an error with this text.",
        "PROTOCOL <type>",
        "    Returns a sample value of this type.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Returns OK and has no effect, as no key ever expires.",
        "SLEEP <seconds>",
        "    Blocks the event loop of this connection for this time.",
        "HELP",
        "    Prints this help.",
    };
    enum { LINES = sizeof lines / sizeof *lines };
    resp_array(&s->reply, LINES);
    for (unsigned i = 0; i < LINES; i++)
        resp_status(&s->reply, lines[i]);
}

static enum command_result debug_command(struct session *s, const struct resp_request *r)
{
    struct span word = resp_arg(r, 1);
    double seconds;
    if (span_is(word, "sleep") && r->argc == 3 && parse_seconds(resp_arg(r, 2), &seconds)) {
        struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
        while (nanosleep(&left, &left) != 0 && errno == EINTR)
            ;
        resp_status(&s->reply, "OK");
    } else if (span_is(word, "protocol") && r->argc == 3) {
        reply_sample(s, resp_arg(r, 2));
    } else if (span_is(word, "error") && r->argc == 3) {
        struct span text = resp_arg(r, 2);
        resp_error(&s->reply, "%.*s", (int)text.len, text.ptr);
    } else if (span_is(word, "set-active-expire") && r->argc == 3) {
        resp_status(&s->reply, "OK");
    } else if (span_is(word, "help") && r->argc == 2) {
        reply_debug_help(s);
    } else {
        reply_wrong_subcommand(s, r, "DEBUG");
    }
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument shutdown_modes[] = {
    {"nosave", "pure-token", "NOSAVE", 0, NULL}, {"save", "pure-token", "SAVE", 0, NULL}, {0}};
static const struct command_argument shutdown_words[] = {
    {"save-selector", "oneof", NULL, ARGUMENT_OPTIONAL, shutdown_modes},
    {"now", "pure-token", "NOW", ARGUMENT_OPTIONAL, NULL, "7.0.0"},
    {"force", "pure-token", "FORCE", ARGUMENT_OPTIONAL, NULL, "7.0.0"},
    {"abort", "pure-token", "ABORT", ARGUMENT_OPTIONAL, NULL, "7.0.0"},
    {0}};
static const struct command_change shutdown_history[] = {
    {"7.0.0", "Accepts `NOW`, `FORCE` and `ABORT`"}, {0}};

const struct command server_commands[] = {
    {"dbsize", 1, READONLY | FAST, NO_KEYS, GROUP_SERVER, "1.0.0", IN_KEYSPACE, dbsize_command,
     "Returns the number of keys", "O(1)", "request_policy:all_shards response_policy:agg_sum"},
    {"debug", -2, ADMIN | SUBCOMMAND | PROTECTED | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "1.0.0",
     0, debug_command, "Runs a subcommand for tests; refused unless it is enabled", "O(1)",
     .doc_flags = "syscmd",
     .deviation = "The subcommands are `ERROR`, `HELP`, `PROTOCOL`, `SET-ACTIVE-EXPIRE` and "
                  "`SLEEP`. They work only with `--enable-debug-command`. `SLEEP` blocks the event "
                  "loop of its connection. The text of `ERROR` is cut after 1,023 bytes."},
    {"lastsave", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "1.0.0", IN_ADMIN | IN_DANGEROUS,
     lastsave_command, "Returns the time at which the index was built, in seconds since 1970",
     "O(1)", "nondeterministic_output",
     .deviation = "Returns when the index was built, as nothing else is ever saved."},
    {"role", 1, NOSCRIPT | LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "2.8.12",
     IN_ADMIN | IN_DANGEROUS, role_command,
     "Returns the role \"master\", the replication offset, and the replicas that have the data",
     "O(1)",
     .deviation =
         "In a cluster with a topology, replicas have the role `slave`. So has a server with "
         "`--announce-role replica`; its primary is `none`, port 0. Otherwise the role "
         "is `master`, although Stele is read-only like a replica. The "
         "description of `HELLO` explains why."},
    {"shutdown", -1, ADMIN | SUBCOMMAND | NO_MULTI | ALLOW_BUSY | ADMINISTRATIVE, NO_KEYS,
     GROUP_SERVER, "1.0.0", 0, shutdown_command, "Stops the server; refused unless it is enabled",
     "O(1)", NULL, shutdown_words, .history = shutdown_history,
     .deviation =
         "Refused unless the server was started with `--enable-shutdown-command yes`. By default, "
         "only signals stop the server. `ABORT` is an error, as there is never a shutdown to "
         "abort. The other options have no effect, as there is nothing to save."},
    {"time", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_SERVER, "2.6.0", 0, time_command,
     "Returns the time of the server: the seconds since 1970, and the microseconds of the current "
     "second",
     "O(1)", "nondeterministic_output"},
    {0},
};
