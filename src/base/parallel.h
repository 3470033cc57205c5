// The same work for many parts, on several threads.
#ifndef STELE_BASE_PARALLEL_H
#define STELE_BASE_PARALLEL_H

#include <stddef.h>

// How many threads this process can run at once: the processors it may use.
unsigned parallel_threads(void);

// Calls `work` once for each part from 0 to `parts` - 1, on up to `threads` threads, the caller's
// being one; parts are begun in order, and all are done when it returns. With one thread, or where
// no thread can be had, the caller does them all.
void parallel_run(unsigned threads, size_t parts, void (*work)(void *context, size_t part),
                  void *context);

#endif
