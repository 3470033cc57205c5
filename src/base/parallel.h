// Work in many parts, on several threads.
#ifndef STELE_BASE_PARALLEL_H
#define STELE_BASE_PARALLEL_H

#include <stddef.h>

enum { PARALLEL_THREADS_MAX = 64 };

// The number of threads that this process can run at once: the processors it may use, at most
// PARALLEL_THREADS_MAX.
unsigned parallel_threads(void);

// Calls `work` once for each part from 0 to `parts` - 1, on up to `threads` threads. Parts begin in
// order, and all are done when the function returns. With one thread, or when no thread can be
// started, the caller does all parts. `worker` is the number of the thread, below `threads`; no two
// threads have the same number at once.
//
// Between yield_begin and yield_end (base/yield.h) the caller only waits. Other threads then do all
// parts and give way to threads that want the processors, so a part should take only milliseconds.
void parallel_run(unsigned threads, size_t parts,
                  void (*work)(void *context, unsigned worker, size_t part), void *context);

#endif
