// Files: opening regular ones safely, complete reads and writes, and renaming without replacing.
#ifndef STELE_BASE_FILE_H
#define STELE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct error;

// Returns the name of a file without its folders: what follows the last slash of `path`.
const char *file_name(const char *path);

// Opens a regular file for reading and sets `*status`. Returns the descriptor. Returns -1 with a
// message when the file cannot be opened or is not regular; errno is then the system's reason, or
// 0. The call never waits for the writer of a FIFO.
int file_open(const char *path, struct stat *status, struct error *error);

// Reads exactly `len` bytes from offset `at` on. The file's own position plays no part. Returns
// false with errno on failure; errno is 0 when the file is too short.
bool file_read(int fd, void *to, size_t len, uint64_t at);

// Writes all `len` bytes from offset `at` on. Returns false with errno on failure.
bool file_write(int fd, const void *from, size_t len, uint64_t at);

// Whether any process has the regular file `fd` open for writing. `fd` is open for reading. The
// system reports this only to the file's owner and to processes with CAP_LEASE, and only on a
// local file system; otherwise the result is false. The caller must ignore or handle SIGIO: it
// is raised if a writer opens the file during this call, which takes microseconds. That writer
// waits meanwhile.
bool file_is_written(int fd);

// Gives the file or folder `from` the name `to`, unless there is something with that name. Returns
// false with errno, which is EEXIST in that case.
bool file_rename_new(const char *from, const char *to);

// Syncs the folder that contains `path`, so that new and renamed files in it survive a crash of the
// machine. Returns false with errno on failure.
bool file_sync_folder(const char *path);

#endif
