// The subcommands of `stele`. Each gets its own words (argv[0] is its name), prints its result on
// standard output and what is wrong on standard error, and returns the exit code.
#ifndef STELE_TOOL_TOOL_H
#define STELE_TOOL_TOOL_H

#include "data/dataset.h"

enum {
    TOOL_OK = 0,
    TOOL_NO = 1,    // the answer is no: a key is missing, a file is malformed
    TOOL_ERROR = 2, // it could not be answered: usage, no such file, no memory
};

// What a subcommand opens a dataset with unless it is told otherwise: the index file is used if it
// fits, warnings go to standard error.
struct dataset_settings tool_settings(void);

// Takes `--index PATH|none` at argv[*at], and moves `*at` to its last word. False when it is not
// there.
bool tool_index_option(struct dataset_settings *settings, int argc, char *argv[], int *at);

// The dataset, settled. NULL after saying why not.
struct dataset *tool_open(const char *path, const struct dataset_settings *settings);

// Closes it (NULL is accepted) and finishes with `code`, or with TOOL_ERROR after saying that a
// file was damaged meanwhile.
int tool_close(struct dataset *d, int code);

// Flushes standard output: `code`, or TOOL_ERROR after saying that it cannot be written.
int tool_finish(int code);

// stele get FILE KEY...: the value of each key, a line each, in order.
int tool_get(int argc, char *argv[]);

// stele index FILE [--index PATH] [--skip-malformed] [--build-memory SIZE]: writes the index file
// unless it stands already, and reports counts.
int tool_index(int argc, char *argv[]);

// stele check FILE [--all]: reads every line; names the malformed ones and those a later line
// replaces (ten of each, or all of them), and reports counts. stele check --index FILE: reads all
// of the index file instead, and the data file to see that they belong together.
int tool_check(int argc, char *argv[]);

// stele scan FILE [--from UUID] [--to UUID] [--prefix HEX] [--limit N]: the records of that range
// in key order, as lines of a data file.
int tool_scan(int argc, char *argv[]);

// stele bench FILE: how long building and looking up take on this machine.
int tool_bench(int argc, char *argv[]);

#endif
