// Threads that wait for the disk, so that event loops need not.
//
// A loop hands them a job of one or more items. Several threads may work on a job at the same time,
// and jobs take turns: after some items of one job come items of the next. So a job of many items
// does not delay the jobs of others by more than its share.
#ifndef STELE_SERVE_READERS_H
#define STELE_SERVE_READERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct readers;

enum {
    READERS_MAX = 256,   // largest number of threads
    READERS_AT_ONCE = 8, // most items that a thread takes at once
};

// A job. The caller owns it and sets `count` (at least 1), `run` and `done`. It stays in the hands
// of the threads from readers_submit until `done` is called.
struct reader_job {
    struct reader_job *next; // the next job of the queue
    unsigned count;          // number of items
    unsigned taken;          // items that a thread has taken
    atomic_uint left;        // items that are not finished
    // Asks the system for the items from `first` on, `count` of them, and does not wait for them. A
    // thread does this for several items before it runs the first of them. NULL: this is not
    // possible, or an item takes long. Then a thread takes one item of the job, and nothing else.
    void (*begin)(struct reader_job *job, unsigned first, unsigned count);
    // Does the items from `first` on, `count` of them. Both functions are called on several threads
    // at the same time, with different items.
    void (*run)(struct reader_job *job, unsigned first, unsigned count);
    // Called when all items are finished, on the thread that has finished the last.
    void (*done)(struct reader_job *job);
};

// Starts `threads` threads, at least 1 and at most READERS_MAX. Returns NULL with a message when
// memory or threads are short.
struct readers *readers_new(unsigned threads, struct error *error);

// Queues a job. Any thread may call this.
void readers_submit(struct readers *readers, struct reader_job *job);

// Ends the threads when they have finished the items that they have taken. Then calls `done` for
// the jobs that are left, although some of their items have not run. Returns false when a thread
// has not ended within a second, because the disk does not answer. The threads may then still use
// the jobs.
bool readers_stop(struct readers *readers);

// Frees the readers, after readers_stop has returned true. NULL is accepted.
void readers_free(struct readers *readers);

// Returns the number of threads that were started.
unsigned readers_count(const struct readers *readers);

// Returns the number of items that wait for a thread, and of those that a thread works on. Any
// thread may call this.
uint64_t readers_waiting(const struct readers *readers);
unsigned readers_working(const struct readers *readers);

#endif
