// SLOWLOG reads and empties the log of slow commands.
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/session.h"

enum { SHOWN_BY_DEFAULT = 10 };

static void reply_entry(struct resp_writer *w, const struct slow_entry *entry)
{
    resp_array(w, 6);
    resp_integer(w, (int64_t)entry->id);
    resp_integer(w, (int64_t)entry->seconds);
    resp_integer(w, (int64_t)entry->us);
    resp_array(w, entry->args);
    for (unsigned i = 0; i < entry->args; i++)
        resp_bulk(w, span_of(entry->arg[i], entry->arg_len[i]));
    resp_bulk_text(w, entry->address);
    resp_bulk_text(w, entry->name);
}

// Sends the newest entry first, so the IDs go down. `s->request.sum` is 1 + the ID of the entry to
// send next. `s->request.cursor` is 0 at first, then 1 + the number of entries that are still to be
// sent. Entries that are added meanwhile are not sent.
static enum command_result slowlog_get_command(struct session *s, const struct resp_request *r)
{
    struct slow_log *log = &s->service->group->observation.slow_log;
    int64_t wanted = SHOWN_BY_DEFAULT;
    if (r->argc > 3) {
        reply_wrong_subcommand(s, r, "SLOWLOG");
        return COMMAND_DONE;
    }
    if (r->argc == 3 && (!number_parse(resp_arg(r, 2), &wanted) || wanted < -1)) {
        resp_error(&s->reply, "ERR count should be greater than or equal to -1");
        return COMMAND_DONE;
    }
    if (s->request.cursor == 0) {
        uint64_t count = slow_log_count(log, &s->request.sum);
        if (wanted >= 0 && (uint64_t)wanted < count)
            count = (uint64_t)wanted;
        resp_array(&s->reply, count);
        s->request.cursor = count + 1;
    }
    for (; s->request.cursor > 1; s->request.cursor--) {
        struct slow_entry entry;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        // The log may have dropped the entry after the length of the array was sent. An empty entry
        // then takes its place.
        if (!slow_log_get(log, --s->request.sum, &entry))
            entry = (struct slow_entry){.id = s->request.sum};
        reply_entry(&s->reply, &entry);
    }
    return COMMAND_DONE;
}

static enum command_result slowlog_len_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    uint64_t next_id;
    resp_integer(&s->reply,
                 (int64_t)slow_log_count(&s->service->group->observation.slow_log, &next_id));
    return COMMAND_DONE;
}

static enum command_result slowlog_reset_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    slow_log_reset(&s->service->group->observation.slow_log);
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument entry_count[] = {
    {"count", "integer", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};

const struct command slowlog_commands[] = {
    {"slowlog", -2, 0, NO_KEYS, GROUP_SERVER, "2.2.12", 0, NULL,
     "A container for the commands about the log of slow commands", NULL},
    {"slowlog|get", -2, ADMIN | LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.2.12", 0,
     slowlog_get_command, "Returns the entries of the slow log, the newest first",
     "O(N) where N is the number of entries", "request_policy:all_nodes nondeterministic_output",
     entry_count,
     .deviation = "The duration of an entry includes the time that the command has waited for data "
                  "that was not in memory."},
    {"slowlog|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "6.2.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"slowlog|len", 2, ADMIN | LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.2.12", 0,
     slowlog_len_command, "Returns the number of entries in the slow log", "O(1)",
     "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {"slowlog|reset", 2, ADMIN | LOADING | STALE | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.2.12",
     0, slowlog_reset_command, "Removes all entries from the slow log", "O(1)",
     "request_policy:all_nodes response_policy:all_succeeded"},
    {0},
};
