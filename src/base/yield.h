// How long work beside the loops gives way to them.
//
// Work that takes seconds of all processors (building or proving an index, reading a new file) must
// not keep a client waiting, so it runs when a processor has nothing else to do. That alone has no
// end: where other programs keep the processors busy, the work would stand still for minutes. So
// the waiting is measured, and there are two ends to it:
//
//   YIELD_TO_ALL  the scheduler's idle class: a loop that wakes up has the processor at once
//        │
//        ├─ it waited for 10 s in all, whoever had the processors ─▶ YIELD_SOME: nice 10, which is
//        a │                                                          tenth of a processor beside
//        one │                                                          busy thread └─ it waited
//        for 0.5 s while the rest of this process used less than a quarter of the
//           processors: other programs have them ─────────────────▶ YIELD_TO_NONE: as any program
//
// A thread may enter the idle class without a privilege, but not leave it. So the thread that has
// work to do stays an ordinary one and only waits; helpers do the work, in parts (parallel_run),
// and new helpers take over when the level changes.
#ifndef STELE_BASE_YIELD_H
#define STELE_BASE_YIELD_H

#include <stdint.h>

enum yield_level { YIELD_TO_ALL, YIELD_SOME, YIELD_TO_NONE };

#define YIELD_LOOK_NS UINT64_C(50000000)       // between two looks at who waits
#define YIELD_MOST_NS UINT64_C(10000000000)    // waited in all; then YIELD_SOME
#define YIELD_STRANGERS_NS UINT64_C(500000000) // waited for other programs; then YIELD_TO_NONE

// One piece of work: a reload, a rebuild, what opening left to do. Its fields are for base/yield.c
// and base/parallel.c; a caller may read the level and the times.
struct yield {
    enum yield_level level;
    uint64_t waited_ns;    // so long helpers wanted a processor and had none
    uint64_t strangers_ns; // of it, while the rest of the process used few of them
    uint64_t most_ns;      // YIELD_MOST_NS, or less in a test
    uint64_t looked_ns;    // monotonic, the last look
    uint64_t process_ns;   // processor time of the process then
    uint64_t helpers_ns;   // processor time of all helpers since the last look
};

// From here on, until yield_end, all that the calling thread has done by parallel_run, deep inside
// whatever it calls, gives way as described above. `y` is set up by this call and must stay where
// it is until then. Not within another one.
void yield_begin(struct yield *y);
void yield_end(void);

// What yield_begin was called with by this thread; NULL: nothing, the work is not to give way.
struct yield *yield_current(void);

// Makes the calling thread, which is an ordinary one, give way as `level` says.
void yield_enter(enum yield_level level);

// Notes that in the `elapsed_ns` since the last look the part `waiting` (0 to 1) of the helpers
// wanted a processor and had none, and that the rest of the process used the part `others` (0 to 1)
// of the processors. Raises the level when the time for it has come; never lowers it.
void yield_note(struct yield *y, uint64_t elapsed_ns, double waiting, double others);

#endif
