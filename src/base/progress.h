// The progress of long work as a line of text for people: the step, percent, rate, time left.
//
// The caller prints the line: on a terminal over the last one, elsewhere one below the other.
#ifndef STELE_BASE_PROGRESS_H
#define STELE_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *step; // "indexing"
    const char *file; // path of the file that the step reads
    bool terminal;    // show a bar several times a second; otherwise a line every 3 seconds
    bool bytes;       // the work is counted in bytes, so a rate is shown
    uint64_t began_ns;
    uint64_t shown_ns; // time of the last line, or of the beginning
};

enum { PROGRESS_TEXT = 512 };

// Begins a step now. The strings are borrowed.
void progress_begin(struct progress *p, const char *step, const char *file, bool bytes,
                    bool terminal);

// Whether progress_due has written a line of this step.
bool progress_was_shown(const struct progress *p);

// Writes a line at `to`, NUL-terminated, when one is due; returns false when none is due. `done` of
// `total` units of work are done; `total` is more than 0.
//
// On a terminal the line takes less than `width` columns:
//   indexing d.data [######----]  62 %  941.2 MB/s  0:07 left
// When that is too long, the line loses the bar first, then the rate, the beginning of the file's
// name, the time left, the whole name, and the step. Elsewhere it has the file's path and no bar.
bool progress_due(struct progress *p, uint64_t done, uint64_t total, unsigned width,
                  char to[PROGRESS_TEXT]);

#endif
