// The log of the process: one line an event, with Redis's four levels.
//
// The program opens the log once, before it starts threads; libraries below net/ never log. Any
// thread may write. Each line takes one write(2), and no thread waits for it. Lines that a pipe or
// a terminal does not accept are dropped; the log says how many when it works again. Each line is
// printable text, whatever the names in it contain (base/escape.h).
//
// Where standard error leads to journald (the variable JOURNAL_STREAM says so), a line begins with
// its priority, as in sd-daemon(3). It then has neither date nor process, which journald adds.
#ifndef STELE_BASE_LOG_H
#define STELE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct error;

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

enum { LOG_FATAL = LOG_WARNING + 1 }; // only for log_priority: the reason why the program ends

// Redis's word for a level: "debug", "verbose", "notice" or "warning".
const char *log_level_name(enum log_level level);

// Reads such a word, in any case. Returns false when `name` is no such word.
bool log_level_parse(const char *name, enum log_level *level);

// Sets a function that checks each log file twice: before it is opened, with `fd` -1, because
// opening may create it, and after it is opened. `fault` returns the reason why the file must not
// be used, or NULL. It is called on any thread that opens the log.
void log_check(const char *(*fault)(const char *path, int fd));

// Opens the log. Lines below `level` are dropped from now on. The others are appended to the file
// `path`, which is created if missing, or go to standard error when `path` is empty. `path` must
// stay, for log_reopen. Returns false with a message when the file cannot be opened, is a FIFO that
// nobody reads, or is refused by the function of log_check.
bool log_open(const char *path, enum log_level level, struct error *error);

// Opens the log file of log_open again, as it may have been renamed to rotate it. Without a log
// file it does nothing and returns true. Returns false when the file cannot be opened; the old file
// then stays in use, with a warning in it. Any thread may call it.
bool log_reopen(void);

// Has the next line written call log_reopen first; for signal handlers.
void log_reopen_soon(void);

// The prefix for a line on standard error that log_write does not write: "<3>" and the like where
// journald reads it, otherwise "". Needs no log_open.
const char *log_priority(unsigned level);

// Changes the level. Any thread may call it.
void log_set_level(enum log_level level);

// True when a message that is logged seldom may be logged again: `interval` ns have passed since
// `*logged_at`, which is then set to `now` (monotonic ns; 0: never logged). Of threads that ask at
// the same time, one gets true.
bool log_is_due(_Atomic uint64_t *logged_at, uint64_t now, uint64_t interval);

// Writes one line, unless `level` is below the level of the log. Any thread may call it.
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
