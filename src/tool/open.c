// Opens a dataset for a subcommand, with its index file if there is one. Verifies that the whole
// index belongs to the data before the subcommand uses it.
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tool/tool.h"

static void print_warning(void *context, bool warning, const char *text)
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
        .index = DATASET_INDEX_READ, .notice = print_warning, .progress = tool_on_progress};
}

// Whether the descriptor `fd` is open on the regular file at `path`.
static bool is_open_on(int fd, const char *path)
{
    struct stat stream;
    struct stat file;
    return fstat(fd, &stream) == 0 && S_ISREG(stream.st_mode) && stat(path, &file) == 0 &&
           stream.st_dev == file.st_dev && stream.st_ino == file.st_ino;
}

struct dataset *tool_open(const char *path, const struct dataset_settings *settings)
{
    struct error error = {""};
    struct dataset_report report = {0};
    // Fails without a message, because standard error is the data file, and a message would
    // change the data.
    if (is_open_on(STDERR_FILENO, path))
        return NULL;
    if (is_open_on(STDOUT_FILENO, path)) {
        tool_say("'%s' is the data file and cannot be the output", path);
        return NULL;
    }
    tool_step("indexing", path, true);
    struct dataset *d = dataset_open(path, settings, &report, &error);
    tool_step_hide();
    if (d == NULL) {
        for (unsigned i = 0; i < DATASET_MALFORMED_SHOWN && *report.malformed[i] != '\0'; i++)
            fprintf(stderr, "%s\n", report.malformed[i]);
        tool_say("%s", error.text);
        return NULL;
    }
    d = dataset_finished(d, &error);
    if (d == NULL)
        tool_say("%s", error.text);
    return d;
}

int tool_close(struct dataset *d, int code)
{
    tool_step_hide();
    if (d != NULL && dataset_look(d) != 0) {
        tool_say(
            "'%s' or its index was truncated, overwritten or cannot be read; what was printed may "
            "be wrong",
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
