// The command lines of stele, from its table of subcommands.
#include "programs.h"

#include "tool/tool.h"

const struct program *programs_subcommand(unsigned i)
{
    static struct program program;
    if (i >= tool_commands_count)
        return NULL;
    const struct tool_command *c = tool_commands[i];
    program = (struct program){c->name, c->words, c->help, c->example, c->rows, c->count};
    return &program;
}
