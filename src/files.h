// The files that stele-server writes to must be none of those that it reads, nor each other: log
// lines appended to the data file, or an index renamed over a password file, would destroy it.
//
// Files are compared by what they are, through links of any kind, not by their names; those that do
// not exist yet by the place where they would be made.
#ifndef STELE_FILES_H
#define STELE_FILES_H

#include <stdbool.h>

struct error;
struct options;

// Compares the data file, the password file, the log file, the index file and its lock, the unix
// socket, and what the standard streams lead to. False with a message that names two that are the
// same.
bool files_are_distinct(const struct options *o, struct error *error);

// For log_check, each time when the log is opened: why the file that `fd` is of, or with -1 the one
// that is or would be made at `path`, must not be logged to; NULL: it may be. Those are the files
// of the last files_are_distinct that Stele reads, the index and its lock. Any thread may ask.
const char *files_log_fault(const char *path, int fd);

#endif
