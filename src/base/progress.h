// The progress of long work as a line of text: the step, percent done, rate and time left.
//
// The caller prints the line. On a terminal it replaces the previous line.
#ifndef STELE_BASE_PROGRESS_H
#define STELE_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *step;  // name of the step, such as "indexing"
    const char *file;  // path of the file that the step reads
    bool terminal;     // show a bar five times a second; otherwise a line every 3 seconds
    bool bytes;        // units of work are bytes, so a rate is shown
    uint64_t began_ns; // monotonic time of the step's beginning
    uint64_t shown_ns; // monotonic time of the last line, or of the beginning
};

enum { PROGRESS_TEXT = 512 }; // bytes of a line, with its NUL

// Begins a step now. `step` and `file` are borrowed until the step ends.
void progress_begin(struct progress *p, const char *step, const char *file, bool bytes,
                    bool terminal);

// Whether progress_due has written a line of this step.
bool progress_was_shown(const struct progress *p);

// Writes a NUL-terminated line at `to` if one is due. Returns false if none is due. `done` of
// `total` units of work are done; `total` is more than 0.
//
// On a terminal the line has less than `width` columns:
//   indexing d.data [######----]  62 %  941.2 MB/s  0:07 left
// If that is too long, parts are omitted in this order: the bar, the rate, the beginning of the
// file's name, the time left, the whole name, the step. Elsewhere than on a terminal, the line has
// the file's whole path and no bar.
bool progress_due(struct progress *p, uint64_t done, uint64_t total, unsigned width,
                  char to[PROGRESS_TEXT]);

#endif
