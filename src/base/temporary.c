// Temporary files. Names come from getrandom(2), and O_EXCL makes sure that a file is new.
#include "base/temporary.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"

#define TEMPORARY_SUFFIX ".tmp"

enum {
    RANDOM_DIGITS = 16,
    TRIES_MAX = 100, // tries with different names; a name exists already once in 2^64 tries
};

bool temporary_is_named(int fd, const char *name)
{
    struct stat opened;
    struct stat named;
    return fstat(fd, &opened) == 0 && lstat(name, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

int temporary_new(const char *path, char **name, struct error *error)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        if (asprintf(name, "%s.%016llx" TEMPORARY_SUFFIX, path,
                     (unsigned long long)random_number()) < 0) {
            *name = NULL;
            error_set(error, "cannot write '%s': %s", path, strerror(ENOMEM));
            return -1;
        }
        int fd = open(*name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
        int reason = errno;
        // Before the file was locked, temporary_sweep of another process may have removed it.
        if (locked && temporary_is_named(fd, *name))
            return fd;
        if (fd >= 0) {
            if (temporary_is_named(fd, *name))
                (void)unlink(*name);
            close(fd);
        }
        if (!locked && reason != EEXIST && reason != EWOULDBLOCK) {
            error_set(error, "cannot write '%s': %s", *name, strerror(reason));
            break;
        }
        free(*name);
        *name = NULL;
        if (tries + 1 == TRIES_MAX)
            error_set(error, "cannot write '%s': %s", path, strerror(EAGAIN));
    }
    free(*name);
    *name = NULL;
    return -1;
}

int temporary_unnamed(const char *folder, const char *name_for)
{
    struct statfs system;
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        // The file system does not support O_TMPFILE. A file whose name is removed at once
        // does the same.
        char *name = NULL;
        char *path;
        struct error error;
        if (asprintf(&path, "%s/%s", folder, name_for) < 0)
            return -1;
        fd = temporary_new(path, &name, &error);
        int reason = errno;
        if (fd >= 0)
            (void)unlink(name);
        free(name);
        free(path);
        errno = reason;
    }
    if (fd < 0)
        return -1;
    if (fstatfs(fd, &system) == 0 &&
        (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC)) {
        close(fd);
        errno = EMEDIUMTYPE;
        return -1;
    }
    return fd;
}

// Whether `name` is the name of a temporary file for the file called `base`.
static bool is_temporary_name(const char *name, const char *base)
{
    size_t len = strlen(base);
    if (strncmp(name, base, len) != 0 || name[len] != '.')
        return false;
    name += len + 1;
    for (unsigned i = 0; i < RANDOM_DIGITS; i++, name++)
        if (!isdigit((unsigned char)*name) && (*name < 'a' || *name > 'f'))
            return false;
    return strcmp(name, TEMPORARY_SUFFIX) == 0;
}

// Removes a file unless it is locked. The checks before and after the lock make sure that the name
// leads to the same file all the time.
static void remove_leftover(int folder, const char *name)
{
    struct stat status;
    struct stat opened;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != geteuid() || status.st_nlink != 1)
        return;
    int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &opened) == 0 && opened.st_dev == status.st_dev &&
        opened.st_ino == status.st_ino && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        opened.st_dev == status.st_dev && opened.st_ino == status.st_ino)
        (void)unlinkat(folder, name, 0);
    close(fd);
}

void temporary_sweep(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    char *name = slash == NULL   ? strdup(".")
                 : slash == path ? strdup("/")
                                 : strndup(path, (size_t)(slash - path));
    DIR *folder = name != NULL ? opendir(name) : NULL;
    free(name);
    if (folder == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (is_temporary_name(entry->d_name, base))
            remove_leftover(dirfd(folder), entry->d_name);
    closedir(folder);
}
