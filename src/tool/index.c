// `stele index` writes the index file, or updates it, before a server starts.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "tool/tool.h"

typedef unsigned long long ull;

static void print_notice(void *context, bool warning, const char *text)
{
    (void)context;
    (void)warning;
    tool_step_hide();
    fprintf(stderr, "stele: %s\n", text);
}

static const char *set_path(struct options *o, const char *value)
{
    o->settings.index_path = value;
    return *value != '\0' && strcmp(value, "none") != 0 ? NULL : "must be a path";
}

static const char *set_skip_malformed(struct options *o, const char *value)
{
    (void)value;
    o->settings.malformed = DATASET_SKIP_MALFORMED;
    return NULL;
}

const char *tool_set_build_memory(struct options *o, const char *value)
{
    bool good = number_parse_memory(span_text(value), &o->settings.build_memory) &&
                o->settings.build_memory > 0;
    return good ? NULL : "must be a size like 512mb or 1gb";
}

static int index_file(const struct options *o)
{
    struct dataset_settings settings = o->settings;
    settings.notice = print_notice;
    settings.index = DATASET_INDEX_WRITE;
    settings.index_required = true;
    settings.await_proof = true;
    // If the size of files is limited (ulimit -f), SIGXFSZ would kill the process. When the signal
    // is ignored, the write fails instead, and the temporary file is removed.
    signal(SIGXFSZ, SIG_IGN);
    struct dataset *d = tool_open(o->file, &settings);
    if (d == NULL)
        return TOOL_ERROR;
    const struct dataset_figures *f = dataset_figures(d);
    if (strcmp(dataset_index_status(d), "mapped") != 0) // print_notice has printed the reason
        return tool_close(d, TOOL_ERROR);
    printf("index      %s\n", tool_name(dataset_index_path(d)));
    printf("keys       %llu\n", (ull)f->keys);
    printf("duplicates %llu\n", (ull)f->duplicates);
    printf("malformed  %llu\n", (ull)f->malformed);
    printf("bytes      %llu, %.2f a key\n", (ull)f->index_bytes,
           f->keys > 0 ? (double)f->index_bytes / (double)f->keys : 0.0);
    printf("built in   %.3f s\n", (double)f->build_ns / 1e9);
    return tool_close(d, TOOL_OK);
}

static const struct option_row rows[] = {
    {"--index", "PATH", "path of the index file (default: FILE.idx)", set_path},
    {"--skip-malformed", NULL, "leave malformed lines out instead of refusing the file",
     set_skip_malformed},
    {"--build-memory", "SIZE",
     "most memory to build the index in, like 512mb or 1gb (default: a quarter of the machine's "
     "memory, or of the cgroup's limit if that is less)",
     tool_set_build_memory},
    TOOL_HELP_ROW,
};

const struct tool_command tool_index = {
    .name = "index",
    .words = "FILE [--index PATH] [--skip-malformed] [--build-memory SIZE]",
    .help = "write the index file unless it is up to date",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = index_file,
    .example = "stele index devices.data",
};
