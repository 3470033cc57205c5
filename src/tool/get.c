// `stele get` prints values from a data file, without a server. The keys are words of the command
// line, or come from standard input (tool/get_keys).
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/uuid_text.h"
#include "tool/get_keys.h"
#include "tool/tool.h"

static int print_values(const struct dataset *dataset, const struct options *o)
{
    int code = TOOL_OK;
    for (int i = 0; i < o->key_count; i++) {
        struct span key = span_text(o->keys[i]);
        struct span value;
        struct uuid id;
        if (key.len != UUID_TEXT_LEN || !uuid_parse(key.ptr, &id)) {
            tool_say("'%s' is not a UUID", o->keys[i]);
            code = TOOL_NO;
        } else if (!dataset_get(dataset, id, &value)) {
            tool_say("no key %s in %s", o->keys[i], o->file);
            code = TOOL_NO;
        } else {
            fwrite(value.ptr, 1, value.len, stdout);
            putchar('\n');
        }
    }
    return code;
}

static int get(const struct options *o)
{
    bool input = false;
    for (int i = 0; i < o->key_count; i++)
        input |= strcmp(o->keys[i], "-") == 0;
    if (input && o->key_count > 1) {
        tool_say("keys come from the command line or, with -, from standard input, not from both");
        return TOOL_ERROR;
    }
    if (o->missing && !input) {
        tool_say("--missing needs -: keys from standard input");
        return TOOL_ERROR;
    }
    // If standard input were closed, the data file would get its descriptor.
    if (input && fcntl(STDIN_FILENO, F_GETFD) < 0) {
        tool_say("cannot read standard input: %s", strerror(errno));
        return TOOL_ERROR;
    }
    struct dataset *dataset = tool_open(o->file, &o->settings);
    if (dataset == NULL)
        return TOOL_ERROR;
    return tool_close(dataset, input ? get_keys(dataset, o->missing) : print_values(dataset, o));
}

static const char *set_missing(struct options *o, const char *value)
{
    (void)value;
    o->missing = true;
    return NULL;
}

static const struct option_row rows[] = {
    {"--missing", NULL, "with -: print the keys that FILE does not have, and nothing else",
     set_missing},
    TOOL_HELP_ROW,
};

const struct tool_command tool_get = {
    .name = "get",
    .words = "FILE (KEY... | - [--missing])",
    .help = "print the values of keys, one on each line; with -, read keys from standard input, "
            "one on each line, and print key, space and value of those that exist",
    .takes_keys = true,
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = get,
    .example = "stele get devices.data - < keys.txt > found.data",
};
