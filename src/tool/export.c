// `stele export` writes a data file in another format: as an RDB file, which redis-server loads at
// its start.
//
// The file is complete and on the disk before it gets its name, so a file with that name is always
// whole.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "base/temporary.h"
#include "base/version.h"
#include "rdb/dump.h"
#include "tool/tool.h"

enum { PIECE = 1024 * 1024 }; // bytes that are written at once

struct exporting {
    const char *path; // NULL: standard output
    int fd;
    char *temporary;     // temporary name; NULL: none
    unsigned registered; // number for ending_unregister
    uint64_t written;    // bytes
};

static bool fail(const struct exporting *e, struct error *error)
{
    if (e->path == NULL)
        error_set(error, "cannot write to standard output: %s", strerror(errno));
    else
        error_set(error, "cannot write '%s': %s", e->path, strerror(errno));
    return false;
}

// Opens the output. Returns false with a message.
static bool begin(struct exporting *e, const struct stat *source, struct error *error)
{
    struct stat status;
    sigset_t before;
    if (e->path == NULL) {
        e->fd = STDOUT_FILENO;
        if (isatty(e->fd))
            error_set(error, "standard output is a terminal; redirect it, or give --rdb a file");
        return !isatty(e->fd);
    }
    if (lstat(e->path, &status) == 0) {
        error_set(error, "'%s' exists already and is not replaced", e->path);
        return false;
    }
    temporary_sweep(e->path);
    ending_block_signals(&before);
    e->fd = temporary_new(e->path, &e->temporary, error);
    bool good = e->fd >= 0;
    if (good && (fchmod(e->fd, source->st_mode & 0777) != 0 || fstat(e->fd, &status) != 0))
        good = fail(e, error);
    else if (good)
        e->registered = ending_register(e->temporary, &status);
    ending_restore_signals(&before);
    return good;
}

// Writes all of `piece`. Standard output may be a pipe, which takes fewer bytes at once.
static bool write_piece(struct exporting *e, struct span piece, struct error *error)
{
    if (e->path != NULL) {
        if (!file_write(e->fd, piece.ptr, piece.len, e->written))
            return fail(e, error);
        // Starts writing to the disk now, so that the sync at the end takes less time.
        (void)sync_file_range(e->fd, (off_t)e->written, (off_t)piece.len, SYNC_FILE_RANGE_WRITE);
        e->written += piece.len;
        return true;
    }
    while (piece.len > 0) {
        ssize_t count = write(e->fd, piece.ptr, piece.len);
        if (count < 0 && errno != EINTR)
            return fail(e, error);
        size_t done = count > 0 ? (size_t)count : 0;
        piece = span_of(piece.ptr + done, piece.len - done);
        e->written += done;
    }
    return true;
}

static bool write_rdb(struct exporting *e, struct dataset *d, const char *prefix,
                      struct error *error)
{
    struct rdb_dump dump;
    enum rdb_dump_status status = RDB_DUMP_MORE;
    char *room = malloc(PIECE);
    if (room == NULL)
        error_set(error, "%s", strerror(ENOMEM));
    bool good = room != NULL;
    rdb_dump_init(&dump, d, STELE_REDIS_VERSION, RDB_LENGTHS_SHORT, true,
                  span_text(prefix != NULL ? prefix : ""));
    uint64_t total = rdb_dump_size(&dump); // a little more than the file will have
    tool_step("exporting", dataset_path(d), true);
    while (good && status == RDB_DUMP_MORE) {
        size_t len;
        status = rdb_dump_next(&dump, (struct bytes){room, PIECE}, &len);
        if (status == RDB_DUMP_FAILED) {
            error_set(error,
                      "'%s' or its index was truncated, overwritten or cannot be read; nothing was "
                      "exported",
                      dataset_path(d));
            good = false;
        }
        good = good && write_piece(e, span_of(room, len), error);
        tool_step_at(e->written, total);
    }
    tool_step_hide();
    free(room);
    return good;
}

// Gives the complete file its name.
static bool publish(struct exporting *e, struct error *error)
{
    sigset_t before;
    if (e->path == NULL)
        return true;
    if (fsync(e->fd) != 0)
        return fail(e, error);
    ending_block_signals(&before);
    bool named = file_rename_new(e->temporary, e->path);
    if (named) {
        ending_unregister(e->registered);
        e->registered = 0;
        free(e->temporary);
        e->temporary = NULL;
    } else {
        (void)fail(e, error);
    }
    ending_restore_signals(&before);
    return named && (file_sync_folder(e->path) || fail(e, error));
}

// Closes the output, and removes the file if it is not complete.
static void end(struct exporting *e)
{
    if (e->temporary != NULL)
        (void)unlink(e->temporary);
    ending_unregister(e->registered);
    free(e->temporary);
    if (e->path != NULL && e->fd >= 0)
        close(e->fd);
}

static int export(const struct options *o)
{
    const char *out = o->export.rdb;
    struct error error = {""};
    struct stat source;
    if (out == NULL) {
        tool_say("export needs --rdb OUT; it writes no other format");
        return TOOL_ERROR;
    }
    // If the size of files is limited (ulimit -f), SIGXFSZ would kill the process. When the signal
    // is ignored, the write fails instead.
    signal(SIGXFSZ, SIG_IGN);
    struct dataset *d = tool_open(o->file, &o->settings);
    if (d == NULL)
        return TOOL_ERROR;
    struct exporting e = {.path = strcmp(out, "-") == 0 ? NULL : out, .fd = -1};
    bool good = stat(o->file, &source) == 0;
    if (!good)
        error_set(&error, "cannot read '%s': %s", o->file, strerror(errno));
    good = good && begin(&e, &source, &error) && write_rdb(&e, d, o->export.key_prefix, &error) &&
           publish(&e, &error);
    end(&e);
    if (!good)
        tool_say("%s", error.text);
    else if (e.path != NULL)
        printf("%s %llu keys, %llu bytes\n", tool_name(e.path),
               (unsigned long long)dataset_figures(d)->keys, (unsigned long long)e.written);
    return tool_close(d, good ? TOOL_OK : TOOL_ERROR);
}

static const char *set_rdb(struct options *o, const char *value)
{
    o->export.rdb = value;
    return *value != '\0' ? NULL : "must not be empty";
}

static const char *set_key_prefix(struct options *o, const char *value)
{
    o->export.key_prefix = value;
    return *value != '\0' && strlen(value) <= RDB_DUMP_PREFIX_MAX ? NULL
                                                                  : "must have 1 to 64 bytes";
}

_Static_assert(RDB_DUMP_PREFIX_MAX == 64, "the message of --key-prefix states the limit");

static const struct option_row rows[] = {
    {"--rdb", "OUT",
     "RDB file to write (version 9, for Redis 5 and later); -: standard output. Keys are in the "
     "order of their lines, or ascending if some key is on several lines",
     set_rdb},
    {"--key-prefix", "TEXT", "write this in front of each key (default: nothing)", set_key_prefix},
    TOOL_INDEX_MEMORY_ROW,
    TOOL_HELP_ROW,
};

const struct tool_command tool_export = {
    .name = "export",
    .words = "FILE --rdb OUT [--key-prefix TEXT] [--build-memory SIZE]",
    .help = "write the records as an RDB file, which redis-server loads at its start",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = export,
    .example = "stele export devices.data --rdb dump.rdb",
};
