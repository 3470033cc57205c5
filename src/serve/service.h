// What sessions share. The sessions of one loop share a service. It holds the counters, and the
// snapshots with their reference counts. Only the thread of the loop writes them. The services of
// all loops share a group. The group is constant while the loops run, except for the runtime
// settings, the password, and what an operator observes (slow log, latency events, reloads).
#ifndef STELE_SERVE_SERVICE_H
#define STELE_SERVE_SERVICE_H

#include <pthread.h>

#include "base/bytes.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/password.h"
#include "base/ref.h"
#include "metrics/histogram.h"
#include "metrics/latency_events.h"
#include "metrics/percentiles.h"
#include "metrics/rate.h"
#include "metrics/slow_log.h"
#include "metrics/stats.h"
#include "metrics/timing.h"
#include "serve/batch.h"
#include "serve/cluster.h"
#include "serve/cold.h"
#include "serve/command.h"
#include "serve/key_rules.h"
#include "serve/loop_task.h"
#include "serve/reload.h"
#include "serve/session_table.h"
#include "serve/settings.h"
#include "serve/snapshot.h"

struct dataset;
struct session;

// How many older snapshots a loop keeps for clients that still read them.
enum { OLDER_SNAPSHOTS_MAX = 16 };

enum {
    RUN_ID_LEN = 40,                     // hexadecimal digits
    SERVICES_MAX = SETTINGS_THREADS_MAX, // one service for each event loop
    CLIENT_ADDRESS_TEXT = 144,           // bytes of an address as text, with its NUL
};

// What an operator observes. Any thread may use it: the first three fields have locks of their own.
// It is written while the loops run, so it has cache lines of its own. Only slow requests and
// administrative commands write to it.
struct observation {
    struct slow_log slow_log;
    struct latency_events latency;
    struct reload_history reloads;
    pthread_mutex_t lock;           // guards `percentiles`
    struct percentiles percentiles; // percentiles that INFO latencystats shows
    // The sums of all loops' counters at their last reset. A reset notes the sums here and INFO
    // subtracts them, because only a loop's own thread may write its counters. Read and written
    // atomically, without the lock.
    struct stats baseline;
    atomic_uint histogram_resets;  // how often the histograms have been emptied
    pthread_mutex_t replicas_lock; // guards `replicas`
    struct link replicas;          // the replicas of all loops (serve/replica.h)
};

// The services of all loops, and what they have in common. The caller sets the function pointers
// that it needs; the others are NULL.
struct service_group {
    const struct settings *settings;
    struct dataset *dataset;
    struct command_index commands;
    struct key_rules keys;                  // by the settings
    struct service *services[SERVICES_MAX]; // one for each loop, in the order of the loops
    unsigned count;
    char run_id[RUN_ID_LEN + 1]; // 40 random hexadecimal digits, new at each start
    uint64_t started_ns;         // monotonic time
    uint64_t memory_allowed;     // bytes of memory that this process may use
    struct readers *readers;     // for data that is not in memory; NULL: loops wait for the disk
    // Asks the program to stop, for SHUTDOWN. Any loop's thread calls it.
    void (*stop)(void *context);
    void *stop_context;
    struct loop_router router; // router.count is the number of services
    // Asks for a reload, for STELE.RELOAD. Any loop's thread calls it. It posts the request's task
    // to its home loop when the reload has ended. NULL: reloading is not possible.
    void (*reload)(void *context, struct reload_request *request);
    void *reload_context;
    // Called when an administrative command was refused to a client. Any loop's thread calls it.
    void (*refused)(const struct session *s, const struct command_entry *entry);
    // Called when a client begins or ends a copy of the dataset (serve/replication.h). `what` says
    // what it does, and `failed` that it did not get a whole copy. Any loop's thread calls it.
    void (*replicated)(const struct session *s, bool failed, const char *what);
    struct cluster cluster; // without a view unless --cluster-config is given
    // Called after `runtime` has changed. Any loop's thread calls it.
    void (*settings_changed)(void *context);
    void *settings_context;
    // The present values of the runtime settings. Any thread may read and write them.
    _Alignas(MEMORY_LINE) struct runtime_settings runtime;
    // AUTH and HELLO take the lock, which guards `password`.
    _Alignas(MEMORY_LINE) pthread_mutex_t password_lock;
    char password[PASSWORD_MAX + 1]; // not used when settings->requirepass is NULL
    _Alignas(MEMORY_LINE) struct observation observation;
};

// What the owner of a connection (net/conn.h) knows about it.
struct client_facts {
    char address[CLIENT_ADDRESS_TEXT]; // "127.0.0.1:41234", or "/path:0" for a unix socket
    char local_address[CLIENT_ADDRESS_TEXT];
    int fd;
    uint64_t active_ns;   // monotonic time of the last byte read or written
    size_t input;         // bytes received and not yet answered
    size_t input_memory;  // bytes of memory for them
    size_t output;        // bytes of replies not yet sent
    size_t output_memory; // bytes of memory for them
    size_t memory;        // bytes of memory for the connection itself
    bool reading;         // it waits for input
    bool writing;         // it waits until the client takes more output
};

// How sessions call the owner of their connections, in the loop's thread. Each may be NULL.
struct client_owner {
    // Asks the owner to feed the session soon, or to close it if it is killed.
    void (*wake)(struct session *s);
    void (*describe)(const struct session *s, struct client_facts *facts);
    // Reports that the session's memory has grown outside session_feed.
    void (*memory_grown)(struct session *s);
};

// What the sessions of one loop share. Only the thread of the loop touches it. Any thread may read
// the counters.
struct service {
    struct service_group *group;
    unsigned number;            // index in the group
    struct link sessions;       // all sessions in the order of their ids
    struct session_table table; // all sessions by their ids
    struct link replicas;       // the replicas among them (serve/replica.h)
    struct link copies; // copies for replicas that wait for their turn (serve/replication.h)
    unsigned copying;   // copies of which reader threads make a piece
    struct client_owner owner;
    uint64_t paused_until;                // monotonic ns at which CLIENT PAUSE ends; 0: not paused
    const struct settings *settings;      // those of `group`
    struct dataset *dataset;              // the dataset of `snapshot`
    const struct command_index *commands; // those of `group`
    const struct key_rules *keys;         // those of `group`
    struct link snapshots;                // all snapshots that have references, the oldest first
    struct snapshot *snapshot;            // the newest snapshot, which new commands read
    struct snapshot first_snapshot;       // the snapshot that the loop started with
    struct snapshot *next_snapshot;       // prepared by service_prepare; otherwise NULL
    struct cluster_view *view; // the present view of the cluster; NULL: requests are not routed
    unsigned view_version;     // version of `group->cluster` that `view` is of
    uint64_t random_state;
    struct counter generation; // how often the data has been replaced; as in `snapshot`
    struct stats stats;
    struct timing timing; // the loop flushes it at the end of a turn
    struct histogram_table histograms;
    struct rate rate;
    struct batch batch;
    struct cold cold;
};

// Initialises a group without services. `commands` is a list of lists of rows that ends with NULL.
// The caller sets the functions. All arguments must outlive the group.
void service_group_init(struct service_group *group, const struct settings *settings,
                        struct dataset *dataset, const struct command *const *commands);

// Replaces the password, for a group whose settings have a `requirepass`. `password` has at most
// PASSWORD_MAX bytes. Clients that have authenticated stay so. Returns whether the new password
// differs from the old one. Any thread may call this.
bool service_group_set_password(struct service_group *group, const char *password);

// Returns whether `given` is the password. The time that this takes does not depend on how much of
// `given` is right. Any thread may call this.
bool service_group_is_password(struct service_group *group, struct span given);

// Initialises a service and adds it to the group, which takes at most SERVICES_MAX. Call it for one
// service after the other, before any session runs. Neither struct may move after that.
void service_init(struct service *service, struct service_group *group);

// The first step of replacing the dataset: allocates the snapshot of `dataset`. Returns false when
// memory is short. There are two steps, so that either all loops switch to the new dataset or none:
// when service_prepare has succeeded in every loop, service_publish cannot fail. Both are called in
// the loop's thread between two turns.
bool service_prepare(struct service *service, struct dataset *dataset);

// The second step: new commands read the prepared snapshot from now on. Unfinished commands
// continue with the old one. The caller must then call session_wake_holders.
void service_publish(struct service *service);

// Takes back service_prepare when another loop's has failed. Does nothing without a prepared
// snapshot.
void service_discard_prepared(struct service *service);

// Takes the present view of the cluster.
void service_take_view(struct service *service);

// The same, if another view was announced. Called between two turns of the loop.
static inline void service_update_view(struct service *service)
{
    if (atomic_load_explicit(&service->group->cluster.announced, memory_order_relaxed) !=
        service->view_version)
        service_take_view(service);
}

// Returns the lowest generation among `snapshot` and the present snapshots of all loops. A loop may
// switch to new data a little later than others. A client that has read this number gets data of
// this generation or a newer one through any connection.
uint64_t service_generation(const struct service *service, const struct snapshot *snapshot);

// Returns the number of the oldest snapshot that clients may keep. The caller closes clients that
// keep an older one. Returns 0 when there is no older one.
uint64_t service_oldest_snapshot(const struct service *service);

// Checks whether the files of the loop's dataset have changed, and logs new findings
// (dataset_check). Called about once a second in the thread of one loop. Returns true when the
// index may be damaged or the data file was written to or touched; the publisher then examines
// them.
bool service_check_dataset(struct service *service);

// Frees the logs and locks of the group. No session of its services may run any more.
void service_group_release(struct service_group *group);

// Frees what the service holds and drops its reference to the dataset. No session may be left, and
// no output may borrow from the dataset.
void service_release(struct service *service);

// Returns the version of Redis that HELLO and INFO announce.
const char *service_redis_version(const struct service *service);

// Returns a random number below `limit`, which is at least 1. (Reduced by multiplication, after
// Lemire.)
uint64_t service_random(struct service *service, uint64_t limit);

// Returns the sum of one counter over all loops since its last reset. `offset` is the counter's
// offset in struct stats.
uint64_t service_total(const struct service *service, size_t offset);

// Resets the totals of `count` counters, from `offset` in struct stats on, to 0.
void service_reset(struct service *service, size_t offset, size_t count);

// Counts a refused write command, as a deletion or as another write.
void service_count_refused(struct service *service, const struct command *c);

// Returns the most bytes of memory that all clients may take together (maxmemory-clients).
// UINT64_MAX: no limit.
uint64_t service_clients_memory_max(const struct service *service);

// Returns the bytes that building an index must leave free for clients: as many as they may still
// take before they reach that limit. Returns 0 when they have reached it, and also when there is no
// limit, because no memory is then kept free for them. Any thread may call this.
uint64_t service_clients_memory_left(const struct service *service);

// Flushes the service's timing (timing_flush), adds the result to the rates, and adds a latency
// event when the time since the last flush exceeds latency-monitor-threshold.
void service_flush_timing(struct service *service);

// Returns the percentiles that INFO latencystats shows. Any thread may call this.
struct percentiles service_percentiles(const struct service *service);

// Sums a histogram over all loops. `number` is that of a command, or HISTOGRAM_COLD_READ. Returns
// how many loops have one. Each histogram takes some KiB to read, so the caller counts them as
// work.
unsigned service_histogram(const struct service *service, unsigned number,
                           struct histogram_sum *sum);

#endif
