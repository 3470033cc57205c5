// The generic group: questions about keys, whatever they hold.
#include "serve/handlers.h"
#include "serve/session.h"

enum command_result exists_command(struct session *s, const struct resp_request *r)
{
    if (s->cursor == 0)
        s->cursor = 1;
    for (; s->cursor < r->argc; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        s->sum += session_has(s, r, (uint32_t)s->cursor);
    }
    resp_integer(&s->reply, (int64_t)s->sum);
    return COMMAND_DONE;
}

enum command_result type_command(struct session *s, const struct resp_request *r)
{
    resp_status(&s->reply, session_has(s, r, 1) ? "string" : "none");
    return COMMAND_DONE;
}
