// Index files changed on purpose: bytes in memory, sealed again so that only what was changed is
// wrong, and written back.
#ifndef STELE_TESTS_FORGE_H
#define STELE_TESTS_FORGE_H

#include "base/bytes.h"
#include "data/index_format.h"

// The header of the file, in its bytes.
struct index_header *forge_header(struct buf *file);

// Makes `to`, whatever it held, a copy to be changed.
void forge_copy(struct buf *to, const struct buf *from);

// Makes the header's own checksum right.
void forge_seal_header(struct buf *file);

// Makes all checksums right, and trailer and places those that header.image_bytes asks for; the
// file becomes as long as they say.
void forge_seal(struct buf *file);

// Writes it in the place of the file at `path`, in a new file of that name.
void forge_write(const char *path, const struct buf *file);

#endif
