// Writes are complete: what a pipe does not take at once is written again.
#include "tool/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

static bool append_all(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes = span_of(bytes.ptr + written, bytes.len - (size_t)written);
    }
    return true;
}

bool sink_write(const struct sink *s, struct span bytes, uint64_t at, struct error *error)
{
    bool good =
        s->sequential ? append_all(s->fd, bytes) : file_write(s->fd, bytes.ptr, bytes.len, at);
    if (!good)
        error_set(error, "cannot write %s: %s", s->name, strerror(errno));
    else if (s->to_disk) // so that the sync at the end takes less time
        (void)sync_file_range(s->fd, (off_t)at, (off_t)bytes.len, SYNC_FILE_RANGE_WRITE);
    return good;
}

bool sink_append(struct sink *s, struct span bytes, struct error *error)
{
    uint64_t at = s->at;
    s->at += bytes.len;
    return sink_write(s, bytes, at, error);
}
