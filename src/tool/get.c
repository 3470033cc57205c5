// `stele get`: values straight from the file, without a server.
#include <stdio.h>

#include "tool/tool.h"

int tool_get(int argc, char *argv[])
{
    struct dataset_settings settings = tool_settings();
    int code = TOOL_OK;
    if (argc < 3) {
        fprintf(stderr, "usage: stele get FILE KEY...\n");
        return TOOL_ERROR;
    }
    struct dataset *dataset = tool_open(argv[1], &settings);
    if (dataset == NULL)
        return TOOL_ERROR;
    for (int i = 2; i < argc; i++) {
        struct span key = span_text(argv[i]);
        struct span value;
        struct uuid id;
        if (key.len != UUID_TEXT_LEN || !uuid_parse(key.ptr, &id)) {
            fprintf(stderr, "stele: '%s' is not a UUID\n", argv[i]);
            code = TOOL_NO;
        } else if (!dataset_get(dataset, id, &value)) {
            fprintf(stderr, "stele: no key %s in %s\n", argv[i], argv[1]);
            code = TOOL_NO;
        } else {
            fwrite(value.ptr, 1, value.len, stdout);
            putchar('\n');
        }
    }
    return tool_close(dataset, code);
}
