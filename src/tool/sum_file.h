// The checksum of a file.
#ifndef STELE_TOOL_SUM_FILE_H
#define STELE_TOOL_SUM_FILE_H

#include "base/checksum.h"

struct error;

// Reads the regular file at `path`, and sets the number of its bytes and their checksum. Shows the
// progress. Returns false with a message on failure; errno is ENOENT when there is no file.
bool sum_file(const char *path, uint64_t *bytes, char checksum[CHECKSUM_TEXT_LEN + 1],
              struct error *error);

#endif
