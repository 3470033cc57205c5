// Temporary files in the folder of the file that they will replace. They are safe even if other
// users may write to that folder.
//
// A temporary file is always new and has a random name, so nobody can put a link or another file in
// its place beforehand. The process that creates it keeps it locked. If the process is killed, the
// file is left over. A later process finds it by its name, and removes it because it is not locked.
#ifndef STELE_BASE_TEMPORARY_H
#define STELE_BASE_TEMPORARY_H

#include <stdbool.h>
#include <stdint.h>

struct error;

// Creates an empty file PATH.<16 hexadecimal digits>.tmp, which only its owner may read and write,
// and locks it with flock(2). Returns its descriptor and sets `*name`, which the caller frees. On
// failure returns -1 with a message that names the file, and sets `*name` to NULL.
int temporary_new(const char *path, char **name, struct error *error);

// Creates a file without a name in `folder`. The system frees it when its last descriptor is closed
// and its last mapping is unmapped. Returns its descriptor, or -1 with errno. A file system in
// memory (tmpfs) is refused with EMEDIUMTYPE, because the caller wants to save memory. Some file
// systems can only create a file with a name. There the file is called
// `name_for`.<16 hexadecimal digits>.tmp until its name is removed, which happens at once. If the
// process is killed in between, temporary_sweep removes the file.
int temporary_unnamed(const char *folder, const char *name_for);

// Removes the temporary files for `path` that killed processes have left: files with such a name
// that are regular, belong to this user, have no other name, and are not locked by any process.
void temporary_sweep(const char *path);

// Whether `name` is a name of the open file `fd`. A symbolic link does not count.
bool temporary_is_named(int fd, const char *name);

#endif
