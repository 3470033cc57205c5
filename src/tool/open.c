// Opening a dataset as every subcommand does: with the index file if there is one, all verified.
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tool/tool.h"

static void tell_warning(void *context, bool warning, const char *text)
{
    (void)context;
    if (warning)
        fprintf(stderr, "stele: %s\n", text);
}

struct dataset_settings tool_settings(void)
{
    return (struct dataset_settings){.index = DATASET_INDEX_READ, .notice = tell_warning};
}

bool tool_index_option(struct dataset_settings *settings, int argc, char *argv[], int *at)
{
    if (strcmp(argv[*at], "--index") != 0 || *at + 1 >= argc)
        return false;
    settings->index_path = argv[++*at];
    if (strcmp(settings->index_path, "none") == 0)
        settings->index = DATASET_INDEX_NONE;
    return true;
}

struct dataset *tool_open(const char *path, const struct dataset_settings *settings)
{
    struct error error = {""};
    struct dataset_report report = {0};
    struct dataset *d = dataset_open(path, settings, &report, &error);
    if (d == NULL) {
        for (unsigned i = 0; i < DATASET_MALFORMED_SHOWN && *report.malformed[i] != '\0'; i++)
            fprintf(stderr, "%s\n", report.malformed[i]);
        fprintf(stderr, "stele: %s\n", error.text);
        return NULL;
    }
    dataset_settle(d, NULL);
    return d;
}

int tool_close(struct dataset *d, int code)
{
    if (d != NULL && dataset_look(d) != 0) {
        fprintf(stderr,
                "stele: '%s' or its index was truncated, overwritten or cannot be read; do not "
                "rely on what was printed\n",
                dataset_path(d));
        code = TOOL_ERROR;
    }
    dataset_close(d);
    return tool_finish(code);
}

int tool_finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    perror("stele: standard output");
    return TOOL_ERROR;
}
