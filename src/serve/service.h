// What sessions share: with those of their own loop a service, which holds what that loop's thread
// writes (counters, references); with those of all loops a group, which is constant once they run
// but for what an operator changes or asks to be watched.
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
#include "serve/command.h"
#include "serve/loop_task.h"
#include "serve/reload.h"
#include "serve/session_table.h"
#include "serve/settings.h"
#include "serve/snapshot.h"

struct dataset;
struct session;

// How many older datasets a loop keeps for who still reads them.
enum { OLDER_SNAPSHOTS_MAX = 16 };

enum { RUN_ID_LEN = 40, SERVICES_MAX = SETTINGS_THREADS_MAX, CLIENT_ADDRESS_TEXT = 144 };

// What an operator asked to be watched. Any thread may use any of it: the parts have locks of their
// own, and `lock` is for the rest. On lines of its own, as it is written while the loops run; but
// no request writes to it, only one that was slow.
struct observation {
    struct slow_log slow_log;
    struct latency_events latency;
    struct reload_history reloads;
    pthread_mutex_t lock;
    struct percentiles percentiles; // that INFO latencystats tells
    // The counters of all loops as they were when they were last reset, which each loop goes on
    // counting from; atomic, without the lock. And how often the histograms were emptied.
    struct stats baseline;
    atomic_uint histogram_resets;
};

// The services of all loops and what they have in common.
struct service_group {
    const struct settings *settings;
    struct dataset *dataset;
    struct command_index commands;
    struct service *services[SERVICES_MAX]; // one a loop, in the order of their loops
    unsigned count;
    char run_id[RUN_ID_LEN + 1]; // 40 random hexadecimal digits, new at each start
    uint64_t started_ns;         // monotonic
    uint64_t memory_allowed;     // bytes, of this process
    // Asks the program to stop, for SHUTDOWN; any loop's thread may call it.
    void (*stop)(void *context);
    void *stop_context;
    struct loop_router router; // its count is that of the services
    // Has the dataset replaced, for STELE.RELOAD; any loop's thread may call it. It brings the
    // task of the request home when it is done, or NULL: cannot be.
    void (*reload)(void *context, struct reload_request *request);
    void *reload_context;
    // Told that a client was refused an administrative command, by any loop's thread; or NULL.
    void (*refused)(const struct session *s, const struct command_entry *entry);
    // Called after `runtime` has changed, by any loop's thread; or NULL.
    void (*settings_changed)(void *context);
    void *settings_context;
    _Alignas(MEMORY_LINE) struct runtime_settings runtime; // of `settings` at first; any thread
    _Alignas(MEMORY_LINE) pthread_mutex_t password_lock;   // taken by AUTH and HELLO
    char password[PASSWORD_MAX + 1]; // guarded by it; of no meaning where `requirepass` is NULL
    _Alignas(MEMORY_LINE) struct observation observation;
};

// What the owner of the connections knows of one.
struct client_facts {
    char address[CLIENT_ADDRESS_TEXT]; // "127.0.0.1:41234", or "/path:0" of a unix socket
    char local_address[CLIENT_ADDRESS_TEXT];
    int fd;
    uint64_t active_ns;  // of the last byte read or written, monotonic
    size_t input;        // bytes that wait to be answered
    size_t input_memory; // what they take
    size_t output;       // bytes that wait to be sent
    size_t output_memory;
    size_t memory; // of the connection itself
    bool reading;  // what it waits for
    bool writing;
};

// How sessions reach the owner of their connections; NULL: not at all.
struct client_owner {
    void (*wake)(struct session *s); // to feed it, or close it when it is killed
    void (*describe)(const struct session *s, struct client_facts *facts);
    void (*memory_grown)(struct session *s); // holds more, though it has no turn
};

// One loop's. Only its thread touches it, but for reading the counters.
struct service {
    struct service_group *group;
    unsigned number;            // in the group
    struct link sessions;       // in the order of their ids
    struct session_table table; // the same by their ids
    struct client_owner owner;
    uint64_t paused_until;           // by CLIENT PAUSE: monotonic ns; 0: not paused
    const struct settings *settings; // these three are the group's
    struct dataset *dataset;
    const struct command_index *commands;
    struct link snapshots;          // that are held by something, the oldest first
    struct snapshot *snapshot;      // of the dataset; what begins now sees it
    struct snapshot first_snapshot; // of the one the loop began with
    struct snapshot *next_snapshot; // prepared, or NULL
    uint64_t random_state;
    struct counter
        generation; // of the snapshot: how often the data has been replaced; any thread reads
    struct stats stats;
    struct timing timing; // flushed by the caller of the sessions at the end of a turn
    struct histogram_table histograms;
    struct rate rate;
    struct batch batch;
};

// An empty group that knows the commands of `commands`, lists of rows ending with NULL. The caller
// fills in the functions. All arguments must outlive the group.
void service_group_init(struct service_group *group, const struct settings *settings,
                        struct dataset *dataset, const struct command *const *commands);

// Has clients give another password from here on, of PASSWORD_MAX bytes at most; those who have
// given one stay. Any thread may call it. Whether it differs from the one before. For a group whose
// `requirepass` is not NULL.
bool service_group_set_password(struct service_group *group, const char *password);

// Whether that is the password, in a time that tells nothing of it.
bool service_group_is_password(struct service_group *group, struct span given);

// Adds a service to the group (SERVICES_MAX at most): one at a time, before any session runs. Both
// must stay where they are.
void service_init(struct service *service, struct service_group *group);

// Replacing the dataset, in the loop's thread, between two turns. It takes two steps, as either all
// loops go on with the new one or none: each takes the memory it needs, for which it may be too
// short (false), and then goes on, which cannot fail, or forgets it.
bool service_prepare(struct service *service, struct dataset *dataset);

// Has the loop answer from what was prepared from here on; what is not finished goes on with the
// old one. The caller then wakes the clients that track (session_wake_trackers).
void service_publish(struct service *service);

// How often the data has been replaced, for who sees `snapshot`: a loop that has gone on counts as
// not having done so until the last one has, so that who hears a number finds that data in every
// loop.
uint64_t service_generation(const struct service *service, const struct snapshot *snapshot);

// The number of the oldest snapshot that may still be held: who holds an older one is to be closed.
// 0: none is as old.
uint64_t service_oldest_snapshot(const struct service *service);

// Drops what was prepared, if anything was.
void service_discard_prepared(struct service *service);

// Compares the files of the loop's dataset with what they were, and has what is new logged
// (dataset_check): every second or so, in one loop's thread. True when the index may be spoiled, or
// the data file was written to or touched: the publisher then finds out.
bool service_check_dataset(struct service *service);

// Frees what was logged. The services are gone, or about to be used no more.
void service_group_release(struct service_group *group);

// Gives back the dataset. Nothing may be borrowed any more.
void service_release(struct service *service);

// The version of Redis that we announce.
const char *service_redis_version(const struct service *service);

// A number below `limit`, which is at least 1, for RANDOMKEY. (Reduced by multiplication, as Lemire
// does.)
uint64_t service_random(struct service *service, uint64_t limit);

// The sum over all loops of the counter that stands at `offset` in struct stats, since it was last
// reset.
uint64_t service_total(const struct service *service, size_t offset);

// Makes the totals of the `count` counters from `offset` on 0.
void service_reset(struct service *service, size_t offset, size_t count);

// Counts a write that is refused, by what it would have done.
void service_count_refused(struct service *service, const struct command *c);

// The most bytes that all clients may hold together (maxmemory-clients); UINT64_MAX: no limit.
uint64_t service_clients_memory_max(const struct service *service);

// How many bytes more they may come to hold; 0 where there is no limit to keep room for. Any thread
// may ask.
uint64_t service_clients_memory_left(const struct service *service);

// Settles the service's timing, and notes what is seen by that: how much is done in what time, and
// when what was answered together took longer than latency-monitor-threshold.
void service_flush_timing(struct service *service);

// The percentiles that INFO latencystats tells.
struct percentiles service_percentiles(const struct service *service);

// Sums the durations of a command's calls over all loops; in how many of them there are any, which
// is what it costs: some KiB of counters each.
unsigned service_histogram(const struct service *service, unsigned number,
                           struct histogram_sum *sum);

#endif
