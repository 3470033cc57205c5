// What commands cost in time, by one reading of the clock for all that ran since the last one: the
// time between is divided among them by the work they took. One thread per timing.
#ifndef STELE_METRICS_TIMING_H
#define STELE_METRICS_TIMING_H

#include <stdint.h>

#include "metrics/histogram.h"
#include "metrics/stats.h"

// A zeroed struct has nothing to divide.
struct timing {
    uint64_t since_ns; // of the last reading, monotonic; 0: none yet
    uint64_t units;    // all work since then
    unsigned count;    // commands of which `numbers` tells
    // The next command is to be timed by itself: for the session, which sets it.
    bool singly;
    // A call that takes several turns is recorded as one: what of the work above is of one that
    // goes on, and what one that is done now, and settled by itself, has taken before.
    struct {
        unsigned number;
        unsigned units;
    } unfinished;
    uint64_t earlier_ns;
    // Of the last settling:
    uint64_t elapsed_ns;                // all of the time
    double each_ns;                     // that of a unit
    struct histogram_table *histograms; // where the time of calls is recorded; NULL: nowhere
    uint16_t numbers[COMMANDS_MAX];
    uint32_t work[COMMANDS_MAX];  // of each, by its number
    uint64_t calls[COMMANDS_MAX]; // how many there had been when it was settled last
};
_Static_assert(COMMANDS_MAX <= UINT16_MAX, "16 bits hold a command's number");

// What follows begins at `now`. Nothing may be waiting for its time.
void timing_begin(struct timing *t, uint64_t now);

// The command of that number has run and taken `units` of work, at least one.
void timing_add(struct timing *t, unsigned number, unsigned units);

// Reads the clock and adds to each command that has run its part of the time since the last
// reading, and records what its calls took each: of several in a batch, all the same. Those that
// are done must have been counted. Does nothing when none has run.
void timing_flush(struct timing *t, struct stats *stats);

#endif
