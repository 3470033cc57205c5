// The file is written with pwrite, never through a mapping, so that a full disk is an error and not
// a signal.
#include "data/index_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "data/index_format.h"

_Static_assert((int)INDEX_WRITER_IMAGE_AT == (int)INDEX_IMAGE_AT, "the writer's place is the real");

enum { WRITE_BYTES = 4 * CHECKSUM_BLOCK }; // written between two looks at `cancel`

static bool same_file(int fd, const char *path)
{
    struct stat opened;
    struct stat named;
    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

// Renaming takes the place of whatever has the name: a device would be gone for everybody.
static bool is_replaceable(const char *path)
{
    struct stat status;
    return lstat(path, &status) != 0 || S_ISREG(status.st_mode) || S_ISLNK(status.st_mode);
}

// A builder that published or gave up while we waited for its lock took the file away; then the
// one of that name is another.
static enum index_lock lock(struct index_writer *w, struct error *error)
{
    struct stat status;
    for (;;) {
        w->fd = open(w->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (w->fd < 0 || fstat(w->fd, &status) != 0)
            break;
        if (!S_ISREG(status.st_mode)) {
            error_set(error, "cannot write '%s': not a regular file", w->temporary);
            return INDEX_UNWRITABLE;
        }
        if (flock(w->fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK)
                return INDEX_BUSY;
            break;
        }
        if (same_file(w->fd, w->temporary)) {
            w->locked = true;
            if (ftruncate(w->fd, 0) != 0)
                break;
            return INDEX_LOCKED;
        }
        close(w->fd);
    }
    error_set(error, "cannot write '%s': %s", w->temporary, strerror(errno));
    return INDEX_UNWRITABLE;
}

char *index_writer_temporary(const char *path)
{
    char *temporary;
    return asprintf(&temporary, "%s.tmp", path) >= 0 ? temporary : NULL;
}

enum index_lock index_writer_open(struct index_writer *w, const char *path, struct error *error)
{
    enum index_lock outcome = INDEX_UNWRITABLE;
    *w = (struct index_writer){strdup(path), index_writer_temporary(path), -1, false};
    if (w->path == NULL || w->temporary == NULL) {
        error_set(error, "cannot write '%s': %s", path, strerror(ENOMEM));
    } else if (!is_replaceable(path)) {
        error_set(error, "cannot write '%s': not a regular file", path);
    } else {
        outcome = lock(w, error);
    }
    if (outcome != INDEX_LOCKED) {
        index_writer_close(w);
    }
    return outcome;
}

static bool write_image(int fd, struct span image, const atomic_bool *cancel)
{
    for (size_t at = 0; at < image.len; at += WRITE_BYTES) {
        size_t left = image.len - at;
        if (cancel != NULL && atomic_load(cancel)) {
            errno = ECANCELED;
            return false;
        }
        if (!file_write(fd, image.ptr + at, left < WRITE_BYTES ? left : WRITE_BYTES,
                        INDEX_IMAGE_AT + at))
            return false;
    }
    return true;
}

// The checksums of an image that is in the file only.
static bool sum_written(int fd, uint64_t image_bytes, uint64_t *sums, const atomic_bool *cancel)
{
    char *block = malloc(CHECKSUM_BLOCK);
    bool read = block != NULL;
    for (uint64_t i = 0; read && i < checksum_block_count(image_bytes); i++) {
        uint64_t left = image_bytes - i * CHECKSUM_BLOCK;
        size_t len = left < CHECKSUM_BLOCK ? left : CHECKSUM_BLOCK;
        read = file_read(fd, block, len, INDEX_IMAGE_AT + i * CHECKSUM_BLOCK);
        sums[i] = checksum(span_of(block, len));
        if (read && cancel != NULL && atomic_load(cancel)) {
            errno = ECANCELED;
            read = false;
        }
    }
    free(block);
    return read;
}

// Room for the whole file at once, where the file system can tell; a full disk shows here first.
static bool reserve(int fd, uint64_t bytes)
{
    return fallocate(fd, 0, 0, (off_t)bytes) == 0 || errno == EOPNOTSUPP || errno == ENOSYS ||
           errno == EINVAL;
}

// Everything but the rename. False with errno.
static bool write_file(struct index_writer *w, struct span image, const struct index_facts *facts,
                       const atomic_bool *cancel)
{
    uint64_t count = checksum_block_count(image.len);
    uint64_t tables_bytes = count * sizeof(uint64_t) + sizeof(struct index_trailer);
    uint64_t *tables = malloc(tables_bytes);
    uint64_t file_bytes = index_file_bytes(image.len);
    struct index_header h = {
        .magic = INDEX_MAGIC,
        .byte_order = INDEX_BYTE_ORDER,
        .version = INDEX_VERSION,
        .file_bytes = file_bytes,
        .image_bytes = image.len,
        .facts = *facts,
    };
    bool written = false;
    // An image written before may have been longer while it was being built.
    if (tables == NULL || !reserve(w->fd, file_bytes) || ftruncate(w->fd, (off_t)file_bytes) != 0)
        goto out;
    if (image.ptr != NULL) {
        if (!write_image(w->fd, image, cancel))
            goto out;
        if (!checksum_blocks(image, tables, cancel)) {
            errno = ECANCELED;
            goto out;
        }
    } else if (!sum_written(w->fd, image.len, tables, cancel)) {
        goto out;
    }
    h.checksums_sum = checksum(span_of((const char *)tables, count * sizeof *tables));
    h.header_sum = index_header_sum(&h);
    struct index_trailer trailer = {h.checksums_sum, INDEX_END};
    memcpy(tables + count, &trailer, sizeof trailer);
    written = file_write(w->fd, tables, tables_bytes, index_checksums_at(image.len)) &&
              file_write(w->fd, &h, sizeof h, 0) && fsync(w->fd) == 0;
out:
    free(tables);
    return written;
}

bool index_writer_publish(struct index_writer *w, struct span image,
                          const struct index_facts *facts, const atomic_bool *cancel,
                          struct error *error)
{
    if (!write_file(w, image, facts, cancel) || rename(w->temporary, w->path) != 0) {
        error_set(error, "cannot write '%s': %s", w->path, strerror(errno));
        return false;
    }
    w->locked = false; // the name is gone; the next builder creates another
    // Without it, a crash of the machine may bring the old file back: then it is built again.
    (void)file_sync_folder(w->path);
    return true;
}

void index_writer_close(struct index_writer *w)
{
    if (w->locked)
        (void)unlink(w->temporary);
    if (w->path != NULL && w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w->temporary);
    *w = (struct index_writer){0};
}

void index_writer_clean(const char *path)
{
    struct index_writer leftover;
    struct stat status;
    char *temporary = index_writer_temporary(path);
    if (temporary != NULL && lstat(temporary, &status) == 0 &&
        index_writer_open(&leftover, path, NULL) == INDEX_LOCKED)
        index_writer_close(&leftover);
    free(temporary);
}

bool index_writer_stamp(const char *path, const struct identity *data)
{
    struct index_writer lock_holder;
    struct index_header h;
    bool stamped = false;
    if (index_writer_open(&lock_holder, path, NULL) != INDEX_LOCKED)
        return false;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && file_read(fd, &h, sizeof h, 0) && h.magic == INDEX_MAGIC &&
        h.version == INDEX_VERSION && h.header_sum == index_header_sum(&h) &&
        h.facts.data.bytes == data->bytes && h.facts.data.sample == data->sample &&
        h.facts.data.content == data->content) {
        h.facts.data = *data;
        h.header_sum = index_header_sum(&h);
        // A page that is half written when the machine stops has a wrong checksum.
        stamped = file_write(fd, &h, sizeof h, 0);
    }
    if (fd >= 0)
        close(fd);
    index_writer_close(&lock_holder);
    return stamped;
}
