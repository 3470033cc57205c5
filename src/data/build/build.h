// From text to image: the whole build, in bounded memory.
//
// What memory holds at once, records and image, is built in one pass over the text. Otherwise each
// pass takes a range of keys, and its records become units of the image (image.h).
#ifndef STELE_DATA_BUILD_BUILD_H
#define STELE_DATA_BUILD_BUILD_H

#include "base/bytes.h"
#include "data/build/image.h"
#include "data/build/records.h"

struct error;

// Zeros, and -1 for `fd`, do for all.
struct build_settings {
    // Most bytes of anonymous memory the build may take; 0: build_memory_default(). An image that
    // has to be in memory and is larger than three quarters of this takes more: the records of a
    // pass get at least the fourth quarter, and BUILD_RECORDS_MIN in any case.
    uint64_t memory;
    // Most bytes of anonymous memory there are, for the build and the image in memory together; 0:
    // any number. Unlike `memory`, never exceeded: a build that needs more fails and says how many
    // are missing.
    uint64_t most;
    int fd; // a file that takes the image when memory does not hold it beside the records; -1: none
    uint64_t fd_at;         // where in that file the image begins, a multiple of 4096
    bool stop_if_malformed; // end after the first pass when it has met a malformed line
    struct records_division division;
    // For tests: what the records of a pass get, whatever `memory` is; 0: unset.
    uint64_t records_memory;
    // Called by the calling thread only, after each part it does. Units of work that grow evenly
    // with time; `total` is a guess that may change, `done` never exceeds it and never shrinks. May
    // be NULL.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
};

#define BUILD_RECORDS_MIN (UINT64_C(8) << 20) // bytes

// What was built. A zeroed struct holds nothing.
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
    unsigned cuts; // how often a range was shortened because it held more than was guessed
};

// Builds the image of `text`. False with a message, `b` then holding nothing, when memory is short,
// the file cannot be written (a caller may try again without one), there is more than an image can
// hold, or the text changes meanwhile. Malformed lines are counted, not refused.
// Where `settings->most` is too little, `b->missing` says so; with a file it may then be enough.
bool build_index(struct built *b, struct span text, const struct build_settings *settings,
                 struct error *error);

// Frees the image. A zeroed struct is accepted.
void build_release(struct built *b);

// A quarter of the memory that the machine has or the process's cgroup allows.
uint64_t build_memory_default(void);

#endif
