// The publisher's own loop waits for wishes, for datasets that nobody reads any more, and watches
// the data file. A dataset that is published is an edition: the publisher holds one reference to it
// until the next one is published, and each loop one as long as it, or a reply of its, reads it.
// Who drops the last one only tells the publisher.
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
    STOP_SECONDS = 2,
    STACK = 512 * 1024,
    STABLE_SECONDS = 1,             // seconds that another file must hold still before it is loaded
    INCOMPLETE_STABLE_SECONDS = 10, // the same of one that looks cut: its last line may still come
    OPEN_STABLE_SECONDS = 60,       // the same of one that somebody has open for writing
    RETRY_PAUSE_MAX = 3600,         // seconds until one that could not be loaded is tried again
    LOGGED_WAIT_NS = 500000000, // ns that a reload waited for a processor, and more: the log tells
};

static const ev_tstamp POLL_INTERVAL = 0.5; // seconds between two looks at the data file

// A file that has taken the place of the one that is served, or that one when it was written to.
struct candidate {
    struct stat status;
    uint64_t pause_ns;   // how long it is to be left alone from `since_ns` on; 0: there is none
    uint64_t since_ns;   // monotonic
    bool load_requested; // it was asked for then
    bool delay_logged;   // for more than that it holds still; it was told
};

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
    bool running; // the thread is to be joined
    struct ev_loop *loop;
    ev_async wake; // for what the lock guards
    ev_timer poll; // at the data file
    struct candidate candidate;

    pthread_mutex_t lock;
    struct reload_request *pending_requests; // to be served
    struct reload_request *active_requests;  // by the reload that runs
    bool reload_requested;
    struct edition *unreferenced; // whose last reference is dropped
    bool cancelled;

    atomic_bool cancel;                // settling
    atomic_bool index_check_requested; // the index of the present dataset

    struct edition *current;          // the publisher's reference is held
    struct edition *partly_published; // a published one that some loop may still come to: likewise
};

// ---- editions -----------------------------------------------------------------------------------

// By any thread.
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

static struct edition *edition_new(struct publisher *p, struct dataset *d)
{
    struct edition *edition = malloc(sizeof *edition);
    if (edition == NULL)
        return NULL;
    *edition = (struct edition){NULL, p, d};
    dataset_on_unread(d, on_unreferenced, edition);
    return edition;
}

static void edition_drop(struct edition *edition)
{
    if (edition != NULL)
        dataset_close(edition->dataset);
}

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

static struct reload_request *next_request(const struct reload_request *request)
{
    return (struct reload_request *)request->task.next;
}

// `why` NULL: it is done, or `unchanged`.
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
    bool refused = p->cancelled;
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

void publisher_check_index(struct publisher *p)
{
    atomic_store(&p->index_check_requested, true);
    ev_async_send(p->loop, &p->wake);
}

// Whether something was asked. Who asked is served from here on.
static bool begin_reload(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    bool reload_requested = p->reload_requested && !p->cancelled;
    if (reload_requested) {
        p->active_requests = p->pending_requests;
        p->pending_requests = NULL;
        p->reload_requested = false;
    }
    pthread_mutex_unlock(&p->lock);
    return reload_requested;
}

// Those of `*list`, which is of the publisher; whoever takes them answers them.
static struct reload_request *detach(struct publisher *p, struct reload_request **list)
{
    pthread_mutex_lock(&p->lock);
    struct reload_request *taken = *list;
    *list = NULL;
    pthread_mutex_unlock(&p->lock);
    return taken;
}

static void repair_index(struct publisher *p);

// Does what opening the present dataset left to do. An index that is found to be wrong is not
// served for longer than it takes to build another.
static void finish_dataset(struct publisher *p)
{
    struct yield yield;
    yield_begin(&yield);
    dataset_finish(p->current->dataset, &p->cancel);
    dataset_remember(p->current->dataset, &p->cancel);
    yield_end();
    repair_index(p);
}

// ---- reloading ----------------------------------------------------------------------------------

// Has all loops serve `d`, which is NULL when it could not be opened. False with a message.
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
        // Loops that were asked before it was cancelled may come to it yet.
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
    edition_drop(p->current);
    p->current = edition;
    return true;
}

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

// Whether an index file has come that could take the place of one in memory.
static bool could_map_index(const struct dataset *d)
{
    return strcmp(dataset_index_status(d), "memory") == 0 && *dataset_index_path(d) != '\0' &&
           access(dataset_index_path(d), F_OK) == 0;
}

// Whether what the path leads to is what is served, byte for byte, and its index is sound.
static bool is_served(struct publisher *p)
{
    struct stat status;
    struct dataset *d = p->current->dataset;
    return stat(p->source.path, &status) == 0 && strcmp(dataset_index_status(d), "damaged") != 0 &&
           !dataset_may_be_spoiled(d) && !could_map_index(d) &&
           dataset_holds(d, &status, &p->cancel);
}

static void reload(struct publisher *p)
{
    struct yield yield;
    struct error error = {""};
    uint64_t start = clock_monotonic_ns();
    notify_reloading();
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
    if (!atomic_load(&p->cancel)) // the server has told that it is stopping
        notify_ready("serving %llu keys of %s",
                     (unsigned long long)dataset_figures(p->current->dataset)->keys,
                     p->source.path);
    if (done && !unchanged)
        finish_dataset(p);
}

// Has another dataset take the place of one whose index is wrong, with an index that is built.
static void repair_index(struct publisher *p)
{
    struct yield yield;
    struct error error = {""};
    struct dataset *spoiled = p->current->dataset;
    uint64_t start = clock_monotonic_ns();
    bool repaired = false;
    yield_begin(&yield);
    if (dataset_is_suspect(spoiled))
        (void)dataset_prove(spoiled, &p->cancel); // it is told when the file is looked at next
    bool wanted = !atomic_load(&p->cancel) && dataset_is_spoiled(spoiled, &p->cancel, &error);
    if (wanted) {
        log_write(LOG_WARNING, "%s: building anew", error.text);
        repaired = replace_dataset(p, dataset_open_again(spoiled, &error), &error);
    }
    yield_end();
    if (repaired) {
        log_write(LOG_NOTICE, "built the index of %s anew in %.3f s", p->source.path,
                  (double)(clock_monotonic_ns() - start) / 1e9);
        finish_dataset(p);
    } else if (wanted && !atomic_load(&p->cancel)) {
        log_write(LOG_WARNING, "cannot build the index anew: %s", error.text);
    }
}

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
    if (atomic_exchange(&p->index_check_requested, false))
        repair_index(p);
    if (atomic_load(&p->cancel))
        ev_break(loop, EVBREAK_ALL);
}

// ---- watching -----------------------------------------------------------------------------------
//
// What counts is the file that the path leads to, over whatever links and folders, so it is looked
// at again and again: what the system tells of is the last part of the path alone.

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(a->st_mtim, b->st_mtim) && is_same_time(a->st_ctim, b->st_ctim);
}

// What a copy that is not done looks like: seconds for which it should hold still, and in `*why`
// what is seen of it.
static unsigned stable_seconds_needed(int fd, const struct stat *status, const char **why)
{
    char last = '\0';
    if (file_is_written(fd)) {
        *why = "somebody has it open for writing";
        return OPEN_STABLE_SECONDS;
    }
    if (status->st_size == 0) {
        *why = "it is empty";
        return INCOMPLETE_STABLE_SECONDS;
    }
    if (file_read(fd, &last, 1, (uint64_t)status->st_size - 1) && last != '\n') {
        *why = "its last line has no end";
        return INCOMPLETE_STABLE_SECONDS;
    }
    return STABLE_SECONDS;
}

// Whether the candidate, which holds still, is to be left alone for longer, as more of it may come.
static bool must_wait_longer(struct publisher *p, uint64_t still_ns)
{
    struct candidate *c = &p->candidate;
    struct stat status;
    const char *why = "";
    int fd = file_open(p->source.path, &status, NULL);
    if (fd < 0)
        return false; // loading it will tell
    unsigned seconds = stable_seconds_needed(fd, &status, &why);
    close(fd);
    if (!is_same(&c->status, &status) || still_ns >= seconds * CLOCK_SECOND)
        return false;
    if (!c->delay_logged)
        log_write(LOG_NOTICE, "%s has changed, but %s: waiting for %u s", p->source.path, why,
                  seconds);
    c->delay_logged = true;
    return true;
}

// Another file, or the one that is served when somebody has written to it, is loaded when it has
// held still and looks whole. One that cannot be loaded is tried again, ever more seldom: it may
// have been for want of memory or descriptors. A file that is gone is waited for.
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
              c->load_requested ? "trying %s again: reloading" : "%s has changed: reloading",
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
        error_set(error, "no memory, or no descriptors, to reload with");
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
        error_set(error, "cannot start a thread to reload with: %s", strerror(errno));
    return p->running;
}

void publisher_cancel(struct publisher *p)
{
    atomic_store(&p->cancel, true);
    pthread_mutex_lock(&p->lock);
    p->cancelled = true;
    pthread_mutex_unlock(&p->lock);
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
