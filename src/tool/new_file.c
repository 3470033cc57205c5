// The file is registered for removal (base/ending.h) from its creation until it is published.
#include "tool/new_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "base/temporary.h"

static bool exists(const char *path, struct error *error)
{
    error_set(error, "'%s' exists already and is not replaced", path);
    return false;
}

static bool fail(const char *path, struct error *error)
{
    error_set(error, "cannot write '%s': %s", path, strerror(errno));
    return false;
}

bool new_file_create(struct new_file *f, const char *path, struct error *error)
{
    struct stat status;
    sigset_t signals;
    *f = (struct new_file){.sink = {.fd = -1}};
    if (strcmp(path, "-") == 0) {
        f->sink =
            (struct sink){.fd = STDOUT_FILENO, .name = "to standard output", .sequential = true};
        return true;
    }
    f->path = path;
    if (lstat(path, &status) == 0)
        return exists(path, error);
    if (asprintf(&f->quoted, "'%s'", path) < 0) {
        f->quoted = NULL;
        return fail(path, error);
    }
    temporary_sweep(path);
    ending_block_signals(&signals); // until the file is registered
    int fd = temporary_new(path, &f->temporary, error);
    if (fd >= 0 && fstat(fd, &status) == 0)
        f->ending = ending_register(f->temporary, &status);
    ending_restore_signals(&signals);
    f->sink = (struct sink){.fd = fd, .name = f->quoted, .to_disk = true};
    return fd >= 0;
}

bool new_file_publish(struct new_file *f, mode_t mode, struct error *error)
{
    if (f->path == NULL)
        return true;
    if (fchmod(f->sink.fd, mode) != 0 || fsync(f->sink.fd) != 0)
        return fail(f->path, error);
    if (!file_rename_new(f->temporary, f->path))
        return errno == EEXIST ? exists(f->path, error) : fail(f->path, error);
    ending_unregister(f->ending);
    f->ending = 0;
    free(f->temporary);
    f->temporary = NULL;
    if (file_sync_folder(f->path))
        return true;
    (void)fail(f->path, error);
    (void)unlink(f->path);
    return false;
}

void new_file_abandon(struct new_file *f)
{
    if (f->path != NULL) {
        if (f->temporary != NULL && temporary_is_named(f->sink.fd, f->temporary))
            (void)unlink(f->temporary);
        ending_unregister(f->ending);
        if (f->sink.fd >= 0)
            close(f->sink.fd);
        free(f->temporary);
        free(f->quoted);
    }
    *f = (struct new_file){.sink = {.fd = -1}};
}
