// Regular files by descriptor: opened with suspicion, read and written whole.
#ifndef STELE_BASE_FILE_H
#define STELE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct error;

// Opens a regular file for reading and sets its status. Returns the descriptor, or -1 with a
// message when the file cannot be opened or is not regular. A FIFO is refused, not waited for.
// errno is then the system's reason, or 0.
int file_open(const char *path, struct stat *status, struct error *error);

// Reads exactly `len` bytes from offset `at` on, whatever the file's own position is. Returns false
// with errno; errno is 0 when the file ends before that.
bool file_read(int fd, void *to, size_t len, uint64_t at);

// Writes all `len` bytes from offset `at` on. Returns false with errno.
bool file_write(int fd, const void *from, size_t len, uint64_t at);

// Whether a process has the regular file `fd` open for writing; `fd` is open for reading. The
// system answers only the file's owner and processes with CAP_LEASE, on a local file system; for
// others the result is false. SIGIO must be ignored or handled: it comes when a writer opens the
// file in the microsecond of this call, and that writer waits until the call ends.
bool file_is_written(int fd);

// Syncs the folder of `path`, so that new and renamed files in it outlast a crash of the machine.
// Returns false with errno.
bool file_sync_folder(const char *path);

#endif
