// Reads a password file, and refuses a line that cannot be meant as a password. An editor may have
// saved the file in an encoding that no client sends. Then no client could log in, without a reason
// that anybody could see.
#include "base/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

// Room for a line with its end, and for one more byte, which shows that the line is too long.
enum { LINE_ROOM = PASSWORD_MAX + 3 };

// Whether the part of `path` up to its last '/' is the name of an existing folder. If not, `path`
// may be the password itself, given to the wrong option, and must not be shown.
static bool folder_exists(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat status;
    if (slash == NULL)
        return false;
    char *folder = strndup(path, (size_t)(slash - path) + 1);
    bool is = folder != NULL && stat(folder, &status) == 0 && S_ISDIR(status.st_mode);
    free(folder);
    return is;
}

static void report_unreadable(const char *path, int reason, struct error *error)
{
    bool may_be_missing = reason == ENOENT || reason == ENOTDIR || reason == ENAMETOOLONG;
    if (!may_be_missing || folder_exists(path))
        error_set(error, "cannot read '%s': %s", path, strerror(reason));
    else
        error_set(error,
                  "cannot read the password file: %s (its name is not shown, as it may be the "
                  "password itself)",
                  strerror(reason));
}

// Reads until the first line is complete, the file ends or `size` bytes are read. Returns the
// number of bytes, or -1 with errno on failure.
static ssize_t read_line(int fd, char *to, size_t size)
{
    size_t len = 0;
    while (len < size && memchr(to, '\n', len) == NULL) {
        ssize_t got = read(fd, to + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

static bool begins_with(const char *line, size_t len, const char *bytes)
{
    return len >= strlen(bytes) && memcmp(line, bytes, strlen(bytes)) == 0;
}

// Sets `*len` to the length of the line without its end. Returns NULL, or what is wrong
// with the line.
static const char *check_line(const char *line, size_t *len)
{
    const char *end = memchr(line, '\n', *len);
    if (begins_with(line, *len, "\xef\xbb\xbf"))
        return "a byte order mark precedes the password; save the file without one";
    if (begins_with(line, *len, "\xff\xfe") || begins_with(line, *len, "\xfe\xff"))
        return "the file is UTF-16; save it as plain text";
    if (memchr(line, '\0', end != NULL ? (size_t)(end - line) : *len) != NULL)
        return "the password has a NUL byte (is the file UTF-16?); save it as plain text";
    if (end != NULL)
        *len = (size_t)(end - line);
    if (*len > 0 && line[*len - 1] == '\r')
        --*len;
    if (memchr(line, '\r', *len) != NULL)
        return "the password has a carriage return inside";
    _Static_assert(PASSWORD_MAX == 512, "the message states the limit");
    return *len == 0 || *len > PASSWORD_MAX ? "a password must have 1 to 512 bytes" : NULL;
}

// With O_NONBLOCK in `flags`, only a regular file is read.
static bool read_file(const char *path, int flags, char *to, struct error *error)
{
    char line[LINE_ROOM];
    struct stat status;
    const char *wrong = NULL;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
    if (fd >= 0 && fstat(fd, &status) == 0) {
        if ((flags & O_NONBLOCK) != 0 && !S_ISREG(status.st_mode))
            wrong = "not a regular file, so it cannot be read again";
        else
            got = read_line(fd, line, sizeof line);
    }
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (wrong != NULL) {
        error_set(error, "%s: %s", path, wrong);
        return false;
    }
    if (got < 0) {
        report_unreadable(path, reason, error);
        return false;
    }
    size_t len = (size_t)got;
    wrong = check_line(line, &len);
    if (wrong != NULL) {
        error_set(error, "%s:1: %s", path, wrong);
    } else {
        memcpy(to, line, len);
        to[len] = '\0';
    }
    explicit_bzero(line, sizeof line);
    return wrong == NULL;
}

bool password_read(const char *path, char to[PASSWORD_MAX + 1], struct error *error)
{
    return read_file(path, 0, to, error);
}

bool password_read_again(const char *path, char to[PASSWORD_MAX + 1], struct error *error)
{
    return read_file(path, O_NONBLOCK, to, error);
}
