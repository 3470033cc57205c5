// The manifest of a divided data file: which parts there are, and what is in them. docs/scaling.md
// describes the format.
#ifndef STELE_TOOL_MANIFEST_H
#define STELE_TOOL_MANIFEST_H

#include <sys/stat.h>

#include "base/bytes.h"
#include "base/checksum.h"

struct error;

#define MANIFEST_SUFFIX ".manifest"
#define MANIFEST_FIRST_LINE "stele-split 1"

struct manifest_part {
    char *name; // name of the file, which is in the manifest's folder
    uint64_t lines;
    uint64_t bytes;
    char checksum[CHECKSUM_TEXT_LEN + 1];
    struct buf rule; // the other lines about the part: which keys it has, and for whom
};

struct manifest {
    unsigned count;
    struct manifest_part *parts;
    struct buf rule; // the lines about the whole: what was divided, and by which rule
};

// Writes the text to a temporary file, syncs it and renames it to `path`. Returns false with a
// message when that fails or there is a file at `path`; then nothing is left. The file gets the
// permissions of `source`.
bool manifest_write(const char *path, struct span text, const struct stat *source,
                    struct error *error);

// Reads the manifest at `path`. Returns false with a message that names the line. The caller calls
// manifest_release in any case.
bool manifest_read(struct manifest *m, const char *path, struct error *error);

// A zeroed struct is accepted.
void manifest_release(struct manifest *m);

#endif
