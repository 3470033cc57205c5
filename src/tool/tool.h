// The subcommands of `stele`. Each one prints its result on standard output and its errors on
// standard error, and returns the exit code.
#ifndef STELE_TOOL_TOOL_H
#define STELE_TOOL_TOOL_H

#include "base/command_line.h"
#include "base/progress.h"
#include "data/dataset.h"
#include "tool/store_options.h"

enum {
    TOOL_OK = 0,
    TOOL_NO = 1,    // the answer is no: a key is missing, or a file is malformed
    TOOL_ERROR = 2, // there is no answer: the usage is wrong, a file is missing, memory is short
};

// The options of split. NULL, 0 or false: not given.
struct split_options {
    const char *by;
    const char *cluster;
    unsigned parts;
    const char *hash;
    const char *distribution;
    const char *servers;
    const char *nutcracker;
    const char *pool;
    unsigned digits;
    const char *out;
    bool index;
    bool check;
    const char *node;
};

// The options of sample.
struct sample_options {
    uint64_t seed;
    bool has_seed; // --seed was given
};

// The options of import. NULL or false: not given.
struct import_options {
    const char *out;
    bool one_database; // --db was given
    uint64_t database; // number of --db
    bool keep_expiring;
    bool skip_others;
    const char *strip_prefix;
    const char *newline_as;
};

// The options of export. NULL: not given.
struct export_options {
    const char *rdb;
    const char *key_prefix;
};

// The options of diff. NULL or false: not given.
struct diff_options {
    bool stats;
    bool keys;
    const char *delta;
};

// The options of stats. NULL: not given.
struct stats_options {
    const char *html;
};

// The options of ping, ask, top and metrics. NULL, 0 or false: not given.
struct server_options {
    unsigned timeout_s;
    unsigned interval_ms;
    bool once;
    bool any_reply;
    const char *textfile;
    const char *label;
};

// The words of a subcommand's command line, parsed. An option sets its field.
struct options {
    const char *file;
    char **keys; // words after the file
    int key_count;
    struct dataset_settings settings; // tool_settings(), as changed by options
    bool all;                         // check --all
    bool strict;                      // check --strict
    bool check_index;                 // check --index
    bool cold;                        // bench --cold
    bool missing;                     // get --missing
    struct uuid from;                 // first key of scan's range; it need not exist
    struct uuid to;                   // last key of scan's range; it need not exist
    int64_t limit;                    // scan --limit: most records to print
    struct split_options split;
    struct store_options store;
    struct stats_options stats;
    struct diff_options diff;
    struct export_options export;
    struct import_options import;
    struct sample_options sample;
    struct server_options server;
    bool help; // --help
};

struct tool_command {
    const char *name;
    const char *words; // words after the name, for the usage
    const char *help;  // what the subcommand does, for --help
    bool takes_keys;   // one key or more must follow the file
    const struct option_row *rows;
    unsigned count; // number of rows
    int (*run)(const struct options *o);
    unsigned more_words; // words that may follow the file; `takes_keys` is false then
    bool takes_store;    // the file is a store; otherwise a store stands for its current data
    const char *example; // one call, for --help
    // number of words after which no word is read as an option; 0: options may be anywhere
    int options_end;
};

extern const struct tool_command tool_ask;
extern const struct tool_command tool_bench;
extern const struct tool_command tool_check;
extern const struct tool_command tool_diff;
extern const struct tool_command tool_export;
extern const struct tool_command tool_get;
extern const struct tool_command tool_import;
extern const struct tool_command tool_index;
extern const struct tool_command tool_merge;
extern const struct tool_command tool_metrics;
extern const struct tool_command tool_ping;
extern const struct tool_command tool_publish;
extern const struct tool_command tool_rollback;
extern const struct tool_command tool_sample;
extern const struct tool_command tool_scan;
extern const struct tool_command tool_sort;
extern const struct tool_command tool_split;
extern const struct tool_command tool_stats;
extern const struct tool_command tool_top;
extern const struct tool_command tool_unpin;
extern const struct tool_command tool_verify;
extern const struct tool_command tool_versions;

// All of them, in the order of --help.
extern const struct tool_command *const tool_commands[];
extern const unsigned tool_commands_count;

// Reads the words after the subcommand's name (argv[0]), runs the subcommand and returns its exit
// code. If one of the words is `--help`, prints the help instead.
int tool_run(const struct tool_command *command, int argc, char *argv[]);

// Prints the help of the subcommand on standard output: its usage, what it does, and its options.
void tool_explain(const struct tool_command *command);

// Returns the default settings for opening a dataset. The index file is used if it belongs to the
// data. Warnings and the progress of building go to standard error.
struct dataset_settings tool_settings(void);

// The row of the option --help, which every subcommand has.
const char *tool_set_help(struct options *o, const char *value);
#define TOOL_HELP_ROW                                                                              \
    {                                                                                              \
        "--help", NULL, "show this help and exit", tool_set_help                                   \
    }

// Reads the whole `value` of an option as a number from `least` to `most`, which may end in `unit`,
// such as "%". Returns false, with `*to` unchanged, for any other text.
bool tool_read_number(const char *value, const char *unit, unsigned least, unsigned most,
                      unsigned *to);

// The option --build-memory, and its row for subcommands that use memory only for an index.
const char *tool_set_build_memory(struct options *o, const char *value);
#define TOOL_INDEX_MEMORY_ROW                                                                      \
    {                                                                                              \
        "--build-memory", "SIZE",                                                                  \
            "most memory to build an index in if a file has none, like 512mb or 1gb (default: a "  \
            "quarter of the machine's memory, or of the cgroup's limit if that is less)",          \
            tool_set_build_memory                                                                  \
    }

// Opens a dataset and calls dataset_finished, which verifies its index or writes the index file.
// Returns NULL after printing the reason when that is not possible.
struct dataset *tool_open(const char *path, const struct dataset_settings *settings);

// Closes `d` (NULL is accepted), calls tool_finish with `code` and returns the exit code. If a
// file of the dataset was damaged while it was open, prints a message and uses TOOL_ERROR
// instead of `code`.
int tool_close(struct dataset *d, int code);

// Prints "stele: ", the formatted text and a newline on standard error. Unprintable bytes are
// escaped (base/escape.h).
void tool_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Returns the name of a file, escaped in the same way, for standard output. The result is valid
// until the next call.
const char *tool_name(const char *name);

// Flushes standard output and returns `code`. If that fails, prints the reason and
// returns TOOL_ERROR.
int tool_finish(int code);

// These three show the progress of a step on standard error: a bar on a terminal, lines elsewhere,
// nothing if the step is short.
//
// Begins a step. `bytes` says that its units of work are bytes.
void tool_step(const char *step, const char *file, bool bytes);
// Shows that `done` of `total` units of work are done.
void tool_step_at(uint64_t done, uint64_t total);
// Removes the bar. Call this before you print anything, and at the end of a step.
void tool_step_hide(void);

// Calls tool_step_at. This is the callback for datasets.
void tool_on_progress(void *context, uint64_t done, uint64_t total);

#endif
