// STELE.RANGE and STELE.COUNT read ranges of keys in the order of the keys. Redis has no such
// commands for keys that hold strings. STELE.RELOAD loads the data file again.
//
// The index holds the keys in ascending order, so a range of keys is a range of ranks. Counting the
// keys of a range takes two searches, whatever the size of the range. A UUID of version 7 begins
// with the time of its creation, so a range of such keys is an interval of time.
//
// The reply of STELE.RANGE begins with the number of keys, which cannot change afterwards. If a
// line of the range is overwritten in place and holds no UUID any more, nulls take the place of its
// key and value.
#include <stdlib.h>

#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/loop_task.h"
#include "serve/reload.h"
#include "serve/session.h"

enum {
    WORK_PER_BOUND = 2, // units of work for finding the rank of one bound
    WORDS_MAX = 7,      // words of a request with all options; each turn parses them again
};

struct range {
    uint64_t begin; // rank of the first key
    uint64_t end;   // 1 + rank of the last key
    uint64_t limit; // highest number of keys to return
    bool reversed;
    bool with_values;
};

// Finds the lowest and the highest UUID whose keys begin with `text`, or the one that is this key.
// Returns false if there is none.
static bool complete(const struct session *s, struct span text, struct uuid *least,
                     struct uuid *greatest)
{
    if (text.len > 0 && key_rules_complete(s->service->keys, text, least, greatest))
        return true;
    if (!key_rules_read(s->service->keys, text, least)) // a key in another form
        return false;
    *greatest = *least;
    return true;
}

// Sets `*rank` to that of the first key that is greater than `id`. Returns false if the command is
// parked (session_seek).
static bool seek_after(struct session *s, struct uuid id, uint64_t *rank)
{
    id.lo++;
    id.hi += id.lo == 0;
    bool last = id.hi == 0 && id.lo == 0;
    if (last)
        *rank = dataset_figures(session_dataset(s))->keys;
    return last || session_seek(s, id, rank) == LOOKUP_FOUND;
}

// Parses a bound. For the lower bound, sets `*cut` to the rank of the first key of the range. For
// the upper bound, sets it to 1 + the rank of the last key. If the bound is inclusive, the range
// contains the keys that begin with its text. If it is exclusive, the range does not contain them.
// Returns false if `text` is not a bound. Also returns false if the command is parked
// (session_seek).
static bool parse_bound(struct session *s, struct span text, bool lower, uint64_t *cut)
{
    struct uuid least;
    struct uuid greatest;
    if (span_is(text, "-") || span_is(text, "+")) {
        *cut = text.ptr[0] == '-' ? 0 : dataset_figures(session_dataset(s))->keys;
        return true;
    }
    bool exclusive = text.len > 0 && text.ptr[0] == '(';
    if (!complete(s, span_of(text.ptr + exclusive, text.len - exclusive), &least, &greatest))
        return false;
    return lower == exclusive ? seek_after(s, greatest, cut)
                              : session_seek(s, least, cut) == LOOKUP_FOUND;
}

// Sets `begin` and `end` of the range. Returns false if a bound is wrong; the reply is then an
// error. Also returns false if the command is parked; `s->parked` is true then.
static bool parse_bounds(struct session *s, const struct resp_request *r, struct range *range)
{
    struct span from = resp_arg(r, range->reversed ? 2 : 1);
    struct span to = resp_arg(r, range->reversed ? 1 : 2);
    session_charge(s, 2 * WORK_PER_BOUND);
    if (!parse_bound(s, from, true, &range->begin) || !parse_bound(s, to, false, &range->end)) {
        if (s->parked)
            return false;
        resp_error(&s->reply,
                   "ERR from and to must be '-', '+', a %s or the beginning of one; a '(' in "
                   "front excludes it",
                   s->service->keys->prefix.len > 0 ? "key with its prefix" : "UUID");
        return false;
    }
    if (range->end < range->begin) // the bounds are in the wrong order: the range is empty
        range->end = range->begin;
    return true;
}

// Returns false if the request is wrong; the reply is then an error. Also returns false if the
// command is parked; `s->parked` is true then.
static bool parse(struct session *s, const struct resp_request *r, struct range *range)
{
    *range = (struct range){.limit = UINT64_MAX};
    if (r->argc > WORDS_MAX) {
        reply_syntax_error(s);
        return false;
    }
    for (uint32_t i = 3; i < r->argc; i++) {
        int64_t limit;
        struct span option = resp_arg(r, i);
        if (span_is(option, "limit") && i + 1 < r->argc) {
            if (!number_parse(resp_arg(r, ++i), &limit)) {
                reply_not_an_integer(s);
                return false;
            }
            if (limit < 0) {
                resp_error(&s->reply, "ERR value is out of range, must be positive");
                return false;
            }
            range->limit = (uint64_t)limit;
        } else if (span_is(option, "rev")) {
            range->reversed = true;
        } else if (span_is(option, "withvalues")) {
            range->with_values = true;
        } else {
            reply_syntax_error(s);
            return false;
        }
    }
    return parse_bounds(s, r, range);
}

static enum command_result stele_count_command(struct session *s, const struct resp_request *r)
{
    struct range range = {0};
    if (parse_bounds(s, r, &range))
        resp_integer(&s->reply, (int64_t)(range.end - range.begin));
    return s->parked ? COMMAND_AGAIN : COMMAND_DONE;
}

// Replies with the key of this rank and, if the request says so, its value. `last` is the rank of
// the last key of the reply. Returns false if the line has not been found, or the end of its value,
// in this turn. Nothing is written then.
static bool reply_record(struct session *s, const struct range *range, uint64_t rank, uint64_t last)
{
    struct uuid id;
    struct span value = {NULL, 0};
    char text[KEY_TEXT_MAX];
    enum lookup lookup = session_at(s, rank, last, &id, range->with_values ? &value : NULL);
    bool found = lookup == LOOKUP_FOUND;
    if (lookup == LOOKUP_GOES_ON)
        return false;
    if (range->with_values && s->reply.protocol == RESP3)
        resp_array(&s->reply, 2);
    if (found)
        resp_bulk(&s->reply, key_rules_write(s->service->keys, id, text));
    else
        resp_null(&s->reply);
    if (!range->with_values)
        return true;
    if (found)
        resp_bulk_shared(&s->reply, value, &session_snapshot(s)->ref);
    else
        resp_null(&s->reply);
    return true;
}

// `s->request.sum` is the number of keys in the reply. `s->request.cursor` is 0 at first, then 1 +
// the number of keys that were sent.
static enum command_result stele_range_command(struct session *s, const struct resp_request *r)
{
    struct range range;
    if (!parse(s, r, &range))
        return s->parked ? COMMAND_AGAIN : COMMAND_DONE;
    if (s->request.cursor == 0) {
        uint64_t keys = range.end - range.begin;
        bool pairs = range.with_values && s->reply.protocol == RESP2;
        s->request.sum = keys < range.limit ? keys : range.limit;
        s->request.cursor = 1;
        resp_array(&s->reply, pairs ? 2 * s->request.sum : s->request.sum);
    }
    for (; s->request.cursor <= s->request.sum; s->request.cursor++) {
        uint64_t rank =
            range.reversed ? range.end - s->request.cursor : range.begin + s->request.cursor - 1;
        uint64_t last =
            range.reversed ? range.end - s->request.sum : range.begin + s->request.sum - 1;
        if (!session_may_go_on(s) || !reply_record(s, &range, rank, last))
            return COMMAND_AGAIN;
    }
    return COMMAND_DONE;
}

// ---- STELE.RELOAD -------------------------------------------------------------------------------

// Returns whether the client may reload; if not, the reply is an error. A reload can keep the
// machine busy for seconds, so a client that may only read must not be able to start one. So the
// server must have a password. --admin-commands must also allow the reload; that is checked before
// the handler is called.
static bool may_reload(struct session *s)
{
    if (s->service->group->reload == NULL)
        resp_error(&s->reply, "ERR this server cannot reload its dataset");
    else if (s->service->settings->requirepass == NULL)
        resp_error(&s->reply, "NOPERM STELE.RELOAD is refused, as the server has no password; "
                              "SIGHUP and --watch reload without a password");
    else
        return true;
    return false;
}

static enum command_result stele_reload_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    const struct service_group *group = s->service->group;
    struct reload_request *request = (struct reload_request *)session_task(s);
    if (request == NULL && s->task != NULL)
        return COMMAND_WAIT;
    if (request == NULL) {
        if (!may_reload(s))
            return COMMAND_DONE;
        request = calloc(1, sizeof *request);
        if (request == NULL) {
            s->oom = true;
            return COMMAND_DONE;
        }
        request->task.release = loop_task_free;
        session_await_external(s, &request->task);
        group->reload(group->reload_context, request);
        return COMMAND_WAIT;
    }
    if (request->failed)
        resp_error(&s->reply, "ERR cannot reload: %s", request->why.text);
    else
        resp_status(&s->reply, request->unchanged ? "OK unchanged" : "OK");
    session_end_task(s);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument range_bounds[] = {
    {"from", "string", NULL, 0, NULL}, {"to", "string", NULL, 0, NULL}, {0}};
static const struct command_argument range_words[] = {
    {"from", "string", NULL, 0, NULL},
    {"to", "string", NULL, 0, NULL},
    {"count", "integer", "LIMIT", ARGUMENT_OPTIONAL, NULL},
    {"rev", "pure-token", "REV", ARGUMENT_OPTIONAL, NULL},
    {"withvalues", "pure-token", "WITHVALUES", ARGUMENT_OPTIONAL, NULL},
    {0}};

const struct command stele_commands[] = {
    {"stele.count", 3, READONLY | MODULE | FAST | ORDERED, NO_KEYS, GROUP_MODULE, "0.1.0", 0,
     stele_count_command, "Returns the number of keys in a range of UUIDs",
     "O(log N) where N is the number of keys", NULL, range_bounds,
     .deviation = "Redis has no such command. `from` and `to` are those of `STELE.RANGE`."},
    {"stele.range", -3, READONLY | MODULE | ORDERED, NO_KEYS, GROUP_MODULE, "0.1.0", 0,
     stele_range_command,
     "Returns the keys in a range of UUIDs in order, and their values if requested",
     "O(log N + M) where N is the number of keys and M the number of keys returned", NULL,
     range_words,
     .deviation = "Redis has no such command. [clients.md](clients.md#ordered-reads) explains "
                  "`from` and `to`."},
    {"stele.reload", 1, ADMIN | NOSCRIPT | MODULE | NO_MULTI | ADMINISTRATIVE, NO_KEYS,
     GROUP_MODULE, "0.1.0", 0, stele_reload_command,
     "Loads the data file again, and returns when all clients are served from the new dataset",
     "O(N log N) where N is the number of keys, in a separate thread; O(N) if there is already an "
     "index file for the new data",
     .deviation = "Redis has no such command. It is refused unless a password is set. If the new "
                  "dataset cannot be served, the reply is an error with the reason, and the server "
                  "keeps the old dataset. The reply `OK unchanged` means that the file holds what "
                  "is already served, so nothing is replaced."},
    {0},
};
