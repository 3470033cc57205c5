// The index file: a trie image kept beside the data file. The next start maps it instead of
// building it again, and all servers on the machine share one copy in memory.
//
// Nothing in it is trusted. Opening checks the header and the offsets of all parts, and that the
// file belongs to the data file. Each block of the image is compared with its checksum before it is
// used (proof.h). The trie checks again every number that a lookup reads.
#ifndef STELE_DATA_INDEX_FILE_H
#define STELE_DATA_INDEX_FILE_H

#include "base/bytes.h"
#include "base/mapping.h"
#include "data/index_format.h"
#include "data/proof.h"

struct error;

// An open index file. A zeroed struct is none.
struct index_file {
    struct index_facts facts;
    struct span image; // in the mapping, or in the copy
    struct bytes mapping;
    struct bytes copy;
    struct mapping source; // guards the part that is read from the file
    struct proof proof;    // of the image
};

// Maps the index file at `path` if it is whole and has this machine's format. Reads its checksums:
// a byte for each 8 KiB. Returns false with the reason in `*error` otherwise; errno is ENOENT when
// there is no such file.
bool index_file_open(struct index_file *f, const char *path, struct error *error);

// Copies `image` to anonymous memory of huge pages, where lookups miss fewer entries of page
// tables. This process then has its own copy and no longer needs the file. Returns false with a
// message when memory is short or the file is being cut; the image then stays in the file.
bool index_file_copy(struct index_file *f, struct error *error);

// Guards `mapped`, a mapping made elsewhere, now or soon, of an index file that is still being
// written: the file `fd` from offset `at` on. Returns false when it cannot. index_file_stands
// follows when the file is finished.
bool index_file_guard(struct index_file *f, struct span mapped, int fd, uint64_t at);

// Notes that the guarded file is finished and holds `image`. `sums` are the checksums of its
// blocks, an array from malloc that `f` owns from now on. `file` is the status of the file. `whole`
// says that all blocks have been compared since. Returns false when memory is short.
bool index_file_stands(struct index_file *f, struct span image, uint64_t *sums,
                       const struct stat *file, bool whole);

// Unmaps the file. A zeroed struct is accepted.
void index_file_close(struct index_file *f);

#endif
