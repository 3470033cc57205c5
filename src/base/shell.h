// Runs a command of the user, such as the one that verifies new data before it is served.
#ifndef STELE_BASE_SHELL_H
#define STELE_BASE_SHELL_H

#include <stdatomic.h>
#include <stdbool.h>

struct error;

// What came of a command.
enum shell_result {
    SHELL_YES,  // it has exited with status 0
    SHELL_NO,   // it has exited with another status, was killed by a signal, or took too long
    SHELL_LOST, // it could not be run, or `*cancel` became true
};

enum { SHELL_VARIABLES_MAX = 16 };

// Variables for the environment of a command. Zeroed: none.
struct shell_variables {
    unsigned count;
    char *strings[SHELL_VARIABLES_MAX + 1]; // "NAME=VALUE"; owned; NULL ends the list
    bool oom;                               // memory was short for one of them
};

// Adds a variable: the formatted text is NAME=VALUE. There must be fewer than SHELL_VARIABLES_MAX.
// If memory is short, sets `oom`.
void shell_variables_add(struct shell_variables *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Frees the variables. A zeroed struct is accepted.
void shell_variables_release(struct shell_variables *v);

// Runs `command` with /bin/sh and waits for its end. It gets the environment of this process, and
// the variables `more`, which replace others of the same names. If memory was short for them, the
// command does not run. Its standard output goes to our standard error, and its standard input is
// empty. After `seconds` it is stopped, with all the processes that it has started: by SIGTERM, and
// by SIGKILL 2 s later. The same happens when `*cancel` becomes true; `cancel` may be NULL. Sets a
// message unless the result is SHELL_YES. Any thread may call this.
enum shell_result shell_run(const char *command, const struct shell_variables *more,
                            unsigned seconds, const atomic_bool *cancel, struct error *error);

#endif
