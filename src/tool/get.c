// `stele get`: values straight from the file, without a server.
#include <stdio.h>

#include "base/error.h"
#include "data/dataset.h"
#include "tool/tool.h"

int tool_get(int argc, char *argv[])
{
    struct error error = {""};
    struct dataset_report report = {0};
    int code = TOOL_OK;
    if (argc < 3) {
        fprintf(stderr, "usage: stele get FILE KEY...\n");
        return TOOL_ERROR;
    }
    struct dataset *dataset = dataset_open(argv[1], DATASET_REFUSE_MALFORMED, &report, &error);
    if (dataset == NULL) {
        if (report.figures.malformed > 0)
            fprintf(stderr, "%s\n", report.malformed[0]);
        fprintf(stderr, "stele: %s\n", error.text);
        return TOOL_ERROR;
    }
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
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("stele: standard output");
        code = TOOL_ERROR;
    }
    dataset_close(dataset);
    return code;
}
