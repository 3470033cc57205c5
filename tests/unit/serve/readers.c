// Reader threads: every item of every job is run once, jobs take turns, a thread begins several
// jobs before it waits, and stopping hands back the jobs that are left.
#include "serve/readers.h"

#include <ctype.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "support/tap.h"

enum { ITEMS_MAX = 1000, ORDER_MAX = 4096 };

struct job {
    struct reader_job job;
    char name;
    atomic_uint runs[ITEMS_MAX]; // how often each item has been run
    atomic_uint dones;
    sem_t *finished; // posted when the job is done; NULL: nothing is
};

// What was run, in the order in which it began: the name of a job for each part. In capitals: what
// was asked for without waiting.
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static char order[ORDER_MAX];
static unsigned order_len;
static unsigned most; // items of the largest part

// Each part first takes `gate`, so that a test decides when a thread goes on.
static bool gated;
static sem_t gate;
static sem_t entered;

static void note(char name, unsigned count)
{
    pthread_mutex_lock(&order_lock);
    if (order_len + 1 < ORDER_MAX)
        order[order_len++] = name;
    most = count > most ? count : most;
    pthread_mutex_unlock(&order_lock);
}

static void begin(struct reader_job *j, unsigned first, unsigned count)
{
    (void)first;
    note((char)toupper(((struct job *)j)->name), count);
}

static void run(struct reader_job *j, unsigned first, unsigned count)
{
    struct job *job = (struct job *)j;
    note(job->name, count);
    if (gated) {
        sem_post(&entered);
        while (sem_wait(&gate) != 0)
            ;
    }
    for (unsigned i = first; i < first + count; i++)
        atomic_fetch_add(&job->runs[i], 1);
}

static void done(struct reader_job *j)
{
    struct job *job = (struct job *)j;
    atomic_fetch_add(&job->dones, 1);
    if (job->finished != NULL)
        sem_post(job->finished);
}

static struct job *new_job(char name, unsigned count, sem_t *finished)
{
    struct job *job = calloc(1, sizeof *job);
    require(job != NULL && count <= ITEMS_MAX, "no memory");
    job->job = (struct reader_job){.count = count, .begin = begin, .run = run, .done = done};
    job->name = name;
    job->finished = finished;
    return job;
}

// Returns whether each item was run once, and the job is done.
static bool is_complete(const struct job *job)
{
    bool right = atomic_load(&job->dones) == 1;
    for (unsigned i = 0; i < ITEMS_MAX; i++)
        right &= atomic_load(&job->runs[i]) == (i < job->job.count);
    return right;
}

// Checks that all items were run, and frees the jobs.
static void check_complete(struct job *const *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ok(is_complete(jobs[i]), "job %c: each item is run once", jobs[i]->name);
        free(jobs[i]);
    }
}

static struct readers *start(unsigned threads)
{
    struct error error = {""};
    struct readers *readers = readers_new(threads, &error);
    require(readers != NULL, "%s", error.text);
    memset(order, 0, sizeof order);
    order_len = 0;
    most = 0;
    sem_init(&gate, 0, 0);
    sem_init(&entered, 0, 0);
    return readers;
}

static void stop(struct readers *readers)
{
    require(readers_stop(readers), "the threads do not end");
    readers_free(readers);
}

static void await(sem_t *semaphore, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        while (sem_wait(semaphore) != 0)
            ;
}

// One thread runs the parts of all jobs one after the other, so their order is known. It begins up
// to eight items before it runs the first.
static void check_turns(void)
{
    struct readers *readers = start(1);
    sem_t finished;
    sem_init(&finished, 0, 0);
    struct job *jobs[] = {new_job('x', 1, &finished), new_job('a', 30, &finished),
                          new_job('b', 9, &finished), new_job('c', 1, &finished),
                          new_job('d', 16, &finished)};
    enum { JOBS = sizeof jobs / sizeof *jobs };
    gated = true;
    readers_submit(readers, &jobs[0]->job);
    await(&entered, 1); // the thread is busy, so the others wait in the queue
    is_number(readers_working(readers), 1, "one item is worked on");
    for (unsigned i = 1; i < JOBS; i++)
        readers_submit(readers, &jobs[i]->job);
    is_number((int64_t)readers_waiting(readers), 30 + 9 + 1 + 16, "the others wait");
    for (unsigned i = 0; i < 20; i++)
        sem_post(&gate);
    await(&finished, JOBS);
    gated = false;
    is_text(order, "xAaBbCDcdAaBDbdAaDAda", "jobs take turns, eight items at a time");
    is_number(most, READERS_AT_ONCE, "no part is larger");
    check_complete(jobs, JOBS);
    is_number((int64_t)readers_waiting(readers), 0, "nothing waits");
    stop(readers);
}

// A job that cannot be begun is not joined with others, in either order, and a thread takes one
// item of it at a time.
static void check_alone(void)
{
    struct readers *readers = start(1);
    sem_t finished;
    sem_init(&finished, 0, 0);
    struct job *jobs[] = {new_job('x', 1, &finished), new_job('a', 2, &finished),
                          new_job('b', 1, &finished), new_job('l', 2, &finished),
                          new_job('c', 1, &finished), new_job('d', 3, &finished)};
    enum { JOBS = sizeof jobs / sizeof *jobs };
    gated = true;
    for (unsigned i = 0; i < JOBS; i++) {
        if (jobs[i]->name == 'l')
            jobs[i]->job.begin = NULL;
        readers_submit(readers, &jobs[i]->job);
        if (i == 0)
            await(&entered, 1); // the thread is busy, so the others wait in the queue
    }
    for (unsigned i = 0; i < JOBS + 1; i++)
        sem_post(&gate);
    await(&finished, JOBS);
    gated = false;
    is_text(order, "xABablCDcdl", "other jobs are begun together, this one is not");
    check_complete(jobs, JOBS);
    stop(readers);
}

// Several threads work on one job at the same time.
static void check_together(void)
{
    struct readers *readers = start(4);
    sem_t finished;
    sem_init(&finished, 0, 0);
    struct job *job = new_job('a', 4 * READERS_AT_ONCE, &finished);
    gated = true;
    readers_submit(readers, &job->job);
    await(&entered, 4); // hangs if a thread works alone
    is_number(readers_working(readers), 4 * READERS_AT_ONCE, "four threads work on one job");
    is_number((int64_t)atomic_load(&job->dones), 0, "it is not done yet");
    for (unsigned i = 0; i < 4; i++)
        sem_post(&gate);
    await(&finished, 1);
    gated = false;
    ok(is_complete(job), "it is done once, when the last part is");
    stop(readers);
    free(job);
}

// The threads end after the parts that they have begun. Jobs that are left are done all the same.
static void check_stop(void)
{
    struct readers *readers = start(2);
    struct job *jobs[] = {new_job('a', 20, NULL), new_job('b', 1, NULL), new_job('c', 3, NULL)};
    gated = true;
    for (unsigned i = 0; i < 3; i++)
        readers_submit(readers, &jobs[i]->job);
    await(&entered, 2);
    ok(!readers_stop(readers), "a thread that waits for the disk does not end within a second");
    is_number(atomic_load(&jobs[1]->dones) + atomic_load(&jobs[2]->dones), 0,
              "the jobs are still in the hands of the threads");
    for (unsigned i = 0; i < 4; i++) // a thread may have taken parts of all three jobs
        sem_post(&gate);
    ok(readers_stop(readers), "it ends when the disk has answered");
    gated = false;
    unsigned runs = 0;
    for (unsigned i = 0; i < 3; i++) {
        is_number(atomic_load(&jobs[i]->dones), 1, "job %c is handed back once", jobs[i]->name);
        for (unsigned k = 0; k < ITEMS_MAX; k++)
            runs += atomic_load(&jobs[i]->runs[k]);
        free(jobs[i]);
    }
    ok(runs <= 2 * READERS_AT_ONCE, "no part was begun after the stop: %u items ran", runs);
    readers_free(readers);
    readers_free(NULL);
}

// ---- many threads -------------------------------------------------------------------------------

enum { SUBMITTERS = 4, ROUNDS = 300 };

struct submitter {
    pthread_t thread;
    struct readers *readers;
    uint64_t seed;
    bool right;
};

static void *submit_all(void *argument)
{
    struct submitter *s = argument;
    struct random random = {s->seed};
    sem_t finished;
    sem_init(&finished, 0, 0);
    s->right = true;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct job *jobs[3];
        for (unsigned i = 0; i < 3; i++) {
            jobs[i] = new_job('m', 1 + (unsigned)random_below(&random, 60), &finished);
            if (random_below(&random, 3) == 0)
                jobs[i]->job.begin = NULL;
            readers_submit(s->readers, &jobs[i]->job);
        }
        await(&finished, 3);
        for (unsigned i = 0; i < 3; i++) {
            s->right &= is_complete(jobs[i]);
            free(jobs[i]);
        }
    }
    sem_destroy(&finished);
    return NULL;
}

static void check_many(unsigned threads)
{
    struct random random = random_seeded();
    struct readers *readers = start(threads);
    struct submitter submitters[SUBMITTERS];
    bool right = true;
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        submitters[i].readers = readers;
        submitters[i].seed = random_next(&random);
        require(pthread_create(&submitters[i].thread, NULL, submit_all, &submitters[i]) == 0,
                "no thread");
    }
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        pthread_join(submitters[i].thread, NULL);
        right &= submitters[i].right;
    }
    ok(right && readers_waiting(readers) == 0 && readers_working(readers) == 0,
       "%u threads, %d submitters: each item of %d jobs is run once", threads, SUBMITTERS,
       SUBMITTERS * ROUNDS * 3);
    stop(readers);
}

int main(void)
{
    check_turns();
    check_alone();
    check_together();
    check_stop();
    check_many(1);
    check_many(8);
    struct readers *idle = start(READERS_MAX);
    stop(idle);
    ok(true, "%d idle threads end", READERS_MAX);
    return done_testing();
}
