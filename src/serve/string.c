// The string group: GET and its kin.
#include "data/dataset.h"
#include "serve/handlers.h"
#include "serve/session.h"

static void reply_value(struct session *s, struct span value)
{
    if (value.ptr != NULL)
        resp_bulk_shared(&s->reply, value, dataset_ref(s->service->dataset));
    else
        resp_null(&s->reply);
}

enum command_result get_command(struct session *s, const struct resp_request *r)
{
    struct span value;
    reply_value(s, session_lookup(s, resp_arg(r, 1), &value) ? value : span_of(NULL, 0));
    return COMMAND_DONE;
}

enum command_result mget_command(struct session *s, const struct resp_request *r)
{
    if (s->cursor == 0) {
        resp_array(&s->reply, r->argc - 1);
        s->cursor = 1;
    }
    while (s->cursor < r->argc) {
        struct span values[SESSION_GROUP];
        uint32_t first = (uint32_t)s->cursor;
        uint32_t count = r->argc - first < SESSION_GROUP ? r->argc - first : SESSION_GROUP;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        session_lookup_many(s, r, first, count, values);
        session_charge(s, count - 1);
        // A group may hold more than the output has room for; the rest is looked up again.
        for (uint32_t i = 0; i < count && (i == 0 || session_has_room(s)); i++) {
            session_count_lookup(s, values[i].ptr != NULL);
            reply_value(s, values[i]);
            s->cursor++;
        }
    }
    return COMMAND_DONE;
}

enum command_result strlen_command(struct session *s, const struct resp_request *r)
{
    struct span value = {NULL, 0};
    session_lookup(s, resp_arg(r, 1), &value);
    resp_integer(&s->reply, (int64_t)value.len);
    return COMMAND_DONE;
}
