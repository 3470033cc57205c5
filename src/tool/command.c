// What all subcommands share: reading the words of the command line and printing --help.
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/number.h"
#include "base/terminal.h"
#include "data/store.h"
#include "tool/tool.h"

const char *tool_set_help(struct options *o, const char *value)
{
    (void)value;
    o->help = true;
    return NULL;
}

bool tool_read_number(const char *value, const char *unit, unsigned least, unsigned most,
                      unsigned *to)
{
    int64_t number;
    size_t len = strlen(value);
    size_t end = strlen(unit);
    if (len > end && strcmp(value + len - end, unit) == 0)
        len -= end;
    if (!number_parse(span_of(value, len), &number) || number < least || number > most)
        return false;
    *to = (unsigned)number;
    return true;
}

// Reads the options into `o`. Moves the other words to the front of argv, after the subcommand's
// name. Returns the number of these words, or -1 with a message.
static int read_words(const struct tool_command *command, struct options *o, int argc, char *argv[],
                      struct error *error)
{
    const struct option_table table = {command->rows, command->count, NULL};
    bool only_words = false;
    int words = 0;
    for (int i = 1; i < argc; i++) {
        only_words |= command->options_end > 0 && words >= command->options_end;
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!command_line_option(&table, o, argc, argv, &i, error))
                return -1;
        } else {
            argv[++words] = argv[i];
        }
    }
    return words;
}

void tool_explain(const struct tool_command *command)
{
    const struct option_table table = {command->rows, command->count, NULL};
    unsigned width = terminal_width(STDOUT_FILENO);
    struct buf text = {0};
    buf_printf(&text, "usage: stele %s ", command->name);
    command_line_wrap(command->words, (unsigned)text.len, 4, width, &text);
    buf_append_text(&text, "\n");
    command_line_wrap(command->help, 0, 0, width, &text);
    buf_append_text(&text, "\n");
    command_line_help(&table, width, &text);
    buf_append_text(&text, "\nexample: ");
    command_line_wrap(command->example, sizeof "example: " - 1, 4, width, &text);
    fwrite(text.ptr, 1, text.len, stdout);
    buf_release(&text);
}

int tool_run(const struct tool_command *command, int argc, char *argv[])
{
    struct options o = {
        .settings = tool_settings(),
        .to = {UINT64_MAX, UINT64_MAX},
        .limit = INT64_MAX,
        .store = {.keep = 3, .gate = {.max_shrink = 10, .max_lost = 10, .verify_seconds = 600}}};
    struct error error = {""};
    int words = read_words(command, &o, argc, argv, &error);
    if (words < 0) {
        tool_say("%s", error.text);
        return TOOL_ERROR;
    }
    if (o.help) {
        tool_explain(command);
        return tool_finish(TOOL_OK);
    }
    if (words > 1 + (int)command->more_words && !command->takes_keys) {
        if (command->more_words == 0)
            tool_say("more than one file: '%s' and '%s'", argv[1], argv[2]);
        else
            tool_say("too many words: '%s'", argv[2 + command->more_words]);
        return TOOL_ERROR;
    }
    if (words < (command->takes_keys ? 2 : 1)) {
        fprintf(stderr, "usage: stele %s %s\n", command->name, command->words);
        return TOOL_ERROR;
    }
    char current[PATH_MAX];
    o.file = argv[1];
    if (!command->takes_store && store_is_store(argv[1]) &&
        snprintf(current, sizeof current, "%s" STORE_CURRENT_DATA, argv[1]) < (int)sizeof current)
        o.file = current;
    o.keys = argv + 2;
    o.key_count = words - 1;
    return command->run(&o);
}
