// Reads a data file line by line for a subcommand that needs no index.
#ifndef STELE_TOOL_READ_LINES_H
#define STELE_TOOL_READ_LINES_H

#include "base/checksum.h"
#include "data/lines.h"

struct error;

// What to do with the lines, and what was found out about them.
struct line_reading {
    // Receives each line with its newline. The last line of the file may have none. The record's
    // `offset` and `value` are unspecified. Returns false with a message to end the reading.
    bool (*take)(void *context, const struct record *record, struct span line, struct error *error);
    void *context;
    bool checked_signals;           // blocked signals end the reading (ending_is_pending)
    struct checksum_stream *stream; // receives all bytes; may be NULL
    // Results:
    uint64_t bytes;
    uint64_t lines;
    bool unterminated; // the last line has no newline
};

// Reads the file that is open as `fd` from its beginning, and shows the progress of `step`. Stops
// at the first malformed line. Returns false with a message when it has not read the whole file.
// `path` is for messages.
bool read_lines(struct line_reading *reading, int fd, const char *path, const char *step,
                struct error *error);

#endif
