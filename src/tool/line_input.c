// Files are read with several threads, because copying from the page cache takes as much time as
// searching the lines.
#include "tool/line_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "data/newline.h"

enum { PIECE = 512 * 1024 }; // bytes that a thread reads at a time; they fit into its cache

static bool open_file(struct input_file *f, const char *name, struct error *error)
{
    *f = (struct input_file){.path = name, .fd = -1, .regular = strcmp(name, "-") != 0};
    if (f->regular) {
        f->fd = file_open(name, &f->status, error);
        return f->fd >= 0;
    }
    if (fstat(STDIN_FILENO, &f->status) != 0) {
        error_set(error, "cannot read standard input: %s", strerror(errno));
        return false;
    }
    f->fd = STDIN_FILENO;
    return true;
}

bool line_input_open(struct line_input *in, char *const names[], unsigned count, unsigned threads,
                     struct error *error)
{
    bool known = true;
    *in = (struct line_input){.threads = threads, .files = calloc(count, sizeof *in->files)};
    if (in->files == NULL) {
        error_set(error, "%s", strerror(ENOMEM));
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!open_file(&in->files[i], names[i], error))
            return false;
        in->count++;
        if (!in->files[i].regular && !known) {
            error_set(error, "standard input is named twice");
            return false;
        }
        known = known && in->files[i].regular;
        in->size += (uint64_t)in->files[i].status.st_size;
        if (in->files[i].regular)
            (void)posix_fadvise(in->files[i].fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    in->size = known ? in->size : 0;
    return true;
}

bool line_input_has(const struct line_input *in, const struct stat *status)
{
    for (unsigned i = 0; i < in->count; i++)
        if (in->files[i].status.st_dev == status->st_dev &&
            in->files[i].status.st_ino == status->st_ino)
            return true;
    return false;
}

// ---- regular files ------------------------------------------------------------------------------

struct reading {
    const struct input_file *file;
    struct bytes to;
    atomic_ullong lines;
    atomic_int failed; // -1: not failed; otherwise errno of a failure, 0 if the file was too short
};

static void read_piece(void *context, unsigned worker, size_t piece)
{
    struct reading *r = context;
    char *to = r->to.ptr + piece * PIECE;
    size_t left = r->to.len - piece * PIECE;
    size_t len = left < PIECE ? left : PIECE;
    (void)worker;
    if (file_read(r->file->fd, to, len, r->file->offset + piece * PIECE))
        atomic_fetch_add(&r->lines, SIMD(newline_count)(to, len));
    else
        atomic_store(&r->failed, errno);
}

static bool read_regular(struct line_input *in, struct input_file *f, struct bytes to,
                         struct input_part *part, struct error *error)
{
    uint64_t left = (uint64_t)f->status.st_size - f->offset;
    struct reading r = {.file = f, .to = {to.ptr, left < to.len ? (size_t)left : to.len}};
    atomic_init(&r.lines, 0);
    atomic_init(&r.failed, -1);
    parallel_run(in->threads, (r.to.len + PIECE - 1) / PIECE, read_piece, &r);
    int reason = atomic_load(&r.failed);
    if (reason >= 0) {
        error_set(error, "cannot read '%s': %s", f->path,
                  reason != 0 ? strerror(reason) : "it became shorter meanwhile");
        return false;
    }
    part->len = r.to.len;
    part->lines = atomic_load(&r.lines);
    return true;
}

// Whether the file has still the size and time that it had when it was opened.
static bool is_unchanged(const struct input_file *f, struct error *error)
{
    struct stat now;
    if (!f->regular || (fstat(f->fd, &now) == 0 && now.st_size == f->status.st_size &&
                        now.st_mtim.tv_sec == f->status.st_mtim.tv_sec &&
                        now.st_mtim.tv_nsec == f->status.st_mtim.tv_nsec))
        return true;
    error_set(error, "'%s' was changed while it was read", f->path);
    return false;
}

// ---- standard input -----------------------------------------------------------------------------

static bool read_stream(const struct input_file *f, struct bytes to, struct input_part *part,
                        struct error *error)
{
    while (part->len < to.len) {
        size_t left = to.len - part->len;
        ssize_t got = read(f->fd, to.ptr + part->len, left < PIECE ? left : PIECE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_set(error, "cannot read standard input: %s", strerror(errno));
            return false;
        }
        if (got == 0)
            break;
        part->lines += SIMD(newline_count)(to.ptr + part->len, (size_t)got);
        part->len += (size_t)got;
    }
    return true;
}

// ---- any input ----------------------------------------------------------------------------------

bool line_input_read(struct line_input *in, struct bytes to, struct input_part *part,
                     struct error *error)
{
    *part = (struct input_part){0};
    to.len--; // for a newline at the end
    for (; in->current < in->count; in->current++) {
        struct input_file *f = &in->files[in->current];
        *part = (struct input_part){.file = in->current, .offset = f->offset, .before = f->lines};
        if (!(f->regular ? read_regular(in, f, to, part, error) : read_stream(f, to, part, error)))
            return false;
        f->offset += part->len;
        if (part->len > 0)
            f->last = to.ptr[part->len - 1];
        // A whole buffer may end where the file ends. Then the next call finds the end.
        bool ended = part->len < to.len;
        if (ended && f->offset > 0 && f->last != '\n') {
            to.ptr[part->len++] = '\n';
            part->lines++;
            f->last = '\n';
        }
        f->lines += part->lines;
        if (ended && !is_unchanged(f, error))
            return false;
        if (part->len > 0) {
            in->current += ended;
            return true;
        }
    }
    part->len = 0;
    return true;
}

void line_input_close(struct line_input *in)
{
    for (unsigned i = 0; i < in->count; i++)
        if (in->files[i].regular && in->files[i].fd >= 0)
            close(in->files[i].fd);
    free(in->files);
    *in = (struct line_input){0};
}
