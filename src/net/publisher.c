// The publisher's own loop waits for wishes, for datasets that nobody reads any more, and watches
// the data file. A dataset that is published is an edition: the publisher holds one reference to it
// until the next one is published, and each loop one as long as it, or a reply of its, reads it.
// Who drops the last one only tells the publisher.
#include "net/publisher.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "data/dataset.h"
#include "net/notify.h"
#include "net/workers.h"

enum {
    STOP_SECONDS = 2,
    STACK = 512 * 1024,
};

// Seconds between two looks at the data file, also where the system would tell of changes: it does
// not tell of all. And how long its size must hold still.
static const ev_tstamp WATCH_INTERVAL = 1;

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
    ev_stat watch;
    ev_timer holding;  // until the file is looked at again
    ev_statdata looks; // as it was then

    pthread_mutex_t lock;
    struct reload_request *requests; // to be served
    struct reload_request *served;   // by the reload that runs
    bool asked;
    struct edition *unread; // whose last reference is dropped
    bool cancelled;

    atomic_bool cancel; // settling
    atomic_bool mend;   // the index of the present dataset

    struct edition *current; // the publisher's reference is held
    struct edition *kept;    // a published one that some loop may still come to: likewise
};

// ---- editions -----------------------------------------------------------------------------------

// By any thread.
static void on_unread(void *context, struct dataset *d)
{
    struct edition *edition = context;
    struct publisher *p = edition->publisher;
    assert(d == edition->dataset);
    pthread_mutex_lock(&p->lock);
    edition->next = p->unread;
    p->unread = edition;
    ev_async_send(p->loop, &p->wake);
    pthread_mutex_unlock(&p->lock);
}

static struct edition *edition_new(struct publisher *p, struct dataset *d)
{
    struct edition *edition = malloc(sizeof *edition);
    if (edition == NULL)
        return NULL;
    *edition = (struct edition){NULL, p, d};
    dataset_on_unread(d, on_unread, edition);
    return edition;
}

static void edition_drop(struct edition *edition)
{
    if (edition != NULL)
        dataset_close(edition->dataset);
}

static void free_unread(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    struct edition *edition = p->unread;
    p->unread = NULL;
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
    return (struct reload_request *)request->errand.next;
}

// `why` NULL: it is done.
static void answer(struct publisher *p, struct reload_request *request, const struct error *why)
{
    while (request != NULL) {
        struct reload_request *next = next_request(request);
        request->failed = why != NULL;
        if (why != NULL)
            request->why = *why;
        workers_return(p->workers, &request->errand);
        request = next;
    }
}

static const struct error stopping = {"the server is stopping"};

void publisher_ask(struct publisher *p, struct reload_request *request)
{
    pthread_mutex_lock(&p->lock);
    bool refused = p->cancelled;
    if (!refused) {
        p->asked = true;
        if (request != NULL) {
            request->errand.next = (struct errand *)p->requests;
            p->requests = request;
        }
        ev_async_send(p->loop, &p->wake);
    } else if (request != NULL) {
        request->errand.next = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    if (refused)
        answer(p, request, &stopping);
}

void publisher_mend(struct publisher *p)
{
    atomic_store(&p->mend, true);
    ev_async_send(p->loop, &p->wake);
}

// Whether something was asked. Who asked is served from here on.
static bool begin_serving(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    bool asked = p->asked && !p->cancelled;
    if (asked) {
        p->served = p->requests;
        p->requests = NULL;
        p->asked = false;
    }
    pthread_mutex_unlock(&p->lock);
    return asked;
}

// Those of `*list`, which is of the publisher; whoever takes them answers them.
static struct reload_request *take(struct publisher *p, struct reload_request **list)
{
    pthread_mutex_lock(&p->lock);
    struct reload_request *taken = *list;
    *list = NULL;
    pthread_mutex_unlock(&p->lock);
    return taken;
}

// ---- reloading ----------------------------------------------------------------------------------

// Has all loops serve `d`, which is NULL when it could not be opened. False with a message.
static bool replace(struct publisher *p, struct dataset *d, struct error *error)
{
    if (d == NULL)
        return false;
    struct edition *edition = edition_new(p, d);
    if (edition == NULL) {
        dataset_close(d);
        error_set(error, "no memory for another dataset");
        return false;
    }
    if (!workers_publish(p->workers, d)) {
        // Loops that were asked before it was cancelled may come to it yet.
        p->kept = edition;
        bool cancelled = atomic_load(&p->cancel);
        *error = stopping;
        if (!cancelled) {
            error_set(error, "no memory for another dataset");
            p->kept = NULL;
            edition_drop(edition);
        }
        return false;
    }
    edition_drop(p->current);
    p->current = edition;
    return true;
}

static void reload(struct publisher *p)
{
    struct error error = {""};
    uint64_t start = clock_monotonic_ns();
    notify_reloading();
    reload_history_begin(p->history);
    bool done = replace(p, p->source.open(p->source.context, &error), &error);
    uint64_t took = clock_monotonic_ns() - start;
    reload_history_end(p->history, took, done ? NULL : &error);
    if (done)
        log_write(LOG_NOTICE, "reloaded %s in %.3f s: %llu keys", p->source.path,
                  (double)took / 1e9,
                  (unsigned long long)dataset_figures(p->current->dataset)->keys);
    else
        log_write(LOG_WARNING, "cannot reload, serving the old dataset: %s", error.text);
    answer(p, take(p, &p->served), done ? NULL : &error);
    if (!atomic_load(&p->cancel)) // the server has told that it is stopping
        notify_ready("serving %llu keys of %s",
                     (unsigned long long)dataset_figures(p->current->dataset)->keys,
                     p->source.path);
    if (done)
        dataset_settle(p->current->dataset, &p->cancel);
}

static void mend(struct publisher *p)
{
    struct error error = {""};
    struct dataset *spoiled = p->current->dataset;
    uint64_t start = clock_monotonic_ns();
    if (atomic_load(&p->cancel) || !dataset_is_spoiled(spoiled, &p->cancel, &error))
        return;
    log_write(LOG_WARNING, "%s: building anew", error.text);
    if (replace(p, dataset_open_again(spoiled, &error), &error)) {
        log_write(LOG_NOTICE, "built the index of %s anew in %.3f s", p->source.path,
                  (double)(clock_monotonic_ns() - start) / 1e9);
        dataset_settle(p->current->dataset, &p->cancel);
    } else if (!atomic_load(&p->cancel)) {
        log_write(LOG_WARNING, "cannot build the index anew: %s", error.text);
    }
}

static void on_wake(struct ev_loop *loop, ev_async *async, int events)
{
    struct publisher *p = async->data;
    (void)events;
    free_unread(p);
    while (begin_serving(p)) {
        reload(p);
        free_unread(p);
    }
    if (atomic_exchange(&p->mend, false))
        mend(p);
    if (atomic_load(&p->cancel))
        ev_break(loop, EVBREAK_ALL);
}

// ---- watching -----------------------------------------------------------------------------------

static bool is_same(const ev_statdata *a, const ev_statdata *b)
{
    return a->st_nlink > 0 && b->st_nlink > 0 && a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look_again(struct publisher *p)
{
    p->looks = p->watch.attr;
    ev_timer_again(p->loop, &p->holding);
}

static void on_changed(struct ev_loop *loop, ev_stat *watch, int events)
{
    (void)loop;
    (void)events;
    look_again(watch->data);
}

// A file that is gone is waited for; one that still changes, too.
static void on_held(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct publisher *p = timer->data;
    (void)events;
    ev_stat_stat(loop, &p->watch);
    ev_timer_stop(loop, timer);
    if (p->watch.attr.st_nlink == 0)
        return;
    if (!is_same(&p->looks, &p->watch.attr)) {
        look_again(p);
        return;
    }
    if (dataset_is_current(p->current->dataset)) // it was reloaded meanwhile
        return;
    log_write(LOG_NOTICE, "%s has changed: reloading", p->source.path);
    publisher_ask(p, NULL);
}

// ---- the thread ---------------------------------------------------------------------------------

static void *run(void *argument)
{
    struct publisher *p = argument;
    pthread_setname_np(pthread_self(), "stele-publisher");
    // Of this thread and those it starts: they run when a processor has nothing else to do, and a
    // loop that wakes up need not wait for the end of their turn, as it would for one that is nice.
    const struct sched_param none = {0};
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    dataset_settle(p->current->dataset, &p->cancel);
    // Between its opening and the first look of the watch.
    if (ev_is_active(&p->watch) && !dataset_is_current(p->current->dataset))
        look_again(p);
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
    ev_stat_init(&p->watch, on_changed, source->path, WATCH_INTERVAL);
    ev_timer_init(&p->holding, on_held, 0, WATCH_INTERVAL);
    p->wake.data = p->watch.data = p->holding.data = p;
    ev_async_start(p->loop, &p->wake);
    if (watch)
        ev_stat_start(p->loop, &p->watch);
    return p;
}

bool publisher_start(struct publisher *p, struct error *error)
{
    p->running = thread_start(&p->thread, STACK, run, p);
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
    answer(p, take(p, &p->requests), &stopping);
    answer(p, take(p, &p->served), &stopping);
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
    edition_drop(p->kept);
    free_unread(p);
    ev_loop_destroy(p->loop);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
