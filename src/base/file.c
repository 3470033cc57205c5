// Reads and writes that are complete: a system call that was interrupted, or that read or wrote
// only a part, is repeated.
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

#ifndef RENAME_NOREPLACE // musl has neither the name nor the function
#define RENAME_NOREPLACE 1
#endif

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

int file_open(const char *path, struct stat *status, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, status) != 0) {
        error_set(error, "cannot open '%s': %s", path, strerror(errno));
    } else if (!S_ISREG(status->st_mode)) {
        error_set(error, "cannot open '%s': not a regular file", path);
        errno = 0;
    } else {
        return fd;
    }
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return -1;
}

bool file_read(int fd, void *to, size_t len, uint64_t at)
{
    char *next = to;
    while (len > 0) {
        ssize_t got = pread(fd, next, len, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? 0 : errno;
            return false;
        }
        next += got;
        at += (uint64_t)got;
        len -= (size_t)got;
    }
    return true;
}

bool file_write(int fd, const void *from, size_t len, uint64_t at)
{
    const char *next = from;
    while (len > 0) {
        ssize_t written = pwrite(fd, next, len, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        next += written;
        at += (uint64_t)written;
        len -= (size_t)written;
    }
    return true;
}

// Tries to take a read lease. The system refuses it while a process has the file open for writing.
bool file_is_written(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

// Some file systems cannot rename without replacing. There the check comes before the renaming.
bool file_rename_new(const char *from, const char *to)
{
    struct stat status;
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    if (lstat(to, &status) == 0)
        errno = EEXIST;
    else if (errno == ENOENT)
        return rename(from, to) == 0;
    return false;
}

bool file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool synced = fd >= 0 && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    free(folder);
    errno = reason;
    return synced;
}
