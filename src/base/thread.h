// Threads beside the main one.
#ifndef STELE_BASE_THREAD_H
#define STELE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// Starts `run` with `argument` on a thread that takes no signals but those of its own faults,
// others being the main thread's business. `stack` is its size in bytes, 0 the system's default.
// False, with errno set, when there is no thread to be had.
bool thread_start(pthread_t *thread, size_t stack, void *(*run)(void *argument), void *argument);

// Waits for its end, until `seconds` from now at most. False when it has not ended by then.
bool thread_join(pthread_t thread, unsigned seconds);

#endif
