// Reads blocks rather than a mapping, so that a file that is cut meanwhile ends the reading with a
// message. A block is small enough to stay in the processor's cache until its lines are used.
#include "tool/read_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "tool/tool.h"

enum {
    BLOCK = 512 * 1024, // bytes that are read at a time
};

// The bytes that were read but not yet used.
struct block {
    char *bytes;
    size_t len;
    size_t cap;
    uint64_t at; // offset of the first byte in the file
};

// Reads on until the block has a whole line, or the rest of the file. Sets `*whole` to the bytes of
// its whole lines.
static bool fill(struct block *b, struct line_reading *reading, int fd, uint64_t size,
                 size_t *whole)
{
    for (;;) {
        uint64_t left = size - b->at - b->len;
        size_t wanted = left < BLOCK ? (size_t)left : BLOCK;
        if (wanted == 0) {
            *whole = b->len;
            return true;
        }
        if (b->cap - b->len < wanted) {
            // Twice as much, so that a long line is not copied many times.
            size_t cap = b->cap * 2 + BLOCK;
            char *bytes = realloc(b->bytes, cap);
            if (bytes == NULL)
                return false;
            b->bytes = bytes;
            b->cap = cap;
        }
        char *to = b->bytes + b->len;
        if (!file_read(fd, to, wanted, b->at + b->len))
            return false;
        if (reading->stream != NULL)
            checksum_stream_add(reading->stream, span_of(to, wanted));
        b->len += wanted;
        const char *newline = memrchr(to, '\n', wanted);
        if (newline != NULL) {
            *whole = (size_t)(newline + 1 - b->bytes);
            return true;
        }
    }
}

static void refuse_line(struct line_error *fault, uint64_t at, const char *path,
                        struct error *error)
{
    fault->offset += at;
    line_error_format(fault, path, error->text, sizeof error->text);
}

// Takes the lines of `text`, which begins at offset `at` of the file.
static bool take_lines(struct line_reading *reading, struct span text, uint64_t at,
                       const char *path, struct error *error)
{
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    lines_init(&reader, text);
    reader.line = reading->lines + 1;
    while ((result = lines_next(&reader, &record, &fault)) == LINE_RECORD) {
        struct span line =
            span_of(text.ptr + record.offset, (size_t)(reader.offset - record.offset));
        if (!reading->take(reading->context, &record, line, error))
            return false;
    }
    reading->lines = reader.line - 1;
    if (result == LINE_END)
        return true;
    refuse_line(&fault, at, path, error);
    return false;
}

// Whether the file has still the status `before`.
static bool is_unchanged(int fd, const struct stat *before, const char *path, struct error *error)
{
    struct stat now;
    if (fstat(fd, &now) == 0 && now.st_size == before->st_size &&
        now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
        return true;
    error_set(error, "'%s' was changed while it was read", path);
    return false;
}

static bool read_all(struct line_reading *reading, int fd, const char *path,
                     const struct stat *status, struct error *error)
{
    struct block block = {0};
    uint64_t size = (uint64_t)status->st_size;
    bool good = true;
    reading->bytes = size;
    while (good && block.at < size) {
        size_t whole;
        if (reading->checked_signals && ending_is_pending()) {
            error_set(error, "interrupted");
            good = false;
        } else if (!fill(&block, reading, fd, size, &whole)) {
            error_set(error, "cannot read '%s': %s", path,
                      errno != 0 ? strerror(errno) : "it became shorter meanwhile");
            good = false;
        } else {
            reading->unterminated = block.bytes[whole - 1] != '\n';
            good = take_lines(reading, span_of(block.bytes, whole), block.at, path, error);
            block.at += whole;
            block.len -= whole;
            memmove(block.bytes, block.bytes + whole, block.len);
            tool_step_at(block.at, size);
        }
    }
    free(block.bytes);
    return good && is_unchanged(fd, status, path, error);
}

bool read_lines(struct line_reading *reading, int fd, const char *path, const char *step,
                struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        error_set(error, "cannot read '%s': %s", path, strerror(errno));
        return false;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    tool_step(step, path, true);
    bool good = read_all(reading, fd, path, &status, error);
    tool_step_hide();
    return good;
}
