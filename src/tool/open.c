// Opening a dataset as every subcommand does: with the index file if there is one, all verified.
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tool/tool.h"

static void tell_warning(void *context, bool warning, const char *text)
{
    (void)context;
    if (!warning)
        return;
    tool_step_hide();
    tool_say("%s", text);
}

struct dataset_settings tool_settings(void)
{
    return (struct dataset_settings){
        .index = DATASET_INDEX_READ, .notice = tell_warning, .progress = tool_told};
}

static bool leads_to(int fd, const struct dataset *d)
{
    struct stat status;
    return fstat(fd, &status) == 0 && dataset_is_of(d, &status);
}

struct dataset *tool_open(const char *path, const struct dataset_settings *settings)
{
    struct error error = {""};
    struct dataset_report report = {0};
    tool_step("indexing", path, true);
    struct dataset *d = dataset_open(path, settings, &report, &error);
    tool_step_hide();
    if (d == NULL) {
        for (unsigned i = 0; i < DATASET_MALFORMED_SHOWN && *report.malformed[i] != '\0'; i++)
            fprintf(stderr, "%s\n", report.malformed[i]);
        tool_say("%s", error.text);
        return NULL;
    }
    if (leads_to(STDOUT_FILENO, d) || leads_to(STDERR_FILENO, d)) {
        if (!leads_to(STDERR_FILENO, d))
            tool_say("'%s' is the data file and cannot be the output", path);
        dataset_close(d);
        return NULL;
    }
    d = dataset_settled(d, &error);
    if (d == NULL)
        tool_say("%s", error.text);
    return d;
}

int tool_close(struct dataset *d, int code)
{
    tool_step_hide();
    if (d != NULL && dataset_look(d) != 0) {
        tool_say(
            "'%s' or its index was truncated, overwritten or cannot be read; do not rely on what "
            "was printed",
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
