// Builds the index of a dataset: chooses whether the image is built in memory or in a file, and
// reports malformed lines.
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/memory.h"
#include "data/build/build.h"
#include "data/dataset_internal.h"
#include "data/room.h"

// Bytes of memory that a copy in huge pages needs beyond the size of the image: for the checksums
// of its blocks, and for the unused rest of the last huge page.
enum { HUGE_COPY_MORE = 8 << 20 };

_Static_assert((int)DATASET_MALFORMED_SHOWN <= (int)RECORDS_ERRORS_MAX,
               "all malformed lines that are shown are kept");

void dataset_index_free(struct index *x)
{
    if (x == NULL)
        return;
    // The file is closed first, which ends its guard (base/mapping.h). The guard must end before
    // the image's memory is unmapped, because dataset_finish may have mapped the file there.
    index_file_close(&x->file);
    trie_image_release(&x->image);
    free(x);
}

// ---- the place of the image: memory or a file ---------------------------------------------------

void dataset_report_progress(const struct dataset *d, uint64_t done, uint64_t total)
{
    if (d->settings.progress == NULL)
        return;
    double part = total > 0 ? (double)done / (double)total : 1;
    if (d->text.len > 0)
        d->settings.progress(d->settings.context, (uint64_t)(part * (double)d->text.len),
                             d->text.len);
}

static void report_progress(void *context, uint64_t done, uint64_t total)
{
    dataset_report_progress(context, done, total);
}

// Returns the bytes of memory that the index of `d` may use.
static uint64_t memory_for_index(const struct dataset *d)
{
    const struct dataset_settings *settings = &d->settings;
    uint64_t reserved = settings->reserved != NULL ? settings->reserved(settings->context) : 0;
    return room_in_memory(settings->memory_most, reserved);
}

// Creates the temporary file for records that do not fit into memory (build.h): beside the index
// file, if one will be written. A notice says where it is, or why there is none.
static int open_spill(void *context, uint64_t bytes, char *folder, size_t size)
{
    struct dataset *d = context;
    const char *beside = d->writer.unpublished ? d->index_path : NULL;
    unsigned long long mib = (bytes >> 20) + 1;
    int fd = room_in_file(d->path, beside, bytes, folder, size);
    if (fd >= 0)
        dataset_notice(d, false, "sorting the keys of '%s' in a temporary file in '%s'", d->path,
                       folder);
    else
        dataset_notice(
            d, false, "no temporary file of %llu MiB in '%s': %s: reading '%s' several times", mib,
            folder, errno == EMEDIUMTYPE ? "it is in memory, not on a disk" : strerror(errno),
            d->path);
    return fd;
}

// Returns memory for the checksums of the data, if they are to be computed while the index is
// built; otherwise NULL. The index file needs them. If the page cache holds the data, reading it
// later once more takes little time, and the dataset is ready earlier. Otherwise that would read
// the disk again.
static uint64_t *new_sums(const struct dataset *d)
{
    if (!d->writer.unpublished || d->text.len < room_in_memory(d->settings.memory_most, 0) / 2)
        return NULL;
    return malloc(checksum_block_count(d->text.len, IDENTITY_BLOCK) * sizeof(uint64_t) + 1);
}

// Builds the image in memory or, when memory is not enough for it, in the file `fd`. Without a
// file, `fd` is -1. When the temporary file for records cannot be written or read, builds again
// without it.
static bool build_image(struct dataset *d, struct built *built, int fd, struct error *error)
{
    struct build_settings settings = {
        .memory = d->settings.build_memory,
        .most = memory_for_index(d),
        .fd = fd,
        .fd_at = INDEX_WRITER_IMAGE_AT,
        .open_spill = d->spill_failed ? NULL : open_spill,
        .spill_context = d,
        .sums = new_sums(d),
        .stop_if_malformed = d->settings.malformed == DATASET_REFUSE_MALFORMED,
        .progress = d->settings.progress != NULL ? report_progress : NULL,
        .progress_context = d,
    };
    bool good = build_index(built, d->text, &settings, error);
    if (!good && built->spill_failed) {
        dataset_notice(d, true, "%s: reading '%s' several times", error->text, d->path);
        d->spill_failed = true;
        settings.open_spill = NULL;
        good = build_index(built, d->text, &settings, error);
    }
    d->has_built_content = good && built->summed;
    if (d->has_built_content)
        d->built_content =
            identity_of_blocks(settings.sums, checksum_block_count(d->text.len, IDENTITY_BLOCK));
    free(settings.sums);
    return good;
}

// Builds the image where there is enough room: in memory, in the temporary file of `d->writer` if
// an index file will be written, or in a temporary file without a name. Sets `*fd` to the file that
// was given to build_image, or -1. Sets `*spare` to the temporary file without a name, which the
// caller closes, or to -1 if none was created.
static bool build_where_it_fits(struct dataset *d, struct built *built, int *fd, int *spare,
                                struct error *error)
{
    char folder[256];
    *fd = d->writer.unpublished ? d->writer.fd : -1;
    *spare = -1;
    if (build_image(d, built, *fd, error))
        return true;
    if (*fd >= 0 && built->missing == 0) {
        // The reason is not memory, so it may be the disk; without the file the build may work.
        dataset_notice(d, true, "%s: building in memory", error->text);
        index_writer_close(&d->writer);
        *fd = -1;
        if (build_image(d, built, *fd, error))
            return true;
    }
    if (built->missing == 0 || *fd >= 0)
        return false;
    *fd = *spare = room_in_file(d->path, NULL, 0, folder, sizeof folder);
    if (*spare < 0)
        return false;
    struct error reason = *error;
    if (build_image(d, built, *fd, error)) {
        dataset_notice(d, false, "%s: built in a temporary file in '%s'", reason.text, folder);
        return true;
    }
    const struct error why = *error;
    if (built->missing == 0)
        error_set(error, "%.200s, and it cannot be built in a temporary file: %.200s", reason.text,
                  why.text);
    return false;
}

bool dataset_copy_to_huge_pages(struct dataset *d, struct index_file *file, struct error *error)
{
    if (!d->settings.huge_pages)
        return true;
    uint64_t left = memory_for_index(d);
    if (file->image.len + HUGE_COPY_MORE <= left)
        return index_file_copy(file, error);
    dataset_notice(d, true,
                   "no room for a copy of the index in huge pages, %llu MiB are missing: serving "
                   "from the file",
                   (unsigned long long)((file->image.len + HUGE_COPY_MORE - left) >> 20) + 1);
    return true;
}

// ---- building -----------------------------------------------------------------------------------

static void copy_counts(struct dataset_figures *f, const struct built *built)
{
    f->lines = built->lines;
    f->malformed = built->malformed;
    f->keys = built->keys;
    f->duplicates = built->duplicates;
    f->value_bytes = built->value_bytes;
}

// Writes the messages of the first malformed lines to the report. Returns false with a message when
// the file is refused because of malformed lines.
static bool report_malformed(const struct dataset *d, const struct built *built,
                             struct dataset_report *report, struct error *error)
{
    uint64_t shown = built->malformed;
    if (shown > DATASET_MALFORMED_SHOWN)
        shown = DATASET_MALFORMED_SHOWN;
    for (uint64_t i = 0; report != NULL && i < shown; i++)
        line_error_format(&built->errors[i], d->path, report->malformed[i], DATASET_MALFORMED_TEXT);
    if (built->malformed == 0 || d->settings.malformed != DATASET_REFUSE_MALFORMED)
        return true;
    error_set(error, "%s: %llu of %llu lines malformed", d->path,
              (unsigned long long)built->malformed, (unsigned long long)built->lines);
    return false;
}

// Maps the image that was built in the file `fd`.
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

// Moves the finished image from `built` to `x`, and opens the trie over it. `fd` is the file with
// the image if it was built in a file. Returns false with a message on failure.
static bool take_image(struct dataset *d, struct index *x, struct built *built, int fd,
                       struct error *error)
{
    if (built->in_file && (!map_written(x, fd, built->image_bytes, error) ||
                           !dataset_copy_to_huge_pages(d, &x->file, error)))
        return false;
    x->image = built->image;
    built->image = (struct trie_image){0};
    x->figures.index_bytes = built->image_bytes;
    bool opened = trie_open(&x->trie, index_image(x), d->text, error);
    x->trie.verifier = &x->file.verifier;
    return opened;
}

struct index *dataset_build_index(struct dataset *d, struct dataset_report *report,
                                  struct error *error)
{
    struct built built = {0};
    struct index *x = memory_aligned(sizeof *x);
    uint64_t start = clock_monotonic_ns();
    int fd;
    int spare;
    if (x == NULL) {
        error_set(error, "no memory to index '%s'", d->path);
        return NULL;
    }
    x->figures.data_bytes = d->text.len;
    bool good = build_where_it_fits(d, &built, &fd, &spare, error);
    if (good) {
        copy_counts(&x->figures, &built);
        x->in_writer_file = built.in_file && spare < 0;
        good = report_malformed(d, &built, report, error) && take_image(d, x, &built, fd, error);
    }
    if (good) {
        x->figures.build_ns = clock_monotonic_ns() - start;
        x->figures.built_at_us = clock_wall_us();
    }
    if (report != NULL)
        report->figures = x->figures;
    if (spare >= 0)
        close(spare);
    build_release(&built);
    if (good)
        return x;
    dataset_index_free(x);
    return NULL;
}
