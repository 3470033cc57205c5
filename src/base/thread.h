// Starting and joining threads.
#ifndef STELE_BASE_THREAD_H
#define STELE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// Starts `run` with `argument` on a new thread. The thread takes no signals but those of its own
// faults; the main thread handles the others. `stack` is in bytes; 0 is the system's default.
// Returns false with errno when no thread can be started.
bool thread_start(pthread_t *thread, size_t stack, void *(*run)(void *argument), void *argument);

// Waits for the end of the thread, at most `seconds`. Returns false when it has not ended by then.
bool thread_join(pthread_t thread, unsigned seconds);

#endif
