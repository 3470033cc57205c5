// The same work for many parts, on several threads.
#ifndef STELE_BASE_PARALLEL_H
#define STELE_BASE_PARALLEL_H

#include <stddef.h>

enum { PARALLEL_THREADS_MAX = 64 };

// How many threads this process can run at once: the processors it may use, PARALLEL_THREADS_MAX at
// most.
unsigned parallel_threads(void);

// Calls `work` once for each part from 0 to `parts` - 1, on up to `threads` threads; parts are
// begun in order, and all are done when it returns. With one thread, or where no thread can be had,
// the caller does them all. `worker` numbers the thread, below `threads`; no two threads have the
// same number at once.
//
// Between yield_begin and yield_end (base/yield.h) the caller only waits, and other threads do all
// parts, giving way to who else wants the processors. A part should then take no longer than some
// milliseconds.
void parallel_run(unsigned threads, size_t parts,
                  void (*work)(void *context, unsigned worker, size_t part), void *context);

#endif
