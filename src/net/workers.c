// A socket reaches its worker through a mailbox, the only thing that more than one loop writes, and
// only when a client comes or asks what all loops must do (a task). A worker makes its own
// memory, on its own thread, and counts in its own service: serving writes no cache line that
// another loop touches. That also needs that no thread frees what another one made: the allocator
// would hand it out again, here, beside what is in use there. tests/sharing/lines.c watches it.
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
    // Bytes of a thread's stack, many times what the deepest chain of calls takes; memory is taken
    // for what is touched only.
    STACK = 512 * 1024,
    STOP_SECONDS = 1, // a thread may take to end
    THREAD_NAME_MAX = 16,
    HANDOFFS_INITIAL = 16,
    HANDOFFS_PER_WAKE = 64, // at once
};

// A socket on its way to a worker.
struct handoff {
    int fd;
    bool local;
    uint64_t id;
};

enum order { ORDER_NONE, ORDER_DRAIN, ORDER_QUIT };

// What a loop is to do next of a publication: see serve/service.h.
enum step { STEP_NONE, STEP_PREPARE, STEP_PUBLISH, STEP_FORGET };

// One worker's, on cache lines of its own.
struct worker_slot {
    struct workers *workers;
    unsigned number;
    struct ev_loop *loop;
    struct worker *worker;
    ev_async wake; // in its loop: there is something in the mailbox

    // The mailbox; its memory is the caller's thread's.
    pthread_mutex_t lock;
    struct handoff *handoffs;
    size_t handoff_first; // the next to be taken
    size_t handoff_count; // from there on
    size_t handoff_capacity;
    struct loop_task *tasks; // the one that came last is first
    enum order order;
    enum step step;

    // For the caller's thread:
    pthread_t thread; // none for the first
    bool running;     // the thread is to be joined
    sem_t opened;
    struct error error; // why it could not be opened
    uint64_t assigned;  // connections it was given
};

struct workers {
    struct service_group group; // what all loops read; on lines of its own
    _Alignas(MEMORY_LINE) struct workers_owner owner;
    struct worker_slot *slots[SERVICES_MAX];
    unsigned count;
    unsigned next; // the worker whose turn it is
    uint64_t last_client_id;
    atomic_uint undrained; // workers
    ev_async all_drained;  // in the caller's loop
    struct {
        struct dataset *dataset;
        atomic_uint remaining; // loops that have not done the present step
        atomic_bool short_of_memory;
        atomic_bool cancelled;
        sem_t finished; // by all; or cancelled
    } publication;
};

// ---- in a worker's thread -----------------------------------------------------------------------

static void on_drained(struct worker *worker)
{
    struct worker_slot *slot = worker->owner;
    struct workers *workers = slot->workers;
    if (atomic_fetch_sub(&workers->undrained, 1) == 1)
        ev_async_send(workers->slots[0]->loop, &workers->all_drained);
}

// Some of what is in the mailbox, HANDOFFS_TAKEN sockets at most; the order comes with the last of
// them. `*tasks` as they stand there.
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

// In the order in which they came.
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
        struct loop_task *next = first->next; // it may be in another mailbox at once
        loop_task_arrive(first, &slot->worker->loop.service, slot->worker->loop.service.number);
        first = next;
    }
}

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
        session_wake_trackers(service);
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
            worker_adopt(slot->worker, handoffs[i].fd, handoffs[i].id, handoffs[i].local);
        run_tasks(slot, tasks);
    } while (count == HANDOFFS_PER_WAKE && order == ORDER_NONE);
    worker_settings_changed(slot->worker);
    if (order == ORDER_DRAIN)
        worker_drain(slot->worker, on_drained);
    else if (order == ORDER_QUIT)
        ev_break(loop, EVBREAK_ALL);
}

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

// From any loop's thread.
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

// ---- in the caller's ----------------------------------------------------------------------------

// Wakes the worker for `order`.
static void worker_slot_order(struct worker_slot *slot, enum order order)
{
    pthread_mutex_lock(&slot->lock);
    slot->order = order;
    pthread_mutex_unlock(&slot->lock);
    ev_async_send(slot->loop, &slot->wake);
}

// Makes room for one more handoff. False when memory is short.
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

// False when memory is short.
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

static uint64_t worker_slot_connections(const struct worker_slot *slot)
{
    return slot->assigned - counter_get(&slot->worker->loop.closed_connections);
}

// Closes its connections: tasks of theirs may still be in any mailbox.
static void worker_slot_close(struct worker_slot *slot)
{
    if (slot->worker == NULL)
        return;
    ev_async_stop(slot->loop, &slot->wake);
    worker_free(slot->worker);
}

static void worker_slot_free(struct worker_slot *slot)
{
    while (slot->tasks != NULL) {
        struct loop_task *task = slot->tasks;
        slot->tasks = task->next;
        task->release(task);
    }
    if (slot->number > 0 && slot->loop != NULL) // the first one's is the caller's
        ev_loop_destroy(slot->loop);
    assert(slot->handoff_count == 0); // a worker that quits has taken them
    free(slot->handoffs);
    pthread_mutex_destroy(&slot->lock);
    sem_destroy(&slot->opened);
    free(slot);
}

// Adds the next worker. One at a time, so that none needs care when it enters the group.
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
        while (sem_wait(&slot->opened) != 0) // a signal came
            ;
    } else {
        error_set(&slot->error, "cannot start thread %u of %u: %s", slot->number + 1,
                  workers->group.settings->threads, strerror(errno));
    }
    *error = slot->error;
    return slot->worker != NULL;
}

// In any worker's thread: wakes them all, as an idle one has no other reason to look.
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
    workers->group.settings_changed = on_settings_changed;
    workers->group.settings_context = workers;
    workers->group.reload = owner->reload;
    workers->group.reload_context = owner->context;
    workers->owner = *owner;
    sem_init(&workers->publication.finished, 0, 0);
    ev_async_init(&workers->all_drained, on_all_drained);
    workers->all_drained.data = workers;
    while (workers->count < settings->threads) {
        if (!add_slot(workers, loop, error)) {
            workers_stop(workers); // nothing holds them up yet
            workers_free(workers);
            return NULL;
        }
    }
    ev_async_start(loop, &workers->all_drained);
    return workers;
}

void workers_adopt(struct workers *workers, int fd, bool local)
{
    struct worker_slot *slot = workers->slots[workers->next];
    for (unsigned i = 1; i < workers->count; i++) {
        struct worker_slot *other = workers->slots[(workers->next + i) % workers->count];
        if (worker_slot_connections(other) < worker_slot_connections(slot))
            slot = other;
    }
    workers->next = (slot->number + 1) % workers->count;
    struct handoff handoff = {fd, local, ++workers->last_client_id};
    slot->assigned++;
    if (slot->number == 0) {
        worker_adopt(slot->worker, fd, handoff.id, local);
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

// True when all loops have done it; they may still come to do it when it was cancelled.
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
    while (sem_wait(&workers->publication.finished) != 0) // a signal came
        ;
    return !atomic_load(&workers->publication.cancelled);
}

bool workers_publish(struct workers *workers, struct dataset *dataset)
{
    workers->publication.dataset = dataset;
    atomic_store(&workers->publication.short_of_memory, false);
    if (!run_step_on_all(workers, STEP_PREPARE))
        return false;
    if (!atomic_load(&workers->publication.short_of_memory))
        return run_step_on_all(workers, STEP_PUBLISH);
    run_step_on_all(workers, STEP_FORGET);
    return false;
}

void workers_cancel_publish(struct workers *workers)
{
    atomic_store(&workers->publication.cancelled, true);
    sem_post(&workers->publication.finished);
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
    return stopped;
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
    service_group_release(&workers->group);
    free(workers);
}
