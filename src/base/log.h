// The log of the process: one line for each event, with Redis's four levels.
//
// The program opens the log once, before it starts threads. Then any thread may write to it; only
// src/net/ and src/main.c do, other code reports to its caller. A line is written with one
// write(2). No thread waits until a pipe or terminal accepts a line. Instead the line is dropped,
// and a later line says how many were dropped. Unprintable bytes in a line are escaped
// (base/escape.h).
//
// If journald reads standard error (see the variable JOURNAL_STREAM), a line begins with its
// priority, as in sd-daemon(3). It has no date and no process id, because journald adds them.
#ifndef STELE_BASE_LOG_H
#define STELE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct error;

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

// The level of a message that says why the program ends. Only log_priority accepts it.
enum { LOG_FATAL = LOG_WARNING + 1 };

// Sets a function that may refuse a log file. It returns the reason why the file must not be used,
// or NULL. It is called twice for each file: before the file is opened, with -1 as `fd`, because
// opening could create the file; and after that. Any thread that opens the log may call it.
void log_check(const char *(*fault)(const char *path, int fd));

// Opens the log. Lines are appended to the file `path`, which is created if it is missing; if
// `path` is empty, they go to standard error. Lines below `level` are not written. `path` is
// borrowed for the rest of the program, for log_reopen. Returns false with a message when the file
// cannot be opened, is a FIFO that nobody reads, or is refused by the function of log_check.
bool log_open(const char *path, enum log_level level, struct error *error);

// Opens the log file again, because a program that rotates logs may have renamed it. Returns false
// when the file cannot be opened; then the old file stays in use, and a warning is written to it.
// Does nothing and returns true when the log is standard error. Any thread may call this.
bool log_reopen(void);

// Requests that the log file is opened again before the next line is written. A signal handler
// may call this.
void log_reopen_soon(void);

// Returns the prefix for a line that the caller itself writes to standard error: its priority
// ("<3>") if journald reads standard error, otherwise "". May be called before log_open.
const char *log_priority(unsigned level);

// Changes the level. Any thread may call this.
void log_set_level(enum log_level level);

// For a message that must not be logged too often. If `*logged_at` is 0 or at least `interval` ns
// before `now`, sets `*logged_at` to `now` and returns true. Otherwise returns false. Both are
// monotonic times in ns. Of several threads that call this at the same time, only one gets true.
bool log_is_due(_Atomic uint64_t *logged_at, uint64_t now, uint64_t interval);

// Writes one line, unless `level` is below the level of the log. Any thread may call this.
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
