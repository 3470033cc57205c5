// The immutable dataset: a data file, mapped, and the trie over it.
//
// Counted by reference: dataset_open hands out one, each borrower that outlives the call takes its
// own, the last one to go unmaps everything. Reading takes no lock and writes nothing, so any
// number of threads may ask the same dataset.
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

// What to do about the index file (data/index_file.h).
enum dataset_index {
    DATASET_INDEX_NONE,  // neither read nor written
    DATASET_INDEX_READ,  // mapped when it belongs to the data file
    DATASET_INDEX_WRITE, // the same, and written when it does not, or there is none
    DATASET_INDEX_ONLY,  // mapped; opening fails when it does not belong to the data file
};

// When an index file may be served from whose data file's times do not prove that it belongs to it:
// after a copy, for example.
enum dataset_trust {
    // Once all of the data has been read and compared: every key that exists is found.
    DATASET_TRUST_PROVEN,
    // Once samples of the data have been compared. The rest is compared by dataset_finish; until
    // then keys may be missed, and those that are listed may be out of order.
    DATASET_TRUST_SAMPLED,
};

// Bytes of an index that are compared with their checksums before the first answer: some 30 ms.
#define DATASET_VERIFY_AT_ONCE (UINT64_C(256) * 1024 * 1024)

// How to open. Zeros: refuse malformed lines, use no index file, tell nobody anything.
struct dataset_settings {
    enum dataset_malformed malformed;
    enum dataset_index index;
    const char *index_path; // NULL: ".idx" behind the data file's real path
    bool index_required;    // opening fails when it is to be written and cannot be
    enum dataset_trust trust;
    bool await_proof; // dataset_finish waits up to 2 s where the data is too young for a proof
    uint64_t
        verify_at_once;    // larger indexes are compared block by block; 0: DATASET_VERIFY_AT_ONCE
    bool huge_pages;       // hold the index in anonymous huge pages, not in a file's mapping
    uint64_t build_memory; // most bytes of anonymous memory for building; 0: a quarter of all
    // For tests: bytes of memory that count as left, where there are more; 0: all there are.
    uint64_t memory_most;
    // How many bytes of the memory that is left must stay for others, as far as that is not more
    // than half of it; asked by any thread that builds. NULL: none.
    uint64_t (*reserved)(void *context);
    // Told what became of the index file, in a line of text; a warning when something failed. From
    // the thread in dataset_open, dataset_finish or dataset_check.
    void (*notice)(void *context, bool warning, const char *text);
    // Told how far building is, many times a second, by the thread in dataset_open.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context; // of all three
};

// Maps the regular file at `path` and its index file, or builds an index. NULL with a message when
// it cannot be read, is no regular file, changes while it is read, memory is short, or a line is
// malformed and that is to be refused. `settings->index_path` and `context` must outlive the
// dataset; `report` may be NULL.
//
// What is held at once while an index is built stays within the memory that is left. An index that
// does not fit is built in a temporary file; where there is none to be had, memory is short.
//
// An index file that cannot be used is never fatal: the index is then built. So it may be that the
// file has yet to be written, or that the one mapped is not verified yet: dataset_finish does it.
// Where the index file is not proven to be of the data file, all of the data is read first, unless
// `settings->trust` says otherwise.
struct dataset *dataset_open(const char *path, const struct dataset_settings *settings,
                             struct dataset_report *report, struct error *error);

// Does what opening left to do, which takes time in proportion to the data's size; at most once, on
// any thread, while others read. A file is written and takes the place of the memory the index was
// built in; a mapped index is compared with its checksums; that the data file was found to be what
// the index was built from is noted in the index file, for the next start. An index that turns out
// wrong stays: dataset_is_spoiled then says why, and dataset_open_again gives another dataset.
// `*cancel`, when it becomes true meanwhile, ends it soon. `cancel` may be NULL.
void dataset_finish(struct dataset *d, const atomic_bool *cancel);

// Settles `d`, for a caller who asks nothing before that: its index is then known to be right.
// Where it is wrong, `d` is closed and the result is another dataset, whose index was built. NULL
// with a message when that cannot be opened.
struct dataset *dataset_finished(struct dataset *d, struct error *error);

// Reads the mapped index and the data file (mapping_warm) before others do: the first touch of a
// page costs some microseconds, or a wait for the disk, and a turn of a loop answers fifty
// requests. Files that would take over half of the memory allowed are left alone. Takes 5 s at
// most, or until `*cancel` becomes true. False with a message when the data file was found cut or
// unreadable.
bool dataset_warm(const struct dataset *d, const atomic_bool *cancel, struct error *error);

// Reads all of the mapped index and of the data file: false with a message when a checksum of
// either differs from what the index file says.
bool dataset_verify(struct dataset *d, struct error *error);

// Of the index: "memory" (no file), "writing" (a file is still to be written), "verifying" (mapped,
// checksums or data still to be compared), "mapped", or "damaged" (mapped and found wrong; or its
// file was truncated or cannot be read).
const char *dataset_index_status(const struct dataset *d);

// Whether the index was found in a file, rather than built when opening.
bool dataset_index_is_mapped(const struct dataset *d);

// The path of the index file; empty when none is used.
const char *dataset_index_path(const struct dataset *d);

// A dataset over `text`, which must stay until it is gone; `name` stands for the file in messages.
struct dataset *dataset_open_memory(struct span text, const char *name,
                                    enum dataset_malformed malformed, struct dataset_report *report,
                                    struct error *error);

// ---- damage -------------------------------------------------------------------------------------
//
// A file that is truncated or overwritten in place, or that the disk cannot read, is damaged from
// there on for good: what it was is gone. Survived by who has called mapping_catch_faults
// (base/mapping.h).

// How often damage was found in the data file or the index file; 0: both are sound.
unsigned dataset_damage(const struct dataset *d);

// The same after a look at the files, which takes some nanoseconds as long as they are sound. What
// was read of `d`, and what was not found in it, before this call and since the last time that it
// was asked is to be trusted only when the number is still the same.
unsigned dataset_look(const struct dataset *d);

// An index file that is damaged, or overwritten while it is served from, is no reason not to trust
// what was found, as each key is compared with the data. But what was not found there, and in which
// order keys are, is to be trusted only as far as the index is sound (data/proof.h). Lookups ask
// for that by themselves; whoever reads in order asks before and after:

// The number of the present round, in which the index is as far as known what was written.
unsigned dataset_index_round(const struct dataset *d);

// Whether the index is still sound, and what was read of it in order since `round` was told.
bool dataset_index_stands(const struct dataset *d, unsigned round);

// Whether a part of the index is known to be damaged. For good: another dataset has to be opened.
bool dataset_index_is_bad(const struct dataset *d);

// Whether nothing of the files was found damaged, and nobody has written to the index file since it
// was opened. It takes a system call.
bool dataset_is_sound(const struct dataset *d);

// What is known of a key: whether it is there and all of its value can be read; or neither.
enum dataset_presence { DATASET_ABSENT, DATASET_PRESENT, DATASET_UNREADABLE };

// For a dataset that is damaged: searches with care. `value` is set when the key is present: as by
// dataset_value_part, so that what is behind the first part may still turn out to be lost.
enum dataset_presence dataset_presence(const struct dataset *d, struct uuid id, struct span *value);

// Compares the files with what they were, and tells by `settings->notice` what is new: that the
// data file is damaged, overwritten or appended to; each once. To be called every second or so,
// always by the same thread.
void dataset_check(struct dataset *d);

// Whether the index is known to be wrong, or its file is damaged or was written to, while the data
// is sound. Any thread may ask.
bool dataset_may_be_spoiled(const struct dataset *d);

// The same for sure, with the reason: an index that was written to is read and compared with what
// it was. Then keys may be missed, and another dataset should take its place. On the thread that
// settles. `*cancel` as in dataset_finish.
bool dataset_is_spoiled(struct dataset *d, const atomic_bool *cancel, struct error *error);

// Serves what `old` does from another dataset, whatever is at its path by now, with an index that
// is built. NULL with a message when it cannot be. `old` does not count as spoiled for the next
// minute, so that it is not tried again and again.
struct dataset *dataset_open_again(struct dataset *old, struct error *error);

// Whether it came to be that way.
bool dataset_is_rebuilt(const struct dataset *d);

// Of the data file: "ok", "appended", "overwritten" (both are served on), "truncated", or
// "unreadable" (a part of it).
const char *dataset_status(const struct dataset *d);

// Whether the data did not end in a newline when it was opened. The format allows it, but a file
// that was cut looks so, too; then the last value may be a part of what it was.
bool dataset_last_line_is_unterminated(const struct dataset *d);

// Gives back the reference that opening handed out. NULL is accepted.
void dataset_close(struct dataset *d);

// Freeing a dataset takes time in proportion to its size. From here on who drops the last reference
// only calls `unread`, which has it freed by dataset_free, on a thread that has the time.
void dataset_on_unread(struct dataset *d, void (*unread)(void *context, struct dataset *d),
                       void *context);
void dataset_free(struct dataset *d);

// Whether that is the status of the file it was opened from, whatever has been done to that since.
bool dataset_is_of(const struct dataset *d, const struct stat *status);

// Whether the file of that status is the one it was opened from, and looks as it did when it was
// known to hold what is served: the same size and times.
bool dataset_is_as_loaded(const struct dataset *d, const struct stat *status);

// Whether the file of that status holds what is served, byte for byte. Where its times do not prove
// it, all of it is read, and its times noted when it does. False also when `*cancel` became true
// (`cancel` may be NULL), when the content is not known (dataset_remember), or when somebody writes
// to it meanwhile. On the thread that settles.
bool dataset_holds(struct dataset *d, const struct stat *status, const atomic_bool *cancel);

// Has the content's checksum known. Where no index file has it, all of the data is read; or it
// stays unknown, when the data is more than half of the memory there is, as reading it would push
// out what is served. On the thread that settles, after it has.
void dataset_remember(struct dataset *d, const atomic_bool *cancel);

// Whether the data file was written to, or only touched, which dataset_prove can tell. Any thread.
bool dataset_is_suspect(const struct dataset *d);

// Reads the data file: true when it holds what is served; when it does not, it counts as
// overwritten from here on. On the thread that settles.
bool dataset_prove(struct dataset *d, const atomic_bool *cancel);

// For a reply that borrows a value: holding a reference keeps every value of `d` valid.
struct ref *dataset_ref(struct dataset *d);

// The value stored under `id`, or false when there is none, or none that can be read, or that
// cannot be told because the index is damaged. For who asks dataset_is_sound afterwards, or does
// not mind: an index that is overwritten while it is served from may miss keys here. The span
// points into the mapping: it stays valid while the caller holds its reference to `d`.
// Finding a value's end takes time in proportion to its length.
bool dataset_get(const struct dataset *d, struct uuid id, struct span *value);

// The same for many keys, in less time than one by one: values[i] becomes that of ids[i]; its `ptr`
// is NULL when there is none.
void dataset_get_many(const struct dataset *d, const struct uuid *ids, size_t count,
                      struct span *values);

// In two steps, for who may not want all the values: offsets[i] becomes where that of ids[i] is, or
// DATASET_NO_OFFSET, in a time that no value's length adds to; then dataset_value gives what is
// there, with a NULL `ptr` when it cannot be read any more. A place stays good while the caller
// holds its reference to `d`. False when DATASET_NO_OFFSET does not mean for each of them that
// there is no such key: the index is damaged where it would tell.
#define DATASET_NO_OFFSET UINT64_MAX
bool dataset_find_many(const struct dataset *d, const struct uuid *ids, size_t count,
                       uint64_t *offsets);
struct span dataset_value(const struct dataset *d, uint64_t offset);

// The same in a bounded time: the end of the value is searched in its first DATASET_PART bytes.
// When value.len is less than that, the value is whole (or its `ptr` is NULL). Otherwise it may be
// longer: dataset_value_more is then called until it returns true.
enum { DATASET_PART = 64 * 1024 };
struct span dataset_value_part(const struct dataset *d, uint64_t offset);

// Searches on for the end of `value`, whose first value->len bytes have no newline. False when it
// is not within the next DATASET_PART bytes, by which value->len then grows. True when the search
// is over: `value` is whole, or its `ptr` is NULL because it cannot be read any more.
bool dataset_value_more(const struct dataset *d, struct span *value);

// Ordered reading: the keys have ranks from 0 to their number - 1, in the order of their bits.
// They never change. The rank of the first key that is not less than `id`; the number of keys when
// all are less.
uint64_t dataset_seek(const struct dataset *d, struct uuid id);

// The key of that rank and the place of its value. False when there is none, or its line is lost.
bool dataset_offset_at(const struct dataset *d, uint64_t rank, struct uuid *id, uint64_t *offset);

// The record of that rank. False when there is none, or its line is lost. `value` may be
// NULL, for who does not want its end searched.
bool dataset_at(const struct dataset *d, uint64_t rank, struct uuid *id, struct span *value);

// What the data file holds; the same until the dataset is gone.
const struct dataset_figures *dataset_figures(const struct dataset *d);

// The path it was opened with, or the name of the text.
const char *dataset_path(const struct dataset *d);

// The text and the trie over it, for tools and tests.
struct span dataset_text(const struct dataset *d);
const struct trie *dataset_trie(const struct dataset *d);

#endif
