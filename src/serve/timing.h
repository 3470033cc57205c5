// What commands cost in time, by one reading of the clock for all that ran since the last one: the
// time between is divided among them by the work they took. One thread per timing.
#ifndef STELE_SERVE_TIMING_H
#define STELE_SERVE_TIMING_H

#include <stdint.h>

#include "serve/command.h"
#include "serve/stats.h"

// A zeroed struct has nothing to divide.
struct timing {
    uint64_t since_ns; // of the last reading, monotonic; 0: none yet
    uint64_t units;    // all work since then
    unsigned count;    // commands of which `numbers` tells
    uint16_t numbers[COMMANDS_MAX];
    uint32_t work[COMMANDS_MAX]; // of each, by its number
};
_Static_assert(COMMANDS_MAX <= UINT16_MAX, "16 bits hold a command's number");

// What follows begins at `now`. Nothing may be waiting for its time.
void timing_begin(struct timing *t, uint64_t now);

// The command of that number has run and taken `units` of work, at least one.
void timing_add(struct timing *t, unsigned number, unsigned units);

// Reads the clock and adds to each command that has run its part of the time since the last
// reading. Does nothing when none has.
void timing_settle(struct timing *t, struct stats *stats);

#endif
