// A version that holds a part of a divided table: what the manifest of `stele split` says of the
// part.
#ifndef STELE_TOOL_PUBLISH_PART_H
#define STELE_TOOL_PUBLISH_PART_H

#include "base/bytes.h"
#include "base/checksum.h"

struct error;

struct publish_part {
    char checksum[CHECKSUM_TEXT_LEN + 1]; // of the part
    struct buf lines; // for the manifest of the version; each name begins with "split-"
};

// Reads what the manifest at `path` says of the part `file`; only the last name of this path
// counts. Returns false with a message when the manifest is wrong or does not name the part. The
// caller calls publish_part_release in any case.
bool publish_part_read(struct publish_part *part, const char *path, const char *file,
                       struct error *error);

// A zeroed struct is accepted.
void publish_part_release(struct publish_part *part);

#endif
