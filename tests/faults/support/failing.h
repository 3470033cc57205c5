// Makes chosen calls of the server's own code fail: allocations and system calls. A program in
// tests/faults/within/ is linked with --wrap for each of these functions (FAILING in the Makefile).
// So calls that the C library and libev make themselves are neither counted nor made to fail.
#ifndef STELE_TESTS_FAILING_H
#define STELE_TESTS_FAILING_H

#include <stdbool.h>

// The kinds of calls that can fail, as bits.
enum failing {
    FAILING_MEMORY = 1,   // allocations and anonymous mappings
    FAILING_MAPS = 2,     // mappings of files
    FAILING_FILES = 4,    // other calls on files
    FAILING_THREADS = 8,  // pthread_create
    FAILING_SOCKETS = 16, // calls on sockets
    FAILING_SHARED = 32,  // shared mappings of files
};

// A thread of the test itself sets this: its calls are neither counted nor made to fail.
extern _Thread_local bool failing_spares;

// Counts the calls of these kinds from now on, and makes call number `at` fail with errno `error`.
// The first call has the number 1; if `at` is 0, no call fails. If `after` is set, all calls after
// it fail too.
void failing_begin(unsigned kinds, unsigned at, bool after, int error);

// Suspends the counting and failing (false) for calls of the test itself, or resumes it (true).
void failing_pause(bool goes_on);

// Ends the counting. Returns whether call number `at` was reached and has failed.
bool failing_end(void);

// Returns the number of calls of these kinds since failing_begin.
unsigned failing_calls(void);

#endif
