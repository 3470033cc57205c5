// One queue, one lock. A thread takes parts of the first jobs, up to READERS_AT_ONCE items, and
// puts the last of these jobs back at the end if items are left.
//
// Waking a thread costs as much as a read. So one thread is woken for all jobs that come until it
// runs, and it wakes the next one if it leaves something in the queue.
#include "serve/readers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread.h"

enum {
    // Bytes of a thread's stack, several times what it needs. The stacks must be small: if those of
    // ended threads exceed 40 MiB, glibc unmaps some, and ends the process should that fail.
    STACK = 128 * 1024,
    STOP_SECONDS = 1,
    NICE = 7, // how much nicer the threads are than the loops
};

struct readers {
    pthread_mutex_t lock;  // guards the fields up to the next blank line
    pthread_cond_t filled; // signalled when a thread shall look at the queue, or must end
    struct reader_job *first;
    struct reader_job *last;
    unsigned idle; // threads that wait for `filled`
    bool waking;   // a thread has been woken and has not looked at the queue yet
    bool stopping;

    _Atomic uint64_t waiting;
    atomic_uint working;
    unsigned started; // threads that are not joined yet
    unsigned count;
    pthread_t threads[READERS_MAX];
};

static void append(struct readers *readers, struct reader_job *job)
{
    job->next = NULL;
    if (readers->first == NULL)
        readers->first = job;
    else
        readers->last->next = job;
    readers->last = job;
}

// Some items of a job.
struct part {
    struct reader_job *job;
    unsigned first;
    unsigned count;
};

// Returns whether the caller must wake a thread with wake(). The caller holds the lock.
static bool must_wake(struct readers *readers)
{
    if (readers->first == NULL || readers->idle == 0 || readers->waking)
        return false;
    readers->waking = true;
    return true;
}

// Called without the lock, because the woken thread needs it.
static void wake(struct readers *readers)
{
    pthread_cond_signal(&readers->filled);
}

// Takes a part of the first job, at most `most` items. The caller holds the lock.
static struct part take_part(struct readers *readers, unsigned most)
{
    struct reader_job *job = readers->first;
    unsigned left = job->begin != NULL ? job->count - job->taken : 1;
    struct part part = {job, job->taken, left < most ? left : most};
    job->taken += part.count;
    readers->first = job->next;
    if (job->taken < job->count)
        append(readers, job);
    return part;
}

// Waits for jobs and takes parts of the first ones, all of different jobs. Returns their number, or
// 0 when the threads must end. The caller holds the lock.
static unsigned take(struct readers *readers, struct part parts[READERS_AT_ONCE])
{
    while (readers->first == NULL && !readers->stopping) {
        readers->idle++;
        pthread_cond_wait(&readers->filled, &readers->lock);
        readers->idle--;
        readers->waking = false;
    }
    if (readers->stopping)
        return 0;
    unsigned items = 0;
    unsigned count = 0;
    do {
        parts[count] = take_part(readers, READERS_AT_ONCE - items);
        items += parts[count].count;
        count++;
    } while (items < READERS_AT_ONCE && readers->first != NULL && parts[0].job->begin != NULL &&
             readers->first->begin != NULL);
    return count;
}

// Runs the parts. First it begins all of them, so that the disk works on all. Then it waits for one
// after the other.
static void run_parts(struct readers *readers, const struct part *parts, unsigned count)
{
    unsigned items = 0;
    for (unsigned i = 0; i < count; i++)
        items += parts[i].count;
    atomic_fetch_sub_explicit(&readers->waiting, items, memory_order_relaxed);
    atomic_fetch_add_explicit(&readers->working, items, memory_order_relaxed);
    for (unsigned i = 0; i < count && items > 1; i++)
        parts[i].job->begin(parts[i].job, parts[i].first, parts[i].count);
    for (unsigned i = 0; i < count; i++) {
        struct reader_job *job = parts[i].job;
        unsigned done = parts[i].count;
        job->run(job, parts[i].first, done);
        atomic_fetch_sub_explicit(&readers->working, done, memory_order_relaxed);
        if (atomic_fetch_sub_explicit(&job->left, done, memory_order_acq_rel) == done)
            job->done(job);
    }
}

// Makes this thread less important than a loop. In the class for batch work it does not take the
// processor from a loop when its read ends. Another class than the usual one was chosen by the
// user, and stays. If the calls are refused, clients wait longer.
static void give_way(void)
{
    if (thread_class() == SCHED_OTHER)
        (void)thread_enter_class(SCHED_BATCH);
    int value = nice(NICE);
    (void)value;
}

static void *run_reader(void *argument)
{
    struct readers *readers = argument;
    struct part parts[READERS_AT_ONCE];
    unsigned count;
    give_way();
    pthread_mutex_lock(&readers->lock);
    while ((count = take(readers, parts)) > 0) {
        bool more = must_wake(readers);
        pthread_mutex_unlock(&readers->lock);
        if (more)
            wake(readers);
        run_parts(readers, parts, count);
        pthread_mutex_lock(&readers->lock);
    }
    pthread_mutex_unlock(&readers->lock);
    return NULL;
}

struct readers *readers_new(unsigned threads, struct error *error)
{
    struct readers *readers = calloc(1, sizeof *readers);
    if (readers == NULL) {
        error_set(error, "no memory for reader threads");
        return NULL;
    }
    assert(threads > 0 && threads <= READERS_MAX);
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->filled, NULL);
    for (; readers->count < threads; readers->count++, readers->started++) {
        pthread_t *thread = &readers->threads[readers->count];
        if (!thread_start(thread, STACK, run_reader, readers)) {
            error_set(error, "cannot start reader thread %u of %u: %s", readers->count + 1, threads,
                      strerror(errno));
            readers_stop(readers); // cannot fail, as no thread works yet
            readers_free(readers);
            return NULL;
        }
        char name[16];
        snprintf(name, sizeof name, "stele-read-%u", readers->count);
        pthread_setname_np(*thread, name);
    }
    return readers;
}

void readers_submit(struct readers *readers, struct reader_job *job)
{
    assert(job->count > 0);
    job->taken = 0;
    atomic_store_explicit(&job->left, job->count, memory_order_relaxed);
    atomic_fetch_add_explicit(&readers->waiting, job->count, memory_order_relaxed);
    pthread_mutex_lock(&readers->lock);
    append(readers, job);
    bool asleep = must_wake(readers);
    pthread_mutex_unlock(&readers->lock);
    if (asleep)
        wake(readers);
}

bool readers_stop(struct readers *readers)
{
    bool stopped = true;
    pthread_mutex_lock(&readers->lock);
    readers->stopping = true;
    pthread_cond_broadcast(&readers->filled);
    pthread_mutex_unlock(&readers->lock);
    for (unsigned i = 0; i < readers->count; i++) {
        if (readers->threads[i] == 0)
            continue;
        if (thread_join(readers->threads[i], stopped ? STOP_SECONDS : 0)) {
            readers->threads[i] = 0;
            readers->started--;
        } else {
            stopped = false;
        }
    }
    while (stopped && readers->first != NULL) {
        struct reader_job *job = readers->first;
        readers->first = job->next;
        job->done(job);
    }
    return stopped;
}

void readers_free(struct readers *readers)
{
    if (readers == NULL)
        return;
    assert(readers->started == 0);
    pthread_cond_destroy(&readers->filled);
    pthread_mutex_destroy(&readers->lock);
    free(readers);
}

unsigned readers_count(const struct readers *readers)
{
    return readers->count;
}

uint64_t readers_waiting(const struct readers *readers)
{
    return atomic_load_explicit(&readers->waiting, memory_order_relaxed);
}

unsigned readers_working(const struct readers *readers)
{
    return atomic_load_explicit(&readers->working, memory_order_relaxed);
}
