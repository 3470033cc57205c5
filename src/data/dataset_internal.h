// What a dataset is made of: shared by the code that opens one (dataset_open.c), the code that does
// what could wait (dataset_finish.c) and the code that reads it (dataset.c), and by nobody else.
#ifndef STELE_DATA_DATASET_INTERNAL_H
#define STELE_DATA_DATASET_INTERNAL_H

#include "base/error.h"
#include "base/mapping.h"
#include "base/ref.h"
#include "data/build/image.h"
#include "data/dataset.h"
#include "data/identity.h"
#include "data/index_file.h"
#include "data/index_writer.h"
#include "data/trie.h"

// One index of the text. It lies in memory of its own or in a file, which its writer still holds or
// which is mapped.
struct index {
    struct trie trie;
    struct dataset_figures figures;
    struct trie_image image;
    struct index_file file;
    bool found;   // in a file, when opening
    bool written; // to the writer's file, which is mapped, though it is no index file yet
};

struct dataset {
    struct ref ref;
    void (*unread)(void *context, struct dataset *d); // NULL: it is freed at once
    void *unread_context;
    struct span text;
    struct index *index;   // NULL until it is opened
    struct mapping source; // of the text
    bool mapped;           // the text is our mapping, not the caller's
    // For settling:
    struct dataset_settings settings;
    char *index_path;       // NULL: no index file is used
    struct identity id;     // of the data file, as reading it began; without checksums
    struct identity opened; // as what is served was opened first: so long it is
    atomic_uint change;     // an enum change: what has been seen of the file besides damage
    atomic_uint told;       // what dataset_check has told of; bits
    // Of the data file, with whose times it is known to hold what is served (dataset_same.c):
    _Atomic int64_t same_modified_ns;
    _Atomic int64_t same_changed_ns;
    _Atomic int64_t same_read_ns; // when that was found out
    _Atomic uint64_t content;     // its checksum
    atomic_bool content_known;
    struct index_writer writer;
    // Of a mapped index:
    bool blocks_unverified;
    bool content_unverified; // the data file is like what it was built from, but not proven to be
    bool content_compared;   // the data file's times do not prove it, but its content did
    struct error fault;      // what settling has found wrong with it
    atomic_bool is_wrong;    // it is in `fault`
    bool rebuilt;            // in the place of one whose index was spoiled
    _Atomic uint64_t try_ns; // monotonic; when its spoiled index is worth another try
    _Atomic(const char *) status;
    char path[]; // NUL-terminated
};

// What somebody has done to the data file without cutting it.
enum change { CHANGE_NONE, CHANGE_APPENDED, CHANGE_OVERWRITTEN };

// Its status in INFO, besides what damage has done to it (dataset_status).
#define DATASET_IN_MEMORY "memory"
#define DATASET_IN_WRITING "writing"
#define DATASET_IN_VERIFICATION "verifying"
#define DATASET_IN_MAPPING "mapped"
#define DATASET_DAMAGED "damaged"

// Tells whoever opened it how much of the data has been read, of all of it.
void dataset_tell_progress(const struct dataset *d, uint64_t done, uint64_t total);

// Reads all of the data file: whether it is what the index file of those facts was built from. Also
// true when it was cancelled before. False with a message.
bool dataset_compare_content(const struct dataset *d, const struct index_facts *facts,
                             const atomic_bool *cancel, struct error *error);

// Tells whoever opened it.
__attribute__((format(printf, 3, 4))) void dataset_notice(const struct dataset *d, bool warning,
                                                          const char *format, ...);

// Whether the data file is still as it was opened, and all that was read of it was there. What is
// not excluded: a change too soon after the last one to show in its times, or one by a mapping.
bool dataset_is_unchanged(struct dataset *d);

// Whether its path still leads to the file it was opened from.
bool dataset_is_there(const struct dataset *d);

// With those times the file holds what is served. `now` is of the file before it was read.
void dataset_note_times(struct dataset *d, const struct identity *now);

// That is the checksum of the content that is served.
void dataset_know_content(struct dataset *d, uint64_t content);

// Nobody reads it any more.
void dataset_release(struct ref *ref);

// The bytes of the image, wherever it lies.
static inline struct span index_image(const struct index *x)
{
    return x->file.image.ptr != NULL ? x->file.image
                                     : span_of(x->image.memory.ptr, x->image.memory.len);
}

static inline const struct index *dataset_current(const struct dataset *d)
{
    return d->index;
}

#endif
