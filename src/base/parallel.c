// Threads that take the next part from a shared counter until none is left.
#include "base/parallel.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/thread.h"

struct job {
    void (*work)(void *context, unsigned worker, size_t part);
    void *context;
    size_t parts;
    atomic_size_t next;
    atomic_uint workers;
};

unsigned parallel_threads(void)
{
    cpu_set_t usable;
    int count = sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : 1;
    return count < PARALLEL_THREADS_MAX ? (unsigned)count : PARALLEL_THREADS_MAX;
}

static void take_parts(struct job *job, unsigned worker)
{
    size_t part;
    while ((part = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->parts)
        job->work(job->context, worker, part);
}

static void *help(void *argument)
{
    struct job *job = argument;
    take_parts(job, atomic_fetch_add_explicit(&job->workers, 1, memory_order_relaxed));
    return NULL;
}

void parallel_run(unsigned threads, size_t parts,
                  void (*work)(void *context, unsigned worker, size_t part), void *context)
{
    struct job job = {.work = work, .context = context, .parts = parts};
    pthread_t helpers[PARALLEL_THREADS_MAX];
    unsigned started = 0;
    atomic_init(&job.next, 0);
    atomic_init(&job.workers, 1);
    while (started + 1 < threads && started + 1 < parts && started + 1 < PARALLEL_THREADS_MAX &&
           thread_start(&helpers[started], 0, help, &job))
        started++;
    take_parts(&job, 0);
    for (unsigned i = 0; i < started; i++)
        pthread_join(helpers[i], NULL);
}
