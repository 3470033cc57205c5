// The time that commands take. The clock is read once for all commands that ran since the last
// reading, and the time between is divided among them by their work. A timing belongs to one
// thread.
#ifndef STELE_METRICS_TIMING_H
#define STELE_METRICS_TIMING_H

#include <stdint.h>

#include "metrics/histogram.h"
#include "metrics/stats.h"

// A zeroed struct has no time to divide.
struct timing {
    uint64_t since_ns; // time of the last reading, monotonic; 0: none yet
    uint64_t units;    // all work since then
    unsigned count;    // commands in `numbers`
    // Set by the session: the next command is to be timed by itself.
    bool singly;
    // A call that spans turns is recorded once, when it ends. `unfinished`: its share of the work
    // above, not to be recorded yet. `earlier_ns`: time that a call ending now took in previous
    // turns.
    struct {
        unsigned number;
        unsigned units;
    } unfinished;
    uint64_t earlier_ns;
    // Results of the last flush:
    uint64_t elapsed_ns;                // all of the time
    double each_ns;                     // that of a unit
    struct histogram_table *histograms; // where the time of calls is recorded; NULL: nowhere
    uint16_t numbers[COMMANDS_MAX];
    uint32_t work[COMMANDS_MAX];  // of each, by its number
    uint64_t calls[COMMANDS_MAX]; // how many counted at the last flush
};
_Static_assert(COMMANDS_MAX <= UINT16_MAX, "16 bits hold a command's number");

// Begins a span of time at `now` (monotonic ns). All earlier commands must have been flushed.
void timing_begin(struct timing *t, uint64_t now);

// Adds `units` of work, at least one, of a command that has run.
void timing_add(struct timing *t, unsigned number, unsigned units);

// Reads the clock and adds to each command that has run its part of the time since the last
// reading. Records the time of its finished calls, which must have been counted in `stats`: all
// calls of a command in a batch get the same time. Does nothing when no command has run.
void timing_flush(struct timing *t, struct stats *stats);

#endif
