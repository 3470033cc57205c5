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

// Runs `command` with /bin/sh and waits for its end. It gets the environment of this process, and
// then the strings NAME=VALUE of `more`, a list that ends with NULL. Its standard output goes to
// our standard error, and its standard input is empty. After `seconds` it is stopped, with all the
// processes that it has started: by SIGTERM, and by SIGKILL 2 s later. The same happens when
// `*cancel` becomes true; `cancel` may be NULL. Sets a message unless the result is SHELL_YES. Any
// thread may call this.
enum shell_result shell_run(const char *command, char *const more[], unsigned seconds,
                            const atomic_bool *cancel, struct error *error);

#endif
