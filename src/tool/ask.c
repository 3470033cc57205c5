// `stele ask` sends one command and prints its reply in the way of redis-cli when that writes into
// a pipe: each element on a line of its own, without quotes or numbers. The reply is printed while
// it arrives, so it may have any length.
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "tool/ask_server.h"

// A command may take long: STELE.RELOAD answers when the data is served.
enum { TIMEOUT_SECONDS = 60 };

static bool send_words(struct remote *c, const struct options *o, struct error *error)
{
    struct span *words = calloc((size_t)o->key_count, sizeof *words);
    if (words == NULL) {
        error_set(error, "no memory for %d words", o->key_count);
        return false;
    }
    for (int i = 0; i < o->key_count; i++)
        words[i] = span_text(o->keys[i]);
    bool sent = remote_send(c, (unsigned)o->key_count, words, error);
    free(words);
    return sent;
}

// Prints a reply. Returns the exit code; the message is set unless it is TOOL_OK.
static int print_reply(struct remote *c, struct error *error)
{
    struct reply_part part;
    do {
        if (!remote_next(c, &part, error))
            return TOOL_ERROR;
        if (part.kind == REPLY_ERROR && part.depth == 0) {
            error_set(error, "%.*s", (int)part.text.len, part.text.ptr);
            return TOOL_NO;
        }
        if (part.begins && !part.is_first)
            putchar('\n');
        if (part.text.len > 0)
            fwrite(part.text.ptr, 1, part.text.len, stdout);
        if (part.kind == REPLY_ERROR) // redis-cli ends the line of an error in an array twice
            putchar('\n');
    } while (!part.is_last && !ferror(stdout));
    putchar('\n');
    return TOOL_OK;
}

static int ask(const struct options *o)
{
    struct remote c;
    struct error error = {""};
    int code = ask_server_open(&c, o, TIMEOUT_SECONDS, &error);
    if (code == TOOL_OK)
        code = send_words(&c, o, &error) ? print_reply(&c, &error) : TOOL_ERROR;
    remote_close(&c);
    code = tool_finish(code);
    if (*error.text != '\0')
        tool_say("%s", error.text);
    return code;
}

static const struct option_row rows[] = {
    {"--timeout", "S", "seconds for which the server may send nothing (default: 60)",
     ask_server_set_timeout},
    TOOL_HELP_ROW,
};

const struct tool_command tool_ask = {
    .name = "ask",
    .words = "ADDRESS COMMAND [ARG]...",
    .help = "send a command to the server at ADDRESS (HOST:PORT or the path of a Unix socket), and "
            "print the reply as redis-cli does into a pipe; options precede COMMAND; the variable "
            "REDISCLI_AUTH has the password",
    .takes_keys = true,
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = ask,
    .takes_store = true,
    .example = "stele ask 127.0.0.1:6379 MGET 3479d894-3271-4935-88cf-a06f3cbb80a5 "
               "f8a24bb8-eff8-41dc-929b-10b4c3e49e05",
    .options_end = 2,
};
