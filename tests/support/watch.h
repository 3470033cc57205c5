// Programs that run beside the test, which reads what they log. Several may run at once.
#ifndef STELE_TESTS_WATCH_H
#define STELE_TESTS_WATCH_H

#include <sys/types.h>

#include "support/table.h"

// A NULL-terminated list of words, for a command line or a server's options.
#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

// Starts a program and returns at once. Both outputs of the program go to a new file at `log_path`.
pid_t spawn(const char *const *argv, const char *log_path);

// Waits for the end of a program. Returns its exit code, or 1000 plus the number of the signal
// that killed it.
int end_of(pid_t pid);

// Whether the log has, or lacks, that text.
bool log_has(const char *log_path, const char *text);
bool log_lacks(const char *log_path, const char *text);

// Waits until the log has that text. Ends the test if that takes more than 60 s.
void log_await(const char *log_path, const char *text);

// Returns the number of warnings in a server's log.
unsigned log_warnings(const char *log_path);

// Returns the TCP port in the ready line of the log, or 0 when there is none.
int port_in(const char *log_path);

// Whether a server answers GET of some records of the table, and DBSIZE, with the right replies.
// Uses a connection of its own.
bool server_answers(int port, const struct table *t);

#endif
