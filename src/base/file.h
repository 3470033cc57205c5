// Regular files by descriptor: opened with suspicion, read and written whole.
#ifndef STELE_BASE_FILE_H
#define STELE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct error;

// Opens a regular file to read and tells its status. -1 with a message when it cannot be opened or
// is something else (a FIFO is refused, not waited on); errno is then the system's reason, or 0.
int file_open(const char *path, struct stat *status, struct error *error);

// Reads exactly `len` bytes from `at` on, whatever the file's own position. False with errno when
// it cannot; 0 where the file ends before.
bool file_read(int fd, void *to, size_t len, uint64_t at);

// Writes all `len` bytes from `at` on. False with errno.
bool file_write(int fd, const void *from, size_t len, uint64_t at);

// Whether somebody has the regular file that `fd` is open to read on open for writing, as far as
// the system tells: it tells the file's owner and who has CAP_LEASE, on a local file system. Others
// are told false. SIGIO must be ignored or handled: it comes when a writer opens the file in the
// microsecond of the question, and that writer waits for so long.
bool file_is_written(int fd);

// Makes what happened to the names in the folder of `path` outlast a crash of the machine. False
// with errno.
bool file_sync_folder(const char *path);

#endif
