// Each worker has a mailbox, into which other threads put new sockets and tasks
// (serve/loop_task.h). They also put steps of the switch to another dataset (enum step) there, and
// orders to end (enum order). So a mailbox is used when a client connects, a command concerns all
// loops, or the dataset is replaced, but never to serve an ordinary request.
//
// Serving a request writes no cache line that another loop touches. So each worker allocates its
// memory on its own thread, and adds only to the counters of its own service. While the loops run,
// no loop may free memory that another thread has allocated. The allocator might reuse it for the
// freeing thread, on a cache line that the other thread still uses. After workers_stop, the main
// thread frees everything. tests/sharing/lines.c checks that serving writes no shared cache line.
#include "net/workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "net/conn.h"
#include "net/worker.h"
#include "serve/loop_task.h"

enum {
    // Bytes of a thread's stack, many times what the deepest chain of calls needs. Pages that are
    // never touched take no memory.
    STACK = 512 * 1024,
    STOP_SECONDS = 1, // time that workers_stop waits for the threads
    THREAD_NAME_MAX = 16,
    HANDOFFS_INITIAL = 16,  // initial capacity of a mailbox, in sockets
    HANDOFFS_PER_WAKE = 64, // sockets taken from a mailbox at once
};

// A socket on its way to a worker; see worker_adopt.
struct handoff {
    int fd;
    bool local;
    bool proxied;
    uint64_t id;
};

// How a worker is to end: after draining its connections, or at once.
enum order { ORDER_NONE, ORDER_DRAIN, ORDER_QUIT };

// The next step of a publication that a loop must take; see service_prepare, service_publish and
// service_discard_prepared.
enum step { STEP_NONE, STEP_PREPARE, STEP_PUBLISH, STEP_FORGET };

// A worker with its thread and its mailbox, on cache lines of its own.
struct worker_slot {
    struct workers *workers;
    unsigned number;
    struct ev_loop *loop;
    struct worker *worker;
    ev_async wake; // sent to the worker's loop when its mailbox or the settings have changed

    // The mailbox. The main thread allocates and frees its memory.
    pthread_mutex_t lock; // guards the fields up to the next blank line
    struct handoff *handoffs;
    size_t handoff_first;    // index of the next socket to be taken
    size_t handoff_count;    // number of sockets from there on
    size_t handoff_capacity; // in sockets
    struct loop_task *tasks; // newest first
    enum order order;
    enum step step;

    // For the main thread:
    pthread_t thread;   // not for the first worker, which runs in the main thread
    bool running;       // the thread was started and is not joined yet
    sem_t opened;       // posted when `worker` or `error` is set
    struct error error; // the reason why there is no worker
    uint64_t assigned;  // number of connections that the worker was given so far
};

struct workers {
    struct service_group group; // read by all loops, so it is on cache lines of its own
    _Alignas(MEMORY_LINE) struct workers_owner owner;
    struct worker_slot *slots[SERVICES_MAX];
    unsigned count;
    // Number of the worker at which the search for the worker with the fewest connections begins.
    unsigned next;
    uint64_t last_client_id;
    atomic_uint undrained; // number of workers that are not drained yet
    ev_async all_drained;  // sent to the main loop when all workers are drained
    struct {
        struct dataset *dataset;
        atomic_uint remaining;       // number of loops that have not taken the current step
        atomic_bool short_of_memory; // some loop could not prepare
        atomic_bool cancelled;       // see workers_cancel_publish
        sem_t finished;              // posted when all loops have taken the step, or on cancelling
    } publication;
};

// ---- the worker's thread ------------------------------------------------------------------------

static void on_drained(struct worker *worker)
{
    struct worker_slot *slot = worker->owner;
    struct workers *workers = slot->workers;
    if (atomic_fetch_sub(&workers->undrained, 1) == 1)
        ev_async_send(workers->slots[0]->loop, &workers->all_drained);
}

// Empties the mailbox, but takes at most HANDOFFS_PER_WAKE sockets. Returns their number. The order
// to drain or to quit (enum order) stays in the mailbox until the last socket is taken, so that no
// socket is missed. `*tasks` are newest first.
static size_t worker_slot_take(struct worker_slot *slot, struct handoff *handoffs,
                               struct loop_task **tasks, enum step *step, enum order *order)
{
    pthread_mutex_lock(&slot->lock);
    size_t count =
        slot->handoff_count < HANDOFFS_PER_WAKE ? slot->handoff_count : HANDOFFS_PER_WAKE;
    if (count > 0)
        memcpy(handoffs, slot->handoffs + slot->handoff_first, count * sizeof *handoffs);
    slot->handoff_first += count;
    slot->handoff_count -= count;
    *order = ORDER_NONE;
    *tasks = slot->tasks;
    slot->tasks = NULL;
    *step = slot->step;
    slot->step = STEP_NONE;
    if (slot->handoff_count == 0) {
        slot->handoff_first = 0;
        *order = slot->order;
        slot->order = ORDER_NONE;
    }
    pthread_mutex_unlock(&slot->lock);
    return count;
}

// Runs tasks, given newest first, in the order in which they arrived.
static void run_tasks(struct worker_slot *slot, struct loop_task *tasks)
{
    struct loop_task *first = NULL;
    while (tasks != NULL) {
        struct loop_task *next = tasks->next;
        tasks->next = first;
        first = tasks;
        tasks = next;
    }
    while (first != NULL) {
        // Read first, because the task may be in another mailbox after the call.
        struct loop_task *next = first->next;
        loop_task_arrive(first, &slot->worker->loop.service, slot->worker->loop.service.number);
        first = next;
    }
}

// Takes a step of the publication, and reports when it is the last loop to do so.
static void run_step(struct worker_slot *slot, enum step step)
{
    struct workers *workers = slot->workers;
    struct service *service = &slot->worker->loop.service;
    switch (step) {
    case STEP_NONE: return;
    case STEP_PREPARE:
        if (!service_prepare(service, workers->publication.dataset))
            atomic_store(&workers->publication.short_of_memory, true);
        break;
    case STEP_PUBLISH:
        service_publish(service);
        service_take_view(service);
        session_wake_holders(service);
        worker_close_outdated(slot->worker);
        break;
    case STEP_FORGET: service_discard_prepared(service); break;
    }
    if (atomic_fetch_sub(&workers->publication.remaining, 1) == 1)
        sem_post(&workers->publication.finished);
}

static void on_wake(struct ev_loop *loop, ev_async *async, int events)
{
    struct worker_slot *slot = async->data;
    struct handoff handoffs[HANDOFFS_PER_WAKE];
    struct loop_task *tasks;
    enum step step;
    enum order order;
    size_t count;
    (void)events;
    do {
        count = worker_slot_take(slot, handoffs, &tasks, &step, &order);
        run_step(slot, step);
        for (size_t i = 0; i < count; i++)
            worker_adopt(slot->worker, handoffs[i].fd, handoffs[i].id, handoffs[i].local,
                         handoffs[i].proxied);
        run_tasks(slot, tasks);
    } while (count == HANDOFFS_PER_WAKE && order == ORDER_NONE);
    worker_settings_changed(slot->worker); // `wake` is also sent after a change of settings
    if (order == ORDER_DRAIN)
        worker_drain(slot->worker, on_drained);
    else if (order == ORDER_QUIT)
        ev_break(loop, EVBREAK_ALL);
}

// Makes the worker, on its own thread. On failure sets the slot's error and returns false.
static bool worker_slot_open(struct worker_slot *slot, struct ev_loop *loop)
{
    if (loop == NULL) {
        error_set(&slot->error, "cannot start an event loop: %s", strerror(errno));
        return false;
    }
    slot->loop = loop;
    slot->worker = worker_new(loop, &slot->workers->group, &slot->error);
    if (slot->worker == NULL)
        return false;
    slot->worker->owner = slot;
    ev_async_init(&slot->wake, on_wake);
    slot->wake.data = slot;
    ev_async_start(loop, &slot->wake);
    return true;
}

static void *run_worker(void *argument)
{
    struct worker_slot *slot = argument;
    char name[THREAD_NAME_MAX];
    snprintf(name, sizeof name, "stele-loop-%u", slot->number);
    pthread_setname_np(pthread_self(), name);
    bool open = worker_slot_open(slot, ev_loop_new(EVFLAG_AUTO));
    sem_post(&slot->opened);
    if (open)
        ev_run(slot->loop, 0);
    return NULL;
}

// Puts a task into the mailbox of the worker `number`. Any thread may call this.
static void post_task(void *context, unsigned number, struct loop_task *task)
{
    struct workers *workers = context;
    struct worker_slot *slot = workers->slots[number];
    pthread_mutex_lock(&slot->lock);
    task->next = slot->tasks;
    slot->tasks = task;
    pthread_mutex_unlock(&slot->lock);
    ev_async_send(slot->loop, &slot->wake);
}

// ---- the main thread ----------------------------------------------------------------------------

// Puts an order into the mailbox and wakes the worker.
static void worker_slot_order(struct worker_slot *slot, enum order order)
{
    pthread_mutex_lock(&slot->lock);
    slot->order = order;
    pthread_mutex_unlock(&slot->lock);
    ev_async_send(slot->loop, &slot->wake);
}

// Makes room for one more handoff. Returns false when memory is short.
static bool worker_slot_reserve(struct worker_slot *slot)
{
    if (slot->handoff_first + slot->handoff_count < slot->handoff_capacity)
        return true;
    size_t capacity = slot->handoff_capacity != 0 ? slot->handoff_capacity * 2 : HANDOFFS_INITIAL;
    struct handoff *grown = realloc(slot->handoffs, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    slot->handoffs = grown;
    slot->handoff_capacity = capacity;
    return true;
}

// Puts a socket into the mailbox and wakes the worker. Returns false when memory is short.
static bool worker_slot_post(struct worker_slot *slot, const struct handoff *handoff)
{
    pthread_mutex_lock(&slot->lock);
    bool room = worker_slot_reserve(slot);
    if (room)
        slot->handoffs[slot->handoff_first + slot->handoff_count++] = *handoff;
    pthread_mutex_unlock(&slot->lock);
    if (room)
        ev_async_send(slot->loop, &slot->wake);
    return room;
}

// The number of the worker's connections, including sockets in its mailbox.
static uint64_t worker_slot_connections(const struct worker_slot *slot)
{
    return slot->assigned - counter_get(&slot->worker->loop.closed_connections);
}

// Frees the worker with its connections, but not the mailbox. All workers are freed before any
// mailbox. Closing a connection may access its task (loop_task_end), and the task may be in the
// mailbox of any worker.
static void worker_slot_close(struct worker_slot *slot)
{
    if (slot->worker == NULL)
        return;
    ev_async_stop(slot->loop, &slot->wake);
    worker_free(slot->worker);
}

// Frees the slot with its mailbox. All workers must be closed.
static void worker_slot_free(struct worker_slot *slot)
{
    while (slot->tasks != NULL) {
        struct loop_task *task = slot->tasks;
        slot->tasks = task->next;
        task->release(task);
    }
    // The first loop belongs to the caller of workers_new.
    if (slot->number > 0 && slot->loop != NULL)
        ev_loop_destroy(slot->loop);
    assert(slot->handoff_count == 0); // a worker that quits has taken them
    free(slot->handoffs);
    pthread_mutex_destroy(&slot->lock);
    sem_destroy(&slot->opened);
    free(slot);
}

// Starts the next worker, and waits until worker_new has added the worker's service to the group of
// services. So two services are never added at the same time, and adding needs no lock. Returns
// false with a message on failure.
static bool add_slot(struct workers *workers, struct ev_loop *loop, struct error *error)
{
    struct worker_slot *slot = memory_aligned(sizeof *slot);
    if (slot == NULL) {
        error_set(error, "no memory for a loop");
        return false;
    }
    slot->workers = workers;
    slot->number = workers->count;
    pthread_mutex_init(&slot->lock, NULL);
    sem_init(&slot->opened, 0, 0);
    workers->slots[workers->count++] = slot;
    if (slot->number == 0) {
        worker_slot_open(slot, loop);
    } else if (thread_start(&slot->thread, STACK, run_worker, slot)) {
        slot->running = true;
        while (sem_wait(&slot->opened) != 0) // interrupted by a signal
            ;
    } else {
        error_set(&slot->error, "cannot start thread %u of %u: %s", slot->number + 1,
                  workers->group.settings->threads, strerror(errno));
    }
    *error = slot->error;
    return slot->worker != NULL;
}

// Wakes all workers, so that idle ones apply the new settings too. Called in any worker's thread.
static void on_settings_changed(void *context)
{
    struct workers *workers = context;
    for (unsigned i = 0; i < workers->count; i++)
        ev_async_send(workers->slots[i]->loop, &workers->slots[i]->wake);
}

static void on_all_drained(struct ev_loop *loop, ev_async *async, int events)
{
    struct workers *workers = async->data;
    (void)loop;
    (void)events;
    workers->owner.drained(workers->owner.context);
}

struct workers *workers_new(struct ev_loop *loop, const struct settings *settings,
                            struct dataset *dataset, const struct command *const *commands,
                            const struct workers_owner *owner, struct error *error)
{
    struct workers *workers = memory_aligned(sizeof *workers);
    if (workers == NULL) {
        error_set(error, "no memory for the loops");
        return NULL;
    }
    service_group_init(&workers->group, settings, dataset, commands);
    workers->group.stop = owner->stop;
    workers->group.stop_context = owner->context;
    workers->group.router.post = post_task;
    workers->group.router.context = workers;
    workers->group.refused = conn_refused;
    workers->group.replicated = conn_replicated;
    workers->group.settings_changed = on_settings_changed;
    workers->group.settings_context = workers;
    workers->group.reload = owner->reload;
    workers->group.reload_context = owner->context;
    workers->owner = *owner;
    sem_init(&workers->publication.finished, 0, 0);
    ev_async_init(&workers->all_drained, on_all_drained);
    workers->all_drained.data = workers;
    if (settings->read_threads > 0) {
        workers->group.readers = readers_new(settings->read_threads, error);
        if (workers->group.readers == NULL) {
            workers_free(workers);
            return NULL;
        }
    }
    while (workers->count < settings->threads) {
        if (!add_slot(workers, loop, error)) {
            workers_stop(workers); // cannot fail, as no worker is busy yet
            workers_free(workers);
            return NULL;
        }
    }
    ev_async_start(loop, &workers->all_drained);
    return workers;
}

void workers_adopt(struct workers *workers, int fd, bool local, bool proxied)
{
    struct worker_slot *slot = workers->slots[workers->next];
    for (unsigned i = 1; i < workers->count; i++) {
        struct worker_slot *other = workers->slots[(workers->next + i) % workers->count];
        if (worker_slot_connections(other) < worker_slot_connections(slot))
            slot = other;
    }
    workers->next = (slot->number + 1) % workers->count;
    struct handoff handoff = {fd, local, proxied, ++workers->last_client_id};
    slot->assigned++;
    if (slot->number == 0) {
        worker_adopt(slot->worker, fd, handoff.id, local, proxied);
    } else if (!worker_slot_post(slot, &handoff)) {
        log_write(LOG_WARNING, "no memory for a connection");
        slot->assigned--;
        close(fd);
    }
}

unsigned workers_connections(const struct workers *workers)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < workers->count; i++)
        total += worker_slot_connections(workers->slots[i]);
    return (unsigned)total;
}

struct stats *workers_stats(struct workers *workers)
{
    return &workers->slots[0]->worker->loop.service.stats;
}

bool workers_check_dataset(struct workers *workers)
{
    return service_check_dataset(&workers->slots[0]->worker->loop.service);
}

const struct runtime_settings *workers_runtime(const struct workers *workers)
{
    return &workers->group.runtime;
}

// Makes all loops take the step and waits for them. Returns false when the publication was
// cancelled; some loops may then take the step later.
static bool run_step_on_all(struct workers *workers, enum step step)
{
    atomic_store(&workers->publication.remaining, workers->count);
    for (unsigned i = 0; i < workers->count; i++) {
        struct worker_slot *slot = workers->slots[i];
        pthread_mutex_lock(&slot->lock);
        slot->step = step;
        pthread_mutex_unlock(&slot->lock);
        ev_async_send(slot->loop, &slot->wake);
    }
    while (sem_wait(&workers->publication.finished) != 0) // interrupted by a signal
        ;
    return !atomic_load(&workers->publication.cancelled);
}

bool workers_publish(struct workers *workers, struct dataset *dataset, struct cluster_view *view)
{
    struct cluster *cluster = &workers->group.cluster;
    // First all loops allocate what they need, so that switching cannot fail in some of them.
    workers->publication.dataset = dataset;
    atomic_store(&workers->publication.short_of_memory, false);
    bool prepared = run_step_on_all(workers, STEP_PREPARE);
    if (!prepared || atomic_load(&workers->publication.short_of_memory)) {
        cluster_view_close(view);
        if (prepared)
            run_step_on_all(workers, STEP_FORGET);
        return false;
    }
    if (view != NULL)
        cluster_replace(cluster, view);
    bool done = run_step_on_all(workers, STEP_PUBLISH);
    cluster_announce(cluster);
    return done;
}

void workers_cancel_publish(struct workers *workers)
{
    atomic_store(&workers->publication.cancelled, true);
    sem_post(&workers->publication.finished);
}

void workers_publish_cluster(struct workers *workers, struct cluster_view *view)
{
    cluster_replace(&workers->group.cluster, view);
    cluster_announce(&workers->group.cluster);
}

struct cluster *workers_cluster(struct workers *workers)
{
    return &workers->group.cluster;
}

void workers_return(struct workers *workers, struct loop_task *task)
{
    post_task(workers, task->home_number, task);
}

bool workers_set_password(struct workers *workers, const char *password)
{
    return service_group_set_password(&workers->group, password);
}

struct reload_history *workers_reloads(struct workers *workers)
{
    return &workers->group.observation.reloads;
}

uint64_t workers_clients_memory_left(const struct workers *workers)
{
    return service_clients_memory_left(&workers->slots[0]->worker->loop.service);
}

void workers_drain(struct workers *workers)
{
    atomic_store(&workers->undrained, workers->count);
    for (unsigned i = 0; i < workers->count; i++)
        worker_slot_order(workers->slots[i], ORDER_DRAIN);
}

bool workers_stop(struct workers *workers)
{
    bool stopped = true;
    for (unsigned i = 0; i < workers->count; i++)
        if (workers->slots[i]->running && workers->slots[i]->worker != NULL)
            worker_slot_order(workers->slots[i], ORDER_QUIT);
    for (unsigned i = 0; i < workers->count; i++) {
        struct worker_slot *slot = workers->slots[i];
        slot->running = slot->running && !thread_join(slot->thread, stopped ? STOP_SECONDS : 0);
        stopped &= !slot->running;
    }
    // The loops have ended first, so they hand over no more jobs.
    return stopped && (workers->group.readers == NULL || readers_stop(workers->group.readers));
}

void workers_free(struct workers *workers)
{
    if (workers == NULL)
        return;
    for (unsigned i = 0; i < workers->count; i++)
        worker_slot_close(workers->slots[i]);
    for (unsigned i = 0; i < workers->count; i++)
        worker_slot_free(workers->slots[i]);
    sem_destroy(&workers->publication.finished);
    readers_free(workers->group.readers);
    service_group_release(&workers->group);
    free(workers);
}
