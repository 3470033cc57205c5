// Locks the index of a dataset in memory. The index is much smaller than the data, and each lookup
// reads it. Without a lock, a scan of a large data file would displace it from the page cache.
#include <errno.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "data/dataset_internal.h"
#include "data/room.h"

typedef unsigned long long ull;

// Of a mapped index file it is the whole mapping. If only the image were locked, the kernel would
// divide the mapping into three.
struct span dataset_index_memory(const struct dataset *d)
{
    const struct index *x = d->index;
    const struct bytes *mapping = &x->file.mapping;
    return mapping->ptr != NULL ? span_of(mapping->ptr, mapping->len) : index_image(x);
}

// Whether the index is small enough for DATASET_LOCK_AUTO. Pages of files count as available, so an
// index in memory is counted in addition.
static bool fits(const struct dataset *d, struct error *error)
{
    const struct index *x = d->index;
    uint64_t bytes = dataset_index_memory(d).len;
    bool in_file = x->file.image.ptr != NULL && x->file.copy.ptr == NULL;
    uint64_t room = room_in_memory(d->settings.memory_most, 0) + (in_file ? 0 : bytes);
    if (bytes <= room / 2)
        return true;
    error_set(error, "it takes %llu bytes, more than half of the %llu that it could have",
              (ull)bytes, (ull)room);
    return false;
}

// Whether the limit of the system allows to lock `bytes` more.
static bool is_allowed(uint64_t bytes, struct error *error)
{
    struct rlimit limit;
    if (memory_may_lock(bytes))
        return true;
    if ((errno == ENOMEM || errno == EPERM) && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        error_set(error, "%llu bytes are needed, and the limit of locked memory is %llu",
                  (ull)bytes, (ull)limit.rlim_cur);
    else
        error_set(error, "%s", strerror(errno));
    return false;
}

// Locks the index. Returns 0, or an error number with a message.
static int lock_index(struct dataset *d, const atomic_bool *cancel, struct error *error)
{
    struct span memory = dataset_index_memory(d);
    if (!is_allowed(memory.len, error))
        return ENOMEM;
    int failed = memory_lock(memory.ptr, memory.len, cancel);
    if (mapping_look(&d->index->file.source) > 0) {
        memory_unlock(memory.ptr, memory.len);
        failed = EIO;
    }
    if (failed == EIO)
        error_set(error, "its file was truncated or cannot be read");
    else if (failed != 0)
        error_set(error, "%s", strerror(failed));
    else
        dataset_notice(d, false, "locked the index in memory: %zu bytes", memory.len);
    atomic_store(&d->locked, failed == 0);
    return failed;
}

bool dataset_lock_at_opening(struct dataset *d, struct error *error)
{
    struct error reason;
    if (d->settings.lock_index != DATASET_LOCK_YES || lock_index(d, NULL, &reason) == 0)
        return true;
    error_set(error, "cannot lock the index of '%s' in memory: %s", d->path, reason.text);
    return false;
}

void dataset_lock_index(struct dataset *d, const atomic_bool *cancel)
{
    struct error reason;
    bool required = d->settings.lock_index == DATASET_LOCK_YES;
    if (d->settings.lock_index == DATASET_LOCK_NO || atomic_load(&d->locked))
        return;
    int failed = required || fits(d, &reason) ? lock_index(d, cancel, &reason) : ENOMEM;
    if (failed != 0 && failed != ECANCELED)
        dataset_notice(d, required, "the index is not locked in memory: %s", reason.text);
}

bool dataset_index_is_locked(const struct dataset *d)
{
    return atomic_load(&d->locked) && !mapping_is_damaged(&d->index->file.source);
}

void dataset_unlock_index(struct dataset *d)
{
    struct span memory = dataset_index_memory(d);
    if (atomic_exchange(&d->locked, false))
        memory_unlock(memory.ptr, memory.len);
}
