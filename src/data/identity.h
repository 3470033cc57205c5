// The identity of a data file's content. An index file stores it, to recognize the data file that
// it was built from.
//
// Three things identify the content:
// * Size, inode and times. They often prove that the content is the same, without reading it.
// * A checksum of samples of the content. It takes well under a millisecond. It nearly always shows
//   that a file has other content, but it does not show a change between the samples.
// * A checksum of the whole content. It proves that the content is the same, but all of it is read.
#ifndef STELE_DATA_IDENTITY_H
#define STELE_DATA_IDENTITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"

// Times are nanoseconds since 1970, UTC. `read_ns` is from the wall clock of this machine. The
// other two are from the clock of the file system, which is the same clock unless the file system
// is remote.
struct identity {
    uint64_t bytes; // size of the file
    uint64_t inode;
    int64_t modified_ns; // st_mtim: last change of the content
    int64_t changed_ns;  // st_ctim: last change of content, name or permissions
    int64_t read_ns;     // time when reading the content began
    uint64_t seed;       // random number that chooses the blocks of the sample
    uint64_t sample;     // checksum of the sample (identity_sample)
    uint64_t content;    // checksum of the whole content (identity_content)
};

// Returns the identity of the file with this status. `read_ns` is the present time, and the
// checksums and the seed are 0.
struct identity identity_of_file(const struct stat *status);

// Whether the file of `now` certainly has the content of `then`. Size, inode and times must be the
// same. The times must also be so much older than `then->read_ns` that every later write would have
// changed them. Does not read the content.
bool identity_is_proven(const struct identity *then, const struct identity *now);

// Returns a checksum of the first and the last 64 KiB and of 64 blocks of 4 KiB, which `seed`
// chooses. Without the seed nobody can know which blocks the checksum does not cover.
uint64_t identity_sample(struct span text, uint64_t seed);

// How to cancel a long reading and where to report its progress. A zeroed struct does neither.
struct identity_reading {
    const atomic_bool *cancel; // the reading ends when this becomes true; may be NULL
    // Receives the bytes that are read and the bytes of the whole content. May be NULL.
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context; // for `progress`
};

enum { IDENTITY_BLOCK = 1024 * 1024 }; // bytes of a block with a checksum of its own

// Returns the checksum of the whole content from those of its blocks of IDENTITY_BLOCK bytes; the
// last block may be shorter. `count` is their number (checksum_block_count). The result is that of
// identity_content.
uint64_t identity_of_blocks(const uint64_t *sums, uint64_t count);

// Sets `*content` to a checksum of the whole content, computed on all processors. Returns false,
// with `*content` unspecified, when it was cancelled or memory is short. `reading` may be NULL.
bool identity_content(struct span text, uint64_t *content, const struct identity_reading *reading);

#endif
