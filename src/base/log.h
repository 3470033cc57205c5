// The log of the process: one line an event, with Redis's four levels.
//
// Opened once by the program before it starts threads; libraries below net/ never log. Any thread
// may write: each line leaves in one write(2), and none is waited for. Lines that a pipe or a
// terminal does not take are dropped, and counted in the log when it goes again. Each line is one
// of printable text, whatever the names in it hold (base/escape.h).
//
// Where standard error leads to journald (the variable JOURNAL_STREAM says so), a line there begins
// with its priority, as sd-daemon(3) has it, and has neither date nor process: journald notes them.
#ifndef STELE_BASE_LOG_H
#define STELE_BASE_LOG_H

#include <stdbool.h>

struct error;

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

enum { LOG_FATAL = LOG_WARNING + 1 }; // for log_priority alone: why the program ends

// Redis's word for a level ("debug", "verbose", "notice", "warning").
const char *log_level_name(enum log_level level);

// False when `name` is not one of Redis's words.
bool log_level_parse(const char *name, enum log_level *level);

// Has each log file looked at before it is opened, as opening may make it, with `fd` -1, and again
// when it has been opened: `fault` gives the reason why it must not be logged to, or NULL. Any
// thread may call it.
void log_check(const char *(*fault)(const char *path, int fd));

// Lines below `level` are dropped from here on, the others go to the file `path` (appended to,
// created if missing), or to standard error when `path` is empty. `path` must stay, for log_reopen.
// False with a message when the file cannot be opened, is a FIFO that nobody reads, or is refused
// by log_check.
bool log_open(const char *path, enum log_level level, struct error *error);

// Opens the log file of log_open anew, as it may have been renamed to begin another one; does
// nothing where there is none, and returns true. False when the file cannot be opened: the log then
// stays where it is, with a warning in it. Any thread may.
bool log_reopen(void);

// The same, put off until the next line; for signal handlers.
void log_reopen_soon(void);

// What a line on standard error should begin with that is not written by log_write: "<3>" and so on
// where journald reads it, otherwise "". Needs no log_open.
const char *log_priority(unsigned level);

// Changes the level; any thread may.
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
