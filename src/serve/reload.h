// The replacement of the dataset, as clients ask for it and hear of it. The work itself is done by
// the owner of the datasets, off the loops.
#ifndef STELE_SERVE_RELOAD_H
#define STELE_SERVE_RELOAD_H

#include <pthread.h>

#include "base/error.h"
#include "serve/loop_task.h"

// A client's wish for a reload. Who does it fills in the outcome and posts the task home.
struct reload_request {
    struct loop_task task;
    bool failed;
    bool unchanged;   // it is served already: nothing was replaced
    struct error why; // when it failed
};

// How reloads have gone so far.
struct reload_figures {
    bool running;      // one is being done
    bool failed;       // the last one
    uint64_t begun_ns; // when the one that is running began; monotonic
    uint64_t done;     // those that replaced the dataset
    uint64_t failures;
    uint64_t published_ns; // when the present dataset began to be served; monotonic
    uint64_t ended_us;     // when the last reload ended, since 1970; 0: there was none
    uint64_t took_ns;      // what it took, the index included
    struct error why;      // the last one failed; otherwise empty
};

// The same as any thread may read and change it.
struct reload_history {
    pthread_mutex_t lock;
    struct reload_figures figures;
};

void reload_history_init(struct reload_history *h);
void reload_history_release(struct reload_history *h);

// For who reloads.
void reload_history_begin(struct reload_history *h);
// `why` NULL: it went well, and the dataset was replaced; or, `unchanged`, need not be.
void reload_history_end(struct reload_history *h, uint64_t took_ns, bool unchanged,
                        const struct error *why);

struct reload_figures reload_history_read(struct reload_history *h);

#endif
