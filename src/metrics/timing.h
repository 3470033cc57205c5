// The time that commands take.
//
// Reading the clock for each command would cost too much. So it is read when a batch begins and
// when it ends. The time between is divided among the commands that ran, in proportion to their
// units of work. One thread at a time may use a timing.
#ifndef STELE_METRICS_TIMING_H
#define STELE_METRICS_TIMING_H

#include <stdint.h>

#include "metrics/histogram.h"
#include "metrics/stats.h"

// A zeroed struct has no commands to divide time among.
struct timing {
    uint64_t since_ns; // monotonic time of the last reading of the clock; 0: none yet
    uint64_t units;    // units of work of all commands since that reading
    unsigned count;    // number of commands in `numbers`
    // Set by the session: the clock is read before and after each command, so none shares its time.
    bool singly;
    // A call that takes several turns is recorded once, when it ends. serve/execute sets
    // `unfinished` and `earlier_ns` before it flushes. The flush sets `unfinished.units` and
    // `earlier_ns` to 0.
    struct {
        unsigned number; // command of a call that goes on in the next turn
        unsigned units;  // its units of work, included in `work` but not recorded yet
    } unfinished;
    uint64_t earlier_ns; // time that the call which ends now took in earlier turns
    // Results of the last flush:
    uint64_t elapsed_ns;                // time that was divided
    double each_ns;                     // time of one unit of work, in ns
    struct histogram_table *histograms; // histograms to record calls in, borrowed; may be NULL
    uint16_t numbers[COMMANDS_MAX];     // commands that have run since the last flush
    uint32_t work[COMMANDS_MAX];        // units of work since the last flush, by command number
    uint64_t calls[COMMANDS_MAX];       // value of the command's `calls` at the last flush
};
_Static_assert(COMMANDS_MAX <= UINT16_MAX, "16 bits hold a command's number");

// Sets the time of the last reading to `now` (monotonic ns). All earlier commands must have
// been flushed.
void timing_begin(struct timing *t, uint64_t now);

// Notes that the command `number` has done `units` of work, at least one.
void timing_add(struct timing *t, unsigned number, unsigned units);

// Reads the clock and divides the time since the last reading: adds each command's part to its `ns`
// in `stats`. Also records the finished calls in the histograms, where all calls of a command since
// the last flush get the same time. The caller must have counted these calls in `stats` before.
// Does nothing when no command has run.
void timing_flush(struct timing *t, struct stats *stats);

#endif
