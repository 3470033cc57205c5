// A manifest has a key and a value in each line. Reading skips keys that it does not know, so a
// later version may add some. The last line is "end", so a manifest that was cut is noticed.
#include "tool/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "base/temporary.h"

enum {
    FILE_MAX = 16 * 1024 * 1024, // bytes; a manifest of 1000 parts has less than 2 MiB
    PARTS_MAX = 1000,
};

bool manifest_write(const char *path, struct span text, const struct stat *source,
                    struct error *error)
{
    char *temporary = NULL;
    temporary_sweep(path);
    int fd = temporary_new(path, &temporary, error);
    if (fd < 0)
        return false;
    bool written = fchmod(fd, source->st_mode & 0777) == 0 &&
                   file_write(fd, text.ptr, text.len, 0) && fsync(fd) == 0;
    bool named = written && file_rename_new(temporary, path);
    bool good = named && file_sync_folder(path);
    if (!good) {
        error_set(error, "cannot write '%s': %s", path, strerror(errno));
        (void)unlink(named ? path : temporary);
    }
    close(fd);
    free(temporary);
    return good;
}

struct reader {
    struct manifest *m;
    uint64_t parts; // the number that the manifest announces
    bool ended;
};

static bool read_count(struct span value, uint64_t *count)
{
    int64_t number;
    if (!number_parse(value, &number) || number < 0)
        return false;
    *count = (uint64_t)number;
    return true;
}

// Begins a part. The name must not lead out of the folder.
static const char *begin_part(struct reader *r, struct span name)
{
    if (r->m->count == r->parts)
        return "more parts than announced";
    if (name.len == 0 || span_equal(name, span_text(".")) || span_equal(name, span_text("..")) ||
        memchr(name.ptr, '/', name.len) != NULL || memchr(name.ptr, '\0', name.len) != NULL)
        return "a part's name must be the name of a file in this folder";
    char *copy = strndup(name.ptr, name.len);
    if (copy == NULL)
        return strerror(errno);
    r->m->parts[r->m->count++] = (struct manifest_part){.name = copy};
    return NULL;
}

// Reads the number of parts, which must come before the first one.
static const char *read_parts(struct reader *r, struct span value)
{
    if (r->m->parts != NULL || !read_count(value, &r->parts) || r->parts == 0 ||
        r->parts > PARTS_MAX)
        return "the number of parts must be given once, and be from 1 to 1000";
    r->m->parts = calloc(r->parts, sizeof *r->m->parts);
    return r->m->parts != NULL ? NULL : strerror(errno);
}

static const char *read_value(struct reader *r, struct span key, struct span value)
{
    struct manifest_part *part = r->m->count > 0 ? &r->m->parts[r->m->count - 1] : NULL;
    if (span_equal(key, span_text("end")))
        r->ended = true;
    else if (span_equal(key, span_text("parts")))
        return read_parts(r, value);
    else if (span_equal(key, span_text("part")))
        return begin_part(r, value);
    else if (part != NULL && span_equal(key, span_text("lines")))
        return read_count(value, &part->lines) ? NULL : "not a number of lines";
    else if (part != NULL && span_equal(key, span_text("bytes")))
        return read_count(value, &part->bytes) ? NULL : "not a number of bytes";
    else if (part != NULL && span_equal(key, span_text("xxh3-128"))) {
        if (value.len != CHECKSUM_TEXT_LEN)
            return "not a checksum of 128 bits";
        memcpy(part->checksum, value.ptr, value.len);
    } else {
        struct buf *rule = part != NULL ? &part->rule : &r->m->rule;
        buf_printf(rule, "%.*s %.*s\n", (int)key.len, key.ptr, (int)value.len, value.ptr);
        return rule->oom ? strerror(ENOMEM) : NULL;
    }
    return NULL;
}

// Returns what is wrong with the line, or NULL.
static const char *read_line(struct reader *r, unsigned number, struct span line)
{
    if (number == 1)
        return span_equal(line, span_text(MANIFEST_FIRST_LINE))
                   ? NULL
                   : "not a manifest of stele split that this version can read";
    if (r->ended)
        return "a line after the end";
    const char *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
    size_t key_len = blank != NULL ? (size_t)(blank - line.ptr) : line.len;
    size_t value_at = blank != NULL ? key_len + 1 : line.len;
    return read_value(r, span_of(line.ptr, key_len),
                      span_of(line.ptr + value_at, line.len - value_at));
}

static bool parse(struct manifest *m, struct span text, const char *path, struct error *error)
{
    struct reader r = {.m = m};
    unsigned number = 0;
    const char *complaint = NULL;
    for (size_t at = 0; at < text.len && complaint == NULL;) {
        const char *newline = memchr(text.ptr + at, '\n', text.len - at);
        size_t end = newline != NULL ? (size_t)(newline - text.ptr) : text.len;
        complaint = read_line(&r, ++number, span_of(text.ptr + at, end - at));
        at = end + 1;
    }
    for (unsigned i = 0; i < m->count && complaint == NULL && r.ended; i++)
        if (*m->parts[i].checksum == '\0')
            complaint = "a part has no checksum";
    if (complaint != NULL)
        error_set(error, "%s:%u: %s", path, number, complaint);
    else if (!r.ended || m->count != r.parts || m->count == 0)
        error_set(error, "%s: the manifest is incomplete", path);
    else
        return true;
    return false;
}

bool manifest_read(struct manifest *m, const char *path, struct error *error)
{
    struct stat status;
    bool good = false;
    *m = (struct manifest){0};
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return false;
    size_t len = (size_t)status.st_size;
    char *text = status.st_size <= FILE_MAX ? malloc(len + 1) : NULL;
    if (status.st_size > FILE_MAX)
        error_set(error, "'%s' is too large for a manifest", path);
    else if (text == NULL || !file_read(fd, text, len, 0))
        error_set(error, "cannot read '%s': %s", path,
                  errno != 0 ? strerror(errno) : "it became shorter meanwhile");
    else
        good = parse(m, span_of(text, len), path, error);
    free(text);
    close(fd);
    return good;
}

void manifest_release(struct manifest *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        free(m->parts[i].name);
        buf_release(&m->parts[i].rule);
    }
    free(m->parts);
    buf_release(&m->rule);
    *m = (struct manifest){0};
}
