// The index file: a trie image kept beside the data file, so that the next start maps it instead of
// building it again, and all servers on the machine share one copy in memory.
//
// Nothing in it is trusted. Opening checks the header, the places of everything and that it belongs
// to the data file; index_file_verify compares the image with its checksums; and what a lookup
// reads is checked again by the trie.
#ifndef STELE_DATA_INDEX_FILE_H
#define STELE_DATA_INDEX_FILE_H

#include "base/bytes.h"
#include "base/mapping.h"
#include "data/identity.h"

struct error;

// What the header tells beside the image.
struct index_facts {
    uint64_t lines; // all counts as in struct dataset_figures
    uint64_t malformed;
    uint64_t keys;
    uint64_t duplicates;
    uint64_t value_bytes;
    uint64_t build_ns;
    uint64_t built_at_us;
    struct identity data; // the data file it was built from
};

// An open index file. A zeroed struct is none.
struct index_file {
    struct index_facts facts;
    struct span image;         // in the mapping, or in the copy
    const uint64_t *checksums; // in the mapping
    struct bytes mapping;
    struct bytes copy;
    struct mapping source; // of what is read from the file, wherever it is mapped
    uint64_t sum;          // of the checksums: which image it is
    // When the file was last written to as far as its image is known to be what it was; 0 while it
    // is no index file yet.
    _Atomic int64_t proven_ns;
};

// Maps the index file at `path` if it is whole and of this machine's format. Takes a time that
// does not depend on its size. False with the reason in `*error` otherwise (errno is ENOENT when
// there is no such file).
bool index_file_open(struct index_file *f, const char *path, struct error *error);

// Moves `image` to anonymous memory of huge pages, where lookups miss fewer entries of page tables;
// this process then has a copy of its own, of the checksums too, and does not need the file any
// more. False with a message when memory is short or the file is being cut; the image then stays
// where it was.
bool index_file_copy(struct index_file *f, struct error *error);

// Compares the image with its checksums, on all processors: about 0.1 s a GB. False with a message
// when a block differs. `*cancel`, when it becomes true meanwhile, ends it with true: nothing was
// found so far. `cancel` may be NULL.
bool index_file_verify(const struct index_file *f, const atomic_bool *cancel, struct error *error);

// Guards what others have mapped, or are about to, from `at` on of the index file that `fd` is of
// and that is still being made; whether it could. index_file_stands tells that it is finished, and
// where its image lies.
bool index_file_guard(struct index_file *f, struct span mapped, int fd, uint64_t at);
void index_file_stands(struct index_file *f, struct span image);

// Whether somebody has written to a file that is read from, since its image was last proven. Any
// thread may ask.
bool index_file_is_changed(const struct index_file *f);

// Whether the image is still the one that was opened, or that stood: all of it is read. False with
// a message when it is another, or memory is short. `*cancel` as in index_file_verify.
bool index_file_prove(struct index_file *f, const atomic_bool *cancel, struct error *error);

// Unmaps. A zeroed struct is accepted.
void index_file_close(struct index_file *f);

#endif
