// The string group: GET and its kin.
#include "serve/handlers.h"
#include "serve/session.h"

static void reply_value(struct session *s, const struct resp_request *r, uint32_t key)
{
    struct span value;
    if (session_lookup(s, r, key, &value))
        resp_bulk_shared(&s->reply, value, &s->service->borrowed);
    else
        resp_null(&s->reply);
}

enum command_result get_command(struct session *s, const struct resp_request *r)
{
    reply_value(s, r, 1);
    return COMMAND_DONE;
}

enum command_result mget_command(struct session *s, const struct resp_request *r)
{
    if (s->cursor == 0) {
        resp_array(&s->reply, r->argc - 1);
        s->cursor = 1;
    }
    for (; s->cursor < r->argc; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        reply_value(s, r, (uint32_t)s->cursor);
    }
    return COMMAND_DONE;
}

enum command_result strlen_command(struct session *s, const struct resp_request *r)
{
    struct span value = {NULL, 0};
    session_lookup(s, r, 1, &value);
    resp_integer(&s->reply, (int64_t)value.len);
    return COMMAND_DONE;
}
