// Background work that gives way to the threads that serve clients, but not for ever.
//
// Building an index, checking that it belongs to its data file, or reading a new file keeps all
// processors busy for seconds. It must not keep a client waiting. So it runs only when a processor
// has nothing else to do. But if other programs keep the processors busy, the work would then not
// advance for minutes. So the time that the work waits for a processor is measured, and two limits
// raise its priority:
//
// clang-format off
//   YIELD_TO_ALL   the scheduler's idle class: another thread that wakes up runs at once
//        │
//        ├─ waited for 10 s in all ───────▶ YIELD_SOME: nice 10, a tenth of a processor beside
//        │                                      │       one busy thread
//        │                                      │
//        └─ waited for 0.5 s while other ◀──────┘
//           programs had the processors ──▶ YIELD_TO_NONE: like any thread
//
// Helpers that wait for a processor are assumed to wait for other programs when all other threads
// of this process together use less than a quarter of the processors.
// clang-format on
//
// A thread without privileges can enter the idle class but cannot leave it. So the thread that has
// the work stays an ordinary thread and only waits. Helper threads do the work in parts
// (parallel_run). When the level changes, new helpers replace them.
#ifndef STELE_BASE_YIELD_H
#define STELE_BASE_YIELD_H

#include <stdint.h>

enum yield_level { YIELD_TO_ALL, YIELD_SOME, YIELD_TO_NONE };

#define YIELD_MEASURE_NS UINT64_C(50000000)     // time between two measurements
#define YIELD_WAIT_MAX_NS UINT64_C(10000000000) // waiting in all, after which YIELD_SOME begins
#define YIELD_OTHERS_NS UINT64_C(500000000)     // waiting for other programs, then YIELD_TO_NONE

// The state of one piece of work: a reload, a rebuild, or the checks of a dataset that run after it
// was opened. Only base/yield.c and base/parallel.c write the fields; a caller may read the level
// and the times.
struct yield {
    enum yield_level level;
    uint64_t waited_ns;   // time in which helpers had work but no processor
    uint64_t others_ns;   // part of `waited_ns` in which other programs had the processors
    uint64_t wait_max_ns; // YIELD_WAIT_MAX_NS, or less in a test
    uint64_t measured_ns; // monotonic time of the last measurement
    uint64_t process_ns;  // processor time of the process at the last measurement
    uint64_t helpers_ns;  // processor time of all helpers since the last measurement
};

// From this call until yield_end, all work that the calling thread hands to parallel_run gives way
// as described above, however deep in the call stack. Initializes `*y`, which must stay at its
// address until yield_end. Calls do not nest.
void yield_begin(struct yield *y);
void yield_end(void);

// Returns the struct that the calling thread has passed to yield_begin, or NULL when its work does
// not give way.
struct yield *yield_current(void);

// Sets the priority of the calling thread, a new helper, for `level`.
void yield_enter(enum yield_level level);

// Adds a measurement of the last `elapsed_ns`, and raises the level when a limit is reached. The
// level never falls. `waiting` is the share (0 to 1) of the helpers that needed a processor and had
// none. `others` is the share of all processors that the rest of the process used.
void yield_note(struct yield *y, uint64_t elapsed_ns, double waiting, double others);

#endif
