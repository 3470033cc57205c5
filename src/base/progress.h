// How far a long work is, as a line of text for people: what is done, percent, rate, time left.
//
// The caller prints it: over itself on a terminal, now and then in a log.
#ifndef STELE_BASE_PROGRESS_H
#define STELE_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *step; // "indexing"
    const char *file; // that is worked on
    bool terminal;    // a bar, several times a second; otherwise a line every 3 seconds
    bool bytes;       // the work is counted in bytes, so a rate is told
    uint64_t began_ns;
    uint64_t told_ns; // the last line, or the beginning
};

enum { PROGRESS_TEXT = 512 };

// Begins a step now. The strings are borrowed.
void progress_begin(struct progress *p, const char *step, const char *file, bool bytes,
                    bool terminal);

// Whether a line of this step was told.
bool progress_told(const struct progress *p);

// When a line is due, writes it at `to`, NUL-terminated. False when none is due. `done` of `total`
// are what the step counts; `total` is more than 0.
//
// On a terminal the line takes less than `width` columns:
//   indexing d.data [######----]  62 %  941.2 MB/s  0:07 left
// Where that is too much, the bar gives way first, then the rate, the beginning of the file's name,
// the time left, all of the name, and the step. Elsewhere the line has the file's path and no bar.
bool progress_due(struct progress *p, uint64_t done, uint64_t total, unsigned width,
                  char to[PROGRESS_TEXT]);

#endif
