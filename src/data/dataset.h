// A dataset: a mapped data file and its index. It never changes.
//
// References are counted. dataset_open returns the first reference. Whoever uses a value after its
// call has returned must hold a reference, or the value may be unmapped meanwhile. Releasing the
// last reference unmaps everything. Reading takes no lock and writes nothing, so any number of
// threads may read the same dataset.
//
// The files should not change while they are in use, but they may. The comments below use these
// words:
// * A file is damaged when bytes of it are lost: it was truncated, or the disk cannot read a part
//   of it. The lost bytes do not come back, so it stays damaged.
// * A file is overwritten when somebody writes to it in place and keeps its size.
// * An index is damaged when its file is damaged, or a block of it differs from its checksum.
// * An index is wrong when dataset_finish has found that it is damaged or was built from other
//   data.
// * An index is spoiled when it is wrong, damaged or overwritten but the data file is not damaged.
//   A new index can then be built.
#ifndef STELE_DATA_DATASET_H
#define STELE_DATA_DATASET_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "data/uuid.h"

struct dataset;
struct error;
struct stat;
struct ref;

enum {
    DATASET_MALFORMED_SHOWN = 10, // malformed lines with a message in struct dataset_report
    DATASET_MALFORMED_TEXT = 320, // bytes of such a message, including the NUL
};

// Facts about a data file and its index.
struct dataset_figures {
    uint64_t data_bytes;  // size of the data file
    uint64_t lines;       // number of lines, including malformed ones
    uint64_t malformed;   // number of malformed lines
    uint64_t keys;        // number of distinct keys
    uint64_t duplicates;  // number of records that a later line with the same key replaces
    uint64_t value_bytes; // bytes of the served values, one value for each key
    uint64_t index_bytes; // bytes of the index in memory (data/trie_image.h)
    uint64_t build_ns;    // duration of reading the data and building the trie
    uint64_t built_at_us; // time when the trie was built: microseconds since 1970, UTC
};

// The outcome of reading the data file. It is also set when opening fails.
struct dataset_report {
    struct dataset_figures figures;
    // Messages of the first malformed lines; an empty string after the last one.
    char malformed[DATASET_MALFORMED_SHOWN][DATASET_MALFORMED_TEXT];
};

// What to do about malformed lines.
enum dataset_malformed { DATASET_REFUSE_MALFORMED, DATASET_SKIP_MALFORMED };

// What to do about the index file (data/index_file.h).
enum dataset_index {
    DATASET_INDEX_NONE,  // do not read or write one
    DATASET_INDEX_READ,  // map it if it belongs to the data file
    DATASET_INDEX_WRITE, // map it if it belongs to the data file; otherwise write a new one
    DATASET_INDEX_ONLY,  // map it; opening fails if it does not belong to the data file
};

// When to serve from an index file if times do not prove that it belongs to the data file
// (data/identity.h). The index file stores the times when the data file was last changed. If the
// data file has other times now, for example because it was copied, only its content can show that
// the index belongs to it.
enum dataset_trust {
    // Compare all of the data first. Then every key that exists is found.
    DATASET_TRUST_PROVEN,
    // Compare samples of the data first; dataset_finish compares the rest. Until then lookups may
    // not find existing keys, and listed keys may be out of order.
    DATASET_TRUST_SAMPLED,
};

// Whether to lock the index in memory (mlock), so that a lookup never waits until a page of it is
// read from the disk.
enum dataset_lock {
    DATASET_LOCK_NO,
    // dataset_finish locks the index, unless it takes more than half of the available memory, or
    // the system does not allow it. A notice says whether it is locked, and why it is not.
    DATASET_LOCK_AUTO,
    // Opening locks the index, whatever its size, and fails when that is not possible. If
    // dataset_finish replaces the memory of the index by its file, it locks the file.
    DATASET_LOCK_YES,
};

// An index of at most this many bytes is compared with its checksums while it is opened, which
// takes at most about 30 ms. In a larger index each block is compared before its first use.
#define DATASET_VERIFY_AT_ONCE (UINT64_C(256) * 1024 * 1024)

// How to open a dataset. When all fields are 0, malformed lines are refused, no index file is used,
// and nothing is reported.
struct dataset_settings {
    enum dataset_malformed malformed;
    enum dataset_index index;
    const char *index_path; // NULL: the real path of the data file, followed by ".idx"
    bool index_required;    // opening fails when the index file cannot be written
    enum dataset_trust trust;
    // Matters when dataset_finish stores the data file's times in an index file that exists
    // already. If the data file was changed less than 2 s before it was opened, another change
    // might leave its times as they are, so the times prove nothing yet. If this is true,
    // dataset_finish then waits 2 s and compares the data once more, so that the next start need
    // not read the data. If this is false, the next start compares the data again.
    bool await_proof;
    uint64_t verify_at_once; // replaces DATASET_VERIFY_AT_ONCE; 0: do not replace it
    // If an index is in a file, copy it to anonymous huge pages and search the copy.
    bool huge_pages;
    enum dataset_lock lock_index;
    uint64_t build_memory; // maximum bytes of memory for building; 0: build_memory_default()
    // The version of the data, at most STORE_NAME_MAX bytes (data/store.h), and the time when it
    // was made, in seconds since 1970, UTC. NULL: both come from the time when the file was changed
    // last.
    const char *version;
    int64_t made_at;
    // For tests: assume that at most this many bytes of memory are available; 0: no limit.
    uint64_t memory_most;
    // Returns how many bytes of the available memory the index must leave for other uses. At most
    // half of the available memory is kept for them. Called on the thread that opens the dataset.
    // NULL: 0 bytes.
    uint64_t (*reserved)(void *context);
    // Receives a line of text about the index file or the data file. `warning` means that something
    // has failed. Called on the thread that has called dataset_open, dataset_finish or
    // dataset_check. NULL: none.
    void (*notice)(void *context, bool warning, const char *text);
    // Receives the progress of building an index or of comparing the data, many times a second.
    // Only one thread at a time calls it: the thread that has called dataset_open or, if that
    // thread gives way to the event loops, one of the helper threads that then do its work
    // (base/yield.h). `total` is the size of the data. NULL: none.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context; // for the three functions
};

// Maps the regular file at `path`, and maps its index file or builds an index. Returns NULL with a
// message in these cases:
// * The file cannot be read, is not regular, or changes while it is read.
// * Memory is short, or the file has malformed lines that `settings` refuse.
// * `settings` require an index file that cannot be mapped or written, or an index that is locked.
// * An index must be written to `settings->index_path`, but the file there is not an index, or is
//   the index of another data file (data/index_target.h).
// `settings->index_path` and `context` must stay valid as long as the dataset. `report` may be
// NULL.
//
// Building never uses more memory than is available. An index that does not fit is built in a
// temporary file. If that file cannot be created, opening fails with a message about the missing
// memory.
//
// When the index file cannot be used, the index is built. When it is not proven that the index file
// belongs to the data file, all of the data is compared first, unless `settings->trust` says
// otherwise. After opening, call dataset_finish, which writes or verifies the index file.
struct dataset *dataset_open(const char *path, const struct dataset_settings *settings,
                             struct dataset_report *report, struct error *error);

// Does the work that can wait until the dataset is served, in time proportional to the size of the
// data. May be called once, on any thread, while other threads read the dataset.
//
// It writes the index file, if one is to be written, and then serves from the file instead of from
// memory. It locks the index, if `settings->lock_index` says so. For a mapped index file it does
// the checks that opening has not done. It compares all blocks of the index with their checksums.
// If times did not prove that the index belongs to the data file, it compares the checksum of the
// data with that in the index file. When the data was compared, here or in dataset_open, it stores
// the present times of the data file in the index file. So the next start need not read the data.
//
// An index that turns out to be wrong is not replaced here: dataset_is_spoiled then returns true,
// and the caller calls dataset_open_again. Returns soon after `*cancel` becomes true. `cancel` may
// be NULL.
void dataset_finish(struct dataset *d, const atomic_bool *cancel);

// Calls dataset_finish and returns a dataset whose index is known to be right. The caller must not
// have read from `d` yet. If the index of `d` is right, the result is `d`. Otherwise it closes `d`
// and returns another dataset, with a new index. Returns NULL with a message when that cannot be
// opened.
struct dataset *dataset_finished(struct dataset *d, struct error *error);

// Reads the mapped index and the data file (base/warm.h), so that requests need not wait for that.
// The first access to a page costs microseconds, or a wait for the disk. A loop answers many
// requests one after another, so the last of them would wait for the pages of all. During a reload
// the old dataset stays in memory too. So this does nothing when two such datasets would exceed the
// memory that this process may use. Ends at `until_ns` of the monotonic clock, and when `*cancel`
// becomes true. Returns false with a message when the data file was truncated or cannot be read.
//
// `served`: clients read the dataset meanwhile. Otherwise data that is in memory in small pages may
// be read again, in huge ones.
bool dataset_warm(const struct dataset *d, bool served, uint64_t until_ns,
                  const atomic_bool *cancel, struct error *error);

// Reads the whole mapped index and the whole data file. Returns false with a message when a
// checksum of one of them differs from the checksum in the index file.
bool dataset_verify(struct dataset *d, struct error *error);

// Returns the status of the index:
//
//   "memory"      it is in memory or in a temporary file, and no index file will be written
//   "writing"     it is in memory or in a temporary file, and its index file will be written
//   "verifying"   its index file is mapped; its checksums or the data have yet to be compared
//   "mapped"      its index file is mapped and verified
//   "damaged"     its index file is mapped, but the index is wrong or damaged
const char *dataset_index_status(const struct dataset *d);

// Whether opening has mapped an index file. Otherwise it has built an index.
bool dataset_index_is_mapped(const struct dataset *d);

// Whether all pages of the index are locked in memory. If so, no search for a key waits for the
// disk until it reads the data file. Any thread may call this; the answer may change from false to
// true in dataset_finish, and to false at any time.
bool dataset_index_is_locked(const struct dataset *d);

// Unlocks the index, if it is locked. Call it when the dataset is no longer served, because replies
// to slow clients may keep the dataset for long. Call it only on the thread that has called
// dataset_finish.
void dataset_unlock_index(struct dataset *d);

// Returns the path of the index file; an empty string when none is used.
const char *dataset_index_path(const struct dataset *d);

// Opens a dataset over `text`, which must stay valid until the dataset is freed. Messages use
// `name` instead of a path. Fails like dataset_open.
struct dataset *dataset_open_memory(struct span text, const char *name,
                                    enum dataset_malformed malformed, struct dataset_report *report,
                                    struct error *error);

// ---- damage -------------------------------------------------------------------------------------
//
// The top of this file defines when a file or an index is damaged. A process that has called
// mapping_catch_faults (base/mapping.h) survives the damage of a file.

// Returns a number that grows whenever new damage of the data file or the index file is found. 0
// means that no damage is known.
unsigned dataset_damage(const struct dataset *d);

// Returns a number that grows whenever the memory of the files may have begun to show wrong bytes.
// When the number is the same before and after reading, what was read is right even if
// dataset_damage has grown: a system call of another thread could not read a page then
// (dataset_read_key).
unsigned dataset_replacements(const struct dataset *d);

// Checks the files for new damage and returns the same number as dataset_damage. Takes some
// nanoseconds as long as there is none. Values that were read between two calls, and keys that were
// not found, are right only if both calls return the same number.
unsigned dataset_look(const struct dataset *d);

// A key that is found is right even if the index is damaged or overwritten, because the key is
// compared with the data. But only an index that is neither damaged nor overwritten proves that a
// key does not exist, and gives keys in order (data/verifier.h). Lookups check that themselves. A
// caller that reads keys in order calls the first of these two functions before reading and the
// second one after:

// Reads the times of the index file. If they show that somebody has written to it, a new round of
// verification begins, in which every block is compared with its checksum again. Returns the number
// of the present round, counted from 1; 0 when the index is in memory. Takes a system call.
unsigned dataset_index_round(const struct dataset *d);

// Whether everything that was read in order since dataset_index_round returned `round` is right: no
// block of the index is known to be damaged, and nobody has written to its file since then. Takes a
// system call.
bool dataset_index_round_is_valid(const struct dataset *d, unsigned round);

// Whether a block of the index is known to differ from its checksum. This is permanent;
// dataset_open_again opens another dataset.
bool dataset_index_is_damaged(const struct dataset *d);

// Whether no damage of the files or the index is known, and nobody has written to the index file
// since it was opened. Takes a system call.
bool dataset_is_sound(const struct dataset *d);

// The state of a key: absent, present with a readable value, or not known because of damage.
enum dataset_presence { DATASET_ABSENT, DATASET_PRESENT, DATASET_UNREADABLE };

// Searches a damaged dataset, and reads nothing that may be lost. When the key is present, sets
// `*value` as dataset_value_part does, so bytes after the first part may still turn out to be lost.
enum dataset_presence dataset_presence(const struct dataset *d, struct uuid id, struct span *value);

// Checks whether the files have changed. When the data file was damaged, overwritten or appended
// to, calls `settings->notice`, once for each. Call it about every second, always on the same
// thread.
void dataset_check(struct dataset *d);

// Whether the index may be spoiled: it is known to be wrong or damaged, or its file was written to,
// and the data file is not damaged. A write may have left the content the same; dataset_is_spoiled
// finds that out. Takes a system call. Any thread may call this.
bool dataset_may_be_spoiled(const struct dataset *d);

// Whether the index is certainly spoiled. An index file that was written to is first read and
// compared with its checksums. Returns true with the reason in `*error`. Lookups may then
// not find existing keys, so the caller should replace the dataset by the one that
// dataset_open_again returns. Call this only on the thread that has called dataset_finish. When
// `*cancel` becomes true, returns false soon; `cancel` may be NULL.
bool dataset_is_spoiled(struct dataset *d, const atomic_bool *cancel, struct error *error);

// Opens another dataset over the data file of `old`, even if another file has its path now, and
// builds a new index. Returns NULL with a message on failure. For the next minute
// dataset_may_be_spoiled(old) is false, so that callers do not retry all the time.
struct dataset *dataset_open_again(struct dataset *old, struct error *error);

// Whether dataset_open_again has opened the dataset.
bool dataset_is_rebuilt(const struct dataset *d);

// Returns the status of the data file: "ok", "appended", "overwritten", "truncated", or
// "unreadable" when a part of it cannot be read.
const char *dataset_status(const struct dataset *d);

// Whether the data did not end in a newline when it was opened. The format allows that, but it may
// also mean that the file was truncated and the last value is not complete.
bool dataset_last_line_is_unterminated(const struct dataset *d);

// Releases the reference that opening has returned. NULL is accepted.
void dataset_close(struct dataset *d);

// Sets the function to call when the last reference is released. Without such a function, releasing
// the last reference frees the dataset at once, which takes time proportional to its size.
// `unreferenced` is called on the thread that releases the reference. It must arrange that another
// thread, which need not answer requests, calls dataset_free.
void dataset_on_unreferenced(struct dataset *d,
                             void (*unreferenced)(void *context, struct dataset *d), void *context);

// Unmaps and frees a dataset without references.
void dataset_free(struct dataset *d);

// Whether `status` is that of the file from which the dataset was opened. The file may have changed
// since.
bool dataset_is_from_file(const struct dataset *d, const struct stat *status);

// Whether `status` is that of the file from which the dataset was opened, and shows no change. It
// shows none if the size and times are those that the file had when its content was last known to
// be the served one.
bool dataset_is_as_loaded(const struct dataset *d, const struct stat *status);

// Whether the data file has the size and time of its opening, and no byte was lost while it was
// read. Does not detect two things: a change in the same clock tick as the change before it, which
// leaves the times as they are, and a change through a mapping of the file. Data that belongs to no
// file is never changed. Takes a system call. Any thread may call this.
bool dataset_is_unchanged(const struct dataset *d);

// Whether the file with this status is the one from which the dataset was opened, and still has the
// served content, byte for byte. If its times do not prove that, calls dataset_recheck_content,
// which may fail although the content is the same. Call this only on the thread that has called
// dataset_finish. `cancel` may be NULL.
bool dataset_serves_content_of(struct dataset *d, const struct stat *status,
                               const atomic_bool *cancel);

// Computes the checksum of the served content, which dataset_recheck_content needs. If an index
// file has the checksum, nothing is read. Otherwise all of the data is read, unless it is larger
// than half of the memory that this process may use. Reading so much would displace the served
// data, so there is no checksum then. Call this after dataset_finish, on the same thread. `cancel`
// may be NULL.
void dataset_compute_checksum(struct dataset *d, const atomic_bool *cancel);

// Whether the data file's times have changed, but not its size. The file was either overwritten or
// only touched; dataset_recheck_content finds out which. Any thread may call this.
bool dataset_may_be_overwritten(const struct dataset *d);

// Reads the whole data file and returns whether it still has the served content. If it has, its
// present times are stored. If it has not, the status of the dataset is "overwritten" from then on.
// Also returns false when there is no checksum (dataset_compute_checksum), when somebody writes to
// the file at the same time, or when `*cancel` became true. Call this only on the thread that has
// called dataset_finish. `cancel` may be NULL.
bool dataset_recheck_content(struct dataset *d, const atomic_bool *cancel);

// Returns the reference count, for replies that borrow a value. As long as somebody has a
// reference, every value of `d` is valid.
struct ref *dataset_ref(struct dataset *d);

// Sets `*value` to the value of the key `id`. Returns false when the key does not exist, when its
// value cannot be read, or when damage of the index hides it. If the index file is being
// overwritten in place, this may not find a key that exists; dataset_is_sound, called afterwards,
// detects that. The span points into the mapping and is valid as long as the caller has a reference
// to `d`. Takes time proportional to the length of the value, because its end is searched.
bool dataset_get(const struct dataset *d, struct uuid id, struct span *value);

// Does the same as dataset_get for many keys, faster than one by one. Sets values[i] to the value
// of ids[i], or to a span with a NULL `ptr` where dataset_get would return false.
void dataset_get_many(const struct dataset *d, const struct uuid *ids, size_t count,
                      struct span *values);

// Finding keys and reading values in two steps, for callers that may not need all values:

#define DATASET_NO_OFFSET UINT64_MAX // an offset that means: not found

// Sets offsets[i] to the offset of the line of ids[i], or to DATASET_NO_OFFSET. An offset is valid
// as long as the caller has a reference to `d`. Returns false when some of the keys without an
// offset may exist, because damage of the index hides them. The time does not depend on the length
// of the values.
bool dataset_find_many(const struct dataset *d, const struct uuid *ids, size_t count,
                       uint64_t *offsets);

// Returns the value of the line at `offset`. Its `ptr` is NULL when the value cannot be read any
// more.
struct span dataset_value(const struct dataset *d, uint64_t offset);

// Bytes of a value that are searched at once.
enum { DATASET_PART = 64 * 1024 };

// Does the same as dataset_value in bounded time: searches only DATASET_PART bytes for the end of
// the value. If the result is shorter than that, it is the whole value, or its `ptr` is NULL.
// Otherwise the value may be longer; the caller then calls dataset_value_more until that returns
// true.
struct span dataset_value_part(const struct dataset *d, uint64_t offset);

// Continues the search for the end of `value`, whose first value->len bytes have no newline. When
// the end is not within the next DATASET_PART bytes, adds them to value->len and returns false.
// Otherwise returns true: `value` is complete, or its `ptr` is NULL because it cannot be read any
// more.
bool dataset_value_more(const struct dataset *d, struct span *value);

// ---- data that may not be in memory -------------------------------------------------------------
//
// The functions above read the mapping. If a page is not in memory, the thread waits for the disk.
// The functions below read the data file with system calls instead, which can say that a page is
// not in memory, and cost less than mapping a page for a single read.

// Whether the data and its index fit into `memory` bytes.
bool dataset_fits_in_memory(const struct dataset *d, uint64_t memory);

// Whether the file system reports that bytes are not in memory (RWF_NOWAIT), and then begins to
// read them. True until it has refused once. Any thread may call this.
bool dataset_can_ask(const struct dataset *d);

// Whether no page of the index can leave memory: it is locked, or does not belong to a file. Any
// thread may call this.
bool dataset_index_stays(const struct dataset *d);

// What dataset_read_key has found out.
enum dataset_read {
    DATASET_READ_FOUND,      // the key is there, and its whole value was read
    DATASET_READ_LONG,       // the key is there, but its value does not fit into the buffer
    DATASET_READ_ABSENT,     // the key is not there
    DATASET_READ_UNREADABLE, // the key may be there, but damage hides it or its value
    DATASET_READ_COLD,       // a page is not in memory; the system may have begun to read it
};

// A line that dataset_read_key has found.
struct dataset_line {
    uint64_t offset;   // offset of the line in the data file, for dataset_value
    struct span value; // the value, in the caller's buffer; for DATASET_READ_FOUND only
};

// Bytes that a buffer of dataset_read_key needs beside those of the value.
enum { DATASET_READ_EXTRA = 128 };

// Returns the offset of the granule (data/trie.h) that dataset_read_key would read first for the
// key `id`. The line begins in the GRANULE bytes from there on, which are in one page. Returns
// DATASET_NO_OFFSET when it would read nothing. Reads only the index.
uint64_t dataset_read_offset(const struct dataset *d, struct uuid id);

// Reads the line of the key `id` from the data file into `buffer` and sets `*line`. With `wait`, it
// waits for the disk; otherwise it may return DATASET_READ_COLD. The index is read from its mapping
// in either case. A value longer than the buffer minus DATASET_READ_EXTRA may be DATASET_READ_LONG.
// Damage that it finds is noted like damage found in the mapping (dataset_damage). Any thread may
// call this.
enum dataset_read dataset_read_key(const struct dataset *d, struct uuid id, bool wait,
                                   struct bytes buffer, struct dataset_line *line);

// Finds the end of the value of the line at `offset`, which a function above has returned. Reads
// the data file from value->len bytes after the value's beginning on, at most DATASET_END_STEP
// bytes, and waits for the disk. Returns DATASET_READ_FOUND with the whole value, whose bytes are
// in the mapping and were not read there. Returns DATASET_READ_LONG, with a greater value->len,
// when the caller must call again. Returns DATASET_READ_UNREADABLE when a part of the value is
// lost.
enum { DATASET_END_STEP = 8 * 1024 * 1024 };
enum dataset_read dataset_read_end(const struct dataset *d, uint64_t offset, struct span *value);

// Reads the bytes of the text from `from` on, an address in the mapping, into `buffer`. Returns how
// many bytes it has read: fewer than `buffer` has room for when the others are not in memory and
// `wait` is false, or when they are lost or after the end of the text.
size_t dataset_read_bytes(const struct dataset *d, const char *from, bool wait,
                          struct bytes buffer);

// Asks the system to read `len` bytes of the text from `from` on into memory, without waiting.
void dataset_will_need(const struct dataset *d, const char *from, size_t len);

// Reads the line of the key `id` from the mapping, if all of it is in the page of `page` bytes
// where it begins: the page that has the byte of dataset_read_offset. Reads no other page. Sets
// `*line`, whose value is in the mapping, and returns true. Returns false when the line is not
// there as a whole, when damage is known, or when several lines might have the key.
bool dataset_read_mapped(const struct dataset *d, struct uuid id, size_t page,
                         struct dataset_line *line);

// Does the same as dataset_read_key for the key with this rank (below), and sets `*id` to the key.
enum dataset_read dataset_read_rank(const struct dataset *d, uint64_t rank, bool wait,
                                    struct bytes buffer, struct uuid *id,
                                    struct dataset_line *line);

// Returns the offset of the granule that dataset_read_rank would read, as dataset_read_offset does.
uint64_t dataset_read_offset_of_rank(const struct dataset *d, uint64_t rank);

// Removes the data file from the page cache, for measurements, after waiting until it is written to
// the disk. Pages that another process has mapped stay. Returns false with errno when that is not
// possible. No other thread may read the mapping meanwhile, or the pages that it reads stay, too.
bool dataset_drop_pages(const struct dataset *d);

// Return how many bytes of the data file and of the index are in memory. These are estimates: the
// functions look at that many short runs of pages, at random places. (`*random` is the state of
// splitmix64.) Each run takes a system call. The index counts as a whole when dataset_index_stays.
// Returns -1 when the system does not say, because this process neither owns the file nor may write
// to it, and for an index in a temporary file while its index file is being written. Any thread may
// call these.
enum { DATASET_DATA_RUNS = 48, DATASET_INDEX_RUNS = 16 };
int64_t dataset_data_resident(const struct dataset *d, uint64_t *random);
int64_t dataset_index_resident(const struct dataset *d, uint64_t *random);

// Each key has a rank: its position in the order of keys, counted from 0. Ranks never change.
// Returns the rank of the first key that is not less than `id`; the number of keys when all are
// less.
uint64_t dataset_seek(const struct dataset *d, struct uuid id);

// Sets `*id` to the key of this rank and `*offset` to the offset of its line, for dataset_value.
// Returns false when there is no such rank, or its slot or its line is damaged.
bool dataset_offset_at(const struct dataset *d, uint64_t rank, struct uuid *id, uint64_t *offset);

// Sets `*id` and `*value` to the key and the value of this rank. Returns false when there is no
// such rank, or its slot or its line is damaged. `value` may be NULL; then its end is not searched.
bool dataset_at(const struct dataset *d, uint64_t rank, struct uuid *id, struct span *value);

// Returns the figures of the data file. They never change and are valid as long as the dataset.
const struct dataset_figures *dataset_figures(const struct dataset *d);

// Returns the version of the data. Without a version in the settings, it is the time when the file
// was changed last, as it was at the opening, such as "20261128T020000Z" (UTC). "": there is no
// file.
const char *dataset_version(const struct dataset *d);

// Returns the time when the data was made, or the data file was changed last: seconds since 1970,
// UTC. 0: there is no file.
int64_t dataset_made_at(const struct dataset *d);

// Sets `*content` to the checksum of the served content and returns true, or returns false when it
// is not known (dataset_compute_checksum). Any thread may call this.
bool dataset_checksum(const struct dataset *d, uint64_t *content);

// Does the same with what is known since the opening, and never changes: the checksum that was
// computed while the index was built, or that the mapped index file says. With
// DATASET_TRUST_SAMPLED, the index file may turn out to belong to other data. Any thread may call
// this.
bool dataset_checksum_at_opening(const struct dataset *d, uint64_t *content);

// Returns the path, or the name, that the dataset was opened with.
const char *dataset_path(const struct dataset *d);

// Return the text of the data file and the trie over it, for tools and tests.
struct span dataset_text(const struct dataset *d);
const struct trie *dataset_trie(const struct dataset *d);

#endif
