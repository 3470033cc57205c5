// Work in many parts, on several threads.
#ifndef STELE_BASE_PARALLEL_H
#define STELE_BASE_PARALLEL_H

#include <stddef.h>

enum { PARALLEL_THREADS_MAX = 64 };

// Returns the number of threads that this process can run at the same time: the number of
// processors that it may use, at most PARALLEL_THREADS_MAX.
unsigned parallel_threads(void);

// Calls `work` once for each part from 0 to `parts` - 1, on up to `threads` threads including the
// caller. Parts begin in order, and all are done when the function returns. With one thread, or
// when no thread can be started, the caller does all parts. `worker` is the number of the thread
// that makes the call, less than `threads`; no two threads have the same number at the same time.
//
// A call between yield_begin and yield_end (base/yield.h) is different. The caller only waits, and
// does parts itself only if no thread can be started. Helper threads do the parts, and give way to
// other threads that need a processor. A helper can be replaced by one of another priority only
// between two parts. So a part should take only milliseconds.
void parallel_run(unsigned threads, size_t parts,
                  void (*work)(void *context, unsigned worker, size_t part), void *context);

#endif
