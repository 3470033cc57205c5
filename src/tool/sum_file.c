#include "tool/sum_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "tool/tool.h"

enum { BLOCK = 1024 * 1024 }; // bytes that are read at a time

bool sum_file(const char *path, uint64_t *bytes, char checksum[CHECKSUM_TEXT_LEN + 1],
              struct error *error)
{
    struct stat status;
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return false;
    struct checksum_stream *stream = checksum_stream_new();
    char *block = malloc(BLOCK);
    bool good = stream != NULL && block != NULL;
    *bytes = (uint64_t)status.st_size;
    errno = good ? 0 : ENOMEM;
    tool_step("verifying", path, true);
    for (uint64_t at = 0; good && at < *bytes; at += BLOCK) {
        size_t len = *bytes - at < BLOCK ? (size_t)(*bytes - at) : BLOCK;
        good = file_read(fd, block, len, at);
        if (good)
            checksum_stream_add(stream, span_of(block, len));
        tool_step_at(at + len, *bytes);
    }
    tool_step_hide();
    if (good)
        checksum_stream_text(stream, checksum);
    else
        error_set(error, "cannot read '%s': %s", path,
                  errno != 0 ? strerror(errno) : "it became shorter meanwhile");
    free(block);
    checksum_stream_free(stream);
    close(fd);
    errno = 0;
    return good;
}
