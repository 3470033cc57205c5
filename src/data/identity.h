// Which content a data file has: how an index knows the file it was built from.
//
// Size, inode and times are had for nothing and prove much; the sample is read in well under a
// millisecond and tells other content nearly always; the checksum of the content proves it and
// takes reading it all.
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
    uint64_t sample;
    uint64_t content;
};

// Size, inode and times of the file, `read_ns` as of now; the checksums are left 0.
struct identity identity_of_file(const struct stat *status);

// Whether the file of `now` must be the one of `then`, unread: same size, inode and times, and
// those times lie far enough before `then` was read that a change after it had shown in them.
bool identity_is_proven(const struct identity *then, const struct identity *now);

// A checksum of the first and the last 64 KiB and 64 blocks of 4 KiB between, chosen by the size.
uint64_t identity_sample(struct span text);

// A checksum of all the content, on all processors. False, with `*content` unspecified, when
// `*cancel` became true meanwhile or memory is short. `cancel` may be NULL.
bool identity_content(struct span text, uint64_t *content, const atomic_bool *cancel);

#endif
