// The texts of error replies that several groups of commands share.
#include "commands/reply.h"

#include "base/number.h"

void reply_not_an_integer(struct session *s)
{
    resp_error(&s->reply, "ERR value is not an integer or out of range");
}

bool reply_unless_integer(struct session *s, struct span word, int64_t *number)
{
    if (number_parse(word, number))
        return true;
    reply_not_an_integer(s);
    return false;
}

void reply_syntax_error(struct session *s)
{
    resp_error(&s->reply, "ERR syntax error");
}

void reply_wrong_subcommand(struct session *s, const struct resp_request *r, const char *container)
{
    struct span word = resp_arg(r, 1);
    resp_error(&s->reply,
               "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
               session_echoed(word), word.ptr, container);
}

bool reply_unless_cluster(struct session *s)
{
    bool enabled = s->service->settings->cluster_enabled;
    if (!enabled)
        resp_error(&s->reply, "ERR This instance has cluster support disabled");
    return enabled;
}
