// The immutable dataset: a data file, mapped, and the trie over it.
//
// References are counted. dataset_open returns the first one, and each borrower that outlives a
// call takes its own. Dropping the last one unmaps everything. Reading takes no lock and writes
// nothing, so any number of threads may read the same dataset.
#ifndef STELE_DATA_DATASET_H
#define STELE_DATA_DATASET_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "data/uuid.h"

struct dataset;
struct error;
struct stat;
struct ref;

enum { DATASET_MALFORMED_SHOWN = 10, DATASET_MALFORMED_TEXT = 320 };

// The content of the file in figures. Bytes are counted as in the file.
struct dataset_figures {
    uint64_t data_bytes; // size of the file
    uint64_t lines;      // malformed ones included
    uint64_t malformed;
    uint64_t keys;        // distinct
    uint64_t duplicates;  // records that a later line of the same key replaces
    uint64_t value_bytes; // of the served values, one for each key
    uint64_t index_bytes; // of the trie
    uint64_t build_ns;    // duration of reading the data and building the trie
    uint64_t built_at_us; // since 1970, UTC
};

// The outcome of reading the file, also set when the dataset is refused.
struct dataset_report {
    struct dataset_figures figures;
    char malformed[DATASET_MALFORMED_SHOWN][DATASET_MALFORMED_TEXT]; // messages of the first lines
};

// What to do about malformed lines.
enum dataset_malformed { DATASET_REFUSE_MALFORMED, DATASET_SKIP_MALFORMED };

// What to do about the index file (data/index_file.h).
enum dataset_index {
    DATASET_INDEX_NONE,  // neither read nor written
    DATASET_INDEX_READ,  // mapped when it belongs to the data file
    DATASET_INDEX_WRITE, // the same, and written when it does not, or there is none
    DATASET_INDEX_ONLY,  // mapped; opening fails when it does not belong to the data file
};

// When to serve from an index file if times do not prove that it belongs to the data file: after a
// copy, for example.
enum dataset_trust {
    // After all of the data has been read and compared: every key that exists is found.
    DATASET_TRUST_PROVEN,
    // After samples of the data have been compared. dataset_finish compares the rest. Until then
    // keys may be missed, and listed keys may be out of order.
    DATASET_TRUST_SAMPLED,
};

// An index of up to so many bytes is compared with its checksums while it is opened: some 30 ms.
#define DATASET_VERIFY_AT_ONCE (UINT64_C(256) * 1024 * 1024)

// How to open a dataset. Zeros: refuse malformed lines, use no index file, report nothing.
struct dataset_settings {
    enum dataset_malformed malformed;
    enum dataset_index index;
    const char *index_path; // NULL: the data file's real path with ".idx" appended
    bool index_required;    // opening fails when the index cannot be written
    enum dataset_trust trust;
    bool await_proof; // dataset_finish waits up to 2 s when the data is too young for a proof
    // Bytes; larger indexes are compared block by block. 0: DATASET_VERIFY_AT_ONCE.
    uint64_t verify_at_once;
    bool huge_pages;       // hold the index in anonymous huge pages, not in a file's mapping
    uint64_t build_memory; // most bytes of anonymous memory for building; 0: a quarter of all
    // For tests: the most bytes of memory that count as left; 0: no limit.
    uint64_t memory_most;
    // Returns the bytes of the memory left that must stay for others; at most half of it is kept.
    // Called on any thread that builds. NULL: none.
    uint64_t (*reserved)(void *context);
    // Receives a line of text about the index file or the data file; a warning when something
    // failed. Called on the thread in dataset_open, dataset_finish or dataset_check.
    void (*notice)(void *context, bool warning, const char *text);
    // Receives the progress of building an index or of comparing the data, many times a second.
    // Only one thread at a time calls it: the thread in dataset_open or, while that yields to event
    // loops (base/yield.h), one of its helpers.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context; // for the three functions
};

// Maps the regular file at `path` and its index file, or builds an index. Returns NULL with a
// message when the file cannot be read, is not regular, changes while it is read, memory is short,
// or malformed lines are refused. `settings->index_path` and `context` must outlive the dataset.
// `report` may be NULL.
//
// Building takes at once no more than the memory that is left. An index that does not fit is built
// in a temporary file; when no such file can be made, memory is short.
//
// An index file that cannot be used is never fatal: the index is then built. Where the index file
// is not proven to belong to the data file, all of the data is read first, unless `settings->trust`
// says otherwise. Afterwards the index file may still have to be written or verified:
// dataset_finish does that.
struct dataset *dataset_open(const char *path, const struct dataset_settings *settings,
                             struct dataset_report *report, struct error *error);

// Does the work that opening has left, in time proportional to the data's size. Called at most
// once, on any thread, while others read. It writes the index file, which then replaces the memory
// that the index was built in. It compares a mapped index with its checksums. When the data file
// proves to be the one that the index was built from, it notes that in the index file for the next
// start. An index that turns out wrong stays: dataset_is_spoiled then says why, and
// dataset_open_again gives another dataset. Ends soon after `*cancel` becomes true. `cancel` may be
// NULL.
void dataset_finish(struct dataset *d, const atomic_bool *cancel);

// Finishes `d` and returns a dataset whose index is known to be right, for callers that have not
// read from `d` yet. When the index of `d` is wrong, `d` is closed, and the result is another
// dataset with an index built anew. NULL with a message when that cannot be opened.
struct dataset *dataset_finished(struct dataset *d, struct error *error);

// Reads the mapped index and the data file (mapping_warm) before requests do. The first touch of a
// page costs microseconds or a wait for the disk, and in one turn a loop answers fifty requests.
// Files that would take more than half of the memory allowed are left alone. Takes at most 5 s, or
// until `*cancel` becomes true. Returns false with a message when the data file turns out cut or
// unreadable.
bool dataset_warm(const struct dataset *d, const atomic_bool *cancel, struct error *error);

// Reads all of the mapped index and of the data file. Returns false with a message when a checksum
// of either differs from the one in the index file.
bool dataset_verify(struct dataset *d, struct error *error);

// The status of the index. "memory": no file. "writing": a file has yet to be written. "verifying":
// mapped, but checksums or data have yet to be compared. "mapped". "damaged": mapped and found
// wrong, or its file was truncated or cannot be read.
const char *dataset_index_status(const struct dataset *d);

// Whether opening mapped an index file rather than built an index.
bool dataset_index_is_mapped(const struct dataset *d);

// The path of the index file; empty when none is used.
const char *dataset_index_path(const struct dataset *d);

// Opens a dataset over `text`, which must stay until the dataset is freed. Messages name it `name`.
// Fails like dataset_open.
struct dataset *dataset_open_memory(struct span text, const char *name,
                                    enum dataset_malformed malformed, struct dataset_report *report,
                                    struct error *error);

// ---- damage -------------------------------------------------------------------------------------
//
// A file that is truncated or overwritten in place, or that the disk cannot read, is damaged for
// good: its old content is gone. A process that has called mapping_catch_faults (base/mapping.h)
// survives that.

// The number of times that damage was found in the data file or the index file; 0: both are sound.
unsigned dataset_damage(const struct dataset *d);

// Looks at the files and returns the number of times that damage was found. It takes some
// nanoseconds as long as they are sound. Trust the bytes read from `d`, and the keys not found in
// it, since the last call only when this call returns the same number.
unsigned dataset_look(const struct dataset *d);

// A damaged or overwritten index file is no reason to distrust a key that was found, as each key is
// compared with the data. But that a key is missing, and the order of keys, is true only as far as
// the index is sound (data/verifier.h). Lookups check that themselves. A caller that reads in order
// calls these two before and after:

// The number of the present round: as long as it lasts, no writing to the index file has been seen.
unsigned dataset_index_round(const struct dataset *d);

// Whether the index is sound, and was sound for everything read in order since dataset_index_round
// returned `round`.
bool dataset_index_round_is_valid(const struct dataset *d, unsigned round);

// Whether a part of the index is known to be damaged. That is for good; open another dataset.
bool dataset_index_is_damaged(const struct dataset *d);

// Whether no damage was found in the files, and nobody has written to the index file since it was
// opened. It takes a system call.
bool dataset_is_sound(const struct dataset *d);

// The state of a key: absent, present with a readable value, or not known because of damage.
enum dataset_presence { DATASET_ABSENT, DATASET_PRESENT, DATASET_UNREADABLE };

// Searches a damaged dataset with care. When the key is present, `value` is set as by
// dataset_value_part, so the bytes after its first part may still turn out to be lost.
enum dataset_presence dataset_presence(const struct dataset *d, struct uuid id, struct span *value);

// Compares the files with their former state. Reports through `settings->notice`, once each, that
// the data file is damaged, overwritten or appended to. Call it every second or so, always on the
// same thread.
void dataset_check(struct dataset *d);

// Whether the data is sound but the index is known to be wrong, or its file is damaged or was
// written to. Any thread may call it.
bool dataset_may_be_spoiled(const struct dataset *d);

// Whether the index is wrong for certain, with the reason: an index file that was written to is
// read and compared with its checksums. Keys may then be missed, and another dataset should take
// its place. Only on the thread of dataset_finish. `cancel` as there.
bool dataset_is_spoiled(struct dataset *d, const atomic_bool *cancel, struct error *error);

// Opens another dataset over the data of `old`, whatever file has its path by now, and builds its
// index. NULL with a message when that fails. For the next minute `old` does not count as spoiled,
// so that callers do not try again and again.
struct dataset *dataset_open_again(struct dataset *old, struct error *error);

// Whether dataset_open_again opened the dataset.
bool dataset_is_rebuilt(const struct dataset *d);

// The status of the data file: "ok", "appended" or "overwritten" (the dataset is still served),
// "truncated", or "unreadable" (in part).
const char *dataset_status(const struct dataset *d);

// Whether the data did not end in a newline when it was opened. The format allows that, but a file
// that was cut looks the same, and then the last value may have lost its end.
bool dataset_last_line_is_unterminated(const struct dataset *d);

// Gives back the reference that opening handed out. NULL is accepted.
void dataset_close(struct dataset *d);

// Freeing a dataset takes time proportional to its size. From now on dropping the last reference
// only calls `unreferenced`, which has the dataset freed by dataset_free on a thread that has the
// time.
void dataset_on_unreferenced(struct dataset *d,
                             void (*unreferenced)(void *context, struct dataset *d), void *context);
void dataset_free(struct dataset *d);

// Whether `status` is of the file that the dataset was opened from, even if it has changed since.
bool dataset_is_from_file(const struct dataset *d, const struct stat *status);

// Whether `status` is of the file that the dataset was opened from, with the size and times it had
// when it was known to hold the served content.
bool dataset_is_as_loaded(const struct dataset *d, const struct stat *status);

// Whether the file with this status holds the served content, byte for byte. Where its times do not
// prove it, all of it is read; when it does, its times are noted. Also false when `*cancel` became
// true (`cancel` may be NULL), when the content is not known (dataset_compute_checksum), or when
// somebody writes to it meanwhile. Only on the thread of dataset_finish.
bool dataset_serves_content_of(struct dataset *d, const struct stat *status,
                               const atomic_bool *cancel);

// Finds the checksum of the content. Where no index file has it, all of the data is read. It stays
// unknown when the data is more than half of the memory allowed, as reading it would push the
// served data out of memory. Only on the thread of dataset_finish, after it.
void dataset_compute_checksum(struct dataset *d, const atomic_bool *cancel);

// Whether the data file was written to or only touched; dataset_recheck_content finds out which.
// Any thread may call it.
bool dataset_may_be_overwritten(const struct dataset *d);

// Reads the data file and returns whether it holds the served content. When it does not, it counts
// as overwritten from then on. Only on the thread of dataset_finish.
bool dataset_recheck_content(struct dataset *d, const atomic_bool *cancel);

// The reference count, for replies that borrow a value: a reference keeps every value of `d` valid.
struct ref *dataset_ref(struct dataset *d);

// Sets `*value` to the value stored under `id`. Returns false when there is none, when it cannot be
// read, or when damage of the index hides it. An index file that is overwritten in place may miss
// keys here, so a caller that minds calls dataset_is_sound afterwards. The span points into the
// mapping and stays valid while the caller holds its reference to `d`. Finding the end of a value
// takes time proportional to its length.
bool dataset_get(const struct dataset *d, struct uuid id, struct span *value);

// As dataset_get for many keys, in less time than one by one. values[i] becomes the value of
// ids[i]; its `ptr` is NULL when there is none.
void dataset_get_many(const struct dataset *d, const struct uuid *ids, size_t count,
                      struct span *values);

// The same in two steps, for callers that may not need all values. dataset_find_many sets
// offsets[i] to the offset of the line of ids[i], or to DATASET_NO_OFFSET; the length of values
// does not matter. dataset_value then returns the value of that line, with a NULL `ptr` when it can
// no longer be read. An offset stays valid while the caller holds its reference to `d`.
// dataset_find_many returns false when damage of the index may hide some of the keys without an
// offset.
#define DATASET_NO_OFFSET UINT64_MAX
bool dataset_find_many(const struct dataset *d, const struct uuid *ids, size_t count,
                       uint64_t *offsets);
struct span dataset_value(const struct dataset *d, uint64_t offset);

// As dataset_value in bounded time: the end of the value is searched in its first DATASET_PART
// bytes. When the result is shorter than that, it is the whole value, or its `ptr` is NULL.
// Otherwise the value may be longer; call dataset_value_more until it returns true.
enum { DATASET_PART = 64 * 1024 };
struct span dataset_value_part(const struct dataset *d, uint64_t offset);

// Searches on for the end of `value`, whose first value->len bytes have no newline. Returns false
// when the end is not within the next DATASET_PART bytes; value->len has then grown by them.
// Returns true when the search is over: `value` is whole, or its `ptr` is NULL because it can no
// longer be read.
bool dataset_value_more(const struct dataset *d, struct span *value);

// Keys have ranks in the order of their bits, from 0 to their number - 1; these never change.
// Returns the rank of the first key that is not less than `id`; the number of keys when all are
// less.
uint64_t dataset_seek(const struct dataset *d, struct uuid id);

// Sets the key of this rank and the offset of its line, for dataset_value. Returns false when there
// is no such rank or its line is lost.
bool dataset_offset_at(const struct dataset *d, uint64_t rank, struct uuid *id, uint64_t *offset);

// Sets the key and the value of this rank. Returns false when there is no such rank or its line is
// lost. When `value` is NULL its end is not searched.
bool dataset_at(const struct dataset *d, uint64_t rank, struct uuid *id, struct span *value);

// The figures of the data file. They never change and are valid as long as the dataset.
const struct dataset_figures *dataset_figures(const struct dataset *d);

// The path that the dataset was opened with, or the name of the text.
const char *dataset_path(const struct dataset *d);

// The text, and the trie over it, for tools and tests.
struct span dataset_text(const struct dataset *d);
const struct trie *dataset_trie(const struct dataset *d);

#endif
