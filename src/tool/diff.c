// `stele diff` compares two data files, and prints which keys were added, removed and changed, in
// key order.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "data/compare.h"
#include "data/uuid_text.h"
#include "tool/line_output.h"
#include "tool/tool.h"

typedef unsigned long long ull;

struct diff {
    const struct diff_options *options;
    struct dataset *old;
    struct dataset *new;
    struct line_output delta;
    char line[UUID_TEXT_LEN + 2]; // the beginning of a line: a mark, a key and a space
};

// Writes the key and a space at d->line, after room for the mark.
static void write_key(struct diff *d, struct uuid id)
{
    uuid_format(id, d->line + 1);
    d->line[UUID_TEXT_LEN + 1] = ' ';
}

// Whether standard output still takes what is printed.
static bool is_printed(struct error *error)
{
    if (!ferror(stdout))
        return true;
    error_set(error, "cannot write to standard output: %s", strerror(errno));
    return false;
}

static bool is_flushed(struct error *error)
{
    (void)fflush(stdout);
    return is_printed(error);
}

// Sets `*value` to the value of the line at `offset`. Returns false with a message when it cannot
// be read any more.
static bool read_value(const struct dataset *data, uint64_t offset, struct span *value,
                       struct error *error)
{
    *value = dataset_value(data, offset);
    if (value->ptr == NULL)
        error_set(error, "'%s' was truncated or cannot be read", dataset_path(data));
    return value->ptr != NULL;
}

static bool print_line(struct diff *d, char mark, const struct dataset *data, uint64_t offset,
                       struct error *error)
{
    struct span value;
    if (offset == DATASET_NO_OFFSET)
        return true;
    if (!read_value(data, offset, &value, error))
        return false;
    d->line[0] = mark;
    fwrite(d->line, 1, sizeof d->line, stdout);
    fwrite(value.ptr, 1, value.len, stdout);
    putchar('\n');
    return true;
}

// Prints the old line of a key after '-', and the new one after '+'.
static bool report_lines(void *context, const struct difference *found, struct error *error)
{
    struct diff *d = context;
    write_key(d, found->id);
    return print_line(d, '-', d->old, found->old_offset, error) &&
           print_line(d, '+', d->new, found->new_offset, error) && is_printed(error);
}

static bool report_keys(void *context, const struct difference *found, struct error *error)
{
    static const char marks[] = {
        [DIFFERENCE_ADDED] = '+', [DIFFERENCE_REMOVED] = '-', [DIFFERENCE_CHANGED] = '~'};
    struct diff *d = context;
    write_key(d, found->id);
    d->line[0] = marks[found->kind];
    fwrite(d->line, 1, UUID_TEXT_LEN + 1, stdout);
    putchar('\n');
    return is_printed(error);
}

// Appends the new line of a key to the delta. Prints a key that has no new line, unless the delta
// itself is printed.
static bool report_delta(void *context, const struct difference *found, struct error *error)
{
    struct diff *d = context;
    struct span value;
    write_key(d, found->id);
    if (found->kind == DIFFERENCE_REMOVED) {
        if (strcmp(d->options->delta, "-") == 0)
            return true;
        fwrite(d->line + 1, 1, UUID_TEXT_LEN, stdout);
        putchar('\n');
        return is_printed(error);
    }
    return read_value(d->new, found->new_offset, &value, error) &&
           line_output_append(&d->delta, span_of(d->line + 1, UUID_TEXT_LEN + 1), error) &&
           line_output_append(&d->delta, value, error) &&
           line_output_append(&d->delta, span_of("\n", 1), error);
}

static void print_counts(const struct dataset_difference *counts)
{
    printf("added   %llu\n", (ull)counts->added);
    printf("removed %llu\n", (ull)counts->removed);
    printf("changed %llu\n", (ull)counts->changed);
    printf("same    %llu\n", (ull)counts->same);
}

// Compares the files. Prints what was asked for, and returns the exit code.
static int compare(struct diff *d)
{
    struct error error = {""};
    struct dataset_difference counts;
    struct compare_settings settings = {.context = d};
    bool prints = !d->options->stats;
    if (d->options->keys)
        settings.report = report_keys;
    else if (d->options->delta != NULL)
        settings.report = report_delta;
    else if (prints)
        settings.report = report_lines;
    // A progress bar would mix with the lines on a terminal.
    if (!prints || !isatty(STDOUT_FILENO))
        settings.progress = tool_on_progress;
    tool_step("comparing", dataset_path(d->new), false);
    bool good = compare_datasets(d->old, d->new, &settings, &counts, &error);
    tool_step_hide();
    // The delta gets its name only if the removed keys were printed.
    if (good && d->options->delta != NULL)
        good = is_flushed(&error) && line_output_finish(&d->delta, &error);
    if (!good) {
        tool_say("%s", error.text);
        return TOOL_ERROR;
    }
    if (d->options->stats)
        print_counts(&counts);
    return counts.added + counts.removed + counts.changed == 0 ? TOOL_OK : TOOL_NO;
}

// Creates the file of --delta, with the permissions of the new data file.
static bool create_delta(struct diff *d, const char *new_path)
{
    struct error error = {""};
    struct stat source;
    if (stat(new_path, &source) != 0)
        error_set(&error, "cannot open '%s': %s", new_path, strerror(errno));
    else if (line_output_open(&d->delta, d->options->delta, &source, &error))
        return true;
    tool_say("%s", error.text);
    return false;
}

static int diff(const struct options *o)
{
    struct diff d = {.options = &o->diff};
    int code = TOOL_ERROR;
    if (o->key_count != 1) {
        tool_say("diff compares two files");
        return TOOL_ERROR;
    }
    if (o->diff.stats + o->diff.keys + (o->diff.delta != NULL) > 1) {
        tool_say("--stats, --keys and --delta exclude each other");
        return TOOL_ERROR;
    }
    // If the size of files is limited (ulimit -f), SIGXFSZ would kill the process. When the signal
    // is ignored, the write fails instead.
    signal(SIGXFSZ, SIG_IGN);
    bool good = (o->diff.delta == NULL || create_delta(&d, o->keys[0])) &&
                (d.old = tool_open(o->file, &o->settings)) != NULL &&
                (d.new = tool_open(o->keys[0], &o->settings)) != NULL;
    if (good)
        code = compare(&d);
    code = tool_close(d.old, code);
    code = tool_close(d.new, code);
    line_output_release(&d.delta);
    return code;
}

// ---- options ------------------------------------------------------------------------------------

static const char *set_stats(struct options *o, const char *value)
{
    (void)value;
    o->diff.stats = true;
    return NULL;
}

static const char *set_keys(struct options *o, const char *value)
{
    (void)value;
    o->diff.keys = true;
    return NULL;
}

static const char *set_delta(struct options *o, const char *value)
{
    o->diff.delta = value;
    return *value != '\0' ? NULL : "must be a path, or - for standard output";
}

static const struct option_row rows[] = {
    {"--stats", NULL, "print only how many keys were added, removed, changed, or are the same",
     set_stats},
    {"--keys", NULL,
     "print only the keys, after + if only NEW has the key, - if only OLD has it, ~ if the values "
     "differ",
     set_keys},
    {"--delta", "OUT",
     "write the added and changed lines of NEW to OUT, a new data file, and print the removed "
     "keys; "
     "if OUT is -, print those lines and no removed keys",
     set_delta},
    TOOL_INDEX_MEMORY_ROW,
    TOOL_HELP_ROW,
};

const struct tool_command tool_diff = {
    .name = "diff",
    .words = "OLD NEW [--stats | --keys | --delta OUT] [--build-memory SIZE]",
    .help = "compare two data files, and print in key order the lines of OLD (after -) and of NEW "
            "(after +) whose keys were removed, added or changed",
    .takes_keys = true,
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = diff,
    .example = "stele diff devices.data.old devices.data --stats",
};
