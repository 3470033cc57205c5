// The subcommands of `stele`. Each prints its result on standard output and errors on standard
// error, and returns the exit code.
#ifndef STELE_TOOL_TOOL_H
#define STELE_TOOL_TOOL_H

#include "base/command_line.h"
#include "base/progress.h"
#include "data/dataset.h"

enum {
    TOOL_OK = 0,
    TOOL_NO = 1,    // the answer is no: a key is missing, a file is malformed
    TOOL_ERROR = 2, // there is no answer: wrong usage, no such file, no memory
};

// The parsed words of a subcommand. Each subcommand sets the fields that it has options for.
struct options {
    const char *file;
    char **keys; // the words after the file
    int key_count;
    struct dataset_settings settings; // tool_settings() as changed by options
    bool all;
    bool strict;
    bool check_index;
    struct uuid from;
    struct uuid to; // the last key of the range; it need not exist
    int64_t limit;
    bool help;
};

struct tool_command {
    const char *name;
    const char *words; // after the name, in the usage
    const char *help;
    bool takes_keys; // takes one key or more after the file; otherwise only a file
    const struct option_row *rows;
    unsigned count;
    int (*run)(const struct options *o);
};

extern const struct tool_command tool_bench; // measures building and lookups
extern const struct tool_command tool_check; // reads every line, or all of the index file
extern const struct tool_command tool_get;   // prints the value of each key on a line, in order
extern const struct tool_command tool_index; // writes the index file unless it is up to date
extern const struct tool_command tool_scan;  // prints the records of a range in key order

// Reads the words after the subcommand's name (argv[0]), runs it and returns its exit code. With
// `--help` among the words it explains the subcommand instead.
int tool_run(const struct tool_command *command, int argc, char *argv[]);

// Prints the subcommand's usage, what it does and its options on standard output.
void tool_explain(const struct tool_command *command);

// The default settings for opening a dataset: the index file is used if it fits; warnings and the
// progress of building go to standard error.
struct dataset_settings tool_settings(void);

// The row of --help, which every subcommand has.
const char *tool_set_help(struct options *o, const char *value);
#define TOOL_HELP_ROW                                                                              \
    {                                                                                              \
        "--help", NULL, "show this and exit", tool_set_help                                        \
    }

// Opens and finishes a dataset (dataset_finished). NULL after printing why it cannot.
struct dataset *tool_open(const char *path, const struct dataset_settings *settings);

// Closes `d` (NULL is accepted) and calls tool_finish with `code`, or with TOOL_ERROR after
// printing that a file was damaged meanwhile. Returns the exit code.
int tool_close(struct dataset *d, int code);

// Prints "stele: …" and a newline on standard error. Unprintable bytes are escaped (base/escape.h).
void tool_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A file's name for standard output, escaped in the same way; valid until the next call.
const char *tool_name(const char *name);

// Flushes standard output. Returns `code`, or TOOL_ERROR after printing that it cannot be written.
int tool_finish(int code);

// These show the progress of a step on standard error: a bar on a terminal, lines elsewhere,
// nothing for a short step. `bytes` says that the work is counted in bytes. Hide the bar before
// printing anything and at the end of a step.
void tool_step(const char *step, const char *file, bool bytes);
void tool_step_at(uint64_t done, uint64_t total);
void tool_step_hide(void);

// tool_step_at as a callback.
void tool_on_progress(void *context, uint64_t done, uint64_t total);

#endif
