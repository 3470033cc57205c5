// Which content a data file has: how an index knows the file it was built from.
//
// Size, inode and times take no reading and prove much. The sample is read in well under a
// millisecond and shows most other content, but not a change between its blocks. The checksum of
// the content proves it and takes reading it all.
#ifndef STELE_DATA_IDENTITY_H
#define STELE_DATA_IDENTITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"

// Times are nanoseconds since 1970, UTC, by the clock of the file system; `read_ns` by the wall
// clock: both are compared on one machine only.
struct identity {
    uint64_t bytes;
    uint64_t inode;
    int64_t modified_ns; // st_mtim
    int64_t changed_ns;  // st_ctim: the last change of content, name or permissions
    int64_t read_ns;     // when reading the content began
    uint64_t seed;       // which blocks the sample is of
    uint64_t sample;     // identity_sample
    uint64_t content;    // identity_content
};

// Size, inode and times of the file, `read_ns` as of now; the checksums are left 0.
struct identity identity_of_file(const struct stat *status);

// Whether the file of `now` must be the one of `then`, unread: same size, inode and times, and
// those times lie far enough before `then` was read that a change after it had shown in them.
bool identity_is_proven(const struct identity *then, const struct identity *now);

// A checksum of the first and the last 64 KiB and 64 blocks of 4 KiB, which `seed` chooses: where
// it is kept from others, they cannot know which change would not show.
uint64_t identity_sample(struct span text, uint64_t seed);

// What may be told and asked while all of a file is read. A zeroed struct tells and asks nothing.
struct identity_reading {
    const atomic_bool *cancel; // ends the reading when it becomes true
    void (*progress)(void *context, uint64_t done, uint64_t total); // bytes
    void *context;
};

// A checksum of all the content, on all processors. False, with `*content` unspecified, when it was
// cancelled or memory is short. `reading` may be NULL.
bool identity_content(struct span text, uint64_t *content, const struct identity_reading *reading);

#endif
