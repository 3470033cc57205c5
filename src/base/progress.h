// How far a long work is, as a line of text for people: percent, rate, time left.
//
// The caller prints it: over itself on a terminal, now and then in a log.
#ifndef STELE_BASE_PROGRESS_H
#define STELE_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool terminal; // a bar, several times a second; otherwise a line every 3 seconds
    uint64_t began_ns;
    uint64_t told_ns; // the last line, or the beginning
};

enum { PROGRESS_TEXT = 96 };

// Begins now.
void progress_begin(struct progress *p, bool terminal);

// When a line is due, writes it at `to`, NUL-terminated: "[######----]  62 %  941.2 MB/s  0:07
// left", without the bar where there is no terminal. False when none is due. `done` of `total` are
// bytes; `total` is more than 0.
bool progress_due(struct progress *p, uint64_t done, uint64_t total, char to[PROGRESS_TEXT]);

#endif
