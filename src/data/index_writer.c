// Writes index files. They are written with pwrite, so that a full disk is an error. Through a
// mapping it would be a signal (SIGBUS).
#include "data/index_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/temporary.h"
#include "data/index_format.h"
#include "data/index_target.h"

_Static_assert((int)INDEX_WRITER_IMAGE_AT == (int)INDEX_IMAGE_AT, "both headers agree");

enum {
    WRITE_BYTES = 4 * 1024 * 1024, // bytes written between two checks of `cancel`
    SUM_BYTES = 16 * INDEX_BLOCK,  // bytes of the file read between two checks of `cancel`
    LOCK_TRIES = 100,              // tries when other processes keep removing the lock
};

// Whether the file is a lock that no other user can hold: a regular, empty file that belongs to
// this user, has a single name, and gives other users no permission.
static bool is_lock(const struct stat *status)
{
    return S_ISREG(status->st_mode) && status->st_uid == geteuid() && status->st_nlink == 1 &&
           (status->st_mode & 077) == 0 && status->st_size == 0;
}

// Opens the lock, or creates it. Sets `*found` to whether it existed. Returns the descriptor, or -1
// with errno. When a file that is no lock has the name, errno is 0, and the file is left alone.
static int open_lock(const char *path, bool *found)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    *found = fd < 0 && errno == EEXIST;
    if (!*found)
        return fd;
    if (lstat(path, &status) != 0)
        return -1;
    if (is_lock(&status)) {
        fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || (fstat(fd, &status) == 0 && is_lock(&status)))
            return fd;
        close(fd);
    }
    errno = 0;
    return -1;
}

static void unlock(struct index_writer *w)
{
    if (w->lock_fd < 0)
        return;
    if (temporary_is_named(w->lock_fd, w->lock))
        (void)unlink(w->lock);
    ending_unregister(w->ending_lock);
    w->ending_lock = 0;
    close(w->lock_fd);
    w->lock_fd = -1;
}

// Registers a file to be removed when a signal ends the program. Returns its number for
// ending_unregister.
static unsigned register_removal(int fd, const char *path)
{
    struct stat status;
    return fstat(fd, &status) == 0 ? ending_register(path, &status) : 0;
}

// Takes the lock, and removes the files that a killed builder has left. Another builder may finish
// and remove its lock between our open and our flock. Then PATH.lock is no longer the file that is
// locked here, so the lock is opened again.
static enum index_lock lock(struct index_writer *w, struct error *error)
{
    for (unsigned tries = 0; tries < LOCK_TRIES; tries++) {
        bool found;
        w->lock_fd = open_lock(w->lock, &found);
        if (w->lock_fd < 0) {
            if (found && errno == ENOENT)
                continue;
            if (!found || errno != 0)
                break;
            // Another kind of file has the name of the lock, so there is no lock. Usually a lock
            // that was left over shows that a builder was killed, and that there may be temporary
            // files to remove. Here nothing shows it, so they are always removed. temporary_sweep
            // leaves those of running builders, because these keep their files locked.
            temporary_sweep(w->path);
            return INDEX_LOCKED;
        }
        if (flock(w->lock_fd, LOCK_EX | LOCK_NB) != 0) {
            int reason = errno;
            // The file system has no locks, so the file is useless, and no process waits for it.
            if (reason != EWOULDBLOCK && temporary_is_named(w->lock_fd, w->lock))
                (void)unlink(w->lock);
            close(w->lock_fd);
            w->lock_fd = -1;
            if (reason == EWOULDBLOCK)
                return INDEX_BUSY;
            errno = reason;
            break;
        }
        if (temporary_is_named(w->lock_fd, w->lock)) {
            w->ending_lock = register_removal(w->lock_fd, w->lock);
            if (found)
                temporary_sweep(w->path);
            return INDEX_LOCKED;
        }
        close(w->lock_fd);
        w->lock_fd = -1;
        errno = EAGAIN;
    }
    error_set(error, "cannot write '%s': %s", w->lock, strerror(errno));
    return INDEX_UNWRITABLE;
}

// Sets the names of the files. Returns false with a message when memory is short.
static bool init(struct index_writer *w, const char *path, struct error *error)
{
    *w = (struct index_writer){.fd = -1, .lock_fd = -1, .path = strdup(path)};
    if (asprintf(&w->lock, "%s" INDEX_LOCK_SUFFIX, path) < 0)
        w->lock = NULL;
    if (w->path != NULL && w->lock != NULL)
        return true;
    error_set(error, "cannot write '%s': %s", path, strerror(ENOMEM));
    return false;
}

static enum index_lock open_writer(struct index_writer *w, const char *path, bool default_path,
                                   struct error *error)
{
    enum index_lock outcome = INDEX_UNWRITABLE;
    enum index_target target = INDEX_TARGET_UNUSABLE;
    sigset_t signals;
    if (init(w, path, error))
        target = index_target_check(path, default_path, error);
    w->default_path = default_path;
    if (target == INDEX_TARGET_TAKEN)
        outcome = INDEX_TAKEN;
    ending_block_signals(&signals); // until the files are registered for removal
    if (target == INDEX_TARGET_FREE)
        outcome = lock(w, error);
    if (outcome == INDEX_LOCKED) {
        w->fd = temporary_new(path, &w->temporary, error);
        w->unpublished = w->fd >= 0;
        if (w->unpublished)
            w->ending_temporary = register_removal(w->fd, w->temporary);
        else
            outcome = INDEX_UNWRITABLE;
    }
    ending_restore_signals(&signals);
    if (outcome != INDEX_LOCKED)
        index_writer_close(w);
    return outcome;
}

enum index_lock index_writer_open(struct index_writer *w, const char *path, struct error *error)
{
    return open_writer(w, path, false, error);
}

enum index_lock index_writer_open_default(struct index_writer *w, const char *path,
                                          struct error *error)
{
    return open_writer(w, path, true, error);
}

// State of writing or reading the whole image. This takes time proportional to the size of the
// image, so it is done in parts, between which the thread yields to event loops (base/yield.h).
struct writing {
    int fd;
    struct span image;
    const atomic_bool *cancel;
    uint64_t *sums; // receives the checksums of the blocks
    char *part;     // buffer of SUM_BYTES
    int error;      // errno of a failed part, after which the other parts do nothing; 0: none
};

static bool is_writing(struct writing *w)
{
    if (w->error == 0 && w->cancel != NULL && atomic_load(w->cancel))
        w->error = ECANCELED;
    return w->error == 0;
}

static bool run_writing(struct writing *w, size_t part_bytes,
                        void (*work)(void *context, unsigned worker, size_t part))
{
    parallel_run(1, (w->image.len + part_bytes - 1) / part_bytes, work, w);
    errno = w->error;
    return w->error == 0;
}

static void write_part(void *context, unsigned worker, size_t part)
{
    struct writing *w = context;
    size_t at = part * WRITE_BYTES;
    size_t left = w->image.len - at;
    (void)worker;
    if (is_writing(w) && !file_write(w->fd, w->image.ptr + at,
                                     left < WRITE_BYTES ? left : WRITE_BYTES, INDEX_IMAGE_AT + at))
        w->error = errno;
}

static bool write_image(int fd, struct span image, const atomic_bool *cancel)
{
    struct writing w = {.fd = fd, .image = image, .cancel = cancel};
    return run_writing(&w, WRITE_BYTES, write_part);
}

static void sum_part(void *context, unsigned worker, size_t part)
{
    struct writing *w = context;
    uint64_t at = (uint64_t)part * SUM_BYTES;
    uint64_t left = w->image.len - at;
    struct span read = span_of(w->part, left < SUM_BYTES ? left : SUM_BYTES);
    (void)worker;
    if (!is_writing(w))
        return;
    if (!file_read(w->fd, w->part, read.len, INDEX_IMAGE_AT + at)) {
        w->error = errno;
        return;
    }
    for (uint64_t i = 0; i < index_block_count(read.len); i++)
        w->sums[at / INDEX_BLOCK + i] = checksum(checksum_block(read, INDEX_BLOCK, i));
}

// Computes the checksums of an image that is in the file but not in memory.
static bool sum_written(int fd, uint64_t image_bytes, uint64_t *sums, const atomic_bool *cancel)
{
    struct writing w = {.fd = fd,
                        .image = span_of(NULL, image_bytes),
                        .cancel = cancel,
                        .sums = sums,
                        .part = malloc(SUM_BYTES)};
    if (w.part == NULL)
        return false;
    bool summed = run_writing(&w, SUM_BYTES, sum_part);
    free(w.part);
    return summed;
}

// Allocates disk space for the whole file, where the file system can do that. So a full disk is
// noticed before anything is written.
static bool reserve(int fd, uint64_t bytes)
{
    return fallocate(fd, 0, 0, (off_t)bytes) == 0 || errno == EOPNOTSUPP || errno == ENOSYS ||
           errno == EINVAL;
}

// Writes the whole file; the caller then renames it. Returns false with errno.
static bool write_file(struct index_writer *w, struct span image, const struct index_facts *facts,
                       const atomic_bool *cancel)
{
    uint64_t count = index_block_count(image.len);
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
    // Building an image in the file may have made the file longer than it must be. So ftruncate
    // cuts it to its final size.
    if (tables == NULL || !reserve(w->fd, file_bytes) || ftruncate(w->fd, (off_t)file_bytes) != 0)
        goto out;
    if (image.ptr != NULL) {
        if (!write_image(w->fd, image, cancel))
            goto out;
        if (!checksum_blocks(image, INDEX_BLOCK, tables, cancel)) {
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
    if (written) {
        w->sums = tables;
        tables = NULL;
    }
out:
    free(tables);
    return written;
}

bool index_writer_publish(struct index_writer *w, struct span image,
                          const struct index_facts *facts, const atomic_bool *cancel,
                          struct error *error)
{
    if (!write_file(w, image, facts, cancel)) {
        error_set(error, "cannot write '%s': %s", w->path, strerror(errno));
        return false;
    }
    // Other processes may have renamed or removed files in the meantime.
    if (!temporary_is_named(w->fd, w->temporary)) {
        error_set(error, "cannot write '%s': '%s' was removed or renamed", w->path, w->temporary);
        return false;
    }
    if (index_target_check(w->path, w->default_path, error) != INDEX_TARGET_FREE)
        return false;
    if (rename(w->temporary, w->path) != 0) {
        error_set(error, "cannot write '%s': %s", w->path, strerror(errno));
        return false;
    }
    w->unpublished = false;
    ending_unregister(w->ending_temporary);
    w->ending_temporary = 0;
    // If this fails, the old file may be back after a crash of the machine; that does no harm.
    (void)file_sync_folder(w->path);
    unlock(w);
    return true;
}

void index_writer_close(struct index_writer *w)
{
    if (w->path != NULL && w->unpublished && temporary_is_named(w->fd, w->temporary))
        (void)unlink(w->temporary);
    ending_unregister(w->ending_temporary);
    if (w->path != NULL && w->fd >= 0)
        close(w->fd);
    if (w->path != NULL)
        unlock(w);
    free(w->path);
    free(w->temporary);
    free(w->lock);
    free(w->sums);
    *w = (struct index_writer){0};
}

void index_writer_clean(const char *path)
{
    struct index_writer leftover;
    struct stat status;
    if (init(&leftover, path, NULL) && lstat(leftover.lock, &status) == 0)
        (void)lock(&leftover, NULL);
    index_writer_close(&leftover);
}

bool index_writer_set_identity(const char *path, const struct identity *data)
{
    struct index_writer lock_holder;
    struct index_header h;
    struct stat status;
    bool stamped = false;
    int fd = -1;
    if (init(&lock_holder, path, NULL) && lstat(path, &status) == 0 && S_ISREG(status.st_mode) &&
        lock(&lock_holder, NULL) == INDEX_LOCKED)
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    // A file that also has another name may be the index of another data file, so it is left alone.
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_nlink == 1 &&
        file_read(fd, &h, sizeof h, 0) && h.magic == INDEX_MAGIC && h.version == INDEX_VERSION &&
        h.header_sum == index_header_sum(&h) && h.facts.data.bytes == data->bytes &&
        h.facts.data.seed == data->seed && h.facts.data.sample == data->sample &&
        h.facts.data.content == data->content) {
        h.facts.data = *data;
        h.header_sum = index_header_sum(&h);
        // If the machine crashes while the page is written, the checksum of the header is wrong,
        // and the next start builds the index again.
        stamped = file_write(fd, &h, sizeof h, 0);
    }
    if (fd >= 0)
        close(fd);
    index_writer_close(&lock_holder);
    return stamped;
}
