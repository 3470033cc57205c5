// The publisher replaces the dataset that the loops serve. It owns all datasets. On a thread of its
// own it opens and publishes a dataset, writes or verifies its index afterwards (dataset_finish),
// and frees it. All this takes time in proportion to the dataset's size. So that clients need not
// wait meanwhile, helper threads of low priority do the long parts. If these threads have waited
// too long for a processor, the rest is done at a higher priority (base/yield.h).
//
//   SIGHUP, STELE.RELOAD, --watch ─▶ open the data file ─▶ publish to all loops ─▶ finish the index
//                                         │ on failure, the loops keep the old dataset
//   the index is wrong ────────────▶ rebuild the index ──▶ publish to all loops ─▶ finish the index
//   a loop releases the last reference to a dataset ─▶ free it
#ifndef STELE_NET_PUBLISHER_H
#define STELE_NET_PUBLISHER_H

#include <stdbool.h>

struct cluster_view;
struct dataset;
struct error;
struct publisher;
struct reload_gate;
struct reload_request;
struct workers;

// The function that reads the topology of the cluster.
struct cluster_source {
    // Sets `*view` to a view of the present topology, or to NULL if that has not changed. Returns
    // false with a message on failure. The publisher thread calls it. NULL: there is no topology.
    bool (*read)(void *context, struct cluster_view **view, struct error *error);
    void *context;
    const char *path; // of the topology
};

// The function that opens datasets.
struct dataset_source {
    // Opens a dataset that serves the present content of the data file. Logs the number of keys and
    // the size of the index. Returns NULL with a message on failure. The publisher thread calls it.
    struct dataset *(*open)(void *context, struct error *error);
    void *context;
    const char *path;               // of the data file
    const struct reload_gate *gate; // checks before a reload publishes a dataset; NULL: none
};

// Makes a publisher for `workers`, the event loops (net/workers.h), which already serve `dataset`.
// Takes over the caller's reference to `dataset`. Returns NULL with a message when memory or
// descriptors are short; the reference then stays the caller's. `watch`: the publisher also reloads
// by itself when the data file changes. Both sources are copied, but what they point to must
// outlive the publisher.
struct publisher *publisher_new(const struct dataset_source *source,
                                const struct cluster_source *cluster, bool watch,
                                struct workers *workers, struct dataset *dataset,
                                struct error *error);

// Starts the publisher thread. The thread first writes or verifies the index of the dataset that
// publisher_new received. Returns false with a message when no thread can be started.
bool publisher_start(struct publisher *p, struct error *error);

// Requests a reload. One reload serves all requests that were made before it began. `request` goes
// back to the loop that sent it when all loops serve the new dataset, when the data turns out to be
// unchanged, or when the reload fails. After a failure it holds the reason. `request` may be NULL.
// Any thread may call this.
void publisher_request_reload(struct publisher *p, struct reload_request *request);

// Requests a check of the current dataset: whether its data file was overwritten, and whether its
// index is wrong. The publisher replaces a wrong index. Any thread may call this.
void publisher_check_dataset(struct publisher *p);

// Cancels all work, because the server stops. Unfinished requests fail at once. After that, nothing
// more is published, and the publisher no longer reports the progress of reloads to systemd
// (net/notify.h). May be called more than once.
void publisher_cancel(struct publisher *p);

// Waits up to two seconds for the thread to end, after publisher_cancel. Returns false when the
// thread has not ended by then. That can happen because some steps, such as building an index,
// cannot be interrupted. All that the thread uses must then stay until the process ends.
bool publisher_stop(struct publisher *p);

// Frees the publisher and all datasets, after publisher_stop has returned true and `workers` are
// freed. NULL is accepted.
void publisher_free(struct publisher *p);

#endif
