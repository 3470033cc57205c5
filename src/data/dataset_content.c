// Tells whether the data file still has the served content. As long as nobody touches the file, its
// times show that. When its times have changed, the checksum of the whole content is compared.
#include <string.h>

#include "base/process.h"
#include "data/dataset_internal.h"

void dataset_set_known_times(struct dataset *d, const struct identity *now)
{
    atomic_store(&d->known_modified_ns, now->modified_ns);
    atomic_store(&d->known_changed_ns, now->changed_ns);
    atomic_store(&d->known_read_ns, now->read_ns);
}

// Sets `*now` to the present identity of the data file. Returns false when fstat fails.
static bool current_identity(const struct dataset *d, struct identity *now)
{
    struct stat status;
    if (fstat(d->source.fd, &status) != 0)
        return false;
    *now = identity_of_file(&status);
    return true;
}

// Whether `now` has the size and times with which the file is known to have the served content.
static bool has_times(const struct dataset *d, const struct identity *now)
{
    return now->bytes == d->opened.bytes &&
           now->modified_ns == atomic_load(&d->known_modified_ns) &&
           now->changed_ns == atomic_load(&d->known_changed_ns);
}

bool dataset_is_as_loaded(const struct dataset *d, const struct stat *status)
{
    struct identity now = identity_of_file(status);
    return dataset_is_from_file(d, status) && has_times(d, &now);
}

void dataset_set_checksum(struct dataset *d, uint64_t content)
{
    atomic_store(&d->checksum, content);
    atomic_store(&d->has_checksum, true);
}

const char *dataset_version(const struct dataset *d)
{
    return d->version;
}

int64_t dataset_made_at(const struct dataset *d)
{
    return d->settings.made_at;
}

bool dataset_checksum(const struct dataset *d, uint64_t *content)
{
    if (!atomic_load(&d->has_checksum))
        return false;
    *content = atomic_load(&d->checksum);
    return true;
}

bool dataset_checksum_at_opening(const struct dataset *d, uint64_t *content)
{
    if (d->has_built_content)
        *content = d->built_content;
    else if (d->index->from_file)
        *content = d->index->file.facts.data.content;
    return d->has_built_content || d->index->from_file;
}

static bool read_content(const struct dataset *d, uint64_t *content, const atomic_bool *cancel)
{
    const struct identity_reading reading = {.cancel = cancel};
    return identity_content(d->text, content, &reading);
}

void dataset_compute_checksum(struct dataset *d, const atomic_bool *cancel)
{
    const struct index *x = d->index;
    uint64_t content;
    if (atomic_load(&d->has_checksum) || !mapping_is_guarded(&d->source))
        return;
    if (x->from_file) {
        if (strcmp(atomic_load(&d->status), DATASET_IN_MAPPING) == 0)
            dataset_set_checksum(d, x->file.facts.data.content);
    } else if (2 * (uint64_t)d->text.len <= process_memory_allowed() && // see dataset.h
               read_content(d, &content, cancel) && dataset_is_unchanged(d)) {
        dataset_set_checksum(d, content);
    }
}

bool dataset_may_be_overwritten(const struct dataset *d)
{
    struct identity now;
    return atomic_load(&d->has_checksum) && atomic_load(&d->change) == CHANGE_NONE &&
           !mapping_is_damaged(&d->source) && current_identity(d, &now) &&
           now.bytes == d->opened.bytes && now.modified_ns != atomic_load(&d->known_modified_ns);
}

bool dataset_recheck_content(struct dataset *d, const atomic_bool *cancel)
{
    struct identity before, after;
    uint64_t content;
    if (!atomic_load(&d->has_checksum) || !current_identity(d, &before) ||
        before.bytes != d->opened.bytes || !read_content(d, &content, cancel) ||
        mapping_look(&d->source) != 0)
        return false;
    if (content != atomic_load(&d->checksum)) {
        atomic_store(&d->change, CHANGE_OVERWRITTEN);
        return false;
    }
    // If the file was written to during the reading, its content may be different by now.
    if (!current_identity(d, &after) || after.bytes != before.bytes ||
        after.modified_ns != before.modified_ns || after.changed_ns != before.changed_ns)
        return false;
    dataset_set_known_times(d, &before);
    return true;
}

bool dataset_serves_content_of(struct dataset *d, const struct stat *status,
                               const atomic_bool *cancel)
{
    struct identity now = identity_of_file(status);
    struct identity then = now;
    if (!dataset_is_from_file(d, status) || now.bytes != d->opened.bytes ||
        mapping_look(&d->source) != 0 || atomic_load(&d->change) != CHANGE_NONE)
        return false;
    then.modified_ns = atomic_load(&d->known_modified_ns);
    then.changed_ns = atomic_load(&d->known_changed_ns);
    then.read_ns = atomic_load(&d->known_read_ns);
    return identity_is_proven(&then, &now) || dataset_recheck_content(d, cancel);
}
