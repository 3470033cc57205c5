// Checks that no two options of stele-server name the same file if the server writes to it.
// Otherwise log lines could be appended to the data file, or an index file could replace the
// password file.
//
// Files are compared by device and inode, not by name, so links of any kind are followed. A file
// that does not exist yet is compared by the folder and the name that it would get.
#ifndef STELE_FILES_H
#define STELE_FILES_H

#include <stdbool.h>

struct error;
struct options;

// Compares the data file, the password file, the topology of the cluster, the log file, the index
// file and its lock, the unix socket, and the files of standard output and standard error. Returns
// false with a message when two are the same and the server writes to one of them. `o` must stay
// valid for files_log_fault.
bool files_are_distinct(const struct options *o, struct error *error);

// Returns the reason why the log must not be written to a file, or NULL when it may. The file is
// the open file `fd`; when `fd` is -1, it is the file at `path`, which need not exist.
//
// The log must not be written to the data file, the password file, the topology of the cluster, the
// index file, or the lock of the index file. Their paths come from the options of the last call of
// files_are_distinct; before the first call, no file is refused. main.c passes this function to
// log_check (base/log.h), so that the log calls it for each file that it opens. Any thread may call
// it.
const char *files_log_fault(const char *path, int fd);

#endif
