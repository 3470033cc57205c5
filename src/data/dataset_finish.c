// Finishes a dataset: does the work that can wait until it is served. That is to write the index
// file, or to verify a mapped one and to store the result in it.
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "data/dataset_internal.h"
#include "data/index_format.h"

enum {
    // Bytes that one mremap moves. Page faults of other threads wait for it, so it is short.
    REMAP_BYTES = 8 * 1024 * 1024,
    // Times of a data file that are less old than this do not prove that it has not changed.
    PROOF_SECONDS = 2,
    PROOF_TURN_NS = 20000000, // between two checks of `cancel`
};

// Whether nobody has changed the data file, not even its times or its name. This is stricter than
// dataset_is_unchanged. It decides whether the index may be written for the next start.
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

// Whether the `len` bytes of the image from `at` on are in the file as they were written. They are
// read, not mapped, because somebody may be truncating the file. `block` is a buffer of INDEX_BLOCK
// bytes.
static bool part_is_good(int fd, size_t at, size_t len, const uint64_t *sums, char *block)
{
    for (size_t end = at + len; at < end; at += INDEX_BLOCK) {
        size_t part = end - at < INDEX_BLOCK ? end - at : INDEX_BLOCK;
        if (!file_read(fd, block, part, INDEX_WRITER_IMAGE_AT + at) ||
            checksum(span_of(block, part)) != sums[at / INDEX_BLOCK])
            return false;
    }
    return true;
}

_Static_assert((int)REMAP_BYTES % (int)INDEX_BLOCK == 0, "a part has whole blocks");

// Replaces the memory in which the image was built by a mapping of the file. The bytes and their
// addresses stay the same, so threads that read the image meanwhile are not disturbed. Each part is
// first compared and mapped elsewhere, and then moved to its address. If a part fails, it and the
// parts after it stay in memory.
static void replace_memory_by_file(struct index *x, int fd, char *block)
{
    const struct verifier *verifier = &x->file.verifier;
    for (size_t at = 0; at < x->image.memory.len; at += REMAP_BYTES) {
        size_t left = x->image.memory.len - at;
        size_t len = left < REMAP_BYTES ? left : REMAP_BYTES;
        size_t image_left = verifier->image.len > at ? verifier->image.len - at : 0;
        if (!part_is_good(fd, at, len < image_left ? len : image_left, verifier->sums, block))
            return;
        void *part = mapping_map(NULL, len, MAP_POPULATE, fd, INDEX_WRITER_IMAGE_AT + at);
        if (part == MAP_FAILED)
            return;
        if (mremap(part, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, x->image.memory.ptr + at) ==
            MAP_FAILED) {
            // The failed mremap may have unmapped the memory, so the file is mapped there directly.
            (void)mapping_map(x->image.memory.ptr + at, len, MAP_FIXED, fd,
                              INDEX_WRITER_IMAGE_AT + at);
            munmap(part, len);
            return;
        }
    }
}

// Serves the index from the file that was just written, unless somebody writes to it. The image
// then uses no memory of this process, and other processes share it.
static void serve_from_file(struct dataset *d, const atomic_bool *cancel)
{
    struct index *x = d->index;
    struct span image = index_image(x);
    struct stat file;
    struct error error;
    uint64_t *sums = d->writer.sums;
    d->writer.sums = NULL;
    bool aligned = sysconf(_SC_PAGESIZE) <= INDEX_WRITER_IMAGE_AT; // the image is page-aligned
    if ((!x->in_writer_file && !aligned) || fstat(d->writer.fd, &file) != 0 ||
        (!x->in_writer_file &&
         !index_file_guard(&x->file, image, d->writer.fd, INDEX_WRITER_IMAGE_AT))) {
        free(sums);
        return;
    }
    // If the image is in memory, its checksums were computed from there, so its blocks are good.
    if (!index_file_finish(&x->file, image, sums, &file, !x->in_writer_file))
        return;
    if (!verifier_await_old_times(&x->file.verifier, cancel))
        return;
    // Another process may have written to the file meanwhile: one that has compared the data writes
    // down when it did.
    if (!verifier_is_complete(&x->file.verifier) &&
        !verifier_check_all(&x->file.verifier, cancel, &error))
        return;
    char *block = malloc(INDEX_BLOCK);
    if (!x->in_writer_file && block != NULL && verifier_is_complete(&x->file.verifier)) {
        atomic_store(&d->locked, false); // the file that replaces locked memory is not locked
        replace_memory_by_file(x, d->writer.fd, block);
    }
    free(block);
}

// Publishes the index file with the permissions of the data file, because it reveals something
// about the keys.
static bool publish(struct dataset *d, struct span image, const struct index_facts *facts,
                    const atomic_bool *cancel, struct error *error)
{
    struct stat data;
    if (fstat(d->source.fd, &data) == 0)
        (void)fchmod(d->writer.fd, data.st_mode & 0666);
    return index_writer_publish(&d->writer, image, facts, cancel, error);
}

// Writes the index file for the index that was built.
static void write_index(struct dataset *d, const atomic_bool *cancel)
{
    struct index *x = d->index;
    struct dataset_figures *f = &x->figures;
    struct span image = index_image(x);
    struct index_facts facts = {f->lines,       f->malformed, f->keys,        f->duplicates,
                                f->value_bytes, f->build_ns,  f->built_at_us, d->id};
    struct error error;
    uint64_t start = clock_monotonic_ns();
    const char *outcome = DATASET_IN_MEMORY;
    struct identity_reading reading = {.cancel = cancel};
    if (x->in_writer_file)
        image.ptr = NULL;
    facts.data.seed = random_number();
    facts.data.sample = identity_sample(d->text, facts.data.seed);
    facts.data.content = d->built_content;
    if (!d->has_built_content && !identity_content(d->text, &facts.data.content, &reading)) {
        dataset_notice(d, !is_cancelled(cancel), "'%s' is not written: %s", d->index_path,
                       is_cancelled(cancel) ? "stopped" : "no memory");
    } else if (!is_untouched(d)) {
        // To rename another file to the path is allowed, so it is no warning. But the index must
        // not be written, as it would then be beside that other file.
        bool replaced = dataset_is_unchanged(d) && !dataset_path_is_current(d);
        dataset_notice(d, !replaced,
                       replaced ? "'%s' is not written: '%s' was replaced or renamed meanwhile"
                                : "'%s' is not written: '%s' changed after it was read",
                       d->index_path, d->path);
    } else if (!publish(d, image, &facts, cancel, &error)) {
        dataset_notice(d, !is_cancelled(cancel), "%s%s", error.text,
                       d->settings.index_required ? "" : ": serving from memory");
    } else {
        dataset_notice(d, false, "wrote '%s' in %.3f s", d->index_path,
                       (double)(clock_monotonic_ns() - start) / 1e9);
        if (!d->settings.huge_pages)
            serve_from_file(d, cancel);
        dataset_set_checksum(d, facts.data.content);
        outcome = DATASET_IN_MAPPING;
    }
    dataset_lock_index(d, cancel);
    index_writer_close(&d->writer);
    atomic_store(&d->status, outcome);
}

// ---- verifying ----------------------------------------------------------------------------------

static void report_read(void *context, uint64_t done, uint64_t total)
{
    dataset_report_progress(context, done, total);
}

bool dataset_compare_content(const struct dataset *d, const struct index_facts *facts,
                             const atomic_bool *cancel, struct error *error)
{
    uint64_t content;
    struct identity_reading reading = {.cancel = cancel};
    if (d->index == NULL) { // the dataset is being opened, so progress is reported
        reading.progress = report_read;
        reading.context = (void *)(uintptr_t)d;
    }
    if (!identity_content(d->text, &content, &reading)) {
        if (is_cancelled(cancel))
            return true;
        error_set(error, "no memory to verify '%s'", d->path);
        return false;
    }
    if (content == facts->data.content)
        return true;
    error_set(error, "'%s' was not built from the data in '%s'", d->index_path, d->path);
    return false;
}

// Compares all blocks with their checksums. Returns false with a message when one differs. Returns
// true when it was cancelled before a bad block was found.
static bool verify_blocks(struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    struct verifier *verifier = &d->index->file.verifier;
    struct error fault;
    if (!verifier_await_old_times(verifier, cancel) || verifier_check_all(verifier, cancel, &fault))
        return true;
    error_set(error, "'%s' is damaged: %s", d->index_path, fault.text);
    return false;
}

bool dataset_verify(struct dataset *d, struct error *error)
{
    return verify_blocks(d, NULL, error) &&
           (d->content_compared || dataset_compare_content(d, &d->index->file.facts, NULL, error));
}

// Verifies what opening has not: the blocks, and the content of the data file. Returns false with a
// message when the index is wrong.
static bool verify(struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    if (!verifier_is_complete(&d->index->file.verifier) && !verify_blocks(d, cancel, error))
        return false;
    if (!d->content_unverified)
        return true;
    if (!dataset_compare_content(d, &d->index->file.facts, cancel, error))
        return false;
    d->content_compared = !is_cancelled(cancel);
    return true;
}

// Waits until the times of the data file are old enough to be a proof, and then compares the
// content once more. Sets `*now` and returns whether it is a proof.
static bool await_proof(struct dataset *d, struct identity *now, const atomic_bool *cancel)
{
    struct stat status;
    struct error error;
    uint64_t until = clock_monotonic_ns() + PROOF_SECONDS * CLOCK_SECOND;
    while (clock_monotonic_ns() < until && !is_cancelled(cancel))
        nanosleep(&(struct timespec){0, PROOF_TURN_NS}, NULL);
    if (fstat(d->source.fd, &status) != 0)
        return false;
    *now = identity_of_file(&status);
    return identity_is_proven(now, now) &&
           dataset_compare_content(d, &d->index->file.facts, cancel, &error) &&
           !is_cancelled(cancel);
}

// Stores the identity of the data file in the index file, so that the next start need not read the
// data.
static void store_proof(struct dataset *d, const atomic_bool *cancel)
{
    const struct identity *then = &d->index->file.facts.data;
    struct identity now = d->id;
    if (d->settings.index != DATASET_INDEX_WRITE)
        return;
    if (d->settings.await_proof && !identity_is_proven(&now, &now) && !await_proof(d, &now, cancel))
        return;
    now.seed = then->seed;
    now.sample = then->sample;
    now.content = then->content;
    if (is_untouched(d))
        (void)index_writer_set_identity(d->index_path, &now);
}

void dataset_finish(struct dataset *d, const atomic_bool *cancel)
{
    bool late = d->blocks_unverified || d->content_unverified;
    if (d->writer.unpublished) {
        write_index(d, cancel);
        return;
    }
    // The index is locked before the data is read, which would displace it from the page cache.
    dataset_lock_index(d, cancel);
    // If the index file was written just before it was opened, a later write might leave its times
    // as they are. Then the blocks that opening compared do not count as verified
    // (verifier_times_are_old), and verify compares them again.
    if (!verify(d, cancel, &d->fault)) {
        atomic_store(&d->is_wrong, true);
        return;
    }
    if (is_cancelled(cancel))
        return;
    if (late)
        dataset_notice(d, false, "verified '%s'", d->index_path);
    if (d->content_compared)
        store_proof(d, cancel);
    if (late)
        atomic_store(&d->status, DATASET_IN_MAPPING);
}

struct dataset *dataset_finished(struct dataset *d, struct error *error)
{
    struct error reason;
    dataset_finish(d, NULL);
    if (!dataset_is_spoiled(d, NULL, &reason))
        return d;
    dataset_notice(d, false, "%s: rebuilding the index", reason.text);
    struct dataset *again = dataset_open_again(d, error);
    dataset_close(d);
    if (again != NULL)
        dataset_finish(again, NULL);
    return again;
}
