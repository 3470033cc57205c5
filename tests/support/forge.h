// Index files that a test changes on purpose. The test changes the bytes in memory, makes the
// checksums right again, so that nothing else is wrong, and writes the file.
#ifndef STELE_TESTS_FORGE_H
#define STELE_TESTS_FORGE_H

#include "base/bytes.h"
#include "data/index_format.h"

// Returns the header at the beginning of the file's bytes. The caller may change it there.
struct index_header *forge_header(struct buf *file);

// Frees what `to` holds and makes it a copy of `from`.
void forge_copy(struct buf *to, const struct buf *from);

// Computes the checksum of the header.
void forge_seal_header(struct buf *file);

// Computes all checksums and the trailer, and places them where header.image_bytes says. The file
// becomes as long as that needs; new bytes are 0.
void forge_seal(struct buf *file);

// Writes the file at `path`. A file that is there before is unlinked, so that mappings of it stay
// as they are.
void forge_write(const char *path, const struct buf *file);

#endif
