// Replaces the dataset that the loops serve. It owns the datasets: opens them, publishes them, does
// what opening left to do, and frees them, all on a thread of its own. Each takes time in
// proportion to their size, so it gives way to loops, for a bounded time (base/yield.h).
//
//   asked (SIGHUP, STELE.RELOAD, --watch) ─▶ open ─▶ publish to all loops ─▶ settle
//                                              │ failed: the old one is served on
//   its index is spoiled ─▶ open again ─▶ likewise
//   a loop drops the last reference ─▶ free
#ifndef STELE_NET_PUBLISHER_H
#define STELE_NET_PUBLISHER_H

#include <stdbool.h>

struct dataset;
struct error;
struct publisher;
struct reload_request;
struct workers;

// Where datasets come from.
struct dataset_source {
    // Opens what the data file holds now, and tells the log of it. NULL with a message.
    struct dataset *(*open)(void *context, struct error *error);
    void *context;
    const char *path; // of the data file
};

// A publisher of `workers`, who serve `dataset` already; that is the publisher's from here on.
// `watch`: reloads by itself when another file has taken the place of the data file. NULL with a
// message when memory or descriptors are short; the dataset is then still the caller's. `source` is
// copied, what it points to must outlive the publisher.
struct publisher *publisher_new(const struct dataset_source *source, bool watch,
                                struct workers *workers, struct dataset *dataset,
                                struct error *error);

// Starts the thread, which begins with what opening the first dataset has left to do. False with a
// message when there is none to be had.
bool publisher_start(struct publisher *p, struct error *error);

// Asks for a reload. All that is asked before a reload begins is answered by that one: `request`,
// if there is one, is returned to its loop when all loops serve the new dataset, or with the reason
// why they do not. From any thread.
void publisher_request_reload(struct publisher *p, struct reload_request *request);

// Asks for the index of the present dataset to be compared with what it was and, when it is
// spoiled, to be built anew. From any thread.
void publisher_check_index(struct publisher *p);

// The server stops: what is asked and not done fails at once, and nothing more is published. More
// than once is accepted.
void publisher_cancel(struct publisher *p);

// Waits for the thread's end. False when it has not ended within two seconds, as building an index
// cannot be stopped: then what it uses must stay until the process ends.
bool publisher_stop(struct publisher *p);

// Frees all datasets; `workers` are gone. It must have been stopped. NULL is accepted.
void publisher_free(struct publisher *p);

#endif
