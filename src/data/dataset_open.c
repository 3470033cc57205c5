// Opening: map the data file, then its index file if that belongs to it, else read and sort the
// records and build an index.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/process.h"
#include "data/build/build.h"
#include "data/dataset_internal.h"
#include "data/index_place.h"
#include "data/lines.h"
#include "data/room.h"

typedef unsigned long long ull;

enum {
    WAIT_TURN_NS = 20000000,              // between two looks at another builder
    WAIT_SECONDS = 5,                     // for another builder, and for every
    WAIT_BYTES_A_SECOND = 50000000,       // bytes of data a second more
    TRY_SECONDS = 60,                     // between two tries to build a spoiled index anew
    TURNS_MAX = 100,                      // of a link, each in the moment in which it is opened
    COMPARED_UNTOLD = 1024 * 1024 * 1024, // bytes of data: a second or so, more from a disk
    HUGE_COPY_MORE = 8 << 20, // bytes: a copy ends within a huge page, and has checksums
};

_Static_assert((int)DATASET_MALFORMED_SHOWN <= (int)RECORDS_ERRORS_MAX, "they are all kept");

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

static void advise(const struct dataset *d, int advice)
{
    if (d->mapped)
        (void)madvise((void *)(uintptr_t)d->text.ptr, d->text.len, advice);
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void index_free(struct index *x)
{
    if (x == NULL)
        return;
    index_file_close(&x->file); // what it guards may be the image's memory
    trie_image_release(&x->image);
    free(x);
}

// ---- building -----------------------------------------------------------------------------------

void dataset_tell_progress(const struct dataset *d, uint64_t done, uint64_t total)
{
    if (d->settings.progress == NULL)
        return;
    double part = total > 0 ? (double)done / (double)total : 1;
    if (d->text.len > 0)
        d->settings.progress(d->settings.context, (uint64_t)(part * (double)d->text.len),
                             d->text.len);
}

static void tell_progress(void *context, uint64_t done, uint64_t total)
{
    dataset_tell_progress(context, done, total);
}

// The image that was written to the file, which is to become the index file, is read from there.
static bool map_written(struct index *x, int fd, uint64_t image_bytes, struct error *error)
{
    size_t len = INDEX_WRITER_IMAGE_AT + image_bytes;
    void *memory = mapping_map(NULL, len, 0, fd, 0);
    if (memory == MAP_FAILED) {
        error_set(error, "cannot map the index: %s", strerror(errno));
        return false;
    }
    x->file.mapping = (struct bytes){memory, len};
    x->file.image = span_of(x->file.mapping.ptr + INDEX_WRITER_IMAGE_AT, image_bytes);
    if (index_file_guard(&x->file, span_of(memory, len), fd, 0))
        return true;
    error_set(error, "cannot map the index: %s", strerror(errno));
    return false;
}

// Builds the image in memory or, where it has no room there, in the file; -1: there is none.
static bool build_image(struct dataset *d, struct built *built, int fd, struct error *error)
{
    struct build_settings settings = {
        .memory = d->settings.build_memory,
        .most = room_in_memory(&d->settings),
        .fd = fd,
        .fd_at = INDEX_WRITER_IMAGE_AT,
        .stop_if_malformed = d->settings.malformed == DATASET_REFUSE_MALFORMED,
        .progress = d->settings.progress != NULL ? tell_progress : NULL,
        .progress_context = d,
    };
    return build_index(built, d->text, &settings, error);
}

// Builds the image where there is room: in memory, in the file of the locked writer, or in a file
// without a name. `*fd` is the one that it may be in, or -1; `*spare` is to be closed, unless -1.
static bool find_room(struct dataset *d, struct built *built, int *fd, int *spare,
                      struct error *error)
{
    char folder[256];
    *fd = d->writer.locked ? d->writer.fd : -1;
    *spare = -1;
    if (build_image(d, built, *fd, error))
        return true;
    if (*fd >= 0 && built->missing == 0) {
        // It may have been the disk.
        dataset_notice(d, true, "%s: building in memory", error->text);
        index_writer_close(&d->writer);
        *fd = -1;
        if (build_image(d, built, *fd, error))
            return true;
    }
    if (built->missing == 0 || *fd >= 0)
        return false;
    *fd = *spare = room_in_file(d->path, folder, sizeof folder);
    if (*spare < 0)
        return false;
    struct error reason = *error;
    if (build_image(d, built, *fd, error)) {
        dataset_notice(d, false, "%s: built in a temporary file in '%s'", reason.text, folder);
        return true;
    }
    const struct error why = *error;
    if (built->missing == 0)
        error_set(error, "%.200s, and a temporary file does not take it: %.200s", reason.text,
                  why.text);
    return false;
}

// The image is copied to huge pages where there is room for a copy, else it stays in the file.
static bool copy_to_huge_pages(struct dataset *d, struct index_file *file, struct error *error)
{
    if (!d->settings.huge_pages)
        return true;
    uint64_t left = room_in_memory(&d->settings);
    if (file->image.len + HUGE_COPY_MORE <= left)
        return index_file_copy(file, error);
    dataset_notice(d, true,
                   "no room for a copy of the index in huge pages, %llu MiB are missing: serving "
                   "from the file",
                   (ull)((file->image.len + HUGE_COPY_MORE - left) >> 20) + 1);
    return true;
}

// Reads, sorts and indexes the text. The report keeps the messages of the first malformed lines,
// also when they are the reason to refuse.
static struct index *build(struct dataset *d, struct dataset_report *report, struct error *error)
{
    struct built built = {0};
    struct index *x = memory_lines(sizeof *x);
    uint64_t start = clock_monotonic_ns();
    bool good = false;
    int fd;
    int spare;
    if (x == NULL) {
        error_set(error, "no memory to index '%s'", d->path);
        return NULL;
    }
    struct dataset_figures *f = &x->figures;
    f->data_bytes = d->text.len;
    if (!find_room(d, &built, &fd, &spare, error))
        goto out;
    f->lines = built.lines;
    f->malformed = built.malformed;
    f->keys = built.keys;
    f->duplicates = built.duplicates;
    f->value_bytes = built.value_bytes;
    for (uint64_t i = 0; report != NULL && i < f->malformed && i < DATASET_MALFORMED_SHOWN; i++)
        line_error_format(&built.errors[i], d->path, report->malformed[i], DATASET_MALFORMED_TEXT);
    if (f->malformed > 0 && d->settings.malformed == DATASET_REFUSE_MALFORMED) {
        error_set(error, "%s: %llu of %llu lines malformed", d->path, (ull)f->malformed,
                  (ull)f->lines);
        goto out;
    }
    if (built.in_file && !map_written(x, fd, built.image_bytes, error))
        goto out;
    if (built.in_file && !copy_to_huge_pages(d, &x->file, error))
        goto out;
    x->written = built.in_file && spare < 0;
    x->image = built.image;
    built.image = (struct trie_image){0};
    f->index_bytes = built.image_bytes;
    good = trie_open(&x->trie, index_image(x), d->text, error);
    x->trie.proof = &x->file.proof;
    f->build_ns = clock_monotonic_ns() - start;
    f->built_at_us = clock_wall_us();
out:
    if (spare >= 0)
        close(spare);
    build_release(&built);
    if (report != NULL)
        report->figures = *f;
    if (!good) {
        index_free(x);
        x = NULL;
    }
    return x;
}

// ---- the index file -----------------------------------------------------------------------------

// Whether the index of those facts may be of the data file, as far as can be told at once.
static bool may_belong(struct dataset *d, const struct index_facts *facts, struct error *error)
{
    if (facts->data.bytes != d->id.bytes) {
        error_set(error, "'%s' is of %llu bytes of data, not %llu", d->index_path,
                  (ull)facts->data.bytes, (ull)d->id.bytes);
        return false;
    }
    d->content_unverified = !identity_is_proven(&facts->data, &d->id);
    if (d->content_unverified && facts->data.sample != identity_sample(d->text, facts->data.seed)) {
        error_set(error, "'%s' is of other data than '%s' holds", d->index_path, d->path);
        return false;
    }
    if (facts->malformed > 0 && d->settings.malformed == DATASET_REFUSE_MALFORMED) {
        error_set(error, "'%s' leaves out malformed lines", d->index_path);
        return false;
    }
    return true;
}

// Makes sure that the index of those facts is of the data file, where its times do not prove that.
// That takes reading all of the data, unless samples are to do for now.
static bool belongs(struct dataset *d, const struct index_facts *facts, struct error *error)
{
    uint64_t start = clock_monotonic_ns();
    if (!d->content_unverified || d->settings.trust == DATASET_TRUST_SAMPLED)
        return true;
    if (d->text.len > COMPARED_UNTOLD)
        dataset_notice(d, false, "comparing '%s' with what '%s' was built from", d->path,
                       d->index_path);
    advise(d, MADV_SEQUENTIAL);
    bool equal = dataset_compare_content(d, facts, NULL, error);
    advise(d, MADV_RANDOM);
    if (!equal)
        return false;
    d->content_unverified = false;
    d->content_compared = true;
    dataset_notice(d, false, "verified that '%s' is of what '%s' holds in %.3f s", d->index_path,
                   d->path, (double)(clock_monotonic_ns() - start) / 1e9);
    return true;
}

// The index file, mapped, if it can be served from. NULL with the reason otherwise; `*missing`
// tells whether it is that there is no such file.
static struct index *map_index(struct dataset *d, bool *missing, struct error *error)
{
    struct index *x = memory_lines(sizeof *x);
    *missing = false;
    if (x == NULL) {
        error_set(error, "no memory to open '%s'", d->index_path);
        return NULL;
    }
    struct index_file *file = &x->file;
    if (!index_file_open(file, d->index_path, error)) {
        *missing = errno == ENOENT;
        goto fail;
    }
    if (!may_belong(d, &file->facts, error))
        goto fail;
    if (!copy_to_huge_pages(d, file, error))
        goto fail;
    struct proof *proof = &file->proof;
    uint64_t at_once = d->settings.verify_at_once;
    if (at_once == 0)
        at_once = DATASET_VERIFY_AT_ONCE;
    d->blocks_unverified = file->image.len > at_once && file->copy.ptr == NULL;
    struct error fault = {"block 0 differs from its checksum"};
    bool good = d->blocks_unverified ? proof_has(proof, file->image.ptr, TRIE_HEAD_BYTES)
                                     : proof_all(proof, NULL, &fault);
    good = good && trie_open(&x->trie, file->image, d->text, &fault);
    x->trie.proof = proof;
    if (good && x->trie.count != file->facts.keys) {
        error_set(&fault, "header and image count other keys");
        good = false;
    }
    if (!good) {
        error_set(error, "'%s' is damaged: %s", d->index_path, fault.text);
        goto fail;
    }
    if (!belongs(d, &file->facts, error))
        goto fail;
    x->found = true;
    x->figures = (struct dataset_figures){
        .data_bytes = d->text.len,
        .lines = file->facts.lines,
        .malformed = file->facts.malformed,
        .keys = file->facts.keys,
        .duplicates = file->facts.duplicates,
        .value_bytes = file->facts.value_bytes,
        .index_bytes = file->image.len,
        .build_ns = file->facts.build_ns,
        .built_at_us = file->facts.built_at_us,
    };
    return x;
fail:
    index_free(x);
    d->blocks_unverified = false;
    d->content_unverified = false;
    d->content_compared = false;
    return NULL;
}

static enum index_lock open_writer(struct dataset *d, struct error *error)
{
    return d->settings.index_path != NULL
               ? index_writer_open(&d->writer, d->index_path, error)
               : index_writer_open_beside(&d->writer, d->index_path, error);
}

// Whether waiting for another process's index should go on. A builder that hangs must not keep
// others from serving: they then build for themselves.
static bool wait_for_builder(const struct dataset *d, uint64_t since_ns)
{
    uint64_t most = (WAIT_SECONDS + d->text.len / WAIT_BYTES_A_SECOND) * CLOCK_SECOND;
    if (clock_monotonic_ns() - since_ns > most)
        return false;
    nanosleep(&(struct timespec){0, WAIT_TURN_NS}, NULL);
    return true;
}

// Whether the caller has named a place for the index that is somebody's: the data file, which may
// be empty, or where the index of another file lies. The message tells which.
static bool is_misplaced(const struct dataset *d, struct error *error)
{
    struct stat data;
    struct stat status;
    if (d->settings.index_path == NULL || fstat(d->source.fd, &data) != 0)
        return false;
    if (stat(d->index_path, &status) == 0 && status.st_dev == data.st_dev &&
        status.st_ino == data.st_ino) {
        error_set(error, "'%s' is the data file and cannot be its index", d->index_path);
        return true;
    }
    if (!index_place_is_of_other(d->index_path, &data))
        return false;
    error_set(error, "'%s' is the index of another data file and is not replaced", d->index_path);
    return true;
}

// Whether an index that cannot be written is a reason not to open: the caller has named a file that
// must not be replaced, or wants nothing but the index file. Where the place was not named,
// something else lies beside the data file: that is no reason not to serve.
static bool is_fatal(const struct dataset *d, enum index_lock lock)
{
    return d->settings.index_required || (lock == INDEX_TAKEN && d->settings.index_path != NULL);
}

// map_index, but a file that was refused before is not read again: it may have taken reading all of
// the data to refuse it.
static struct index *map_new_index(struct dataset *d, struct stat *refused, bool *missing,
                                   struct error *error)
{
    struct stat now;
    bool there = stat(d->index_path, &now) == 0;
    if (there && refused->st_ino == now.st_ino && refused->st_dev == now.st_dev &&
        refused->st_size == now.st_size && is_same_time(refused->st_mtim, now.st_mtim) &&
        is_same_time(refused->st_ctim, now.st_ctim))
        return NULL;
    struct index *x = map_index(d, missing, error);
    *refused = there && x == NULL ? now : (struct stat){0};
    return x;
}

// The index file, mapped, in `*found`; or NULL there: then one must be built, and where the writer
// is locked, written. False with a message when the index is to lie where another file
// does, or is required and cannot be written.
static bool find_index(struct dataset *d, struct index **found, struct error *error)
{
    struct error fault;
    struct error unwritable;
    struct stat refused = {0};
    bool missing = false;
    uint64_t start = clock_monotonic_ns();
    bool waited = false;
    for (;;) {
        struct index *x = *found = map_new_index(d, &refused, &missing, &fault);
        if (x != NULL || d->settings.index != DATASET_INDEX_WRITE) {
            if (x == NULL && !missing)
                dataset_notice(d, false, "%s: not used", fault.text);
            if (x != NULL && d->settings.index == DATASET_INDEX_WRITE)
                index_writer_clean(d->index_path);
            return true;
        }
        if (is_misplaced(d, error))
            return false;
        enum index_lock lock = open_writer(d, &unwritable);
        switch (lock) {
        case INDEX_LOCKED:
            // It may have been published between looking and locking.
            x = *found = map_new_index(d, &refused, &missing, &fault);
            if (x != NULL)
                index_writer_close(&d->writer);
            else if (!missing)
                dataset_notice(d, false, "%s: building", fault.text);
            return true;
        case INDEX_BUSY:
            if (!waited)
                dataset_notice(d, false, "waiting for another process that builds '%s'",
                               d->index_path);
            waited = true;
            if (wait_for_builder(d, start))
                continue;
            if (d->settings.index_required) {
                error_set(error, "another process has not finished '%s'", d->index_path);
                return false;
            }
            dataset_notice(d, true, "another process has not finished '%s': building in memory",
                           d->index_path);
            return true;
        case INDEX_UNWRITABLE:
        case INDEX_TAKEN:
            if (is_fatal(d, lock)) {
                *error = unwritable;
                return false;
            }
            if (!missing)
                dataset_notice(d, false, "%s: building", fault.text);
            dataset_notice(d, true, "%s: serving from memory", unwritable.text);
            return true;
        }
    }
}

// For a new index file, if there is to be one. Where it cannot be written, it has been told.
static void lock_index(struct dataset *d)
{
    if (d->index_path != NULL && d->settings.index == DATASET_INDEX_WRITE)
        (void)open_writer(d, NULL);
}

// ---- opening ------------------------------------------------------------------------------------

void dataset_release(struct ref *ref)
{
    struct dataset *d = container_of(ref, struct dataset, ref);
    if (d->unread != NULL)
        d->unread(d->unread_context, d);
    else
        dataset_free(d);
}

void dataset_on_unread(struct dataset *d, void (*unread)(void *context, struct dataset *d),
                       void *context)
{
    d->unread = unread;
    d->unread_context = context;
}

void dataset_free(struct dataset *d)
{
    index_free(d->index);
    index_writer_close(&d->writer);
    mapping_release(&d->source);
    if (d->mapped)
        memory_unmap((char *)(uintptr_t)d->text.ptr, d->text.len);
    free(d->index_path);
    free(d);
}

static struct dataset *dataset_new(const char *path, const struct dataset_settings *settings,
                                   struct error *error)
{
    size_t len = strlen(path);
    struct dataset *d = memory_lines(sizeof *d + len + 1);
    if (d == NULL) {
        error_set(error, "no memory to open '%s'", path);
        return NULL;
    }
    ref_init(&d->ref, dataset_release);
    atomic_init(&d->status, DATASET_IN_MEMORY);
    d->settings = *settings;
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
    d->index = build(d, report, error);
    if (d->index != NULL)
        return d;
    dataset_close(d);
    return NULL;
}

bool dataset_is_unchanged(struct dataset *d)
{
    struct stat status;
    if (fstat(d->source.fd, &status) != 0)
        return false;
    struct identity now = identity_of_file(&status);
    return now.bytes == d->id.bytes && now.modified_ns == d->id.modified_ns &&
           mapping_look(&d->source) == 0;
}

static bool map_text(struct dataset *d, int fd, struct error *error)
{
    struct mapping *m = &d->source;
    if (d->opened.bytes > 0) {
        void *text = mapping_map(NULL, d->opened.bytes, 0, fd, 0);
        if (text == MAP_FAILED)
            goto fail;
        d->text = span_of(text, d->opened.bytes);
        d->mapped = true;
        m->begin = text;
        m->len = d->text.len;
        atomic_init(&m->end, m->begin + m->len - 1);
    }
    m->filler = '\n';
    if (mapping_guard(m, fd))
        return true;
fail:
    error_set(error, "cannot map '%s': %s", d->path, strerror(errno));
    return false;
}

// Sets the path of the index file, or leaves it out when none is to be used.
static bool choose_index_path(struct dataset *d, struct error *error)
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
        error_set(error, "cannot find the place of '%s': %s", d->path, strerror(errno));
    return d->index_path != NULL;
}

// Whether the index file lies, or is to lie, beside the file of that status.
static bool lies_beside(const struct dataset *d, const struct stat *status)
{
    struct stat beside;
    char *path = strndup(d->index_path, strlen(d->index_path) - strlen(INDEX_SUFFIX));
    bool lies = path != NULL && stat(path, &beside) == 0 && beside.st_dev == status->st_dev &&
                beside.st_ino == status->st_ino;
    free(path);
    return lies;
}

// The data file, and the path of its index: a link on the way may be turned in between, and the
// index of one file must not take the place of the other's. One that is nowhere (it was removed,
// and is named by a descriptor) has none. -1 with a message.
static int open_and_choose(struct dataset *d, struct stat *status, struct error *error)
{
    for (unsigned tries = 0; tries < TURNS_MAX; tries++) {
        int fd = file_open(d->path, status, error);
        bool chosen = fd >= 0 && choose_index_path(d, error);
        if (chosen &&
            (d->index_path == NULL || d->settings.index_path != NULL || lies_beside(d, status)))
            return fd;
        free(d->index_path);
        d->index_path = NULL;
        if (chosen && tries + 1 == TURNS_MAX && d->settings.index != DATASET_INDEX_ONLY)
            return fd;
        if (fd >= 0)
            close(fd);
        if (!chosen)
            return -1;
    }
    error_set(error, "'%s' has no place beside which its index could lie", d->path);
    return -1;
}

// Files of /proc have something to be read, but no size to map.
static bool tells_its_size(const struct dataset *d, int fd, struct error *error)
{
    char byte;
    ssize_t got = d->opened.bytes > 0 ? 0 : pread(fd, &byte, 1, 0);
    if (got != 0)
        error_set(error, "cannot open '%s': %s", d->path,
                  got > 0 ? "not a regular file" : strerror(errno));
    return got == 0;
}

static struct index *open_index(struct dataset *d, struct dataset_report *report,
                                struct error *error)
{
    bool only = d->settings.index == DATASET_INDEX_ONLY;
    bool missing;
    struct index *x = NULL;
    if (d->rebuilt)
        lock_index(d);
    else if (only)
        x = map_index(d, &missing, error);
    else if (d->index_path != NULL && !find_index(d, &x, error))
        return NULL;
    if (only && x == NULL)
        return NULL;
    if (x != NULL) {
        if (report != NULL)
            report->figures = x->figures;
        atomic_init(&d->status, d->blocks_unverified || d->content_unverified
                                    ? DATASET_IN_VERIFICATION
                                    : DATASET_IN_MAPPING);
        return x;
    }
    advise(d, MADV_SEQUENTIAL);
    x = build(d, report, error);
    advise(d, MADV_RANDOM);
    if (x != NULL && d->writer.locked)
        atomic_init(&d->status, DATASET_IN_WRITING);
    return x;
}

static void tell_changed(const struct dataset *d, struct error *error)
{
    if (strcmp(dataset_status(d), "unreadable") == 0)
        error_set(error, "cannot read all of '%s'", d->path);
    else
        error_set(error, "'%s' changed while it was read; write a new file and rename it", d->path);
}

// Of the file that `fd` is of, as `d->opened` and `d->id` tell.
static bool open_file(struct dataset *d, int fd, struct dataset_report *report, struct error *error)
{
    if (!tells_its_size(d, fd, error) || !map_text(d, fd, error))
        return false;
    advise(d, MADV_RANDOM);
    d->index = open_index(d, report, error);
    if (dataset_is_unchanged(d))
        return d->index != NULL;
    // Whatever else is said of it: lines that were cut are no records.
    if (report != NULL)
        *report->malformed[0] = '\0';
    tell_changed(d, error);
    return false;
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
        dataset_note_times(d, &d->id);
        opened = open_file(d, fd, report, error);
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

bool dataset_is_of(const struct dataset *d, const struct stat *status)
{
    struct stat opened;
    return fstat(d->source.fd, &opened) == 0 && opened.st_dev == status->st_dev &&
           opened.st_ino == status->st_ino;
}

bool dataset_is_there(const struct dataset *d)
{
    struct stat status;
    return stat(d->path, &status) == 0 && dataset_is_of(d, &status);
}

// The same, and the file is as it was then.
static bool is_current(const struct dataset *d)
{
    struct stat status;
    if (!dataset_is_there(d) || fstat(d->source.fd, &status) != 0)
        return false;
    struct identity now = identity_of_file(&status);
    return now.bytes == d->opened.bytes && now.modified_ns == atomic_load(&d->same_modified_ns);
}

bool dataset_is_spoiled(struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    struct index_file *file = &d->index->file;
    struct error reason;
    if (!dataset_may_be_spoiled(d))
        return false;
    if (atomic_load(&d->is_wrong)) {
        *error = d->fault;
        return true;
    }
    if (mapping_is_damaged(&file->source)) {
        error_set(error, "'%s' was truncated or cannot be read", d->index_path);
        return true;
    }
    (void)proof_ripen(&file->proof, cancel);
    if (proof_all(&file->proof, cancel, &reason))
        return false;
    error_set(
        error, "'%s' %s%s", d->index_path,
        proof_round(&file->proof) > 1 ? "was overwritten in place: " : "is damaged: ", reason.text);
    return true;
}

struct dataset *dataset_open_again(struct dataset *old, struct error *error)
{
    struct stat status;
    struct dataset_settings settings = old->settings;
    settings.progress = NULL;
    settings.index_path = old->index_path;
    // A disk that has spoiled two files may spoil the next; and an index that lies there by now may
    // be that of the data that has taken the place.
    // Where nothing but the index file was to be used, none is written: the new one stays in
    // memory.
    if (old->rebuilt || !is_current(old) || settings.index == DATASET_INDEX_ONLY)
        settings.index = DATASET_INDEX_NONE;
    atomic_store(&old->try_ns, clock_monotonic_ns() + TRY_SECONDS * CLOCK_SECOND);
    struct dataset *d = dataset_new(old->path, &settings, error);
    if (d == NULL)
        return NULL;
    if (fstat(old->source.fd, &status) != 0 || (uint64_t)status.st_size < old->opened.bytes) {
        error_set(error, "'%s' was truncated", old->path);
    } else {
        d->id = identity_of_file(&status);
        d->opened = old->opened;
        dataset_note_times(d, &d->id);
        atomic_init(&d->same_modified_ns, atomic_load(&old->same_modified_ns));
        atomic_init(&d->change, atomic_load(&old->change));
        atomic_init(&d->told, atomic_load(&old->told));
        d->rebuilt = true;
        if (choose_index_path(d, error) && open_file(d, old->source.fd, NULL, error))
            return d;
    }
    dataset_close(d);
    return NULL;
}

bool dataset_is_rebuilt(const struct dataset *d)
{
    return d->rebuilt;
}

// In which a processor with nothing else to do maps some 10 GB, and one that is never free for long
// has not lost much.
enum { WARM_SECONDS = 5 };

bool dataset_warm(const struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    const struct mapping *image = &dataset_current(d)->file.source;
    uint64_t until = clock_monotonic_ns() + WARM_SECONDS * CLOCK_SECOND;
    // What is served meanwhile is to stay in memory, too.
    if (2 * ((uint64_t)image->len + d->source.len) > process_memory_allowed())
        return true;
    mapping_warm(image, until, cancel);
    mapping_warm(&d->source, until, cancel);
    if (!mapping_is_damaged(&d->source))
        return true;
    tell_changed(d, error);
    return false;
}
