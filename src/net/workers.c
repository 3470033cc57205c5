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
    LETTERS_FIRST = 16,
    LETTERS_TAKEN = 64, // at once
};

// A socket on its way to a worker.
struct letter {
    int fd;
    bool local;
    uint64_t id;
};

enum order { ORDER_NONE, ORDER_DRAIN, ORDER_QUIT };

// What a loop is to do next of a publication: see serve/service.h.
enum step { STEP_NONE, STEP_PREPARE, STEP_PUBLISH, STEP_FORGET };

// One worker's, on cache lines of its own.
struct seat {
    struct workers *workers;
    unsigned number;
    struct ev_loop *loop;
    struct worker *worker;
    ev_async wake; // in its loop: there is something in the mailbox

    // The mailbox; its memory is the caller's thread's.
    pthread_mutex_t lock;
    struct letter *letters;
    size_t letter_first; // the next to be taken
    size_t letter_count; // from there on
    size_t letter_capacity;
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
    struct seat *seats[SERVICES_MAX];
    unsigned count;
    unsigned next; // the worker whose turn it is
    uint64_t last_client_id;
    atomic_uint undrained; // workers
    ev_async all_drained;  // in the caller's loop
    struct {
        struct dataset *dataset;
        atomic_uint left; // loops that have not done the present step
        atomic_bool short_of_memory;
        atomic_bool cancelled;
        sem_t done; // by all; or cancelled
    } publication;
};

// ---- in a worker's thread -----------------------------------------------------------------------

static void on_drained(struct worker *worker)
{
    struct seat *seat = worker->owner;
    struct workers *workers = seat->workers;
    if (atomic_fetch_sub(&workers->undrained, 1) == 1)
        ev_async_send(workers->seats[0]->loop, &workers->all_drained);
}

// Some of what is in the mailbox, LETTERS_TAKEN sockets at most; the order comes with the last of
// them. `*tasks` as they stand there.
static size_t seat_take(struct seat *seat, struct letter *letters, struct loop_task **tasks,
                        enum step *step, enum order *order)
{
    pthread_mutex_lock(&seat->lock);
    size_t count = seat->letter_count < LETTERS_TAKEN ? seat->letter_count : LETTERS_TAKEN;
    if (count > 0)
        memcpy(letters, seat->letters + seat->letter_first, count * sizeof *letters);
    seat->letter_first += count;
    seat->letter_count -= count;
    *order = ORDER_NONE;
    *tasks = seat->tasks;
    seat->tasks = NULL;
    *step = seat->step;
    seat->step = STEP_NONE;
    if (seat->letter_count == 0) {
        seat->letter_first = 0;
        *order = seat->order;
        seat->order = ORDER_NONE;
    }
    pthread_mutex_unlock(&seat->lock);
    return count;
}

// In the order in which they came.
static void run_tasks(struct seat *seat, struct loop_task *tasks)
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
        loop_task_arrive(first, &seat->worker->loop.service, seat->worker->loop.service.number);
        first = next;
    }
}

static void take_step(struct seat *seat, enum step step)
{
    struct workers *workers = seat->workers;
    struct service *service = &seat->worker->loop.service;
    switch (step) {
    case STEP_NONE: return;
    case STEP_PREPARE:
        if (!service_prepare(service, workers->publication.dataset))
            atomic_store(&workers->publication.short_of_memory, true);
        break;
    case STEP_PUBLISH:
        service_publish(service);
        session_wake_trackers(service);
        worker_leave_behind(seat->worker);
        break;
    case STEP_FORGET: service_forget(service); break;
    }
    if (atomic_fetch_sub(&workers->publication.left, 1) == 1)
        sem_post(&workers->publication.done);
}

static void on_wake(struct ev_loop *loop, ev_async *async, int events)
{
    struct seat *seat = async->data;
    struct letter letters[LETTERS_TAKEN];
    struct loop_task *tasks;
    enum step step;
    enum order order;
    size_t count;
    (void)events;
    do {
        count = seat_take(seat, letters, &tasks, &step, &order);
        take_step(seat, step);
        for (size_t i = 0; i < count; i++)
            worker_adopt(seat->worker, letters[i].fd, letters[i].id, letters[i].local);
        run_tasks(seat, tasks);
    } while (count == LETTERS_TAKEN && order == ORDER_NONE);
    worker_settings_changed(seat->worker);
    if (order == ORDER_DRAIN)
        worker_drain(seat->worker, on_drained);
    else if (order == ORDER_QUIT)
        ev_break(loop, EVBREAK_ALL);
}

static bool seat_open(struct seat *seat, struct ev_loop *loop)
{
    if (loop == NULL) {
        error_set(&seat->error, "cannot start an event loop: %s", strerror(errno));
        return false;
    }
    seat->loop = loop;
    seat->worker = worker_new(loop, &seat->workers->group, &seat->error);
    if (seat->worker == NULL)
        return false;
    seat->worker->owner = seat;
    ev_async_init(&seat->wake, on_wake);
    seat->wake.data = seat;
    ev_async_start(loop, &seat->wake);
    return true;
}

static void *run(void *argument)
{
    struct seat *seat = argument;
    char name[THREAD_NAME_MAX];
    snprintf(name, sizeof name, "stele-loop-%u", seat->number);
    pthread_setname_np(pthread_self(), name);
    bool open = seat_open(seat, ev_loop_new(EVFLAG_AUTO));
    sem_post(&seat->opened);
    if (open)
        ev_run(seat->loop, 0);
    return NULL;
}

// From any loop's thread.
static void post_task(void *context, unsigned number, struct loop_task *task)
{
    struct workers *workers = context;
    struct seat *seat = workers->seats[number];
    pthread_mutex_lock(&seat->lock);
    task->next = seat->tasks;
    seat->tasks = task;
    pthread_mutex_unlock(&seat->lock);
    ev_async_send(seat->loop, &seat->wake);
}

// ---- in the caller's ----------------------------------------------------------------------------

// Wakes the worker for `order`.
static void seat_order(struct seat *seat, enum order order)
{
    pthread_mutex_lock(&seat->lock);
    seat->order = order;
    pthread_mutex_unlock(&seat->lock);
    ev_async_send(seat->loop, &seat->wake);
}

// Makes room for one more letter. False when memory is short.
static bool seat_reserve(struct seat *seat)
{
    if (seat->letter_first + seat->letter_count < seat->letter_capacity)
        return true;
    size_t capacity = seat->letter_capacity != 0 ? seat->letter_capacity * 2 : LETTERS_FIRST;
    struct letter *grown = realloc(seat->letters, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    seat->letters = grown;
    seat->letter_capacity = capacity;
    return true;
}

// False when memory is short.
static bool seat_post(struct seat *seat, const struct letter *letter)
{
    pthread_mutex_lock(&seat->lock);
    bool room = seat_reserve(seat);
    if (room)
        seat->letters[seat->letter_first + seat->letter_count++] = *letter;
    pthread_mutex_unlock(&seat->lock);
    if (room)
        ev_async_send(seat->loop, &seat->wake);
    return room;
}

static uint64_t seat_connections(const struct seat *seat)
{
    return seat->assigned - counter_get(&seat->worker->loop.gone);
}

// Closes its connections: tasks of theirs may still be in any mailbox.
static void seat_close(struct seat *seat)
{
    if (seat->worker == NULL)
        return;
    ev_async_stop(seat->loop, &seat->wake);
    worker_free(seat->worker);
}

static void seat_free(struct seat *seat)
{
    while (seat->tasks != NULL) {
        struct loop_task *task = seat->tasks;
        seat->tasks = task->next;
        task->release(task);
    }
    if (seat->number > 0 && seat->loop != NULL) // the first one's is the caller's
        ev_loop_destroy(seat->loop);
    assert(seat->letter_count == 0); // a worker that quits has taken them
    free(seat->letters);
    pthread_mutex_destroy(&seat->lock);
    sem_destroy(&seat->opened);
    free(seat);
}

// Adds the next worker. One at a time, so that none needs care when it enters the group.
static bool add_seat(struct workers *workers, struct ev_loop *loop, struct error *error)
{
    struct seat *seat = memory_aligned(sizeof *seat);
    if (seat == NULL) {
        error_set(error, "no memory for a loop");
        return false;
    }
    seat->workers = workers;
    seat->number = workers->count;
    pthread_mutex_init(&seat->lock, NULL);
    sem_init(&seat->opened, 0, 0);
    workers->seats[workers->count++] = seat;
    if (seat->number == 0) {
        seat_open(seat, loop);
    } else if (thread_start(&seat->thread, STACK, run, seat)) {
        seat->running = true;
        while (sem_wait(&seat->opened) != 0) // a signal came
            ;
    } else {
        error_set(&seat->error, "cannot start thread %u of %u: %s", seat->number + 1,
                  workers->group.settings->threads, strerror(errno));
    }
    *error = seat->error;
    return seat->worker != NULL;
}

// In any worker's thread: wakes them all, as an idle one has no other reason to look.
static void on_settings_changed(void *context)
{
    struct workers *workers = context;
    for (unsigned i = 0; i < workers->count; i++)
        ev_async_send(workers->seats[i]->loop, &workers->seats[i]->wake);
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
    sem_init(&workers->publication.done, 0, 0);
    ev_async_init(&workers->all_drained, on_all_drained);
    workers->all_drained.data = workers;
    while (workers->count < settings->threads) {
        if (!add_seat(workers, loop, error)) {
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
    struct seat *seat = workers->seats[workers->next];
    for (unsigned i = 1; i < workers->count; i++) {
        struct seat *other = workers->seats[(workers->next + i) % workers->count];
        if (seat_connections(other) < seat_connections(seat))
            seat = other;
    }
    workers->next = (seat->number + 1) % workers->count;
    struct letter letter = {fd, local, ++workers->last_client_id};
    seat->assigned++;
    if (seat->number == 0) {
        worker_adopt(seat->worker, fd, letter.id, local);
    } else if (!seat_post(seat, &letter)) {
        log_write(LOG_WARNING, "no memory for a connection");
        seat->assigned--;
        close(fd);
    }
}

unsigned workers_connections(const struct workers *workers)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < workers->count; i++)
        total += seat_connections(workers->seats[i]);
    return (unsigned)total;
}

struct stats *workers_stats(struct workers *workers)
{
    return &workers->seats[0]->worker->loop.service.stats;
}

bool workers_check_dataset(struct workers *workers)
{
    return service_check_dataset(&workers->seats[0]->worker->loop.service);
}

const struct runtime_settings *workers_runtime(const struct workers *workers)
{
    return &workers->group.runtime;
}

// True when all loops have done it; they may still come to do it when it was cancelled.
static bool all_take(struct workers *workers, enum step step)
{
    atomic_store(&workers->publication.left, workers->count);
    for (unsigned i = 0; i < workers->count; i++) {
        struct seat *seat = workers->seats[i];
        pthread_mutex_lock(&seat->lock);
        seat->step = step;
        pthread_mutex_unlock(&seat->lock);
        ev_async_send(seat->loop, &seat->wake);
    }
    while (sem_wait(&workers->publication.done) != 0) // a signal came
        ;
    return !atomic_load(&workers->publication.cancelled);
}

bool workers_publish(struct workers *workers, struct dataset *dataset)
{
    workers->publication.dataset = dataset;
    atomic_store(&workers->publication.short_of_memory, false);
    if (!all_take(workers, STEP_PREPARE))
        return false;
    if (!atomic_load(&workers->publication.short_of_memory))
        return all_take(workers, STEP_PUBLISH);
    all_take(workers, STEP_FORGET);
    return false;
}

void workers_cancel_publish(struct workers *workers)
{
    atomic_store(&workers->publication.cancelled, true);
    sem_post(&workers->publication.done);
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
    return service_clients_memory_left(&workers->seats[0]->worker->loop.service);
}

void workers_drain(struct workers *workers)
{
    atomic_store(&workers->undrained, workers->count);
    for (unsigned i = 0; i < workers->count; i++)
        seat_order(workers->seats[i], ORDER_DRAIN);
}

bool workers_stop(struct workers *workers)
{
    bool stopped = true;
    for (unsigned i = 0; i < workers->count; i++)
        if (workers->seats[i]->running && workers->seats[i]->worker != NULL)
            seat_order(workers->seats[i], ORDER_QUIT);
    for (unsigned i = 0; i < workers->count; i++) {
        struct seat *seat = workers->seats[i];
        seat->running = seat->running && !thread_join(seat->thread, stopped ? STOP_SECONDS : 0);
        stopped &= !seat->running;
    }
    return stopped;
}

void workers_free(struct workers *workers)
{
    if (workers == NULL)
        return;
    for (unsigned i = 0; i < workers->count; i++)
        seat_close(workers->seats[i]);
    for (unsigned i = 0; i < workers->count; i++)
        seat_free(workers->seats[i]);
    sem_destroy(&workers->publication.done);
    service_group_release(&workers->group);
    free(workers);
}
