// The parts of a dataset, for the dataset*.c files only:
//
//   dataset_open.c      opens and frees a dataset
//   dataset_index.c     maps its index file, or decides that an index is built
//   dataset_build.c     builds its index
//   dataset_lock.c      locks its index in memory
//   dataset_read.c      reads keys and values that may not be in memory
//   dataset_resident.c  estimates how much is in memory, and removes it
//   dataset_finish.c    does the work that can wait until the dataset is served
//   dataset_content.c   tells whether the data file still has the served content
//   dataset_repair.c    replaces a dataset whose index is wrong
//   dataset.c           reads keys and values, and detects damage
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
#include "data/store.h"
#include "data/trie.h"

// The index of a dataset: a trie image (data/trie_image.h) and what belongs to it. The image is in
// anonymous memory, in a temporary file, or in an index file.
struct index {
    struct trie trie;
    struct dataset_figures figures;
    struct trie_image image; // the image in anonymous memory; zeroed when it is in a file
    struct index_file file;  // the mapped file; zeroed when the image is in memory
    bool from_file;          // opening mapped an index file and built nothing
    bool in_writer_file;     // the image was built in the temporary file of `dataset.writer`
};

struct dataset {
    struct ref ref;
    // Called when the last reference is released; NULL: the dataset is freed at once.
    void (*unreferenced)(void *context, struct dataset *d);
    void *unreferenced_context;
    struct span text;
    struct index *index;      // NULL until it is opened
    struct mapping source;    // detects damage of the data file while the text is read
    int random_fd;            // descriptor for single reads (dataset_read.c); -1: none
    atomic_bool asks_in_vain; // the file system has refused a read without waiting
    bool text_is_mapped;      // the dataset has mapped the text and unmaps it
    struct dataset_settings settings;
    char version[STORE_NAME_MAX + 1];
    char *index_path;       // NULL: no index file is used
    struct identity id;     // identity of the data file at this opening, without checksums
    struct identity opened; // the same at the first opening; dataset_open_again copies it
    atomic_uint change;     // an enum change: the change of the data file seen until now
    atomic_uint reported;   // bits: what dataset_check has reported
    // Times that the data file had when its content was last known to be the served one, and the
    // wall-clock time when fstat read them (dataset_content.c).
    _Atomic int64_t known_modified_ns;
    _Atomic int64_t known_changed_ns;
    _Atomic int64_t known_read_ns;
    _Atomic uint64_t checksum; // checksum of the served content
    atomic_bool has_checksum;  // `checksum` is set
    struct index_writer writer;
    // The checksum of the content (identity_content), computed while the index was built.
    uint64_t built_content;
    bool has_built_content; // `built_content` is set
    bool spill_failed;      // a temporary file for records could not be written or read (build.h)
    // Checks of a mapped index:
    bool blocks_unverified;  // its blocks have yet to be compared with their checksums
    bool content_unverified; // it probably belongs to the data file, but that is not proven
    bool content_compared;   // the whole content was compared, as times did not prove it
    struct error fault;      // why the index is wrong (dataset.h)
    atomic_bool is_wrong;    // `fault` is set
    // State of any index:
    bool rebuilt;              // dataset_open_again has opened this dataset
    _Atomic uint64_t retry_ns; // monotonic time before which a spoiled index is not built again
    atomic_bool locked;        // all pages of the index are locked in memory
    _Atomic(const char *) status;
    char path[]; // NUL-terminated
};

// A change of the data file that has not truncated it.
enum change { CHANGE_NONE, CHANGE_APPENDED, CHANGE_OVERWRITTEN };

// The status of the index in INFO.
#define DATASET_IN_MEMORY "memory"
#define DATASET_IN_WRITING "writing"
#define DATASET_IN_VERIFICATION "verifying"
#define DATASET_IN_MAPPING "mapped"
#define DATASET_DAMAGED "damaged"

// ---- dataset_open.c -----------------------------------------------------------------------------

// Allocates a dataset for the file at `path`, without data and index. Returns NULL with a message
// when memory is short.
struct dataset *dataset_new(const char *path, const struct dataset_settings *settings,
                            struct error *error);

// Sets `d->index_path`, which stays NULL when the settings use no index file. Returns false with a
// message when the real path of the data file cannot be found.
bool dataset_choose_index_path(struct dataset *d, struct error *error);

// Maps the data file `fd` and opens its index. The caller has set `d->id` and `d->opened`. Returns
// false with a message on failure; the caller then closes `d`. `report` may be NULL.
bool dataset_open_file(struct dataset *d, int fd, struct dataset_report *report,
                       struct error *error);

// Passes a line of text to `settings->notice` of the caller who opened the dataset.
__attribute__((format(printf, 3, 4))) void dataset_notice(const struct dataset *d, bool warning,
                                                          const char *format, ...);

// Advises the kernel how the mapped data will be read. `advice` is one of madvise. Does nothing for
// text that the caller owns.
void dataset_advise(const struct dataset *d, int advice);

// Called before all of the data is read in its order. Where huge pages are used, and most of the
// data is not in memory, reads it into them.
void dataset_begin_to_read(const struct dataset *d);

// Whether the path of the dataset still leads to the file that was opened.
bool dataset_path_is_current(const struct dataset *d);

// ---- dataset_index.c ----------------------------------------------------------------------------

// Returns the index of the mapped data: the index file if it may be used, otherwise a new index.
// Returns NULL with a message on failure. Sets `d->status`.
struct index *dataset_open_index(struct dataset *d, struct dataset_report *report,
                                 struct error *error);

// ---- dataset_build.c ----------------------------------------------------------------------------

// Builds the index of the text. Returns NULL with a message when memory is short or there are
// malformed lines that the settings refuse. `report` has the messages of the first malformed lines
// in either case; it may be NULL.
struct index *dataset_build_index(struct dataset *d, struct dataset_report *report,
                                  struct error *error);

// Copies the image to huge pages if the settings say so. When there is not enough memory for a
// copy, the image stays in the file, with a warning. Returns false with a message when copying
// fails.
bool dataset_copy_to_huge_pages(struct dataset *d, struct index_file *file, struct error *error);

// Passes the progress of building or reading to `settings->progress`, in bytes of the text.
void dataset_report_progress(const struct dataset *d, uint64_t done, uint64_t total);

// Unmaps and frees an index. NULL is accepted.
void dataset_index_free(struct index *x);

// ---- dataset_finish.c ---------------------------------------------------------------------------

// Reads the whole data file and compares its checksum with that of the content that the index file
// was built from. Returns false with a message when they differ or memory is short. Returns true
// when it was cancelled before a difference was found. `cancel` may be NULL.
bool dataset_compare_content(const struct dataset *d, const struct index_facts *facts,
                             const atomic_bool *cancel, struct error *error);

// ---- dataset_lock.c -----------------------------------------------------------------------------

// Returns the memory that holds the index: to be locked, or to be looked at.
struct span dataset_index_memory(const struct dataset *d);

// Locks the index for an opening with DATASET_LOCK_YES; otherwise does nothing. Returns false with
// a message on failure.
bool dataset_lock_at_opening(struct dataset *d, struct error *error);

// Locks the index as `settings->lock_index` says, unless it is locked, and reports the outcome.
void dataset_lock_index(struct dataset *d, const atomic_bool *cancel);

// ---- dataset_content.c --------------------------------------------------------------------------

// Stores the times in `now` as times at which the data file has the served content. The caller must
// have taken `now` before it read the file to find that out.
void dataset_set_known_times(struct dataset *d, const struct identity *now);

// Stores the checksum of the served content.
void dataset_set_checksum(struct dataset *d, uint64_t content);

// ---- struct index -------------------------------------------------------------------------------

// Returns the bytes of the image, in memory or in a file.
static inline struct span index_image(const struct index *x)
{
    return x->file.image.ptr != NULL ? x->file.image
                                     : span_of(x->image.memory.ptr, x->image.memory.len);
}

#endif
