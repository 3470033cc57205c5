// `stele ping` asks a server whether it answers. An image without redis-cli can call it as its
// health check.
#include <stdio.h>

#include "base/error.h"
#include "tool/ask_server.h"

enum { TIMEOUT_SECONDS = 5 };

// Sends PING and waits for the reply. Returns the exit code, and a message unless it is TOOL_OK.
static int send_ping(struct remote *c, struct error *error)
{
    const struct span word = span_text("PING");
    struct reply_part part;
    if (!remote_send(c, 1, &word, error) || !remote_next(c, &part, error))
        return TOOL_ERROR;
    if (part.kind == REPLY_STATUS && span_equal(part.text, span_text("PONG")))
        return TOOL_OK;
    if (part.kind == REPLY_ERROR)
        error_set(error, "%s: %.*s", c->address, (int)part.text.len, part.text.ptr);
    else
        error_set(error, "%s: the answer to PING is not PONG", c->address);
    return TOOL_NO;
}

static int ping(const struct options *o)
{
    struct remote c;
    struct error error = {""};
    int code = ask_server_open(&c, o, TIMEOUT_SECONDS, &error);
    if (code == TOOL_OK)
        code = send_ping(&c, &error);
    remote_close(&c);
    if (code == TOOL_OK)
        puts("PONG");
    else
        tool_say("%s", error.text);
    if (code == TOOL_NO && o->server.any_reply)
        code = TOOL_OK;
    return tool_finish(code);
}

static const char *set_any_reply(struct options *o, const char *value)
{
    (void)value;
    o->server.any_reply = true;
    return NULL;
}

static const struct option_row rows[] = {
    {"--timeout", "S", "seconds to wait for the connection, and then for the reply (default: 5)",
     ask_server_set_timeout},
    {"--any-reply", NULL,
     "exit with status 0 after any other reply, too, such as an error because too many clients are "
     "connected: the server is alive",
     set_any_reply},
    TOOL_HELP_ROW,
};

const struct tool_command tool_ping = {
    .name = "ping",
    .words = "ADDRESS [--timeout S] [--any-reply]",
    .help = "print PONG if the server at ADDRESS (HOST:PORT or the path of a Unix socket) answers "
            "PING; the variable REDISCLI_AUTH has the password",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = ping,
    .takes_store = true,
    .example = "stele ping 127.0.0.1:6379",
};
