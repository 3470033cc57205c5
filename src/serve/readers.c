// One queue, one lock. A thread takes a part of the first job and puts the job back at the end if
// items are left.
#include "serve/readers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/thread.h"

enum {
    // Bytes of a thread's stack, several times what it needs. The stacks must be small: if those of
    // ended threads exceed 40 MiB, glibc unmaps some, and ends the process should that fail.
    STACK = 128 * 1024,
    STOP_SECONDS = 1,
};

struct readers {
    pthread_mutex_t lock;  // guards the fields up to the next blank line
    pthread_cond_t filled; // signalled when the queue gets a job, or when the threads must end
    struct reader_job *first;
    struct reader_job *last;
    unsigned idle; // threads that wait for `filled`
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

// Takes the next items of the first job. Returns NULL when the threads must end. The caller holds
// the lock.
static struct reader_job *take(struct readers *readers, unsigned *first, unsigned *count)
{
    while (readers->first == NULL && !readers->stopping) {
        readers->idle++;
        pthread_cond_wait(&readers->filled, &readers->lock);
        readers->idle--;
    }
    if (readers->stopping)
        return NULL;
    struct reader_job *job = readers->first;
    unsigned left = job->count - job->taken;
    *first = job->taken;
    *count = left < READERS_AT_ONCE ? left : READERS_AT_ONCE;
    job->taken += *count;
    readers->first = job->next;
    if (job->taken < job->count) {
        append(readers, job);
        if (readers->idle > 0)
            pthread_cond_signal(&readers->filled);
    }
    return job;
}

static void *run_reader(void *argument)
{
    struct readers *readers = argument;
    struct reader_job *job;
    unsigned first;
    unsigned count;
    pthread_mutex_lock(&readers->lock);
    while ((job = take(readers, &first, &count)) != NULL) {
        pthread_mutex_unlock(&readers->lock);
        atomic_fetch_sub_explicit(&readers->waiting, count, memory_order_relaxed);
        atomic_fetch_add_explicit(&readers->working, count, memory_order_relaxed);
        job->run(job, first, count);
        atomic_fetch_sub_explicit(&readers->working, count, memory_order_relaxed);
        if (atomic_fetch_sub_explicit(&job->left, count, memory_order_acq_rel) == count)
            job->done(job);
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
    bool idle = readers->idle > 0;
    pthread_mutex_unlock(&readers->lock);
    if (idle)
        pthread_cond_signal(&readers->filled);
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
