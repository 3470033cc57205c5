// `stele get` prints values from a data file, without a server.
#include <stdio.h>

#include "data/uuid_text.h"
#include "tool/tool.h"

static int get(const struct options *o)
{
    int code = TOOL_OK;
    struct dataset *dataset = tool_open(o->file, &o->settings);
    if (dataset == NULL)
        return TOOL_ERROR;
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
    return tool_close(dataset, code);
}

static const struct option_row rows[] = {TOOL_HELP_ROW};

const struct tool_command tool_get = {
    "get", "FILE KEY...", "print the values of keys, one on each line", true, rows, 1, get,
};
