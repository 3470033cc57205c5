// One loop's reference to one dataset. Replies that borrow a value, and unfinished commands, hold
// references to the snapshot and not to the dataset. If all loops counted their references in the
// dataset, they would write to the same cache line and slow each other down.
//
// When the dataset is replaced, each loop makes a new snapshot. The old one stays until its last
// reference is dropped. Only the thread of its loop may touch a snapshot.
#ifndef STELE_SERVE_SNAPSHOT_H
#define STELE_SERVE_SNAPSHOT_H

#include "base/bytes.h"
#include "base/link.h"
#include "base/ref.h"

struct dataset;

struct snapshot {
    struct ref ref;
    struct dataset *dataset; // holds a reference
    struct link link;        // in the list of the loop's snapshots, the oldest first
    uint64_t number;         // number of replacements in this loop up to this snapshot
    uint64_t generation; // number of those replacements that changed the data, not only its index
};

// Initialises a snapshot of `dataset` in the caller's memory. The caller holds the only reference.
// The memory must stay valid until the last reference is dropped.
void snapshot_init(struct snapshot *snapshot, struct dataset *dataset);

// The same on the heap. The snapshot is freed when its last reference is dropped. Returns NULL when
// memory is short.
struct snapshot *snapshot_new(struct dataset *dataset);

// Returns the snapshot whose field `ref` is given. An output segment that borrows a value holds a
// reference to its snapshot in this form (base/output.h).
const struct snapshot *snapshot_of(const struct ref *ref);

// Looks for new damage to the files of the dataset of the snapshot whose field `ref` is given.
// Returns whether their memory shows right bytes: dataset_replacements still returns
// `damage_stamp`.
bool snapshot_is_intact(const struct ref *ref, unsigned damage_stamp);

#endif
