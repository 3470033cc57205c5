// Reloads as clients see them: the request of STELE.RELOAD, and the history that INFO shows. The
// publisher (net/publisher.h) does the work, in a thread of its own.
#ifndef STELE_SERVE_RELOAD_H
#define STELE_SERVE_RELOAD_H

#include <pthread.h>

#include "base/error.h"
#include "serve/loop_task.h"

// A client's request for a reload. The publisher sets the outcome and posts the task to its home
// loop.
struct reload_request {
    struct loop_task task;
    bool failed;
    bool unchanged;   // the file's content was served already, so nothing was replaced
    struct error why; // reason of the failure
};

// The reloads since the start.
struct reload_figures {
    bool running;          // a reload is in progress
    bool failed;           // the last reload has failed
    uint64_t begun_ns;     // monotonic time at which the reload in progress began
    uint64_t done;         // number of reloads that replaced the dataset
    uint64_t failures;     // number of reloads that failed
    uint64_t published_ns; // monotonic time at which the present dataset was published
    uint64_t ended_us;     // microseconds from 1970 to the end of the last reload; 0: none yet
    uint64_t took_ns;      // duration of the last reload, with the building of its index
    struct error why;      // reason why the last reload failed; empty if it did not
};

// The figures, and the lock that guards them. Any thread may call the functions.
struct reload_history {
    pthread_mutex_t lock;
    struct reload_figures figures;
};

// Initialises a history without reloads. The present dataset counts as published now.
void reload_history_init(struct reload_history *h);
void reload_history_release(struct reload_history *h);

// Notes that a reload begins.
void reload_history_begin(struct reload_history *h);

// Notes that the reload has ended after `took_ns`. `why` is the reason of a failure. NULL: the
// reload has succeeded, and has replaced the dataset unless `unchanged` is true.
void reload_history_end(struct reload_history *h, uint64_t took_ns, bool unchanged,
                        const struct error *why);

// Returns a copy of the figures.
struct reload_figures reload_history_read(struct reload_history *h);

#endif
