// `stele sort` and `stele merge` write the lines of data files in the order of their keys. Of
// several lines with the same key only the last one is written.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/parallel.h"
#include "data/build/build.h"
#include "tool/line_input.h"
#include "tool/new_file.h"
#include "tool/sort_lines.h"
#include "tool/tool.h"

typedef unsigned long long ull;

// Whether standard output is one of the input files.
static bool writes_to_input(const struct line_input *in, const struct new_file *out)
{
    struct stat status;
    return out->path == NULL && fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) &&
           line_input_has(in, &status);
}

// Returns the permissions of the output: those of the first file, or of any new file if that is
// standard input.
static mode_t mode_of_output(const struct line_input *in)
{
    if (in->files[0].regular)
        return in->files[0].status.st_mode & 0777;
    mode_t mask = umask(0);
    (void)umask(mask);
    return 0666 & ~mask;
}

static void show(const struct sort_lines *s, const struct new_file *out)
{
    if (out->path != NULL)
        printf("%s %llu lines, %llu bytes, %llu duplicates left out\n", tool_name(out->path),
               (ull)s->kept, (ull)out->sink.at, (ull)(s->lines - s->kept));
}

// Sorts the files `names` to the file `path`.
static int sort_files(const struct options *o, char *const names[], unsigned count,
                      const char *path)
{
    uint64_t memory = o->settings.build_memory;
    struct sort_lines s = {
        .memory = memory != 0 ? memory : build_memory_default(),
        .threads = parallel_threads(),
        .beside = strcmp(path, "-") != 0 ? path : NULL,
        .name = count == 1 ? names[0] : path,
    };
    struct line_input in = {0};
    struct new_file out = {.sink = {.fd = -1}};
    struct error error = {""};
    if (s.memory < SORT_LINES_MEMORY_MIN)
        s.memory = SORT_LINES_MEMORY_MIN;
    // If the size of files is limited (ulimit -f), SIGXFSZ would kill the process. When the signal
    // is ignored, the write fails instead, and the file is removed.
    signal(SIGXFSZ, SIG_IGN);
    bool good = line_input_open(&in, names, count, s.threads, &error) &&
                new_file_create(&out, path, &error);
    if (good && writes_to_input(&in, &out)) {
        error_set(&error, "standard output is one of the files to read");
        good = false;
    }
    good = good && sort_lines_run(&s, &in, &out.sink, &error) &&
           new_file_publish(&out, mode_of_output(&in), &error);
    if (good)
        show(&s, &out);
    else
        tool_say("%s", error.text);
    new_file_abandon(&out);
    line_input_close(&in);
    return tool_finish(good ? TOOL_OK : s.malformed ? TOOL_NO : TOOL_ERROR);
}

static int sort(const struct options *o)
{
    char *names[] = {(char *)(uintptr_t)o->file};
    if (o->key_count == 1)
        return sort_files(o, names, 1, o->keys[0]);
    tool_say("more than one file to sort; `stele merge` takes several");
    return TOOL_ERROR;
}

// The words are in one array, with the first file before `keys`.
static int merge(const struct options *o)
{
    unsigned count = (unsigned)o->key_count;
    return sort_files(o, o->keys - 1, count, o->keys[count - 1]);
}

static const struct option_row rows[] = {
    {"--build-memory", "SIZE",
     "most memory to sort in, like 512mb or 1gb, at least 16mb (default: a quarter of the "
     "machine's memory, or of the cgroup's limit if that is less)",
     tool_set_build_memory},
    TOOL_HELP_ROW,
};

const struct tool_command tool_sort = {
    .name = "sort",
    .words = "FILE OUT [--build-memory SIZE]",
    .help = "write the lines of a data file to the new file OUT in key order, without the lines "
            "that a later line with the same key replaces; - is standard input or output",
    .takes_keys = true,
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = sort,
    .example = "stele sort devices.data sorted.data",
};

const struct tool_command tool_merge = {
    .name = "merge",
    .words = "FILE... OUT [--build-memory SIZE]",
    .help = "write the lines of several data files to the new file OUT in key order; lines of "
            "later files replace those of earlier ones; - is standard input or output",
    .takes_keys = true,
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = merge,
    .example = "stele merge devices.data changes.data merged.data",
};
