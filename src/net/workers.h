// The workers of the server: one event loop each, and the choice of a loop for a new connection.
//
// The first loop runs in the thread of the caller of workers_new, the main thread. Each other loop
// runs on a thread of its own. All functions are for the main thread, unless they say otherwise.
#ifndef STELE_NET_WORKERS_H
#define STELE_NET_WORKERS_H

#include <ev.h>
#include <stdbool.h>

#include "serve/service.h"

struct dataset;
struct error;
struct workers;

// The owner's functions for work that a loop cannot do by itself.
struct workers_owner {
    void (*stop)(void *context); // handles SHUTDOWN; called in any loop's thread
    // Called in the main loop, after workers_drain, when all workers are drained.
    void (*drained)(void *context);
    // Handles STELE.RELOAD; called in any loop's thread. NULL: there is no reload.
    void (*reload)(void *context, struct reload_request *request);
    void *context;
};

// Makes and starts `settings->threads` workers, at most SERVICES_MAX. The first one uses `loop`,
// which the caller must run; the threads of the other workers run from now on. Returns NULL with a
// message when memory, descriptors or threads are short. `loop`, `settings`, `dataset` and
// `commands` (see service_group_init) must outlive the workers.
struct workers *workers_new(struct ev_loop *loop, const struct settings *settings,
                            struct dataset *dataset, const struct command *const *commands,
                            const struct workers_owner *owner, struct error *error);

// Gives an accepted, nonblocking socket to the worker with the fewest connections. Workers with
// equal numbers take turns, so connections that arrive together are spread evenly. `local`: the
// peer is on this machine; `proxied`: it is a proxy (worker_adopt). When memory is short, the
// socket is closed and a warning is logged.
void workers_adopt(struct workers *workers, int fd, bool local, bool proxied);

// Returns the number of connections of all workers, including sockets on their way to a worker and
// lingering connections.
unsigned workers_connections(const struct workers *workers);

// Returns the counters of the main loop, to which the caller may add.
struct stats *workers_stats(struct workers *workers);

// Checks the files of the dataset (service_check_dataset). Returns true when the index may be
// wrong, or the data file was written to.
bool workers_check_dataset(struct workers *workers);

// Returns the present settings that CONFIG SET can change.
const struct runtime_settings *workers_runtime(const struct workers *workers);

// Makes each loop switch to `dataset` between two of its turns, and returns true when all have
// switched. Returns false when memory is short; then no loop has switched. Also returns false when
// workers_cancel_publish was called. Then some loops may have switched or may do so later, so
// `dataset` must outlive the workers. Blocks until the loops have answered. So only one thread may
// call it, and no thread of a worker.
//
// Each loop begins to route requests by `view` at the same moment. Otherwise keys of slots that
// move away would seem to be absent. Takes over the caller's reference to `view`, also on failure.
// `view` may be NULL: the present one stays.
bool workers_publish(struct workers *workers, struct dataset *dataset, struct cluster_view *view);

// Cancels a workers_publish in progress, and each later one. It then no longer waits for loops that
// are blocked. Any thread may call this.
void workers_cancel_publish(struct workers *workers);

// Makes the loops route requests by `view` from their next turn on, and takes over the caller's
// reference to it. Any thread may call this.
void workers_publish_cluster(struct workers *workers, struct cluster_view *view);

// Returns the view of the cluster that the loops share. Any thread may use it.
struct cluster *workers_cluster(struct workers *workers);

// Sends a task back to the loop from which it came. Any thread may call this.
void workers_return(struct workers *workers, struct loop_task *task);

// Sets the password that clients must send from now on. Returns true when it differs from the
// previous one. Authenticated clients stay authenticated.
bool workers_set_password(struct workers *workers, const char *password);

// Returns the reload history of the group. Any thread may use it.
struct reload_history *workers_reloads(struct workers *workers);

// Returns service_clients_memory_left for all loops. Any thread may call this.
uint64_t workers_clients_memory_left(const struct workers *workers);

// Makes every connection answer the requests that have arrived and then close, also connections on
// their way to a worker. Then calls the owner's `drained`, never within this call. workers_adopt
// must not be called any more.
void workers_drain(struct workers *workers);

// Ends all threads, whatever their clients are waiting for. Returns false when one has not ended
// within a second, because it is blocked by the disk or DEBUG SLEEP. That thread may still use all
// of the workers' memory.
bool workers_stop(struct workers *workers);

// Closes all connections at once and frees the workers, after workers_stop has returned true. NULL
// is accepted.
void workers_free(struct workers *workers);

#endif
