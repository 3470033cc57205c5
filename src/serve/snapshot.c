// Snapshots and their two kinds of memory: the caller's and the heap's.
#include "serve/snapshot.h"

#include <stdlib.h>

#include "data/dataset.h"

static void release_embedded(struct ref *ref)
{
    struct snapshot *snapshot = (struct snapshot *)ref; // its first member
    link_remove(&snapshot->link);
    ref_drop(dataset_ref(snapshot->dataset));
}

static void release_allocated(struct ref *ref)
{
    release_embedded(ref);
    free(ref);
}

void snapshot_init(struct snapshot *snapshot, struct dataset *dataset)
{
    ref_take(dataset_ref(dataset));
    *snapshot = (struct snapshot){.dataset = dataset};
    link_init(&snapshot->link);
    ref_init(&snapshot->ref, release_embedded);
}

struct snapshot *snapshot_new(struct dataset *dataset)
{
    struct snapshot *snapshot = malloc(sizeof *snapshot);
    if (snapshot == NULL)
        return NULL;
    snapshot_init(snapshot, dataset);
    snapshot->ref.release = release_allocated;
    return snapshot;
}

const struct snapshot *snapshot_of(const struct ref *ref)
{
    return (const struct snapshot *)ref;
}

bool snapshot_is_intact(const struct ref *ref, unsigned damage_stamp)
{
    const struct dataset *d = snapshot_of(ref)->dataset;
    (void)dataset_look(d);
    return dataset_replacements(d) == damage_stamp;
}
