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
#include "base/thread.h"
#include "base/yield.h"
#include "data/dataset.h"
#include "net/notify.h"
#include "net/workers.h"

enum {
    STOP_SECONDS = 2,   // time that publisher_stop waits for the thread
    STACK = 512 * 1024, // bytes
    // Seconds that a changed data file must stay unchanged before it is loaded. They differ by what
    // the file looks like: complete, incomplete, or open for writing in some process.
    STABLE_SECONDS = 1,
    INCOMPLETE_STABLE_SECONDS = 10,
    OPEN_STABLE_SECONDS = 60,
    RETRY_PAUSE_MAX = 3600,     // seconds; the pause between retries doubles until it is this long
    LOGGED_WAIT_NS = 500000000, // the log mentions waits for a processor from this length on
};

static const ev_tstamp POLL_INTERVAL = 0.5; // seconds between two checks of the data file

// The file at the data file's path, if it may need a reload: it is not the served file, or a
// process has written to the served file.
struct candidate {
    struct stat status;
    uint64_t pause_ns;   // pause before the next attempt to load it; 0: there is no candidate
    uint64_t since_ns;   // start of the pause; monotonic
    bool load_requested; // a reload of this file was requested
    bool delay_logged;   // the log has said that the file is not loaded yet
};

// A published dataset, and its place on the list of datasets to be freed.
struct edition {
    struct edition *next;
    struct publisher *publisher;
    struct dataset *dataset;
};

struct publisher {
    struct dataset_source source;
    struct workers *workers;
    struct reload_history *history;
    pthread_t thread;
    bool running; // the thread was started and is not joined yet
    struct ev_loop *loop;
    // Sent after a change of a field that `lock` guards, of `cancel`, or of `check_requested`.
    ev_async wake;
    ev_timer poll; // checks the data file
    struct candidate candidate;

    pthread_mutex_t lock;                    // guards the fields up to the next blank line
    struct reload_request *pending_requests; // for the next reload
    struct reload_request *active_requests;  // for the reload in progress
    bool reload_requested;                   // a next reload is needed, with or without requests
    struct edition *unreferenced;            // editions to be freed

    // Set by publisher_cancel. New requests are then refused, work in progress ends early if it
    // can, and after that the thread ends.
    atomic_bool cancel;
    atomic_bool check_requested; // publisher_check_dataset was called

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
    check_dataset(p);
}

// ---- reloading ----------------------------------------------------------------------------------

// Makes all loops serve `d`, and takes over the caller's reference to it. `d` may be NULL, for a
// dataset that could not be opened; `error` then says why already. Returns false with a message on
// failure.
static bool replace_dataset(struct publisher *p, struct dataset *d, struct error *error)
{
    if (d == NULL)
        return false;
    if (!dataset_warm(d, &p->cancel, error)) {
        dataset_close(d);
        return false;
    }
    struct edition *edition = edition_new(p, d);
    if (edition == NULL) {
        dataset_close(d);
        error_set(error, "no memory for another dataset");
        return false;
    }
    if (!workers_publish(p->workers, d)) {
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
    log_write(LOG_NOTICE, "reloaded %s in %.3f s: %llu keys%s", p->source.path,
              (double)took_ns / 1e9, (unsigned long long)dataset_figures(p->current->dataset)->keys,
              waited);
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

// Loads the data file, publishes it, and completes the active requests.
static void reload(struct publisher *p)
{
    struct yield yield;
    struct error error = {""};
    uint64_t start = clock_monotonic_ns();
    reload_history_begin(p->history);
    yield_begin(&yield);
    bool unchanged = is_served(p);
    bool done = unchanged || replace_dataset(p, p->source.open(p->source.context, &error), &error);
    yield_end();
    uint64_t took = clock_monotonic_ns() - start;
    reload_history_end(p->history, took, unchanged, done ? NULL : &error);
    if (unchanged)
        log_write(LOG_NOTICE, "%s has not changed: nothing to reload", p->source.path);
    else if (done)
        log_reloaded(p, took, yield.waited_ns);
    else
        log_write(LOG_WARNING, "cannot reload, serving the old dataset: %s", error.text);
    complete_requests(p, detach(p, &p->active_requests), unchanged, done ? NULL : &error);
    report_ready(p);
    if (done && !unchanged)
        finish_dataset(p);
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
        repaired = replace_dataset(p, dataset_open_again(spoiled, &error), &error);
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
//
// The publisher polls with stat instead of inotify. Any folder or link on the path may change which
// file the path leads to, and inotify reports changes of the last folder only.

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(a->st_mtim, b->st_mtim) && is_same_time(a->st_ctim, b->st_ctim);
}

// Returns the seconds for which the file must stay unchanged before it is loaded. They are more for
// a file that looks like an unfinished copy; `*why` then says what it looks like.
static unsigned stable_seconds_needed(int fd, const struct stat *status, const char **why)
{
    char last = '\0';
    if (file_is_written(fd)) {
        *why = "a process has it open for writing";
        return OPEN_STABLE_SECONDS;
    }
    if (status->st_size == 0) {
        *why = "it is empty";
        return INCOMPLETE_STABLE_SECONDS;
    }
    if (file_read(fd, &last, 1, (uint64_t)status->st_size - 1) && last != '\n') {
        *why = "its last line does not end in a newline";
        return INCOMPLETE_STABLE_SECONDS;
    }
    return STABLE_SECONDS;
}

// Returns true when the candidate, unchanged for `still_ns`, must stay unchanged for longer,
// because it looks like an unfinished copy. Logs that once. Also returns true when the file at the
// path is no longer the candidate.
static bool must_wait_longer(struct publisher *p, uint64_t still_ns)
{
    struct candidate *c = &p->candidate;
    struct stat status;
    const char *why = "";
    int fd = file_open(p->source.path, &status, NULL);
    if (fd < 0)
        return false; // the reload reports the reason
    unsigned seconds = stable_seconds_needed(fd, &status, &why);
    close(fd);
    if (!is_same(&c->status, &status))
        return true; // It has changed just now. The next poll takes it as a new candidate.
    if (still_ns >= seconds * CLOCK_SECOND)
        return false;
    if (!c->delay_logged)
        log_write(LOG_NOTICE, "%s has changed, but %s: waiting until it is unchanged for %u s",
                  p->source.path, why, seconds);
    c->delay_logged = true;
    return true;
}

// Requests a reload when the data file has changed and has then stayed the same for a second, or
// for longer if it looks incomplete (stable_seconds_needed). A file that cannot be loaded is tried
// again, because memory or descriptors may have been short. The pauses between retries grow. While
// the path leads to no file, nothing happens.
static void check_data_file(struct publisher *p)
{
    struct candidate *c = &p->candidate;
    struct stat status;
    uint64_t now = clock_monotonic_ns();
    if (stat(p->source.path, &status) != 0 || dataset_is_as_loaded(p->current->dataset, &status)) {
        *c = (struct candidate){.pause_ns = 0};
        return;
    }
    if (c->pause_ns == 0 || !is_same(&c->status, &status))
        *c = (struct candidate){status, STABLE_SECONDS * CLOCK_SECOND, now, false, c->delay_logged};
    if (now - c->since_ns < c->pause_ns ||
        (!c->load_requested && must_wait_longer(p, now - c->since_ns)))
        return;
    log_write(LOG_NOTICE,
              c->load_requested ? "reloading %s again after a failure"
                                : "%s has changed: reloading",
              p->source.path);
    if (c->load_requested && c->pause_ns < RETRY_PAUSE_MAX * CLOCK_SECOND)
        c->pause_ns *= 2;
    c->load_requested = true;
    c->since_ns = now;
    publisher_request_reload(p, NULL);
}

static void on_poll(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    check_data_file(timer->data);
}

// ---- the thread ---------------------------------------------------------------------------------

static void *run_publisher(void *argument)
{
    struct publisher *p = argument;
    pthread_setname_np(pthread_self(), "stele-publisher");
    finish_dataset(p);
    if (!atomic_load(&p->cancel))
        ev_run(p->loop, 0);
    return NULL;
}

struct publisher *publisher_new(const struct dataset_source *source, bool watch,
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
