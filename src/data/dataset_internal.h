// The parts of a dataset, for the dataset_*.c files alone. dataset_open.c, dataset_index.c and
// dataset_build.c open one; dataset_finish.c does the work that opening has left; dataset_same.c
// and dataset_repair.c watch its files; dataset.c reads it.
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

// One index of the text. It lies in its own memory, in the file of the writer, or in a mapped index
// file.
struct index {
    struct trie trie;
    struct dataset_figures figures;
    struct trie_image image;
    struct index_file file;
    bool found;   // opening mapped it from an index file
    bool written; // it lies in the writer's file, which is mapped but no index file yet
};

struct dataset {
    struct ref ref;
    void (*unread)(void *context, struct dataset *d); // NULL: it is freed at once
    void *unread_context;
    struct span text;
    struct index *index;   // NULL until it is opened
    struct mapping source; // of the text
    bool mapped;           // the text is our mapping, not the caller's
    // For finishing:
    struct dataset_settings settings;
    char *index_path;       // NULL: no index file is used
    struct identity id;     // of the data file when its reading began, without checksums
    struct identity opened; // the same when the served content was first opened
    atomic_uint change;     // an enum change: the change seen in the file, besides damage
    atomic_uint told;       // the reports that dataset_check has made; bits
    // Times with which the data file is known to hold the served content (dataset_same.c):
    _Atomic int64_t same_modified_ns;
    _Atomic int64_t same_changed_ns;
    _Atomic int64_t same_read_ns; // time when that became known
    _Atomic uint64_t content;     // checksum of the content
    atomic_bool content_known;
    struct index_writer writer;
    // Of a mapped index:
    bool blocks_unverified;
    bool content_unverified; // the index probably belongs to the data file, but that is not proven
    bool content_compared;   // the content proved it, as the data file's times did not
    struct error fault;      // the fault that finishing has found
    atomic_bool is_wrong;    // `fault` is set
    bool rebuilt;            // dataset_open_again opened it
    _Atomic uint64_t try_ns; // monotonic time from which on a spoiled index may be built anew
    _Atomic(const char *) status;
    char path[]; // NUL-terminated
};

// A change of the data file that has cut nothing off.
enum change { CHANGE_NONE, CHANGE_APPENDED, CHANGE_OVERWRITTEN };

// The status of the index in INFO.
#define DATASET_IN_MEMORY "memory"
#define DATASET_IN_WRITING "writing"
#define DATASET_IN_VERIFICATION "verifying"
#define DATASET_IN_MAPPING "mapped"
#define DATASET_DAMAGED "damaged"

// ---- dataset_open.c -----------------------------------------------------------------------------

// A dataset of the file at `path` that has neither data nor index yet. NULL with a message when
// memory is short.
struct dataset *dataset_new(const char *path, const struct dataset_settings *settings,
                            struct error *error);

// Sets `d->index_path`; NULL when the settings use no index file. Returns false with a message when
// the path cannot be found.
bool dataset_choose_index_path(struct dataset *d, struct error *error);

// Maps the data file `fd` and opens its index. `d->id` and `d->opened` are set before. Returns
// false with a message; then the caller closes `d`. `report` may be NULL.
bool dataset_open_file(struct dataset *d, int fd, struct dataset_report *report,
                       struct error *error);

// Reports a line of text to the caller who opened the dataset.
__attribute__((format(printf, 3, 4))) void dataset_notice(const struct dataset *d, bool warning,
                                                          const char *format, ...);

// Advises the kernel how the mapped data will be read: an advice of madvise. Text that the caller
// owns is left alone.
void dataset_advise(const struct dataset *d, int advice);

// Whether the data file is still as it was opened, and no byte that was read of it was lost. Misses
// a change too soon after the last one to show in the file's times, and changes through a mapping.
bool dataset_is_unchanged(struct dataset *d);

// Whether its path still leads to the file that was opened.
bool dataset_is_there(const struct dataset *d);

// The function that runs when the last reference is dropped.
void dataset_release(struct ref *ref);

// ---- dataset_index.c ----------------------------------------------------------------------------

// Returns the index of the mapped data: the index file where it may be used, or one built anew.
// NULL with a message. Sets `d->status`.
struct index *dataset_open_index(struct dataset *d, struct dataset_report *report,
                                 struct error *error);

// ---- dataset_build.c ----------------------------------------------------------------------------

// Reads, sorts and indexes the text. Returns NULL with a message when memory is short or malformed
// lines are refused; `report` then still has the messages of the first of them.
struct index *dataset_build_index(struct dataset *d, struct dataset_report *report,
                                  struct error *error);

// Copies the image to huge pages when the settings ask for it. Without room for a copy the image
// stays in the file, with a warning. Returns false with a message when copying fails.
bool dataset_copy_to_huge_pages(struct dataset *d, struct index_file *file, struct error *error);

// Reports to the caller who opened the dataset how much work of building is done.
void dataset_report_progress(const struct dataset *d, uint64_t done, uint64_t total);

// Unmaps and frees. NULL is accepted.
void dataset_index_free(struct index *x);

// ---- dataset_finish.c ---------------------------------------------------------------------------

// Reads all of the data file and compares it with the content that the index file was built from.
// Returns false with a message when they differ. Also true when it was cancelled before.
bool dataset_compare_content(const struct dataset *d, const struct index_facts *facts,
                             const atomic_bool *cancel, struct error *error);

// ---- dataset_same.c -----------------------------------------------------------------------------

// Notes that a file with these times holds the served content. `now` was taken before the file was
// read.
void dataset_note_times(struct dataset *d, const struct identity *now);

// Notes the checksum of the served content.
void dataset_know_content(struct dataset *d, uint64_t content);

// ---- one index ----------------------------------------------------------------------------------

// The bytes of the image, in memory or in the file.
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
