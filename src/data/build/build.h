// Builds the trie image of a text in bounded memory.
//
// One pass over the text builds the image. If the records do not fit into memory, they are spilled
// to a temporary file, and then each range of keys becomes units of the image (image.h).
//
// Without such a file, the text is read in several passes instead. Each pass handles a range of
// keys.
#ifndef STELE_DATA_BUILD_BUILD_H
#define STELE_DATA_BUILD_BUILD_H

#include "base/bytes.h"
#include "data/build/image.h"
#include "data/build/records.h"

struct error;

// How to build. All fields may be zero, except that `fd` is -1 when there is no file.
struct build_settings {
    // Bytes of anonymous memory that the build should use at most; 0: build_memory_default(). The
    // records of a pass always get at least a quarter of `memory`, and at least BUILD_RECORDS_MIN.
    // So the build uses more than `memory` when the image must be in memory and does not fit into
    // the other three quarters.
    uint64_t memory;
    // Bytes of anonymous memory that are available for the build and the image in memory together;
    // 0: no limit. The build never exceeds this. When it needs more, it fails and reports in
    // `missing` how many bytes are missing.
    uint64_t most;
    // Descriptor of a file that receives the image when memory is not enough for the image and the
    // records; -1: no file.
    int fd;
    uint64_t fd_at; // offset in that file where the image begins, a multiple of 4096
    // Creates the temporary file for records that do not fit into memory. It is called at most
    // once, on the thread that has called build_index, before any record is spilled. `bytes` is the
    // room on the disk that the records and the image in the file `fd` need, roughly. It returns
    // the descriptor of an empty file, which build_index closes, and writes the name of the file's
    // folder to `folder`, cut to `size` bytes. It returns -1 when there is no room, and is NULL
    // when no such file is wanted: then the text is read in several passes.
    int (*open_spill)(void *context, uint64_t bytes, char *folder, size_t size);
    void *spill_context;
    // Receives the checksum of each block of the text (identity_of_blocks in data/identity.h), so
    // that the text need not be read again for that. `built.summed` says whether it did. NULL: no
    // checksums.
    uint64_t *sums;
    bool stop_if_malformed;           // end after the first pass if it finds a malformed line
    struct records_division division; // how the work is divided
    // For tests: bytes for the records of a pass, whatever `memory` is; 0: not set.
    uint64_t records_memory;
    // Reports progress, many times a second. Only one thread at a time calls it: the thread that
    // has called build_index or, if that thread gives way to the event loops, one of the helper
    // threads that then do its work (base/yield.h). `done` and `total` are units of work and
    // roughly proportional to time. `total` is an estimate that may change. `done` never exceeds it
    // and never decreases. May be NULL.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
};

#define BUILD_RECORDS_MIN (UINT64_C(8) << 20) // minimum bytes for the records of a pass

// The result of a build. A zeroed struct holds nothing.
struct built {
    struct trie_image image; // zeroed when the image is in the file, or the build stopped
    uint64_t image_bytes;    // size of the image; 0 when the build stopped at malformed lines
    bool in_file;            // the image is in the file
    uint64_t lines;          // number of lines, including malformed ones
    uint64_t malformed;      // number of malformed lines
    uint64_t keys;           // number of distinct keys
    uint64_t duplicates;     // number of records that a later line with the same key replaces
    uint64_t value_bytes;    // bytes of the values served, one value for each key
    struct line_error errors[RECORDS_ERRORS_MAX]; // the first malformed lines; borrow the text
    uint64_t missing;  // bytes that `build_settings.most` lacks; 0: enough
    unsigned passes;   // number of passes over the text
    uint64_t spilled;  // number of records written to the temporary file
    bool summed;       // `build_settings.sums` has the checksums of all blocks
    bool spill_failed; // the build has failed because of the temporary file
    unsigned cuts;     // number of times that a range was shortened, as it had too many records
};

// Builds the image of `text`. Malformed lines are counted, not refused. Returns false with a
// message when memory is short, a file cannot be written or read, there are too many keys, or the
// text changes. Then all of `b` is zero except `missing` and `spill_failed`. When `settings->most`
// is too small, `missing` is not 0, and the caller may try again with a file. When a file cannot be
// written or read, the caller may try again without it. On success the caller frees `b` with
// build_release.
bool build_index(struct built *b, struct span text, const struct build_settings *settings,
                 struct error *error);

// Frees the image. A zeroed struct is accepted.
void build_release(struct built *b);

// Returns a quarter of the machine's memory in bytes, or of the limit of the process's cgroup if
// that is less.
uint64_t build_memory_default(void);

#endif
