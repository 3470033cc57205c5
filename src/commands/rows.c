// The lists of arguments that rows of several groups share, and HELP.
#include "commands/rows.h"

#include <stdio.h>

#include "base/output.h"
#include "serve/session.h"

enum { BYTES_PER_WORK = 32 }; // bytes of a reply that are written in one unit of work

const struct command_argument argument_key[] = {{"key", "key", NULL, 0, NULL}, {0}};
const struct command_argument argument_keys[] = {{"key", "key", NULL, ARGUMENT_MULTIPLE, NULL},
                                                 {0}};
const struct command_argument argument_maybe_channels[] = {
    {"channel", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
const struct command_argument argument_maybe_shard_channels[] = {
    {"shardchannel", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};

enum command_result help_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    const struct command_entry *container = s->request.running;
    size_t before = output_pending(s->reply.out);
    char line[256];
    char word[COMMAND_NAME_MAX];
    while (container->container != NULL) // its subcommands are right after it
        container--;
    resp_array(&s->reply, 1 + 2 * (uint64_t)container->subcommands);
    snprintf(line, sizeof line, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
             command_upper_name(container->command, word));
    resp_status(&s->reply, line);
    for (unsigned i = 1; i <= container->subcommands; i++) {
        const struct command *sub = container[i].command;
        resp_status(&s->reply, command_upper_name(sub, word));
        snprintf(line, sizeof line, "    %s.",
                 sub->summary != NULL ? sub->summary : COMMAND_REFUSED);
        resp_status(&s->reply, line);
    }
    session_charge(s, (output_pending(s->reply.out) - before) / BYTES_PER_WORK);
    return COMMAND_DONE;
}
