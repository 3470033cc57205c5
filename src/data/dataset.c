// Opening: map, read and sort the records, build the trie. Getting: ask the trie, find the value's
// end.
#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/ref.h"
#include "data/records.h"
#include "data/trie.h"
#include "data/trie_build.h"

struct dataset {
    struct ref ref;
    struct span text;
    bool mapped; // the text is our mapping, not the caller's
    struct trie_image image;
    struct trie trie;
    struct dataset_figures figures;
    char path[]; // NUL-terminated
};

_Static_assert((int)DATASET_MALFORMED_SHOWN <= (int)RECORDS_ERRORS_MAX, "they are all kept");

// Reads, sorts and indexes the text of `d`. The report keeps the messages of the first malformed
// lines, also when they are the reason to refuse.
static bool build(struct dataset *d, enum dataset_malformed malformed,
                  struct dataset_report *report, struct error *error)
{
    struct records records = {0};
    struct dataset_figures *f = &d->figures;
    uint64_t start = clock_monotonic_ns();
    bool built = false;
    f->data_bytes = d->text.len;
    if (!records_read(&records, d->text, (struct records_division){0}, error))
        goto out;
    f->lines = records.lines;
    f->malformed = records.malformed;
    f->keys = records.kept;
    f->duplicates = records.total - records.kept;
    f->value_bytes = records.value_bytes;
    for (uint64_t i = 0; report != NULL && i < f->malformed && i < DATASET_MALFORMED_SHOWN; i++)
        line_error_format(&records.errors[i], d->path, report->malformed[i],
                          DATASET_MALFORMED_TEXT);
    if (f->malformed > 0 && malformed == DATASET_REFUSE_MALFORMED) {
        error_set(error, "%s: %llu of %llu lines malformed", d->path,
                  (unsigned long long)f->malformed, (unsigned long long)f->lines);
        goto out;
    }
    if (!trie_build(records.items, records.kept, d->text.len, &d->image, error))
        goto out;
    struct span image = {d->image.memory.ptr, d->image.memory.len};
    built = trie_open(&d->trie, image, d->text, error);
    f->index_bytes = image.len;
    f->build_ns = clock_monotonic_ns() - start;
    f->built_at_us = clock_wall_us();
out:
    records_release(&records);
    if (report != NULL)
        report->figures = *f;
    return built;
}

static void dataset_release(struct ref *ref)
{
    struct dataset *d = (struct dataset *)((char *)ref - offsetof(struct dataset, ref));
    trie_image_release(&d->image);
    if (d->mapped && d->text.len > 0)
        munmap((void *)(uintptr_t)d->text.ptr, d->text.len);
    free(d);
}

static struct dataset *dataset_new(const char *path, struct error *error)
{
    size_t len = strlen(path);
    struct dataset *d = calloc(1, sizeof *d + len + 1);
    if (d == NULL) {
        error_set(error, "no memory to open '%s'", path);
        return NULL;
    }
    ref_init(&d->ref, dataset_release);
    memcpy(d->path, path, len + 1);
    return d;
}

struct dataset *dataset_open_memory(struct span text, const char *name,
                                    enum dataset_malformed malformed, struct dataset_report *report,
                                    struct error *error)
{
    struct dataset *d = dataset_new(name, error);
    if (d == NULL)
        return NULL;
    d->text = text;
    if (build(d, malformed, report, error))
        return d;
    dataset_close(d);
    return NULL;
}

// Opens a regular file to read. O_NONBLOCK: a FIFO without a writer must be refused, not waited on.
static int open_regular(const char *path, struct stat *status, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, status) != 0) {
        error_set(error, "cannot open '%s': %s", path, strerror(errno));
    } else if (!S_ISREG(status->st_mode)) {
        error_set(error, "cannot open '%s': not a regular file", path);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool same_content(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

struct dataset *dataset_open(const char *path, enum dataset_malformed malformed,
                             struct dataset_report *report, struct error *error)
{
    struct stat before;
    struct stat after;
    struct dataset *d = NULL;
    int fd = open_regular(path, &before, error);
    if (fd < 0)
        return NULL;
    d = dataset_new(path, error);
    if (d == NULL)
        goto fail;
    if (before.st_size > 0) {
        void *text = mmap(NULL, (size_t)before.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (text == MAP_FAILED) {
            error_set(error, "cannot map '%s': %s", path, strerror(errno));
            goto fail;
        }
        d->text = span_of(text, (size_t)before.st_size);
        d->mapped = true;
        (void)madvise(text, d->text.len, MADV_SEQUENTIAL);
    }
    if (!build(d, malformed, report, error))
        goto fail;
    if (d->mapped)
        (void)madvise((void *)(uintptr_t)d->text.ptr, d->text.len, MADV_RANDOM);
    if (fstat(fd, &after) != 0 || !same_content(&before, &after)) {
        error_set(error, "'%s' changed while it was read; write a new file and rename it", path);
        goto fail;
    }
    close(fd);
    return d;
fail:
    close(fd);
    dataset_close(d);
    return NULL;
}

void dataset_close(struct dataset *d)
{
    if (d != NULL)
        ref_drop(&d->ref);
}

struct ref *dataset_ref(struct dataset *d)
{
    return &d->ref;
}

bool dataset_has(const struct dataset *d, struct uuid id)
{
    uint64_t offset;
    return trie_find(&d->trie, id, &offset);
}

bool dataset_get(const struct dataset *d, struct uuid id, struct span *value)
{
    uint64_t offset;
    if (!trie_find(&d->trie, id, &offset))
        return false;
    *value = line_value(d->text, offset);
    return true;
}

void dataset_get_many(const struct dataset *d, const struct uuid *ids, size_t count,
                      struct span *values)
{
    uint64_t offsets[TRIE_GROUP];
    for (size_t done = 0; done < count; done += TRIE_GROUP) {
        size_t group = count - done < TRIE_GROUP ? count - done : TRIE_GROUP;
        trie_find_many(&d->trie, ids + done, group, offsets);
        for (size_t i = 0; i < group; i++)
            values[done + i] =
                offsets[i] != TRIE_NONE ? line_value(d->text, offsets[i]) : span_of(NULL, 0);
    }
}

uint64_t dataset_seek(const struct dataset *d, struct uuid id)
{
    return trie_seek(&d->trie, id);
}

bool dataset_at(const struct dataset *d, uint64_t rank, struct uuid *id, struct span *value)
{
    uint64_t offset;
    if (rank >= d->trie.count || !trie_at(&d->trie, rank, &offset) ||
        !uuid_parse(d->text.ptr + offset, id))
        return false;
    *value = line_value(d->text, offset);
    return true;
}

const struct dataset_figures *dataset_figures(const struct dataset *d)
{
    return &d->figures;
}

const char *dataset_path(const struct dataset *d)
{
    return d->path;
}

struct span dataset_text(const struct dataset *d)
{
    return d->text;
}

const struct trie *dataset_trie(const struct dataset *d)
{
    return &d->trie;
}
