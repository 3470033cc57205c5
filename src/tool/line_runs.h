// Runs: sorted lines in a temporary file, and merging them. A run has each key once.
//
// The temporary file has no name, so nothing is left of it however the program ends.
#ifndef STELE_TOOL_LINE_RUNS_H
#define STELE_TOOL_LINE_RUNS_H

#include <stddef.h>

#include "tool/sink.h"

struct error;

struct line_run {
    uint64_t begin; // offset of its first byte in the temporary file
    uint64_t end;
};

// A zeroed struct has no file and no runs.
struct line_runs {
    struct sink file; // the temporary file; `at` is its end
    char *name;       // for messages
    struct line_run *runs;
    size_t count;
};

enum {
    LINE_RUNS_BUFFER_MIN = 16 * 1024,   // least bytes of memory for each run that is merged
    LINE_RUNS_BUFFER_MAX = 1024 * 1024, // most bytes
    LINE_RUNS_OUTPUT = 1024 * 1024,     // bytes of the buffer of merged lines
};

// Creates the temporary file, on a disk with room for `bytes`. It is in the folder of `beside`, if
// there is room, or in another one (data/room.h). `beside` may be NULL. Returns false with a
// message if it cannot be created.
bool line_runs_open(struct line_runs *r, const char *beside, uint64_t bytes, struct error *error);

// Appends an empty run. The caller appends its lines to `r->file`, and then calls line_runs_end.
// Returns false with a message when memory is short.
bool line_runs_begin(struct line_runs *r, struct error *error);
void line_runs_end(struct line_runs *r);

// Appends the lines of all runs to `sink` in key order. Of several lines with the same key, only
// the one of the last run is kept. `sink` may be `r->file`. Uses at most `memory` bytes, or as few
// as possible. The runs are given up while they are read. Sets `*kept` to the number of lines.
// Returns false with a message on failure. `progress` receives the number of bytes read from all
// runs; it may be NULL.
bool line_runs_merge(struct line_runs *r, struct sink *sink, size_t memory, uint64_t *kept,
                     void (*progress)(void *context, uint64_t done), void *context,
                     struct error *error);

// Returns the bytes of all runs.
uint64_t line_runs_bytes(const struct line_runs *r);

// Closes the file, which frees its room on the disk. A zeroed struct is accepted.
void line_runs_close(struct line_runs *r);

#endif
