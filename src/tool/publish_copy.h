// Brings a data file into a store.
#ifndef STELE_TOOL_PUBLISH_COPY_H
#define STELE_TOOL_PUBLISH_COPY_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/checksum.h"

struct error;

// Makes `to`, which does not exist, a copy of the file `from`, with its permissions and its time of
// modification, and syncs it. With `link`, `to` becomes another name of the file instead. Sets
// `*status` to the status of `from`, and `checksum` to that of the content. Shows the progress.
// Returns false with a message if that fails or the file is written to meanwhile; `to` may exist
// then.
bool publish_copy(const char *from, const char *to, bool link, struct stat *status,
                  char checksum[CHECKSUM_TEXT_LEN + 1], struct error *error);

#endif
