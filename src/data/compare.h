// Compares two datasets: which keys the new one adds and lacks, and which have another value there.
//
// Both indexes hold their keys in order, so the comparison is a merge: it reads the line of each
// key once, and sorts nothing. The lines are at random places of the data files, so the files
// should be in memory; where they are not, most keys cost a read of the disk.
//
// Both data files are mapped as a whole and read ahead, unless they do not fit into memory
// together. Beside that, at most 64 MB of memory are used, whatever the size of the files.
#ifndef STELE_DATA_COMPARE_H
#define STELE_DATA_COMPARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "data/uuid.h"

struct dataset;
struct error;

// Numbers of keys. Two keys are equal if their UUIDs are, whether the text is in upper or lower
// case. The value of a key is the one that is served: that of its last line.
struct dataset_difference {
    uint64_t added;   // only the new dataset has the key
    uint64_t removed; // only the old dataset has the key
    uint64_t changed; // both have the key, with different values
    uint64_t same;    // both have the key, with the same value
};

enum difference_kind { DIFFERENCE_ADDED, DIFFERENCE_REMOVED, DIFFERENCE_CHANGED };

// A key that was added, removed or changed.
struct difference {
    enum difference_kind kind;
    struct uuid id;
    uint64_t old_offset; // offset of its line in the old data, or DATASET_NO_OFFSET
    uint64_t new_offset; // offset of its line in the new data, or DATASET_NO_OFFSET
};

// How to compare. When all fields are 0, nothing is reported and only counts are returned.
struct compare_settings {
    // Receives each difference, in key order. Returns false with a message to end the comparison.
    // NULL: only the counts are wanted.
    bool (*report)(void *context, const struct difference *difference, struct error *error);
    // Receives how many of the keys of both datasets were compared, from time to time and at the
    // end. NULL: none.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context; // for the two functions
    // The comparison ends soon after this becomes true. NULL: it is not cancelled.
    const atomic_bool *cancel;
    // Values are not compared. `changed` is then 0, and `same` counts all keys that both have.
    bool keys_only;
};

// Compares two datasets and sets `*difference`. Works on all processors; the functions of
// `settings` are called on the calling thread only. Both datasets must be finished
// (dataset_finished). `settings` may be NULL. A dataset may be compared with itself.
//
// Returns false with a message in these cases; `*difference` is then unspecified, and what was
// reported may be wrong:
// * A data file was damaged or written to since it was opened.
// * An index is damaged, or its file was written to meanwhile, or its keys are not in order.
// * Memory is short, the report failed, or the comparison was cancelled.
bool compare_datasets(const struct dataset *old, const struct dataset *new,
                      const struct compare_settings *settings,
                      struct dataset_difference *difference, struct error *error);

// Sets `*lost` to the number of keys of the old dataset that the new one lacks. Reads no values, so
// it takes less time than compare_datasets. Uses only `progress`, `context` and `cancel` of
// `settings`. Returns false in the same cases.
bool compare_count_lost(const struct dataset *old, const struct dataset *new,
                        const struct compare_settings *settings, uint64_t *lost,
                        struct error *error);

#endif
