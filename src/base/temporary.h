// Temporary files beside the file that they will replace, safe in a folder that others may write
// to.
//
// A temporary file is always new and has a random name, so nobody can have put a link or another
// file in its place. The process that made it holds a lock on it while it works. Files that killed
// processes leave are found by their names, and removed when no process has them locked.
#ifndef STELE_BASE_TEMPORARY_H
#define STELE_BASE_TEMPORARY_H

#include <stdbool.h>
#include <stdint.h>

struct error;

// Makes a new empty file PATH.<16 hexadecimal digits>.tmp, which only its owner may read and write,
// and locks it with flock(2). Returns its descriptor and sets `*name`, which the caller frees. -1
// with a message that names the file.
int temporary_new(const char *path, char **name, struct error *error);

// Makes a file without a name in `folder`, which goes with its last descriptor and mapping. Returns
// its descriptor, or -1 with errno. A file system in memory (tmpfs) is refused with EMEDIUMTYPE:
// bytes written there would take the same memory again.
int temporary_unnamed(const char *folder);

// Removes the temporary files for `path` that killed processes have left: regular files of this
// user with such a name and no other name, which no process has locked. Other files stay.
void temporary_sweep(const char *path);

// Whether `name` still leads to the file `fd`. A symbolic link does not count.
bool temporary_is_named(int fd, const char *name);

#endif
