// The index file: a trie image in a file, usually beside the data file. The next start maps it
// instead of building it again, and all servers on the machine share one copy in memory.
//
// Nothing in it is trusted. Opening checks the header and the offsets of all sections. Each block
// of the image is compared with its checksum before it is used (verifier.h). The trie also checks
// every number that a lookup reads.
#ifndef STELE_DATA_INDEX_FILE_H
#define STELE_DATA_INDEX_FILE_H

#include "base/bytes.h"
#include "base/mapping.h"
#include "data/index_format.h"
#include "data/verifier.h"

struct error;

// An open index file. A zeroed struct is a closed one.
struct index_file {
    struct index_facts facts;
    struct span image;        // the trie image; in the mapping or in the copy
    struct bytes mapping;     // memory where the whole file is mapped; empty after index_file_copy
    struct bytes copy;        // the copy of index_file_copy; otherwise empty
    struct mapping source;    // guard of `mapping` against lost pages of the file (mapping.h)
    struct verifier verifier; // verifies the blocks of the image
};

// Maps the index file at `path`. Reads its table of checksums: one byte for each 8 KiB of the
// image. Returns false with a message when the file cannot be mapped, or when its header, its size
// or the table is wrong; `f` is then closed. In that case errno is ENOENT if there is no such file,
// and not ENOENT for any other reason. On success the caller closes `f`.
bool index_file_open(struct index_file *f, const char *path, struct error *error);

// Copies the image to anonymous memory with huge pages, where lookups have fewer TLB misses. After
// that this process no longer reads the file. Returns false with a message when memory is short or
// the file was truncated; then the image is still read from the file.
bool index_file_copy(struct index_file *f, struct error *error);

// Guards `mapped` against loss of the file's pages (base/mapping.h). `mapped` is memory where the
// caller has mapped, or will map, the file `fd` from offset `at` on. The index file is still being
// written. When it is written, call index_file_finish. Returns false with errno when it cannot be
// guarded.
bool index_file_guard(struct index_file *f, struct span mapped, int fd, uint64_t at);

// Sets the image of a guarded file that is now completely written. `sums` are the checksums of its
// blocks; this takes ownership of the array, which malloc has allocated. `file` is the status of
// the file. `verified` is true if all blocks are known to match `sums`. Returns false when memory
// is short.
bool index_file_finish(struct index_file *f, struct span image, uint64_t *sums,
                       const struct stat *file, bool verified);

// Unmaps the file and frees the copy. A zeroed struct is accepted.
void index_file_close(struct index_file *f);

#endif
