// Finds out whether the index of a dataset is spoiled (dataset.h). Opens another dataset over the
// same data, with a new index, to replace it.
#include "base/clock.h"
#include "data/dataset_internal.h"

enum { RETRY_SECONDS = 60 }; // between two attempts to replace a spoiled index

// Whether the path still leads to the file that was opened, and that file has the size and the
// modification time that it had when it was last known to have the served content.
static bool is_current(const struct dataset *d)
{
    struct stat status;
    if (!dataset_path_is_current(d) || fstat(d->source.fd, &status) != 0)
        return false;
    struct identity now = identity_of_file(&status);
    return now.bytes == d->opened.bytes && now.modified_ns == atomic_load(&d->known_modified_ns);
}

// Whether the index file is damaged. If so, sets a message. A block of such a file also differs
// from its checksum, so callers look at this first.
static bool index_file_is_damaged(const struct dataset *d, struct error *error)
{
    if (!mapping_is_damaged(&d->index->file.source))
        return false;
    error_set(error, "'%s' was truncated or cannot be read", d->index_path);
    return true;
}

bool dataset_is_spoiled(struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    struct index_file *file = &d->index->file;
    struct error reason;
    if (!dataset_may_be_spoiled(d))
        return false;
    if (index_file_is_damaged(d, error))
        return true;
    if (atomic_load(&d->is_wrong)) {
        *error = d->fault;
        return true;
    }
    // While the file's times are recent, the verifier does not remember which blocks it has found
    // good (verifier.h). All blocks would have to be compared again, so this waits first.
    (void)verifier_await_old_times(&file->verifier, cancel);
    if (verifier_check_all(&file->verifier, cancel, &reason))
        return false;
    if (index_file_is_damaged(d, error))
        return true;
    error_set(error, "'%s' %s%s", d->index_path,
              verifier_round(&file->verifier) > 1 ? "was overwritten in place: " : "is damaged: ",
              reason.text);
    return true;
}

struct dataset *dataset_open_again(struct dataset *old, struct error *error)
{
    struct stat status;
    struct dataset_settings settings = old->settings;
    settings.progress = NULL;
    settings.index_path = old->index_path;
    // In three cases the new index stays in memory and no index file is written:
    // * This is the second spoiled index in a row, so the disk may spoil the next file too.
    // * The path leads to another data file now, so the file at the index path may be the index of
    //   that other data file.
    // * The settings allow only an existing index file.
    if (old->rebuilt || !is_current(old) || settings.index == DATASET_INDEX_ONLY)
        settings.index = DATASET_INDEX_NONE;
    atomic_store(&old->retry_ns, clock_monotonic_ns() + RETRY_SECONDS * CLOCK_SECOND);
    struct dataset *d = dataset_new(old->path, &settings, error);
    if (d == NULL)
        return NULL;
    if (fstat(old->source.fd, &status) != 0 || (uint64_t)status.st_size < old->opened.bytes) {
        error_set(error, "'%s' was truncated", old->path);
    } else {
        d->id = identity_of_file(&status);
        d->opened = old->opened;
        dataset_set_known_times(d, &d->id);
        atomic_init(&d->known_modified_ns, atomic_load(&old->known_modified_ns));
        atomic_init(&d->change, atomic_load(&old->change));
        atomic_init(&d->reported, atomic_load(&old->reported));
        d->rebuilt = true;
        if (dataset_choose_index_path(d, error) &&
            dataset_open_file(d, old->source.fd, NULL, error))
            return d;
    }
    dataset_close(d);
    return NULL;
}

bool dataset_is_rebuilt(const struct dataset *d)
{
    return d->rebuilt;
}
