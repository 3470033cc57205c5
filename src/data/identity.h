// The identity of a data file's content, by which an index knows the file it was built from.
//
// Size, inode and times prove much without reading the content. The sample takes well under a
// millisecond and shows most other content, but no change between its blocks. The checksum of the
// content proves it, and takes reading all of it.
#ifndef STELE_DATA_IDENTITY_H
#define STELE_DATA_IDENTITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"

// Times are nanoseconds since 1970, UTC. The file system's clock gives them, but the wall clock
// gives `read_ns`. They are compared only on one machine.
struct identity {
    uint64_t bytes;
    uint64_t inode;
    int64_t modified_ns; // st_mtim
    int64_t changed_ns;  // st_ctim: the last change of content, name or permissions
    int64_t read_ns;     // time when reading the content began
    uint64_t seed;       // chooses the blocks of the sample
    uint64_t sample;     // identity_sample
    uint64_t content;    // identity_content
};

// The identity of the file with this status: size, inode and times, `read_ns` as of now, and 0 for
// the checksums.
struct identity identity_of_file(const struct stat *status);

// Whether the file of `now` must have the content of `then`, without reading it. Size, inode and
// times are the same, and the times are so much older than the reading of `then` that a later
// change would show in them.
bool identity_is_proven(const struct identity *then, const struct identity *now);

// A checksum of the first and the last 64 KiB and of 64 blocks of 4 KiB, which `seed` chooses. As
// long as the seed is secret, nobody knows which changes would go unnoticed.
uint64_t identity_sample(struct span text, uint64_t seed);

// How to report on a long reading and how to end it. A zeroed struct does neither.
struct identity_reading {
    const atomic_bool *cancel; // ends the reading when it becomes true
    void (*progress)(void *context, uint64_t done, uint64_t total); // bytes
    void *context;
};

// Computes a checksum of all the content, on all processors. Returns false, with `*content`
// unspecified, when it was cancelled or memory is short. `reading` may be NULL.
bool identity_content(struct span text, uint64_t *content, const struct identity_reading *reading);

#endif
