// The publisher thread runs an event loop of its own. It wakes up for reload requests, for datasets
// without references, for the end of the server, and with --watch to check the data file.
//
// A published dataset is an edition. The publisher holds one reference to the current edition until
// it publishes the next one. Each loop holds one for as long as the loop or one of its replies uses
// the dataset. The thread that releases the last reference notifies the publisher, which frees the
// dataset, because freeing takes too long for a loop.
#include "net/publisher.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/thread.h"
#include "base/yield.h"
#include "data/dataset.h"
#include "net/notify.h"
#include "net/reload_gate.h"
#include "net/watch.h"
#include "net/workers.h"
#include "serve/cluster.h"
#include "serve/foreign_keys.h"

enum {
    STOP_SECONDS = 2,           // time that publisher_stop waits for the thread
    STACK = 512 * 1024,         // bytes
    LOGGED_WAIT_NS = 500000000, // the log mentions waits for a processor from this length on
    // Longest time for which a reload reads the new data before it is served. In 5 s an idle
    // processor maps about 10 GB.
    WARM_SECONDS = 5,
};

static const ev_tstamp POLL_INTERVAL = 0.5; // seconds between two checks of the data file

// A published dataset, and its place on the list of datasets to be freed.
struct edition {
    struct edition *next;
    struct publisher *publisher;
    struct dataset *dataset;
};

struct publisher {
    struct dataset_source source;
    struct cluster_source cluster;
    struct workers *workers;
    struct reload_history *history;
    pthread_t thread;
    bool running; // the thread was started and is not joined yet
    struct ev_loop *loop;
    // Sent after a change of a field that `lock` guards, of `cancel`, or of `check_requested`.
    ev_async wake;
    ev_timer poll; // checks the data file
    struct watch watch;

    pthread_mutex_t lock;                    // guards the fields up to the next blank line
    struct reload_request *pending_requests; // for the next reload
    struct reload_request *active_requests;  // for the reload in progress
    bool reload_requested;                   // a next reload is needed, with or without requests
    struct edition *unreferenced;            // editions to be freed

    // Set by publisher_cancel. New requests are then refused, work in progress ends early if it
    // can, and after that the thread ends.
    atomic_bool cancel;
    atomic_bool check_requested; // publisher_check_dataset was called
    atomic_bool hurry; // a reload or the stop was requested; the first dataset is not read
                       // on in advance

    struct edition *current; // the edition that is served; one reference is the publisher's
    // An edition whose publication was cancelled. Some loops may still switch to it, so the
    // publisher keeps a reference. NULL: none.
    struct edition *partly_published;
};

// ---- editions -----------------------------------------------------------------------------------

// Queues the edition to be freed by the publisher. Any thread may call this.
static void on_unreferenced(void *context, struct dataset *d)
{
    struct edition *edition = context;
    struct publisher *p = edition->publisher;
    assert(d == edition->dataset);
    pthread_mutex_lock(&p->lock);
    edition->next = p->unreferenced;
    p->unreferenced = edition;
    ev_async_send(p->loop, &p->wake);
    pthread_mutex_unlock(&p->lock);
}

// Makes an edition of `d` and takes over the caller's reference to it. Returns NULL when memory is
// short; the reference then stays the caller's.
static struct edition *edition_new(struct publisher *p, struct dataset *d)
{
    struct edition *edition = malloc(sizeof *edition);
    if (edition == NULL)
        return NULL;
    *edition = (struct edition){NULL, p, d};
    dataset_on_unreferenced(d, on_unreferenced, edition);
    return edition;
}

// Releases the publisher's reference. NULL is accepted.
static void edition_drop(struct edition *edition)
{
    if (edition != NULL)
        dataset_close(edition->dataset);
}

// Frees all editions without references.
static void free_unreferenced(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    struct edition *edition = p->unreferenced;
    p->unreferenced = NULL;
    pthread_mutex_unlock(&p->lock);
    while (edition != NULL) {
        struct edition *next = edition->next;
        dataset_free(edition->dataset);
        free(edition);
        edition = next;
    }
}

// ---- requests -----------------------------------------------------------------------------------

// The next request of a list, which is linked through the requests' tasks.
static struct reload_request *next_request(const struct reload_request *request)
{
    return (struct reload_request *)request->task.next;
}

// Sends a list of requests back to the loops that they came from. `why` is the reason why the
// reload failed; NULL: it succeeded. `unchanged`: the file was served already.
static void complete_requests(struct publisher *p, struct reload_request *request, bool unchanged,
                              const struct error *why)
{
    while (request != NULL) {
        struct reload_request *next = next_request(request);
        request->failed = why != NULL;
        request->unchanged = unchanged;
        if (why != NULL)
            request->why = *why;
        workers_return(p->workers, &request->task);
        request = next;
    }
}

static const struct error stopping_error = {"the server is stopping"};

void publisher_request_reload(struct publisher *p, struct reload_request *request)
{
    pthread_mutex_lock(&p->lock);
    bool refused = atomic_load(&p->cancel);
    if (!refused) {
        p->reload_requested = true;
        atomic_store(&p->hurry, true);
        if (request != NULL) {
            request->task.next = (struct loop_task *)p->pending_requests;
            p->pending_requests = request;
        }
        ev_async_send(p->loop, &p->wake);
    } else if (request != NULL) {
        request->task.next = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    if (refused)
        complete_requests(p, request, false, &stopping_error);
}

void publisher_check_dataset(struct publisher *p)
{
    atomic_store(&p->check_requested, true);
    ev_async_send(p->loop, &p->wake);
}

// Begins a reload and returns true if one is requested. The pending requests become the active
// ones, and the supervisor is notified.
//
// The server sends STOPPING=1 after publisher_cancel, which sets `cancel` and then takes the lock.
// The publisher checks `cancel` and notifies the supervisor under the lock. So RELOADING=1 and
// READY=1 are never sent after STOPPING=1. If they were, the supervisor would believe that the
// server is no longer stopping.
static bool begin_reload(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    bool reload_requested = p->reload_requested && !atomic_load(&p->cancel);
    if (reload_requested) {
        p->active_requests = p->pending_requests;
        p->pending_requests = NULL;
        p->reload_requested = false;
        notify_reloading();
    }
    pthread_mutex_unlock(&p->lock);
    return reload_requested;
}

// Empties one of the publisher's two lists and returns its requests, which the caller must
// complete. The lock decides whether the publisher thread or publisher_cancel gets them.
static struct reload_request *detach(struct publisher *p, struct reload_request **list)
{
    pthread_mutex_lock(&p->lock);
    struct reload_request *taken = *list;
    *list = NULL;
    pthread_mutex_unlock(&p->lock);
    return taken;
}

// In a cluster, counts the keys that belong to other shards, and warns if there are any.
static void count_foreign_keys(struct publisher *p)
{
    struct cluster *cluster = workers_cluster(p->workers);
    struct cluster_view *view = cluster_take(cluster);
    if (view == NULL)
        return;
    struct yield yield;
    yield_begin(&yield);
    int64_t foreign =
        foreign_keys_count(p->current->dataset, view, process_memory_allowed(), &p->cancel);
    yield_end();
    atomic_store(&cluster->foreign_keys, foreign);
    if (foreign > 0)
        log_write(LOG_WARNING,
                  "%lld keys of %s belong to other shards of the cluster: is it the right part for "
                  "node %s?",
                  (long long)foreign, p->source.path, view->topology->nodes[view->self].name);
    cluster_view_close(view);
}

static void check_dataset(struct publisher *p);

// Does the work that was put off when the current dataset was opened. dataset_finish writes or
// verifies the index. dataset_compute_checksum computes the checksum of the served content. With it
// the server can find out later whether the data file still has this content. In the end
// check_dataset rebuilds the index if it has turned out to be wrong.
static void finish_dataset(struct publisher *p)
{
    struct yield yield;
    yield_begin(&yield);
    dataset_finish(p->current->dataset, &p->cancel);
    dataset_compute_checksum(p->current->dataset, &p->cancel);
    yield_end();
    count_foreign_keys(p);
    check_dataset(p);
}

// ---- reloading ----------------------------------------------------------------------------------

// Opens the data file. Returns NULL with a message on failure, or when the new data may not replace
// the old.
static struct dataset *open_new(struct publisher *p, struct error *error)
{
    struct dataset *d = p->source.open(p->source.context, error);
    if (d == NULL || p->source.gate == NULL ||
        reload_gate_allows(p->source.gate, d, p->current->dataset, &p->cancel, error))
        return d;
    dataset_close(d);
    return NULL;
}

// Makes an edition of `d` after reading it. Returns NULL with a message on failure.
static struct edition *prepare_edition(struct publisher *p, struct dataset *d, struct error *error)
{
    uint64_t until = clock_monotonic_ns() + WARM_SECONDS * CLOCK_SECOND;
    if (!dataset_warm(d, false, until, &p->cancel, error))
        return NULL;
    struct edition *edition = edition_new(p, d);
    if (edition == NULL)
        error_set(error, "no memory for another dataset");
    return edition;
}

// Makes all loops serve `d` and route requests by `view`, and takes over the caller's references to
// both. `d` may be NULL, for a dataset that could not be opened; `error` then says why already.
// `view` may be NULL: the present one stays. Returns false with a message on failure.
static bool replace_dataset(struct publisher *p, struct dataset *d, struct cluster_view *view,
                            struct error *error)
{
    struct edition *edition = d != NULL ? prepare_edition(p, d, error) : NULL;
    if (edition == NULL) {
        if (d != NULL)
            dataset_close(d);
        cluster_view_close(view);
        return false;
    }
    if (!workers_publish(p->workers, d, view)) {
        // When the publication was cancelled, some loops may still switch to the dataset, so it
        // must stay.
        p->partly_published = edition;
        bool cancelled = atomic_load(&p->cancel);
        *error = stopping_error;
        if (!cancelled) {
            error_set(error, "no memory for another dataset");
            p->partly_published = NULL;
            edition_drop(edition);
        }
        return false;
    }
    atomic_store(&workers_cluster(p->workers)->foreign_keys, -1);
    // Slow clients may still read the old data for long.
    dataset_unlock_index(p->current->dataset);
    edition_drop(p->current);
    p->current = edition;
    return true;
}

// Logs the current dataset and the duration of the reload. If the reload waited long for a
// processor, also logs how long it waited.
static void log_reloaded(const struct publisher *p, uint64_t took_ns, uint64_t waited_ns)
{
    char waited[64] = "";
    if (waited_ns >= LOGGED_WAIT_NS)
        snprintf(waited, sizeof waited, "; it waited %.1f s for a processor",
                 (double)waited_ns / 1e9);
    const struct dataset *d = p->current->dataset;
    log_write(LOG_NOTICE, "reloaded %s in %.3f s: %llu keys, version %s%s", p->source.path,
              (double)took_ns / 1e9, (unsigned long long)dataset_figures(d)->keys,
              dataset_version(d), waited);
}

// Returns true when the index of `d` is in memory and an index file exists that might replace it.
static bool could_map_index(const struct dataset *d)
{
    return strcmp(dataset_index_status(d), "memory") == 0 && *dataset_index_path(d) != '\0' &&
           access(dataset_index_path(d), F_OK) == 0;
}

// Returns true when a reload would change nothing. That is so if three conditions hold. The file at
// the path is still the served file and has the served content, byte for byte. The index is sound.
// If the index is in memory, there is no index file that could be mapped instead.
static bool is_served(struct publisher *p)
{
    struct stat status;
    struct dataset *d = p->current->dataset;
    return stat(p->source.path, &status) == 0 && strcmp(dataset_index_status(d), "damaged") != 0 &&
           !dataset_may_be_spoiled(d) && !could_map_index(d) &&
           dataset_serves_content_of(d, &status, &p->cancel);
}

// Notifies the supervisor that the reload has ended, unless the server is stopping; see
// begin_reload.
static void report_ready(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    if (!atomic_load(&p->cancel))
        notify_ready("serving %llu keys of %s",
                     (unsigned long long)dataset_figures(p->current->dataset)->keys,
                     p->source.path);
    pthread_mutex_unlock(&p->lock);
}

static void log_topology(const struct publisher *p)
{
    struct cluster_view *view = cluster_take(workers_cluster(p->workers));
    log_write(LOG_NOTICE,
              "the topology of the cluster has changed: epoch %llu, %u shards, %u nodes",
              (unsigned long long)view->topology->epoch, view->topology->shard_count,
              view->topology->node_count);
    cluster_view_close(view);
}

// Makes the loops use a new view, or new data, or both. `view` is NULL if the topology has not
// changed. Returns false with a message on failure.
static bool replace(struct publisher *p, bool same_data, struct cluster_view *view,
                    struct error *error)
{
    if (!same_data)
        return replace_dataset(p, open_new(p, error), view, error);
    if (view != NULL) {
        workers_publish_cluster(p->workers, view);
        atomic_store(&workers_cluster(p->workers)->foreign_keys, -1);
    }
    return true;
}

// Reads the topology of the cluster and loads the data file, publishes them, and completes the
// active requests.
static void reload(struct publisher *p)
{
    struct yield yield;
    struct error error = {""};
    uint64_t start = clock_monotonic_ns();
    reload_history_begin(p->history);
    struct cluster_view *view = NULL;
    yield_begin(&yield);
    watch_note_topology(&p->watch);
    // A topology that is wrong changes nothing, so it is read first.
    bool done = p->cluster.read == NULL || p->cluster.read(p->cluster.context, &view, &error);
    bool same_data = done && is_served(p);
    bool new_view = view != NULL;
    done = done && replace(p, same_data, view, &error);
    yield_end();
    bool unchanged = same_data && !new_view;
    if (done && new_view)
        log_topology(p);
    uint64_t took = clock_monotonic_ns() - start;
    reload_history_end(p->history, took, unchanged, done ? NULL : &error);
    if (unchanged)
        log_write(LOG_NOTICE, "%s has not changed: nothing to reload", p->source.path);
    else if (done && !same_data)
        log_reloaded(p, took, yield.waited_ns);
    else if (!done)
        log_write(LOG_WARNING, "cannot reload, serving the old dataset: %s", error.text);
    complete_requests(p, detach(p, &p->active_requests), unchanged, done ? NULL : &error);
    report_ready(p);
    if (done && !same_data)
        finish_dataset(p);
    else if (done && new_view)
        count_foreign_keys(p);
}

// Checks the current dataset. When its index is wrong, builds an index over the same data and
// publishes it as another dataset.
static void check_dataset(struct publisher *p)
{
    struct yield yield;
    struct error error = {""};
    struct dataset *spoiled = p->current->dataset;
    uint64_t start = clock_monotonic_ns();
    bool repaired = false;
    yield_begin(&yield);
    // The result is not needed here. If the content has changed, dataset_check, which the main
    // thread calls every second, logs it.
    if (dataset_may_be_overwritten(spoiled))
        (void)dataset_recheck_content(spoiled, &p->cancel);
    bool wanted = !atomic_load(&p->cancel) && dataset_is_spoiled(spoiled, &p->cancel, &error);
    if (wanted) {
        log_write(LOG_WARNING, "%s: rebuilding the index", error.text);
        repaired = replace_dataset(p, dataset_open_again(spoiled, &error), NULL, &error);
    }
    yield_end();
    if (repaired) {
        log_write(LOG_NOTICE, "rebuilt the index of %s in %.3f s", p->source.path,
                  (double)(clock_monotonic_ns() - start) / 1e9);
        finish_dataset(p);
    } else if (wanted && !atomic_load(&p->cancel)) {
        log_write(LOG_WARNING, "cannot rebuild the index: %s", error.text);
    }
}

// Calls free_unreferenced and gives way to the loops meanwhile (base/yield.h).
static void free_unreferenced_yielding(struct publisher *p)
{
    struct yield yield;
    yield_begin(&yield);
    free_unreferenced(p);
    yield_end();
}

static void on_wake(struct ev_loop *loop, ev_async *async, int events)
{
    struct publisher *p = async->data;
    (void)events;
    free_unreferenced_yielding(p);
    while (begin_reload(p)) {
        reload(p);
        free_unreferenced_yielding(p);
    }
    if (atomic_exchange(&p->check_requested, false))
        check_dataset(p);
    if (atomic_load(&p->cancel))
        ev_break(loop, EVBREAK_ALL);
}

// ---- watching -----------------------------------------------------------------------------------

static void on_poll(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct publisher *p = timer->data;
    (void)loop;
    (void)events;
    bool data_changed = watch_data(&p->watch, p->current->dataset);
    bool topology_changed = watch_topology(&p->watch);
    if (data_changed || topology_changed)
        publisher_request_reload(p, NULL);
}

// ---- the thread ---------------------------------------------------------------------------------

// Reads the first dataset, which was opened without that so that it is served at once. Clients that
// come meanwhile may wait for the disk.
static void warm_first_dataset(struct publisher *p)
{
    struct yield yield;
    struct error error; // is not needed: dataset_check logs damage
    yield_begin(&yield);
    (void)dataset_warm(p->current->dataset, true, UINT64_MAX, &p->hurry, &error);
    yield_end();
}

static void *run_publisher(void *argument)
{
    struct publisher *p = argument;
    pthread_setname_np(pthread_self(), "stele-publisher");
    warm_first_dataset(p);
    finish_dataset(p);
    if (!atomic_load(&p->cancel))
        ev_run(p->loop, 0);
    return NULL;
}

struct publisher *publisher_new(const struct dataset_source *source,
                                const struct cluster_source *cluster, bool watch,
                                struct workers *workers, struct dataset *dataset,
                                struct error *error)
{
    struct publisher *p = calloc(1, sizeof *p);
    if (p != NULL)
        p->loop = ev_loop_new(EVFLAG_AUTO);
    if (p != NULL && p->loop != NULL)
        p->current = edition_new(p, dataset);
    if (p == NULL || p->current == NULL) {
        error_set(error, "no memory or descriptors for the reload thread");
        if (p != NULL && p->loop != NULL)
            ev_loop_destroy(p->loop);
        free(p);
        return NULL;
    }
    p->source = *source;
    p->cluster = *cluster;
    p->watch.data = source->path;
    p->watch.topology = cluster->read != NULL ? cluster->path : NULL;
    watch_note_topology(&p->watch);
    p->workers = workers;
    p->history = workers_reloads(workers);
    pthread_mutex_init(&p->lock, NULL);
    ev_async_init(&p->wake, on_wake);
    ev_timer_init(&p->poll, on_poll, 0, POLL_INTERVAL);
    p->wake.data = p->poll.data = p;
    ev_async_start(p->loop, &p->wake);
    if (watch)
        ev_timer_start(p->loop, &p->poll);
    return p;
}

bool publisher_start(struct publisher *p, struct error *error)
{
    p->running = thread_start(&p->thread, STACK, run_publisher, p);
    if (!p->running)
        error_set(error, "cannot start the reload thread: %s", strerror(errno));
    return p->running;
}

void publisher_cancel(struct publisher *p)
{
    // `cancel` is set before the lists are emptied. A later call of publisher_request_reload
    // refuses its request. A request that was queued before is on one of the lists and fails here,
    // unless its reload has just ended.
    atomic_store(&p->cancel, true);
    atomic_store(&p->hurry, true);
    workers_cancel_publish(p->workers);
    complete_requests(p, detach(p, &p->pending_requests), false, &stopping_error);
    complete_requests(p, detach(p, &p->active_requests), false, &stopping_error);
    ev_async_send(p->loop, &p->wake);
}

bool publisher_stop(struct publisher *p)
{
    p->running = p->running && !thread_join(p->thread, STOP_SECONDS);
    return !p->running;
}

void publisher_free(struct publisher *p)
{
    if (p == NULL)
        return;
    edition_drop(p->current);
    edition_drop(p->partly_published);
    free_unreferenced(p);
    ev_loop_destroy(p->loop);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
