// Building the image of a text: the whole build, in bounded memory.
//
// When memory holds all records and the image at once, one pass over the text builds it. Otherwise
// each pass takes a range of keys, and its records become units of the image (image.h).
#ifndef STELE_DATA_BUILD_BUILD_H
#define STELE_DATA_BUILD_BUILD_H

#include "base/bytes.h"
#include "data/build/image.h"
#include "data/build/records.h"

struct error;

// Zeros, and -1 for `fd`, are good defaults.
struct build_settings {
    // Most bytes of anonymous memory for the build; 0: build_memory_default(). The records of a
    // pass get at least a quarter of it, and at least BUILD_RECORDS_MIN. So an image that must be
    // in memory and is larger than the other three quarters takes more than this.
    uint64_t memory;
    // Bytes of anonymous memory that exist, for the build and the image in memory together; 0:
    // no limit. Unlike `memory` this is never exceeded: a build that needs more fails and says how
    // many bytes are missing.
    uint64_t most;
    // A file for the image, used when memory does not hold the image beside the records; -1: none.
    int fd;
    uint64_t fd_at;         // where in that file the image begins, a multiple of 4096
    bool stop_if_malformed; // end after the first pass when it has found a malformed line
    struct records_division division;
    // For tests: bytes for the records of a pass, whatever `memory` is; 0: unset.
    uint64_t records_memory;
    // Called only by the calling thread, after each part of its work. The units of work grow evenly
    // with time. `total` is a guess that may change; `done` never exceeds it and never shrinks. May
    // be NULL.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
};

#define BUILD_RECORDS_MIN (UINT64_C(8) << 20) // bytes

// The result of a build. A zeroed struct holds nothing.
struct built {
    struct trie_image image; // zeroed when it was written to the file, or the build stopped
    uint64_t image_bytes;    // 0 when the build stopped at malformed lines
    bool in_file;
    uint64_t lines;
    uint64_t malformed;
    uint64_t keys;
    uint64_t duplicates;
    uint64_t value_bytes;                         // of the values served: one a key
    struct line_error errors[RECORDS_ERRORS_MAX]; // of the first malformed lines; borrow the text
    uint64_t missing;                             // see build_settings.most; 0: none
    unsigned passes;
    unsigned cuts; // times that a range was shortened because it held more than was guessed
};

// Builds the image of `text`. Malformed lines are counted, not refused. Returns false with a
// message when memory is short, the file cannot be written, an image cannot hold so many keys, or
// the text changes meanwhile; `b` then holds nothing but `missing`. A caller may try again without
// a file that cannot be written. Where `settings->most` is too little, `b->missing` is set, and a
// file may help.
bool build_index(struct built *b, struct span text, const struct build_settings *settings,
                 struct error *error);

// Frees the image. A zeroed struct is accepted.
void build_release(struct built *b);

// A quarter of the memory that the machine has or the process's cgroup allows.
uint64_t build_memory_default(void);

#endif
