// Finds room for an index. Each call asks the system how much memory is available. So the answer
// takes account of what others use at that time: old datasets that slow clients still read,
// and other processes in the same cgroup.
#include "data/room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "base/temporary.h"

// 1/64 of the available memory stays free for memory that is not counted, such as page tables. If
// `most` is less than the available memory, the rest stays free anyway, and 1/64 is not subtracted.
enum { KEPT_SHARE = 64 };

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

int room_in_file(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *named = secure_getenv("TMPDIR");
    const char *const folders[] = {named != NULL && *named != '\0' ? named : "/var/tmp", "/var/tmp",
                                   "/tmp", NULL};
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (folders[i] != NULL)
            snprintf(folder, size, "%s", folders[i]);
        else
            snprintf(folder, size, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
                     slash != NULL ? path : ".");
        int fd = temporary_unnamed(folder);
        if (fd >= 0)
            return fd;
    }
    return -1;
}
