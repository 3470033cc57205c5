// Each part has a buffer, so that a system call writes many lines. The checksum of a part is
// computed from the buffer just before it is written.
#include "tool/part_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "base/temporary.h"

enum {
    BUFFER_MOST = 1024 * 1024,       // bytes of a part's buffer
    BUFFERS_MOST = 64 * 1024 * 1024, // bytes of all buffers
    DESCRIPTORS_SPARE = 32,          // descriptors that other files may need
};

static bool fail(const char *path, struct error *error)
{
    error_set(error, "cannot write '%s': %s", path, strerror(errno));
    return false;
}

// Allows as many open files as are needed, if the hard limit does. Otherwise opening one fails.
static void allow_descriptors(unsigned count)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)count + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool create(struct part_file *f, size_t buf_size, const struct stat *source,
                   struct error *error)
{
    struct stat status;
    if (lstat(f->path, &status) == 0) {
        error_set(error, "'%s' exists already and is not replaced", f->path);
        return false;
    }
    temporary_sweep(f->path);
    f->fd = temporary_new(f->path, &f->temporary, error);
    if (f->fd < 0)
        return false;
    f->buf = malloc(buf_size);
    f->stream = checksum_stream_new();
    if (f->buf == NULL || f->stream == NULL || fchmod(f->fd, source->st_mode & 0777) != 0)
        return fail(f->path, error);
    return true;
}

bool part_files_create(struct part_files *p, unsigned count, const char *folder, const char *name,
                       const struct stat *source, struct error *error)
{
    *p = (struct part_files){.files = calloc(count, sizeof *p->files), .modified = source->st_mtim};
    if (p->files == NULL)
        return fail(folder, error);
    p->buf_size = BUFFERS_MOST / count < BUFFER_MOST ? BUFFERS_MOST / count : BUFFER_MOST;
    p->count = count;
    for (unsigned i = 0; i < count; i++)
        p->files[i].fd = -1;
    allow_descriptors(count);
    for (unsigned i = 0; i < count; i++) {
        struct part_file *f = &p->files[i];
        if (asprintf(&f->path, "%s/%s.%u-of-%u.data", folder, name, i + 1, count) < 0) {
            f->path = NULL;
            return fail(folder, error);
        }
        if (!create(f, p->buf_size, source, error))
            return false;
    }
    return true;
}

static bool write_out(struct part_file *f, struct span bytes, struct error *error)
{
    checksum_stream_add(f->stream, bytes);
    if (!file_write(f->fd, bytes.ptr, bytes.len, f->written))
        return fail(f->temporary, error);
    // Starts writing to the disk now, so that the sync at the end takes less time.
    (void)sync_file_range(f->fd, (off_t)f->written, (off_t)bytes.len, SYNC_FILE_RANGE_WRITE);
    f->written += bytes.len;
    return true;
}

static bool flush(struct part_file *f, struct error *error)
{
    struct span bytes = span_of(f->buf, f->len);
    f->len = 0;
    return write_out(f, bytes, error);
}

static bool append(struct part_files *p, struct part_file *f, struct span bytes,
                   struct error *error)
{
    if (p->buf_size - f->len < bytes.len) {
        if (!flush(f, error))
            return false;
        if (bytes.len > p->buf_size)
            return write_out(f, bytes, error);
    }
    memcpy(f->buf + f->len, bytes.ptr, bytes.len);
    f->len += bytes.len;
    return true;
}

bool part_files_append(struct part_files *p, unsigned part, struct span line, struct error *error)
{
    struct part_file *f = &p->files[part];
    f->lines++;
    return append(p, f, line, error) &&
           (line.ptr[line.len - 1] == '\n' || append(p, f, span_of("\n", 1), error));
}

bool part_files_finish(struct part_files *p, struct error *error)
{
    for (unsigned i = 0; i < p->count; i++)
        if (!flush(&p->files[i], error))
            return false;
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, p->modified};
    for (unsigned i = 0; i < p->count; i++) {
        if (futimens(p->files[i].fd, times) != 0 || fsync(p->files[i].fd) != 0)
            return fail(p->files[i].temporary, error);
        if (ending_is_pending()) {
            error_set(error, "interrupted");
            return false;
        }
    }
    return true;
}

bool part_files_publish(struct part_files *p, struct error *error)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct part_file *f = &p->files[i];
        if (!file_rename_new(f->temporary, f->path))
            return fail(f->path, error);
        f->named = true;
    }
    return file_sync_folder(p->files[0].path) || fail(p->files[0].path, error);
}

static void release(struct part_files *p, bool remove)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct part_file *f = &p->files[i];
        const char *name = f->named ? f->path : f->temporary;
        if (f->fd >= 0) {
            if (remove && temporary_is_named(f->fd, name))
                (void)unlink(name);
            close(f->fd);
        }
        checksum_stream_free(f->stream);
        free(f->buf);
        free(f->temporary);
        free(f->path);
    }
    free(p->files);
    *p = (struct part_files){0};
}

void part_files_release(struct part_files *p)
{
    release(p, false);
}

void part_files_abandon(struct part_files *p)
{
    release(p, true);
}
