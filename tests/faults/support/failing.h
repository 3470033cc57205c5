// Makes calls of the server's own code fail, one at a time: memory, and calls of the system. A
// program in tests/faults/within/ is linked with --wrap for each of them (Makefile: FAILING), so
// the calls of the C library and libev are not counted and do not fail.
#ifndef STELE_TESTS_FAILING_H
#define STELE_TESTS_FAILING_H

#include <stdbool.h>

// The kinds of calls that fail; bits.
enum failing {
    FAILING_MEMORY = 1, // the allocator, and anonymous maps
    FAILING_MAPS = 2,   // maps of files
    FAILING_FILES = 4,  // calls on files
    FAILING_THREADS = 8,
    FAILING_SOCKETS = 16,
    FAILING_SHARED = 32, // shared maps of files
};

// True in a thread of the test itself, whose calls are not counted and do not fail.
extern _Thread_local bool failing_spares;

// Makes the call number `at` of those kinds fail with `error`, counted from 1 on from now; with
// `after`, all calls after it too. 0: none fails.
void failing_begin(unsigned kinds, unsigned at, bool after, int error);

// Stops counting for calls of the test itself (false), and goes on (true).
void failing_pause(bool goes_on);

// Stops. Returns whether a call has failed; otherwise there were fewer calls.
bool failing_end(void);

// The number of calls of those kinds since failing_begin.
unsigned failing_calls(void);

#endif
