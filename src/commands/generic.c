// The generic group: questions about keys, whatever they hold.
#include "base/number.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
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

// TTL and its kin: no key ever expires.
enum command_result ttl_command(struct session *s, const struct resp_request *r)
{
    resp_integer(&s->reply, session_has(s, r, 1) ? -1 : -2);
    return COMMAND_DONE;
}

enum command_result randomkey_command(struct session *s, const struct resp_request *r)
{
    const struct dataset *dataset = session_dataset(s);
    uint64_t keys = dataset_figures(dataset)->keys;
    struct uuid id;
    char text[UUID_TEXT_LEN];
    (void)r;
    // A rank that holds no record is that of a damaged index.
    if (keys > 0 && dataset_at(dataset, service_random(s->service, keys), &id, NULL)) {
        uuid_format(id, text);
        resp_bulk(&s->reply, span_of(text, sizeof text));
    } else {
        resp_null(&s->reply);
    }
    return COMMAND_DONE;
}

// There are no replicas, and nothing is written that they could lack.
enum command_result wait_command(struct session *s, const struct resp_request *r)
{
    int64_t replicas;
    int64_t timeout;
    if (!number_parse(resp_arg(r, 1), &replicas))
        resp_error(&s->reply, "ERR value is not an integer or out of range");
    else if (!number_parse(resp_arg(r, 2), &timeout))
        resp_error(&s->reply, "ERR timeout is not an integer or out of range");
    else if (timeout < 0)
        resp_error(&s->reply, "ERR timeout is negative");
    else
        resp_integer(&s->reply, 0);
    return COMMAND_DONE;
}
