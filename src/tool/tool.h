// The subcommands of `stele`. Each gets its own words (argv[0] is its name), prints its result on
// standard output and what is wrong on standard error, and returns the exit code.
#ifndef STELE_TOOL_TOOL_H
#define STELE_TOOL_TOOL_H

enum {
    TOOL_OK = 0,
    TOOL_NO = 1,    // the answer is no: a key is missing, a file is malformed
    TOOL_ERROR = 2, // it could not be answered: usage, no such file, no memory
};

// stele get FILE KEY...: the value of each key, a line each, in order.
int tool_get(int argc, char *argv[]);

// stele check FILE [--all]: reads every line; names the malformed ones and those a later line
// replaces (ten of each, or all of them), and reports counts.
int tool_check(int argc, char *argv[]);

// stele scan FILE [--from UUID] [--to UUID] [--prefix HEX] [--limit N]: the records of that range
// in key order, as lines of a data file.
int tool_scan(int argc, char *argv[]);

// stele bench FILE: how long building and looking up take on this machine.
int tool_bench(int argc, char *argv[]);

#endif
