// The immutable dataset: a data file, mapped, and the trie over it.
//
// Counted by reference: dataset_open hands out one, each borrower that outlives the call takes its
// own, the last one to go unmaps everything. Reading takes no lock and writes nothing, so any
// number of threads may ask the same dataset.
#ifndef STELE_DATA_DATASET_H
#define STELE_DATA_DATASET_H

#include "base/bytes.h"
#include "data/uuid.h"

struct dataset;
struct error;
struct ref;

enum { DATASET_MALFORMED_SHOWN = 10, DATASET_MALFORMED_TEXT = 320 };

// What the file held. Bytes are counted as in the file.
struct dataset_figures {
    uint64_t data_bytes; // size of the file
    uint64_t lines;      // malformed ones included
    uint64_t malformed;
    uint64_t keys;        // distinct
    uint64_t duplicates;  // records whose key a later line has too
    uint64_t value_bytes; // of the values served: one a key
    uint64_t index_bytes; // of the trie
    uint64_t build_ns;    // from the first byte read to the trie standing
    uint64_t built_at_us; // since 1970, UTC
};

// The outcome of a reading, kept also when the dataset is refused.
struct dataset_report {
    struct dataset_figures figures;
    char malformed[DATASET_MALFORMED_SHOWN][DATASET_MALFORMED_TEXT]; // messages of the first lines
};

// What to do about malformed lines.
enum dataset_malformed { DATASET_REFUSE_MALFORMED, DATASET_SKIP_MALFORMED };

// Maps the regular file at `path` and builds its trie. NULL with a message when it cannot be read,
// is no regular file, changes while it is read, memory is short, or a line is malformed and
// `malformed` says to refuse. `report` may be NULL.
struct dataset *dataset_open(const char *path, enum dataset_malformed malformed,
                             struct dataset_report *report, struct error *error);

// The same over `text`, which must stay until the dataset is gone; `name` stands for the file in
// messages.
struct dataset *dataset_open_memory(struct span text, const char *name,
                                    enum dataset_malformed malformed, struct dataset_report *report,
                                    struct error *error);

// Gives back the reference that opening handed out. NULL is accepted.
void dataset_close(struct dataset *d);

// For a reply that borrows a value: holding a reference keeps every value of `d` valid.
struct ref *dataset_ref(struct dataset *d);

// The value stored under `id`, or false when there is none. The span points into the mapping: it
// stays valid while the caller holds its reference to `d`.
// Finding a value's end takes time in proportion to its length.
bool dataset_get(const struct dataset *d, struct uuid id, struct span *value);

// The same for many keys, in less time than one by one: values[i] becomes that of ids[i]; its `ptr`
// is NULL when there is none.
void dataset_get_many(const struct dataset *d, const struct uuid *ids, size_t count,
                      struct span *values);

// Whether there is a value under `id`, however long.
bool dataset_has(const struct dataset *d, struct uuid id);

// Ordered reading: the keys have ranks from 0 to their number - 1, in the order of their bits.
// The rank of the first key that is not less than `id`; the number of keys when all are less.
uint64_t dataset_seek(const struct dataset *d, struct uuid id);

// The record of that rank. False when there is none.
bool dataset_at(const struct dataset *d, uint64_t rank, struct uuid *id, struct span *value);

const struct dataset_figures *dataset_figures(const struct dataset *d);

// The path it was opened with, or the name of the text.
const char *dataset_path(const struct dataset *d);

// The text and the trie over it, for tools and tests.
struct span dataset_text(const struct dataset *d);
const struct trie *dataset_trie(const struct dataset *d);

#endif
