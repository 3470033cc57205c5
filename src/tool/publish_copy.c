#include "tool/publish_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "tool/sum_file.h"
#include "tool/tool.h"

enum { BLOCK = 1024 * 1024 }; // bytes that are read at a time

static bool fail_to_read(const char *path, struct error *error)
{
    error_set(error, "cannot read '%s': %s", path,
              errno != 0 ? strerror(errno) : "it became shorter meanwhile");
    return false;
}

static bool fail_to_write(const char *path, struct error *error)
{
    error_set(error, "cannot write '%s': %s", path, strerror(errno));
    return false;
}

// Makes `to` a second name of the file `from`.
static bool link_to(const char *from, const char *to, struct error *error)
{
    if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
        return true;
    if (errno == EXDEV)
        error_set(error, "'%s' is not on the file system of the store: leave out --link and --move",
                  from);
    else
        error_set(error, "cannot make '%s' a second name of '%s': %s", to, from, strerror(errno));
    return false;
}

// Copies `bytes` bytes of the file `in` to `out`, and sets their checksum.
static bool copy_all(int in, int out, uint64_t bytes, const char *from, const char *to,
                     char checksum[CHECKSUM_TEXT_LEN + 1], struct error *error)
{
    struct checksum_stream *stream = checksum_stream_new();
    char *block = malloc(BLOCK);
    bool good = block != NULL && stream != NULL;
    if (!good)
        error_set(error, "%s", strerror(ENOMEM));
    tool_step("copying", from, true);
    for (uint64_t at = 0; good && at < bytes; at += BLOCK) {
        size_t len = bytes - at < BLOCK ? (size_t)(bytes - at) : BLOCK;
        good = file_read(in, block, len, at) || fail_to_read(from, error);
        if (good)
            checksum_stream_add(stream, span_of(block, len));
        if (good)
            good = file_write(out, block, len, at) || fail_to_write(to, error);
        tool_step_at(at + len, bytes);
    }
    tool_step_hide();
    if (good)
        checksum_stream_text(stream, checksum);
    checksum_stream_free(stream);
    free(block);
    return good;
}

static bool is_unchanged(int fd, const struct stat *before)
{
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_size == before->st_size &&
           now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

// Creates `to`. A signal that ends the process removes it.
static int create(const char *to, unsigned *registered, struct error *error)
{
    sigset_t before;
    struct stat status;
    ending_block_signals(&before);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        (void)fail_to_write(to, error);
    else if (fstat(fd, &status) == 0)
        *registered = ending_register(to, &status);
    ending_restore_signals(&before);
    return fd;
}

static bool copy(int in, const char *from, const char *to, const struct stat *status,
                 char checksum[CHECKSUM_TEXT_LEN + 1], struct error *error)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status->st_mtim};
    unsigned registered = 0;
    int out = create(to, &registered, error);
    if (out < 0)
        return false;
    bool good = copy_all(in, out, (uint64_t)status->st_size, from, to, checksum, error);
    if (good)
        good = (fchmod(out, status->st_mode & 0777) == 0 && futimens(out, times) == 0 &&
                fsync(out) == 0) ||
               fail_to_write(to, error);
    close(out);
    ending_unregister(registered);
    return good;
}

bool publish_copy(const char *from, const char *to, bool link_it, struct stat *status,
                  char checksum[CHECKSUM_TEXT_LEN + 1], struct error *error)
{
    uint64_t bytes;
    int in = file_open(from, status, error);
    bool good = in >= 0;
    if (good && link_it)
        good = link_to(from, to, error) && (fsync(in) == 0 || fail_to_write(to, error));
    if (good)
        good = link_it ? sum_file(to, &bytes, checksum, error)
                       : copy(in, from, to, status, checksum, error);
    if (good && !is_unchanged(in, status)) {
        error_set(error, "'%s' was written to meanwhile", from);
        good = false;
    }
    if (in >= 0)
        close(in);
    return good;
}
