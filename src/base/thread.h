// Starting and joining threads.
#ifndef STELE_BASE_THREAD_H
#define STELE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// Starts a thread that calls `run` with `argument`. The thread blocks all signals except those of
// its own faults, such as SIGSEGV, so that the main thread handles the others. `stack` is the size
// of its stack in bytes, or 0 for the system's default. Returns false with errno when no thread
// can be started.
bool thread_start(pthread_t *thread, size_t stack, void *(*run)(void *argument), void *argument);

// Joins the thread, but waits at most `seconds`. Returns false when it has not ended by then.
bool thread_join(pthread_t thread, unsigned seconds);

#endif
