// The subcommands of `stele`. Each prints its result on standard output and what is wrong on
// standard error, and returns the exit code.
#ifndef STELE_TOOL_TOOL_H
#define STELE_TOOL_TOOL_H

#include "base/command_line.h"
#include "base/progress.h"
#include "data/dataset.h"

enum {
    TOOL_OK = 0,
    TOOL_NO = 1,    // the answer is no: a key is missing, a file is malformed
    TOOL_ERROR = 2, // it could not be answered: usage, no such file, no memory
};

// What the words of a subcommand come to. A subcommand sets those it has options for.
struct options {
    const char *file;
    char **keys; // the words after the file
    int key_count;
    struct dataset_settings settings; // tool_settings(), and what options change
    bool all;
    bool strict;
    bool check_index;
    struct uuid from;
    struct uuid to; // the last key of the range, if it is there
    int64_t limit;
    bool help;
};

struct tool_command {
    const char *name;
    const char *words; // after the name, in the usage
    const char *help;
    bool takes_keys; // one at least after the file; otherwise a file is all
    const struct option_row *rows;
    unsigned count;
    int (*run)(const struct options *o);
};

extern const struct tool_command tool_bench; // how long building and looking up take here
extern const struct tool_command tool_check; // reads every line, or all of the index file
extern const struct tool_command tool_get;   // the value of each key, a line each, in order
extern const struct tool_command tool_index; // writes the index file unless it stands already
extern const struct tool_command tool_scan;  // the records of a range in key order, as lines

// Reads the words behind the subcommand's name (argv[0]) and runs it: its exit code. `--help` as
// one of them explains it instead.
int tool_run(const struct tool_command *command, int argc, char *argv[]);

// Prints the subcommand's usage, what it does and its options on standard output.
void tool_explain(const struct tool_command *command);

// What a subcommand opens a dataset with unless it is told otherwise: the index file is used if it
// fits, warnings go to standard error, and how far building is, too.
struct dataset_settings tool_settings(void);

// The row of --help, which every subcommand has.
const char *tool_set_help(struct options *o, const char *value);
#define TOOL_HELP_ROW                                                                              \
    {                                                                                              \
        "--help", NULL, "show this and exit", tool_set_help                                        \
    }

// The dataset, settled. NULL after saying why not.
struct dataset *tool_open(const char *path, const struct dataset_settings *settings);

// Closes it (NULL is accepted) and finishes with `code`, or with TOOL_ERROR after saying that a
// file was damaged meanwhile.
int tool_close(struct dataset *d, int code);

// Prints "stele: …" and a newline on standard error, what is not printable being spelled out
// (base/escape.h).
void tool_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A file's name for standard output, spelled out likewise; valid until the next call.
const char *tool_name(const char *name);

// Flushes standard output: `code`, or TOOL_ERROR after saying that it cannot be written.
int tool_finish(int code);

// How far a step of the work is, on standard error: a bar on a terminal, lines elsewhere, and
// nothing while it is short. `bytes` says that the work is counted in them. The bar is to be hidden
// before anything is printed and when a step is over.
void tool_step(const char *step, const char *file, bool bytes);
void tool_step_at(uint64_t done, uint64_t total);
void tool_step_hide(void);

// tool_step_at for callbacks.
void tool_told(void *context, uint64_t done, uint64_t total);

#endif
