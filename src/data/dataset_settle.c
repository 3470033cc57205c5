// Settling: what could wait until the dataset serves. Write the index file, or verify what was
// mapped without being read.
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset_parts.h"

// Replaced at once, so that no fault waits long.
enum { REMAP_BYTES = 8 * 1024 * 1024 };

// dataset_is_unchanged, and nobody has set its times back after a change either. A rename does not
// pass, so it decides only whether an index is good for the next start.
static bool is_untouched(struct dataset *d)
{
    struct stat status;
    return dataset_is_unchanged(d) && fstat(d->source.fd, &status) == 0 &&
           identity_of_file(&status).changed_ns == d->id.changed_ns;
}

static bool is_cancelled(const atomic_bool *cancel)
{
    return cancel != NULL && atomic_load(cancel);
}

// Puts the mapping of the file in the place of the memory the image was built in: the same bytes at
// the same addresses, so those who read meanwhile notice nothing. Each part is mapped elsewhere,
// and its pages found, before it is moved there. Where it cannot be, the memory stays.
static void replace_memory_by_file(struct index *x, int fd)
{
    if (sysconf(_SC_PAGESIZE) > INDEX_WRITER_IMAGE_AT)
        return; // the file's image does not begin at a page
    if (!x->written && !index_file_guard(&x->file, index_image(x), fd, INDEX_WRITER_IMAGE_AT))
        return;
    for (size_t at = 0; at < x->image.memory.len; at += REMAP_BYTES) {
        size_t left = x->image.memory.len - at;
        size_t len = left < REMAP_BYTES ? left : REMAP_BYTES;
        void *part = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd,
                          (off_t)(INDEX_WRITER_IMAGE_AT + at));
        if (part == MAP_FAILED)
            return;
        if (mremap(part, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, x->image.memory.ptr + at) ==
            MAP_FAILED) {
            // What was there may be gone by now.
            (void)mmap(x->image.memory.ptr + at, len, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
                       (off_t)(INDEX_WRITER_IMAGE_AT + at));
            munmap(part, len);
            return;
        }
    }
}

// The file may be read by whom the data file may be: it tells of its keys.
static bool publish(struct dataset *d, struct span image, const struct index_facts *facts,
                    const atomic_bool *cancel, struct error *error)
{
    struct stat data;
    if (fstat(d->source.fd, &data) == 0)
        (void)fchmod(d->writer.fd, data.st_mode & 0666);
    return index_writer_publish(&d->writer, image, facts, cancel, error);
}

// Writes the index file around the present index, which is in memory.
static void write_index(struct dataset *d, const atomic_bool *cancel)
{
    struct index *x = atomic_load(&d->index);
    struct dataset_figures *f = &x->figures;
    struct span image = index_image(x);
    struct index_facts facts = {f->lines,       f->malformed, f->keys,        f->duplicates,
                                f->value_bytes, f->build_ns,  f->built_at_us, d->id};
    struct error error;
    uint64_t start = clock_monotonic_ns();
    const char *outcome = DATASET_IN_MEMORY;
    if (x->written)
        image.ptr = NULL;
    facts.data.sample = identity_sample(d->text);
    if (!identity_content(d->text, &facts.data.content, cancel)) {
        dataset_notice(d, !is_cancelled(cancel), "'%s' is not written: %s", d->index_path,
                       is_cancelled(cancel) ? "stopped before" : "no memory");
    } else if (!is_untouched(d)) {
        // Another file under its name is no misuse; but the index would belong to that.
        bool replaced = dataset_is_unchanged(d) && !dataset_is_there(d);
        dataset_notice(d, !replaced,
                       replaced ? "'%s' is not written: '%s' was replaced or renamed meanwhile"
                                : "'%s' is not written: '%s' changed after it was read",
                       d->index_path, d->path);
    } else if (!publish(d, image, &facts, cancel, &error)) {
        dataset_notice(d, !is_cancelled(cancel), "%s: serving from memory", error.text);
    } else {
        dataset_notice(d, false, "wrote '%s' in %.3f s", d->index_path,
                       (double)(clock_monotonic_ns() - start) / 1e9);
        if (!d->settings.huge_pages) {
            replace_memory_by_file(x, d->writer.fd);
            index_file_stands(&x->file, index_image(x));
        }
        outcome = DATASET_IN_MAPPING;
    }
    index_writer_close(&d->writer);
    atomic_store(&d->status, outcome);
}

// The two parts of verifying a mapped index; true also when cancelled before anything was found.
static bool verify_blocks(const struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    struct error fault;
    if (index_file_verify(&dataset_current(d)->file, cancel, &fault))
        return true;
    error_set(error, "'%s' is damaged: %s", d->index_path, fault.text);
    return false;
}

static bool verify_content(const struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    uint64_t content;
    if (!identity_content(d->text, &content, cancel)) {
        if (is_cancelled(cancel))
            return true;
        error_set(error, "no memory to verify '%s'", d->path);
        return false;
    }
    if (content == dataset_current(d)->file.facts.data.content)
        return true;
    error_set(error, "'%s' is of other data than '%s' holds", d->index_path, d->path);
    return false;
}

bool dataset_verify(const struct dataset *d, struct error *error)
{
    return verify_blocks(d, NULL, error) && verify_content(d, NULL, error);
}

static bool verify(struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    struct stat status;
    if (d->blocks_unverified && !verify_blocks(d, cancel, error))
        return false;
    if (!d->content_unverified || fstat(d->source.fd, &status) != 0)
        return true;
    struct identity now = identity_of_file(&status);
    if (!verify_content(d, cancel, error))
        return false;
    now.sample = dataset_current(d)->file.facts.data.sample;
    now.content = dataset_current(d)->file.facts.data.content;
    // The next start then needs no reading to know it.
    if (d->settings.index == DATASET_INDEX_WRITE && !is_cancelled(cancel) &&
        dataset_is_unchanged(d))
        (void)index_writer_stamp(d->index_path, &now);
    return true;
}

void dataset_settle(struct dataset *d, const atomic_bool *cancel)
{
    struct error error;
    if (d->writer.locked) {
        write_index(d, cancel);
    } else if (d->blocks_unverified || d->content_unverified) {
        if (!verify(d, cancel, &error)) {
            // What is found missing in an index that was cut must not be asked for in another one
            // half way: that takes another dataset (dataset_open_again).
            if (mapping_is_damaged(&dataset_current(d)->file.source))
                return;
            dataset_notice(d, true, "%s: building anew", error.text);
            dataset_build_anew(d);
            if (d->writer.locked)
                write_index(d, cancel);
        } else if (!is_cancelled(cancel)) {
            dataset_notice(d, false, "verified '%s'", d->index_path);
            atomic_store(&d->status, DATASET_IN_MAPPING);
        }
    }
}
