// Checks the file at the path of an index. Symbolic links are not followed. Only regular files are
// opened, because opening a device may have side effects.
#include "data/index_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "data/index_format.h"

// Whether the file begins or ends with the magic number of an index, in either byte order. When the
// first bytes of an index are damaged, the last ones may still identify it.
static bool has_magic(int fd, uint64_t bytes)
{
    uint64_t magic;
    if (file_read(fd, &magic, sizeof magic, 0) &&
        (magic == INDEX_MAGIC || magic == __builtin_bswap64(INDEX_MAGIC)))
        return true;
    return bytes >= INDEX_IMAGE_AT && file_read(fd, &magic, sizeof magic, bytes - sizeof magic) &&
           (magic == INDEX_END || magic == __builtin_bswap64(INDEX_END));
}

// Whether all bytes are 0, or all bytes are 0xff.
static bool is_blank(int fd, uint64_t bytes)
{
    unsigned char block[64 * 1024];
    unsigned char first = 0;
    if (!file_read(fd, &first, 1, 0) || (first != 0 && first != 0xff))
        return false;
    for (uint64_t at = 0; at < bytes; at += sizeof block) {
        size_t len = bytes - at < sizeof block ? (size_t)(bytes - at) : sizeof block;
        if (!file_read(fd, block, len, at) || block[0] != first ||
            memcmp(block, block + 1, len - 1) != 0)
            return false;
    }
    return true;
}

// Checks the file by its content. Closes `fd`, which may be -1 with errno.
static enum index_target check_content(const char *path, int fd, bool blank_is_free,
                                       struct error *error)
{
    struct stat status;
    enum index_target target = INDEX_TARGET_FREE;
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_set(error, "cannot write '%s': the file there cannot be read: %s", path,
                  strerror(errno));
        target = INDEX_TARGET_UNUSABLE;
    } else if (!S_ISREG(status.st_mode) ||
               !(status.st_size == 0 || has_magic(fd, (uint64_t)status.st_size) ||
                 (blank_is_free && is_blank(fd, (uint64_t)status.st_size)))) {
        error_set(error, "cannot write '%s': the file there is not an index and is not replaced",
                  path);
        target = INDEX_TARGET_TAKEN;
    }
    if (fd >= 0)
        close(fd);
    return target;
}

enum index_target index_target_check(const char *path, bool blank_is_free, struct error *error)
{
    struct stat status;
    if (lstat(path, &status) != 0) {
        if (errno == ENOENT)
            return INDEX_TARGET_FREE;
        error_set(error, "cannot write '%s': %s", path, strerror(errno));
        return INDEX_TARGET_UNUSABLE;
    }
    if (S_ISLNK(status.st_mode)) {
        error_set(error, "cannot write '%s': a symbolic link, which is not replaced", path);
        return INDEX_TARGET_UNUSABLE;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, "cannot write '%s': not a regular file", path);
        return INDEX_TARGET_UNUSABLE;
    }
    if (status.st_size == 0)
        return INDEX_TARGET_FREE;
    return check_content(path,
                         open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC),
                         blank_is_free, error);
}

bool index_target_is_of_other_data(const char *path, const struct stat *data)
{
    struct stat status;
    struct stat other;
    size_t len = strlen(path);
    size_t suffix = strlen(INDEX_SUFFIX);
    if (len <= suffix || strcmp(path + len - suffix, INDEX_SUFFIX) != 0 ||
        lstat(path, &status) != 0 || status.st_size == 0)
        return false;
    char *name = strndup(path, len - suffix);
    bool is = name != NULL && stat(name, &other) == 0 && S_ISREG(other.st_mode) &&
              (other.st_dev != data->st_dev || other.st_ino != data->st_ino);
    free(name);
    return is;
}
