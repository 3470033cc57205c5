// Opens and frees a dataset: maps the data file, then opens its index (dataset_index.c).
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/warm.h"
#include "data/dataset_internal.h"
#include "data/index_target.h"
#include "data/lines.h"

enum { TRIES_MAX = 100 }; // most attempts to open a symbolic link that is changed meanwhile

void dataset_notice(const struct dataset *d, bool warning, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (d->settings.notice == NULL)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    escape_in_place(text, sizeof text);
    d->settings.notice(d->settings.context, warning, text);
}

void dataset_advise(const struct dataset *d, int advice)
{
    if (d->text_is_mapped)
        (void)madvise((void *)(uintptr_t)d->text.ptr, d->text.len, advice);
}

// ---- opening ------------------------------------------------------------------------------------

// Runs when the last reference is released.
static void on_released(struct ref *ref)
{
    struct dataset *d = container_of(ref, struct dataset, ref);
    if (d->unreferenced != NULL)
        d->unreferenced(d->unreferenced_context, d);
    else
        dataset_free(d);
}

void dataset_on_unreferenced(struct dataset *d,
                             void (*unreferenced)(void *context, struct dataset *d), void *context)
{
    d->unreferenced = unreferenced;
    d->unreferenced_context = context;
}

void dataset_free(struct dataset *d)
{
    dataset_index_free(d->index);
    index_writer_close(&d->writer);
    if (d->random_fd >= 0 && d->random_fd != d->source.fd)
        close(d->random_fd);
    mapping_release(&d->source);
    if (d->text_is_mapped)
        memory_unmap((char *)(uintptr_t)d->text.ptr, d->text.len);
    free(d->index_path);
    free(d);
}

struct dataset *dataset_new(const char *path, const struct dataset_settings *settings,
                            struct error *error)
{
    size_t len = strlen(path);
    struct dataset *d = memory_aligned(sizeof *d + len + 1);
    if (d == NULL) {
        error_set(error, "no memory to open '%s'", path);
        return NULL;
    }
    d->random_fd = -1;
    ref_init(&d->ref, on_released);
    atomic_init(&d->status, DATASET_IN_MEMORY);
    d->settings = *settings;
    if (settings->version != NULL)
        snprintf(d->version, sizeof d->version, "%s", settings->version);
    d->settings.version = d->version;
    memcpy(d->path, path, len + 1);
    return d;
}

struct dataset *dataset_open_memory(struct span text, const char *name,
                                    enum dataset_malformed malformed, struct dataset_report *report,
                                    struct error *error)
{
    struct dataset_settings settings = {.malformed = malformed};
    struct dataset *d = dataset_new(name, &settings, error);
    if (d == NULL)
        return NULL;
    d->text = text;
    mapping_of_memory(&d->source, text.ptr, text.len);
    d->index = dataset_build_index(d, report, error);
    if (d->index != NULL)
        return d;
    dataset_close(d);
    return NULL;
}

bool dataset_is_unchanged(const struct dataset *d)
{
    struct mapping *m = (struct mapping *)(uintptr_t)&d->source; // notes damage that it finds
    struct stat status;
    if (!mapping_is_guarded(m)) // there is no file
        return true;
    if (fstat(d->source.fd, &status) != 0)
        return false;
    struct identity now = identity_of_file(&status);
    return now.bytes == d->id.bytes && now.modified_ns == d->id.modified_ns && mapping_look(m) == 0;
}

// Opens the data file once more for single reads, without reading ahead. The advice holds for all
// uses of an open file, so the mapping needs another one. Where /proc is missing, single reads use
// the same open file as the mapping, and the system reads ahead.
static void open_for_single_reads(struct dataset *d)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", d->source.fd);
    d->random_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (d->random_fd >= 0)
        (void)posix_fadvise(d->random_fd, 0, 0, POSIX_FADV_RANDOM);
    else
        d->random_fd = d->source.fd;
}

static bool map_text(struct dataset *d, int fd, struct error *error)
{
    struct mapping *m = &d->source;
    if (d->opened.bytes > 0) {
        void *text = mapping_map(NULL, d->opened.bytes, 0, fd, 0);
        if (text == MAP_FAILED)
            goto fail;
        d->text = span_of(text, d->opened.bytes);
        d->text_is_mapped = true;
        m->begin = text;
        m->len = d->text.len;
        atomic_init(&m->end, m->begin + m->len - 1);
    }
    m->filler = '\n';
    if (mapping_guard(m, fd)) {
        open_for_single_reads(d);
        return true;
    }
fail:
    error_set(error, "cannot map '%s': %s", d->path, strerror(errno));
    return false;
}

bool dataset_choose_index_path(struct dataset *d, struct error *error)
{
    char *real = NULL;
    if (d->settings.index == DATASET_INDEX_NONE)
        return true;
    if (d->settings.index_path != NULL)
        d->index_path = strdup(d->settings.index_path);
    else if ((real = realpath(d->path, NULL)) == NULL ||
             asprintf(&d->index_path, "%s" INDEX_SUFFIX, real) < 0)
        d->index_path = NULL;
    free(real);
    if (d->index_path == NULL)
        error_set(error, "cannot find the real path of '%s': %s", d->path, strerror(errno));
    return d->index_path != NULL;
}

// Whether the default path of the index is beside the file with this status.
static bool index_is_beside(const struct dataset *d, const struct stat *status)
{
    struct stat beside;
    char *path = strndup(d->index_path, strlen(d->index_path) - strlen(INDEX_SUFFIX));
    bool same = path != NULL && stat(path, &beside) == 0 && beside.st_dev == status->st_dev &&
                beside.st_ino == status->st_ino;
    free(path);
    return same;
}

// Opens the data file and chooses the path of its index. Returns the descriptor, or -1 with a
// message. If the path of the data file is a symbolic link, it may be changed between the two
// steps. The index of one file must not replace that of another, so both steps are repeated until
// they agree. They never agree for a removed file that is opened through /proc/self/fd. Then no
// index file is used.
static int open_and_choose(struct dataset *d, struct stat *status, struct error *error)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        int fd = file_open(d->path, status, error);
        bool chosen = fd >= 0 && dataset_choose_index_path(d, error);
        if (chosen &&
            (d->index_path == NULL || d->settings.index_path != NULL || index_is_beside(d, status)))
            return fd;
        free(d->index_path);
        d->index_path = NULL;
        if (chosen && tries + 1 == TRIES_MAX && d->settings.index != DATASET_INDEX_ONLY)
            return fd;
        if (fd >= 0)
            close(fd);
        if (!chosen)
            return -1;
    }
    error_set(error, "cannot find a path for the index of '%s'", d->path);
    return -1;
}

// Files of /proc can be read but have no size, so they cannot be mapped.
static bool has_size(const struct dataset *d, int fd, struct error *error)
{
    char byte;
    ssize_t got = d->opened.bytes > 0 ? 0 : pread(fd, &byte, 1, 0);
    if (got != 0)
        error_set(error, "cannot open '%s': %s", d->path,
                  got > 0 ? "not a regular file" : strerror(errno));
    return got == 0;
}

static void report_changed(const struct dataset *d, struct error *error)
{
    if (strcmp(dataset_status(d), "unreadable") == 0)
        error_set(error, "cannot read all of '%s'", d->path);
    else
        error_set(error, "'%s' changed while it was read; write a new file and rename it", d->path);
}

// Whether the dataset fits twice into the memory of this process. That is needed for a reload,
// during which the dataset that is served stays in memory.
static bool fits_twice(const struct dataset *d)
{
    // An index takes at most 7 bytes for each line of at least LINE_MIN bytes.
    uint64_t index =
        d->index != NULL ? d->index->figures.index_bytes : d->text.len / (LINE_MIN / 7);
    return 2 * ((uint64_t)d->text.len + index) <= process_memory_allowed();
}

bool dataset_open_file(struct dataset *d, int fd, struct dataset_report *report,
                       struct error *error)
{
    if (!has_size(d, fd, error) || !map_text(d, fd, error))
        return false;
    dataset_advise(d, MADV_RANDOM);
    d->index = dataset_open_index(d, report, error);
    if (dataset_is_unchanged(d))
        return d->index != NULL && dataset_lock_at_opening(d, error);
    // Reports of malformed lines are dropped: a change may have cut those lines.
    if (report != NULL)
        *report->malformed[0] = '\0';
    report_changed(d, error);
    return false;
}

static void take_version_from_time(struct dataset *d)
{
    char name[STORE_TIME_TEXT_MAX];
    d->settings.made_at = d->opened.modified_ns / 1000000000;
    store_time_name(d->settings.made_at, name);
    snprintf(d->version, sizeof d->version, "%s", name);
}

struct dataset *dataset_open(const char *path, const struct dataset_settings *settings,
                             struct dataset_report *report, struct error *error)
{
    struct stat status;
    struct dataset *d = dataset_new(path, settings, error);
    int fd = d != NULL ? open_and_choose(d, &status, error) : -1;
    bool opened = false;
    if (fd >= 0) {
        d->id = identity_of_file(&status);
        d->opened = d->id;
        dataset_set_known_times(d, &d->id);
        if (settings->version == NULL)
            take_version_from_time(d);
        opened = dataset_open_file(d, fd, report, error);
        close(fd);
    }
    if (opened && dataset_last_line_is_unterminated(d))
        dataset_notice(
            d, true, "the last line of '%s' does not end in a newline: it may have been cut", path);
    if (opened)
        return d;
    dataset_close(d);
    return NULL;
}

bool dataset_is_from_file(const struct dataset *d, const struct stat *status)
{
    struct stat opened;
    return fstat(d->source.fd, &opened) == 0 && opened.st_dev == status->st_dev &&
           opened.st_ino == status->st_ino;
}

bool dataset_path_is_current(const struct dataset *d)
{
    struct stat status;
    return stat(d->path, &status) == 0 && dataset_is_from_file(d, &status);
}

// Reads the text into huge pages. The advice for random reads would prevent that the system reads
// ahead.
static void warm_text(const struct dataset *d, enum warm_pages pages, uint64_t until_ns,
                      const atomic_bool *cancel)
{
    dataset_advise(d, MADV_NORMAL);
    warm_mapping(&d->source, pages, until_ns, cancel);
    dataset_advise(d, MADV_RANDOM);
}

void dataset_begin_to_read(const struct dataset *d)
{
    uint64_t random = d->text.len;
    int64_t resident = fits_twice(d) ? dataset_data_resident(d, &random) : -1;
    if (resident >= 0 && (uint64_t)resident < d->text.len / 2)
        warm_text(d, WARM_HUGE, UINT64_MAX, NULL);
    dataset_advise(d, MADV_SEQUENTIAL);
}

bool dataset_warm(const struct dataset *d, bool served, uint64_t until_ns,
                  const atomic_bool *cancel, struct error *error)
{
    if (!fits_twice(d))
        return true;
    warm_mapping(&d->index->file.source, WARM_SMALL, until_ns, cancel);
    warm_text(d, served ? WARM_HUGE : WARM_HUGE_AGAIN, until_ns, cancel);
    if (!mapping_is_damaged(&d->source))
        return true;
    report_changed(d, error);
    return false;
}
