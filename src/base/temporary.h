// Temporary files beside the file they are to become, safe in a folder that others may write to.
//
// A temporary file is always made new, under a random name, so nobody can have put a link or a file
// of theirs in its place. Its maker holds a lock on it for as long as it works. What a killed maker
// leaves behind is found by its name and removed when nobody has it locked.
#ifndef STELE_BASE_TEMPORARY_H
#define STELE_BASE_TEMPORARY_H

#include <stdbool.h>
#include <stdint.h>

struct error;

// Makes a new empty file PATH.<16 hexadecimal digits>.tmp, open for reading and writing by its
// owner only, and locks it with flock(2). Returns its descriptor and its name, which the caller
// frees. -1 with a message that names the file.
int temporary_new(const char *path, char **name, struct error *error);

// Makes a file without a name in `folder`: it is gone when the last descriptor and mapping are.
// -1 with errno. A file system that lies in memory (tmpfs) is refused with EMEDIUMTYPE: what is
// written there takes the same memory again.
int temporary_unnamed(const char *folder);

// Removes the temporary files for `path` that killed makers left behind: regular files of this
// user with that kind of name, with no other name, that nobody has locked. Others stay.
void temporary_sweep(const char *path);

// Whether the name still leads to the file that `fd` is of; a symbolic link does not.
bool temporary_is_named(int fd, const char *name);

#endif
