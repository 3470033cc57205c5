// The loops of the server, a worker each, and which of them a connection goes to.
//
// The first loop is the caller's, who accepts; each other one runs on a thread of its own. All
// functions are for the caller's thread, but for one.
#ifndef STELE_NET_WORKERS_H
#define STELE_NET_WORKERS_H

#include <ev.h>
#include <stdbool.h>

#include "serve/service.h"

struct dataset;
struct error;
struct workers;

// Who is told what the loops cannot do by themselves.
struct workers_owner {
    void (*stop)(void *context);    // SHUTDOWN was asked for; from any loop's thread
    void (*drained)(void *context); // workers_drain is done; from the caller's loop
    // STELE.RELOAD: from any loop's thread. NULL: cannot be.
    void (*reload)(void *context, struct reload_request *request);
    void *context;
};

// As many workers as `settings->threads` says (SERVICES_MAX at most), the first on `loop`, which
// the caller runs; the other threads run from here on. NULL with a message when memory, descriptors
// or threads are short. `loop`, `settings`, `dataset` and `commands` (service_group_init) must
// outlive the workers.
struct workers *workers_new(struct ev_loop *loop, const struct settings *settings,
                            struct dataset *dataset, const struct command *const *commands,
                            const struct workers_owner *owner, struct error *error);

// Gives an accepted, nonblocking socket to the worker with the fewest connections; of equals, to
// the one whose turn it is. So connections that come in a burst are spread evenly, but for one.
void workers_adopt(struct workers *workers, int fd, bool local);

// How many connections all workers have, those on the way to them and those on the way out
// included.
unsigned workers_connections(const struct workers *workers);

// The counters of the caller's loop, to add to.
struct stats *workers_stats(struct workers *workers);

// Compares the files of the dataset with what they were: true when its index may be spoiled
// (service_check_dataset).
bool workers_check_dataset(struct workers *workers);

// The settings that CONFIG SET changes, as they are now.
const struct runtime_settings *workers_runtime(const struct workers *workers);

// Has all loops go on with `dataset`, each between two of its turns: returns when all do. For a
// thread of its own, and no more than one at a time. False when memory is short, and none does; or
// when it is cancelled, and some may: `dataset` must then outlive the workers.
bool workers_publish(struct workers *workers, struct dataset *dataset);

// Ends a workers_publish that is under way, and each that follows; it waits no more for loops that
// are held up.
void workers_cancel_publish(struct workers *workers);

// Brings a task to its home loop.
void workers_return(struct workers *workers, struct loop_task *task);

// Has clients give another password from here on: whether it differs from the one before.
bool workers_set_password(struct workers *workers, const char *password);

// Those of the group; they may be noted by any thread.
struct reload_history *workers_reloads(struct workers *workers);

// service_clients_memory_left of all. Any thread may ask.
uint64_t workers_clients_memory_left(const struct workers *workers);

// Lets every connection finish what it has been asked, also those that are still on the way to
// their worker; then `drained` is called, never within this call. Adopt none after it.
void workers_drain(struct workers *workers);

// Ends all threads, whatever their clients are waiting for. False when one has not ended within a
// second, as it is held up by a disk or DEBUG SLEEP; it may then still use all there is.
bool workers_stop(struct workers *workers);

// Closes all connections at once and frees the workers. They must have been stopped, all of them.
// NULL is accepted.
void workers_free(struct workers *workers);

#endif
