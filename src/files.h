// A file that stele-server writes to must be neither a file that it reads nor another one that it
// writes to. Log lines appended to the data file, or an index renamed over a password file, would
// destroy it.
//
// Files are compared by device and inode, through links of any kind, not by their names. A file
// that does not exist yet is compared by its future folder and name.
#ifndef STELE_FILES_H
#define STELE_FILES_H

#include <stdbool.h>

struct error;
struct options;

// Compares the data file, the password file, the log file, the index file and its lock, the unix
// socket, and the files of the standard streams. Returns false with a message that names two that
// are the same.
bool files_are_distinct(const struct options *o, struct error *error);

// For log_check, each time the log is opened. Returns why the log must not go to the file `fd` or,
// with -1, to the file at `path`, which need not exist; NULL when it may. Refused are the files of
// the last files_are_distinct that Stele reads, the index file and its lock. Any thread may call
// it.
const char *files_log_fault(const char *path, int fd);

#endif
