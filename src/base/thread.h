// Starting and joining threads, and their scheduling class.
#ifndef STELE_BASE_THREAD_H
#define STELE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// Starts a thread that calls `run` with `argument`. The thread blocks all signals except those of
// its own faults, such as SIGSEGV, so that the main thread handles the others. `stack` is the size
// of its stack in bytes; 0: the system's default, or 1 MiB if that is more. Returns false with
// errno when no thread can be started.
bool thread_start(pthread_t *thread, size_t stack, void *(*run)(void *argument), void *argument);

// Returns the scheduling class of the calling thread, such as SCHED_OTHER; -1 with errno on
// failure.
int thread_class(void);

// Puts the calling thread into SCHED_OTHER, SCHED_BATCH or SCHED_IDLE. Returns false with errno
// when the system refuses; the thread then keeps its class.
bool thread_enter_class(int class);

// Joins the thread, but waits at most `seconds`. Returns false when it has not ended by then.
bool thread_join(pthread_t thread, unsigned seconds);

#endif
