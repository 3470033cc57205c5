// The index file: a trie image kept beside the data file, so that the next start maps it instead of
// building it again, and all servers on the machine share one copy in memory.
//
// Nothing in it is trusted. Opening checks the header, the places of everything and that it belongs
// to the data file; each block of the image is compared with its checksum before it is used
// (proof.h); and what a lookup reads is checked again by the trie.
#ifndef STELE_DATA_INDEX_FILE_H
#define STELE_DATA_INDEX_FILE_H

#include "base/bytes.h"
#include "base/mapping.h"
#include "data/identity.h"
#include "data/proof.h"

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
    struct span image; // in the mapping, or in the copy
    struct bytes mapping;
    struct bytes copy;
    struct mapping source; // of what is read from the file, wherever it is mapped
    struct proof proof;    // of the image
};

// Maps the index file at `path` if it is whole and of this machine's format. Its checksums are
// read: a byte for 8 KiB. False with the reason in `*error` otherwise (errno is ENOENT when there
// is no such file).
bool index_file_open(struct index_file *f, const char *path, struct error *error);

// Moves `image` to anonymous memory of huge pages, where lookups miss fewer entries of page tables;
// this process then has a copy of its own and does not need the file any more. False with a message
// when memory is short or the file is being cut; the image then stays where it was.
bool index_file_copy(struct index_file *f, struct error *error);

// Guards what others have mapped, or are about to, from `at` on of the index file that `fd` is of
// and that is still being made; whether it could. index_file_stands tells that it is finished.
bool index_file_guard(struct index_file *f, struct span mapped, int fd, uint64_t at);

// The guarded file is finished, its image lies there, and its blocks have those checksums, an array
// from malloc that becomes the file's. `file` is its status; `whole`: all has been compared since.
// False when memory is short.
bool index_file_stands(struct index_file *f, struct span image, uint64_t *sums,
                       const struct stat *file, bool whole);

// Unmaps. A zeroed struct is accepted.
void index_file_close(struct index_file *f);

#endif
