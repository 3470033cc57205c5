// Finds room for an index. Each call asks the system how much memory is available. So the answer
// takes account of what others use at that time: old datasets that slow clients still read,
// and other processes in the same cgroup.
#include "data/room.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/process.h"
#include "base/temporary.h"

// 1/64 of the available memory stays free for memory that is not counted, such as page tables. If
// `most` is less than the available memory, the rest stays free anyway, and 1/64 is not subtracted.
enum { KEPT_SHARE = 64 };

// Disk space that stays free for others: 1/32 of what is needed, and 64 MiB.
enum { DISK_SHARE = 32, DISK_RESERVE = 64 << 20 };

uint64_t room_in_memory(uint64_t most, uint64_t reserved)
{
    uint64_t left = process_memory_available();
    if (most != 0 && left > most)
        left = most;
    else
        left -= left / KEPT_SHARE;
    if (reserved > left / 2) // otherwise a reservation that is too high would prevent every build
        reserved = left / 2;
    return left > reserved ? left - reserved : 1;
}

// Whether `bytes` more bytes, and the reserve, fit on the disk of the file `fd`. Returns true when
// the file system does not say.
static bool fits_on_disk(int fd, uint64_t bytes)
{
    struct statvfs system;
    uint64_t wanted = bytes + bytes / DISK_SHARE + DISK_RESERVE;
    return fstatvfs(fd, &system) != 0 || system.f_frsize == 0 ||
           (uint64_t)system.f_bavail >= wanted / system.f_frsize;
}

// Creates the file in this folder. Returns -1 with errno on failure.
static int file_in(const char *folder, const char *name_for, uint64_t bytes)
{
    int fd = temporary_unnamed(folder, name_for);
    if (fd < 0 || bytes == 0 || fits_on_disk(fd, bytes))
        return fd;
    close(fd);
    errno = ENOSPC;
    return -1;
}

// Writes the folder of the file at `path`, cut to `size` bytes, to `folder`. Returns the name of
// the file in it.
static const char *split_path(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(folder, size, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    return slash != NULL ? slash + 1 : path;
}

int room_in_file(const char *path, const char *beside, uint64_t bytes, char *folder, size_t size)
{
    const char *named = secure_getenv("TMPDIR");
    const char *const folders[] = {named != NULL && *named != '\0' ? named : "/var/tmp", "/var/tmp",
                                   "/tmp", NULL};
    char other[256];
    int reason = 0;
    int fd = -1;
    *folder = '\0';
    if (beside != NULL) {
        const char *name = split_path(beside, folder, size);
        fd = file_in(folder, name, bytes);
        reason = errno;
    }
    for (unsigned i = 0; fd < 0 && i < sizeof folders / sizeof *folders; i++) {
        if (folders[i] != NULL)
            snprintf(other, sizeof other, "%s", folders[i]);
        else
            split_path(path, other, sizeof other);
        fd = file_in(other, "stele", bytes);
        reason = reason == 0 ? errno : reason;
        if (fd >= 0 || *folder == '\0')
            snprintf(folder, size, "%s", other);
    }
    errno = reason;
    return fd;
}
