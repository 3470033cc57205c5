// Finds the lines of a data file. The lines are counted first, so that their offsets are
// one allocation, in huge pages if it is large. That matters, because each lookup reads a
// random offset.
#include "bench/load/data_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/lines.h"

enum { HUGE_FROM = 1 << 22 };

static bool map_text(struct data_file *f, const char *path, struct error *error)
{
    struct stat status;
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return false;
    size_t len = (size_t)status.st_size;
    void *text = len > 0 ? mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0) : NULL;
    close(fd);
    if (text == MAP_FAILED) {
        error_set(error, "cannot map '%s': %s", path, strerror(errno));
        return false;
    }
    f->text = span_of(text, len);
    return true;
}

static size_t count_lines(struct span text)
{
    size_t count = 1; // the last line may have no newline
    const char *end = text.ptr + text.len;
    const char *at = text.ptr;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL && ++at < end)
        count++;
    return count;
}

static bool find_lines(struct data_file *f, const char *path, struct error *error)
{
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    lines_init(&reader, f->text);
    while ((result = lines_next(&reader, &record, &fault)) == LINE_RECORD)
        f->starts[f->count++] = record.offset;
    if (result == LINE_MALFORMED) {
        line_error_format(&fault, path, error->text, sizeof error->text);
        return false;
    }
    bool newline = f->text.ptr[f->text.len - 1] == '\n';
    f->starts[f->count] = f->text.len + (newline ? 0 : 1);
    return true;
}

bool data_file_open(struct data_file *f, const char *path, struct error *error)
{
    *f = (struct data_file){0};
    if (!map_text(f, path, error))
        return false;
    if (f->text.len == 0) {
        error_set(error, "'%s' is empty", path);
        return false;
    }
    f->starts_bytes = (count_lines(f->text) + 1) * sizeof *f->starts;
    f->starts = memory_map(f->starts_bytes, HUGE_FROM);
    if (f->starts == NULL) {
        error_set(error, "no memory for the lines of '%s'", path);
        return false;
    }
    return find_lines(f, path, error);
}

void data_file_release(struct data_file *f)
{
    memory_unmap(f->starts, f->starts_bytes);
    if (f->text.len > 0)
        munmap((void *)(uintptr_t)f->text.ptr, f->text.len);
    *f = (struct data_file){0};
}
