// The main function of `stele`, the tool for data files and servers. It finds the subcommand. The
// subcommands and their table are in src/tool/.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/ending.h"
#include "base/mapping.h"
#include "base/terminal.h"
#include "base/version.h"
#include "tool/tool.h"

static void usage(FILE *to)
{
    unsigned width = terminal_width(fileno(to));
    struct buf text = {0};
    char left[128];
    size_t longest = 0;
    for (unsigned i = 0; i < tool_commands_count; i++) {
        size_t len = strlen(tool_commands[i]->name) + 1 + strlen(tool_commands[i]->words);
        longest = len > longest ? len : longest;
    }
    buf_append_text(&text, "usage: stele SUBCOMMAND ...\n\n");
    for (unsigned i = 0; i < tool_commands_count; i++) {
        snprintf(left, sizeof left, "%s %s", tool_commands[i]->name, tool_commands[i]->words);
        command_line_row(left, tool_commands[i]->help, command_line_column(longest, width), width,
                         &text);
    }
    buf_append_text(&text, "\n");
    command_line_wrap(
        "`stele help SUBCOMMAND` explains the options. The exit status is 0 for success, 2 for an "
        "error, and 1 for the answer no: get does not find a key, check finds a malformed line or "
        "a damaged index, diff finds a difference, publish refuses the file, unpin finds no pin, "
        "split --check finds a key of another shard, verify finds something that differs from its "
        "manifest, sort and merge find a malformed line, import refuses something in the dump, and "
        "the server answers ask or ping with an error.",
        0, 0, width, &text);
    fwrite(text.ptr, 1, text.len, to);
    buf_release(&text);
}

// Returns the subcommand with this name. If there is none, prints a message and returns NULL. The
// message suggests a similar name if there is one.
static const struct tool_command *find_command(const char *name)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;
    for (unsigned i = 0; i < tool_commands_count; i++) {
        if (strcmp(name, tool_commands[i]->name) == 0)
            return tool_commands[i];
        size_t distance = command_line_distance(name, strlen(name), tool_commands[i]->name);
        if (distance < best) {
            best = distance;
            near = tool_commands[i]->name;
        }
    }
    if (near != NULL)
        tool_say("unknown subcommand '%s'; did you mean %s?", name, near);
    else
        tool_say("unknown subcommand '%s'; `stele help` lists all subcommands", name);
    return NULL;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int main(int argc, char *argv[])
{
    const char *word = argc >= 2 ? argv[1] : NULL;
    const struct tool_command *command;
    ending_catch();
    mapping_catch_faults();
    if (word == NULL) {
        usage(stderr);
        return TOOL_ERROR;
    }
    if (is_one_of(word, "help", "--help", "-h")) {
        if (argc < 3)
            usage(stdout);
        else if ((command = find_command(argv[2])) != NULL)
            tool_explain(command);
        else
            return TOOL_ERROR;
        return tool_finish(TOOL_OK);
    }
    if (is_one_of(word, "version", "--version", "-v")) {
        printf("stele %s\n", STELE_VERSION);
        return tool_finish(TOOL_OK);
    }
    command = find_command(word);
    return command != NULL ? tool_run(command, argc - 1, argv + 1) : TOOL_ERROR;
}
