// The log of the process: one line an event, with Redis's four levels.
//
// Opened once by the program before it starts threads; libraries below net/ never log. Any thread
// may write: each line leaves in one write(2), and none is waited for. Lines that a pipe or a
// terminal does not take are dropped, and counted in the log when it goes again.
#ifndef STELE_BASE_LOG_H
#define STELE_BASE_LOG_H

#include <stdbool.h>

struct error;

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

// Redis's word for a level ("debug", "verbose", "notice", "warning").
const char *log_level_name(enum log_level level);

// False when `name` is not one of Redis's words.
bool log_level_parse(const char *name, enum log_level *level);

// Has each log file looked at when it has been opened and before anything is written to it: `fault`
// gives the reason why it must not be logged to, or NULL. Any thread may call it.
void log_check(const char *(*fault)(int fd));

// Lines below `level` are dropped from here on, the others go to the file `path` (appended to,
// created if missing), or to standard error when `path` is empty. False with a message when the
// file cannot be opened, is a FIFO that nobody reads, or is refused by log_check.
bool log_open(const char *path, enum log_level level, struct error *error);

// Changes the level; any thread may.
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
