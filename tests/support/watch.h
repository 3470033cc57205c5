// Programs that run beside the test, watched by what they log; several may start at once.
#ifndef STELE_TESTS_WATCH_H
#define STELE_TESTS_WATCH_H

#include <sys/types.h>

#include "support/table.h"

// A list of words for a program or a server's options.
#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

// Starts a program that is not waited for; both its outputs go to a new file at `log_path`.
pid_t spawn(const char *const *argv, const char *log_path);

// Waits for its end; the exit code, or 1000 + the signal.
int end_of(pid_t pid);

// Whether that text is in the log.
bool log_has(const char *log_path, const char *text);
bool log_lacks(const char *log_path, const char *text);

// Waits until it is; ends the test when it does not come.
void log_await(const char *log_path, const char *text);

// How many warnings a server has logged.
unsigned log_warnings(const char *log_path);

// The TCP port of the ready line in the log; 0 when there is none.
int port_in(const char *log_path);

// Asks a server for some records of the table, and for their number, over a connection of its own:
// whether all is answered right.
bool server_answers(int port, const struct table *t);

#endif
