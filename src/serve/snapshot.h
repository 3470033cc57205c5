// One loop's hold on one dataset. Replies that borrow a value, and commands that are not done, hold
// references to the snapshot and not to the dataset, as counting all loops' borrowers in one place
// would make them wait for each other. A loop goes on with a new snapshot when the dataset is
// replaced; the old one stays until the last of its references is dropped.
//
// A snapshot belongs to the thread of its loop.
#ifndef STELE_SERVE_SNAPSHOT_H
#define STELE_SERVE_SNAPSHOT_H

#include "base/bytes.h"
#include "base/link.h"
#include "base/ref.h"

struct dataset;

struct snapshot {
    struct ref ref;
    struct dataset *dataset; // a reference of the snapshot's own
    struct link link;        // on the list of its loop's snapshots, the oldest first
    // Of its loop, when it went on with this snapshot; 0 at the start.
    uint64_t number;     // how often it had gone on with another
    uint64_t generation; // how often its data had been replaced, and not its index alone
};

// Makes `snapshot`, which the caller places, one of `dataset`: with one reference, which is the
// caller's.
void snapshot_init(struct snapshot *snapshot, struct dataset *dataset);

// The same on the heap; it frees itself. NULL when memory is short.
struct snapshot *snapshot_new(struct dataset *dataset);

// The one that a reply which borrows a value holds.
const struct snapshot *snapshot_of(const struct ref *ref);

// Whether the dataset of the snapshot that `ref` refers to has no more damage now than `damage`.
bool snapshot_is_intact(const struct ref *ref, unsigned damage_stamp);

#endif
