// What a dataset is made of: shared by the code that opens one (dataset_open.c) and the code that
// reads it (dataset.c), and by nobody else.
#ifndef STELE_DATA_DATASET_PARTS_H
#define STELE_DATA_DATASET_PARTS_H

#include "base/mapping.h"
#include "base/ref.h"
#include "data/dataset.h"
#include "data/identity.h"
#include "data/index_file.h"
#include "data/index_writer.h"
#include "data/trie.h"
#include "data/trie_build.h"

// One index of the text. It lies in memory of its own or in a file, which its writer still holds or
// which is mapped.
struct index {
    struct trie trie;
    struct dataset_figures figures;
    struct trie_image image;
    struct index_file file;
    bool found;             // in a file, when opening
    bool written;           // to the writer's file, which is mapped, though it is no index file yet
    struct index *replaced; // an older one, kept because it may be read until the dataset is gone
};

struct dataset {
    struct ref ref;
    void (*unread)(void *context, struct dataset *d); // NULL: it is freed at once
    void *unread_context;
    struct span text;
    _Atomic(struct index *) index;
    struct mapping source; // of the text
    bool mapped;           // the text is our mapping, not the caller's
    // For settling:
    struct dataset_settings settings;
    char *index_path;       // NULL: no index file is used
    struct identity id;     // of the data file, as reading it began; without checksums
    struct identity opened; // as what is served was opened first: so long it is
    atomic_uint change;     // an enum change: what has been seen of the file besides damage
    atomic_uint told;       // what dataset_check has told of; bits
    struct index_writer writer;
    bool blocks_unverified;  // of a mapped index
    bool content_unverified; // of the data file
    bool rebuilt;            // in the place of one whose index was spoiled
    atomic_bool given_up;    // its index is spoiled, and another dataset was tried
    _Atomic(const char *) status;
    char path[]; // NUL-terminated
};

// What somebody has done to the data file without cutting it.
enum change { CHANGE_NONE, CHANGE_APPENDED, CHANGE_OVERWRITTEN };

// Nobody reads it any more.
void dataset_release(struct ref *ref);

static inline const struct index *dataset_current(const struct dataset *d)
{
    return atomic_load_explicit(&d->index, memory_order_acquire);
}

#endif
