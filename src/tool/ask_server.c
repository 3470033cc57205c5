#include "tool/ask_server.h"

#include <stdlib.h>

#include "base/error.h"

int ask_server_open(struct remote *c, const struct options *o, unsigned timeout_s,
                    struct error *error)
{
    unsigned seconds = o->server.timeout_s > 0 ? o->server.timeout_s : timeout_s;
    if (remote_open(c, o->file, getenv("REDISCLI_AUTH"), seconds, error))
        return TOOL_OK;
    return c->refused ? TOOL_NO : TOOL_ERROR;
}

bool ask_server_send_info(struct remote *c, struct error *error)
{
    const struct span words[] = {span_text("INFO"), span_text("all")};
    return remote_send(c, 2, words, error);
}

const char *ask_server_set_timeout(struct options *o, const char *value)
{
    return tool_read_number(value, "", 1, 86400, &o->server.timeout_s)
               ? NULL
               : "must be a number of seconds from 1 to 86400";
}
