// Where a subcommand writes lines in order: a new file, a part of a temporary file, or a pipe.
#ifndef STELE_TOOL_SINK_H
#define STELE_TOOL_SINK_H

#include "base/bytes.h"

struct error;

struct sink {
    int fd;
    const char *name; // for messages, like "'out.data'"
    // The descriptor is a pipe or a terminal, or its file may be written by others too. Bytes are
    // appended, so writes must come in order.
    bool sequential;
    bool to_disk; // the file will be synced, so the disk begins to write at once
    uint64_t at;  // offset in the file for the next bytes; bytes written if sequential
};

// Writes `bytes` at the offset `at`, or appends them if the sink is sequential. Several threads may
// write different parts of a sink that is not sequential. Returns false with a message on failure.
bool sink_write(const struct sink *s, struct span bytes, uint64_t at, struct error *error);

// Writes `bytes` at `s->at` and advances it. Returns false with a message on failure.
bool sink_append(struct sink *s, struct span bytes, struct error *error);

#endif
