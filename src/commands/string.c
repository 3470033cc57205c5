// The string group: GET, MGET, GETRANGE, SUBSTR and STRLEN.
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/session.h"

// Replies with the value of the key in argument number `key`. Returns COMMAND_AGAIN, with nothing
// written, if the end of the value has not been found in this turn.
static enum command_result reply_value(struct session *s, const struct resp_request *r,
                                       uint32_t key)
{
    struct span value;
    switch (session_look_up(s, r, key, &value)) {
    case LOOKUP_FOUND: resp_bulk_shared(&s->reply, value, &session_snapshot(s)->ref); break;
    case LOOKUP_MISSED: resp_null(&s->reply); break;
    case LOOKUP_GOES_ON: return COMMAND_AGAIN;
    }
    return COMMAND_DONE;
}

static enum command_result get_command(struct session *s, const struct resp_request *r)
{
    return reply_value(s, r, 1);
}

// Returns the bytes from `start` to `end`, both inclusive. A negative number counts from the end of
// the value. Numbers outside the value are adjusted as in Redis.
static struct span range_of(struct span value, int64_t start, int64_t end)
{
    int64_t len = (int64_t)value.len;
    if (start < 0 && end < 0 && start > end)
        return span_of(NULL, 0);
    start = start < 0 ? start + len : start;
    end = end < 0 ? end + len : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= len ? len - 1 : end;
    if (start > end)
        return span_of(NULL, 0);
    return span_of(value.ptr + start, (size_t)(end - start) + 1);
}

static enum command_result getrange_command(struct session *s, const struct resp_request *r)
{
    int64_t start;
    int64_t end;
    struct span value = {NULL, 0};
    if (!number_parse(resp_arg(r, 2), &start) || !number_parse(resp_arg(r, 3), &end)) {
        reply_not_an_integer(s);
    } else {
        if (session_look_up(s, r, 1, &value) == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        resp_bulk_shared(&s->reply, range_of(value, start, end), &session_snapshot(s)->ref);
    }
    return COMMAND_DONE;
}

static enum command_result mget_command(struct session *s, const struct resp_request *r)
{
    if (s->request.cursor == 0) {
        resp_array(&s->reply, r->argc - 1);
        s->request.cursor = 1;
    }
    for (; s->request.cursor < r->argc; s->request.cursor++) {
        if (!session_may_go_on(s) ||
            reply_value(s, r, (uint32_t)s->request.cursor) == COMMAND_AGAIN)
            return COMMAND_AGAIN;
    }
    return COMMAND_DONE;
}

static enum command_result strlen_command(struct session *s, const struct resp_request *r)
{
    struct span value = {NULL, 0};
    if (session_look_up(s, r, 1, &value) == LOOKUP_GOES_ON)
        return COMMAND_AGAIN;
    resp_integer(&s->reply, (int64_t)value.len);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument key_and_range[] = {{"key", "key", NULL, 0, NULL},
                                                        {"start", "integer", NULL, 0, NULL},
                                                        {"end", "integer", NULL, 0, NULL},
                                                        {0}};

const struct command string_commands[] = {
    {"get", 2, READONLY | FAST, ONE_KEY, "RO access", GROUP_STRING, "1.0.0", 0, get_command,
     "Returns the value of a key", "O(1)", NULL, argument_key},
    {"getrange", 4, READONLY, ONE_KEY, "RO access", GROUP_STRING, "2.4.0", 0, getrange_command,
     "Returns a part of the value of a key", "O(N) where N is the length of the part", NULL,
     key_and_range},
    {"mget", -2, READONLY | FAST, ALL_KEYS, "RO access", GROUP_STRING, "1.0.0", 0, mget_command,
     "Returns the values of the keys, in the order of the keys",
     "O(N) where N is the number of keys", "request_policy:multi_shard", argument_keys},
    {"strlen", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_STRING, "2.2.0", 0, strlen_command,
     "Returns the length of the value of a key, or 0 if the key does not exist", "O(1)", NULL,
     argument_key},
    {"substr", 4, READONLY, ONE_KEY, "RO access", GROUP_STRING, "1.0.0", 0, getrange_command,
     "Returns a part of the value of a key, as GETRANGE does",
     "O(N) where N is the length of the part", NULL, key_and_range, .doc_flags = "deprecated",
     .deprecated_since = "2.0.0", .replaced_by = "`GETRANGE`"},
    {0},
};
