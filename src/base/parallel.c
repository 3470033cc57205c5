// Each thread takes the next part from a shared counter until no part is left.
//
// When the work gives way (base/yield.h), the calling thread only waits and measures. Helper
// threads, in the scheduling class of the present level, take the parts. When the level changes,
// each helper ends after its present part, and the caller starts a new thread in its place. So a
// helper of the old level can delay the work by at most one part, some milliseconds of work.
#include "base/parallel.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/thread.h"
#include "base/yield.h"

// Bytes of a helper's stack. The C library keeps 40 MiB of stacks of threads that have ended; with
// the system's size, 8 MiB, it would unmap them again and again.
enum { STACK = 512 * 1024 };

// One call of parallel_run.
struct job {
    void (*work)(void *context, unsigned worker, size_t part);
    void *context;
    size_t parts;         // number of parts
    atomic_size_t next;   // number of the next part to take
    atomic_uint workers;  // number of the next thread that joins; not used by run_yielding
    atomic_int level;     // an enum yield_level; a thread of another level takes no more parts
    pthread_mutex_t lock; // only for run_yielding, like `ended`
    pthread_cond_t ended; // signalled when a helper ends
};

// A thread that does parts of a job while the job's caller waits.
struct helper {
    struct job *job;
    unsigned worker; // number that `work` receives
    enum yield_level level;
    pthread_t thread;
    bool running;         // the thread was started and replace_ended has not seen its end
    _Atomic pid_t id;     // thread id; 0: the thread has not begun to run
    uint64_t measured_ns; // monotonic time of the last measurement
    uint64_t cpu_ns;      // processor time of the thread at the last measurement
    bool ended;           // the thread does no more work; protected by the job's lock
    uint64_t ended_ns;    // processor time of the thread at its end; protected by the job's lock
};

unsigned parallel_threads(void)
{
    unsigned count = process_processors();
    return count < PARALLEL_THREADS_MAX ? count : PARALLEL_THREADS_MAX;
}

static void take_parts(struct job *job, unsigned worker, enum yield_level level)
{
    size_t part;
    while (atomic_load_explicit(&job->level, memory_order_relaxed) == (int)level &&
           (part = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->parts)
        job->work(job->context, worker, part);
}

// ---- work that gives way ------------------------------------------------------------------------

// Returns the time of a clock in ns, or 0 when the clock cannot be read.
static uint64_t time_of(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

static void *run_yielding_helper(void *argument)
{
    struct helper *h = argument;
    struct job *job = h->job;
    yield_enter(h->level);
    atomic_store(&h->id, (pid_t)syscall(SYS_gettid));
    take_parts(job, h->worker, h->level);
    uint64_t cpu_ns = time_of(CLOCK_THREAD_CPUTIME_ID);
    pthread_mutex_lock(&job->lock);
    h->ended_ns = cpu_ns;
    h->ended = true;
    pthread_cond_signal(&job->ended);
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

static bool start_helper(struct helper *h, struct job *job, unsigned worker, enum yield_level level)
{
    *h = (struct helper){job, worker, level, .measured_ns = clock_monotonic_ns()};
    h->running = thread_start(&h->thread, STACK, run_yielding_helper, h);
    return h->running;
}

// Whether the thread with this id runs or could run, rather than waiting for a disk. Returns true
// when the system does not say.
static bool needs_processor(pid_t id)
{
    char text[512];
    snprintf(text, sizeof text, "/proc/self/task/%d/stat", (int)id);
    FILE *file = fopen(text, "re");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[len] = '\0';
    const char *name_end = strrchr(text, ')'); // the name itself may contain ')'
    return name_end == NULL || name_end[1] == '\0' || name_end[2] == 'R';
}

// Whether the helper needed a processor since the last measurement but mostly had none. Also adds
// its processor time since then to `y`.
static bool is_waiting(struct yield *y, struct helper *h, uint64_t now)
{
    clockid_t clock;
    uint64_t elapsed = now - h->measured_ns;
    uint64_t cpu = h->cpu_ns;
    if (pthread_getcpuclockid(h->thread, &clock) == 0)
        cpu = time_of(clock);
    if (cpu < h->cpu_ns)
        cpu = h->cpu_ns;
    uint64_t used = cpu - h->cpu_ns;
    h->cpu_ns = cpu;
    h->measured_ns = now;
    y->helpers_ns += used;
    pid_t id = atomic_load(&h->id);
    return used < elapsed / 2 && (id == 0 || needs_processor(id));
}

// Measures how much the helpers have waited since the last measurement, and how much the rest of
// the process has used the processors. The level of `y` may change.
static void measure(struct yield *y, struct helper *helpers, unsigned count)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t process = time_of(CLOCK_PROCESS_CPUTIME_ID);
    unsigned running = 0;
    unsigned waiting = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!helpers[i].running)
            continue;
        running++;
        waiting += is_waiting(y, &helpers[i], now);
    }
    uint64_t elapsed = now - y->measured_ns;
    uint64_t used = process - y->process_ns;
    double others = used > y->helpers_ns ? (double)(used - y->helpers_ns) : 0;
    if (y->measured_ns != 0 && running > 0 && elapsed > 0)
        yield_note(y, elapsed, (double)waiting / running,
                   others / (double)elapsed / parallel_threads());
    y->measured_ns = now;
    y->process_ns = process;
    y->helpers_ns = 0;
}

// Waits until a helper has ended or the next measurement is due.
static void wait_for_helper(struct job *job, const struct yield *y)
{
    uint64_t until = y->measured_ns + YIELD_MEASURE_NS;
    struct timespec limit = {(time_t)(until / CLOCK_SECOND), (long)(until % CLOCK_SECOND)};
    (void)pthread_cond_timedwait(&job->ended, &job->lock, &limit);
}

// Starts a new helper for each one that has ended, if parts are left. The caller holds the job's
// lock. Returns the number of helpers that run afterwards.
static unsigned replace_ended(struct yield *y, struct job *job, struct helper *helpers,
                              unsigned count)
{
    unsigned running = 0;
    for (unsigned i = 0; i < count; i++) {
        struct helper *h = &helpers[i];
        if (h->running && h->ended) {
            if (h->ended_ns > h->cpu_ns)
                y->helpers_ns += h->ended_ns - h->cpu_ns;
            pthread_detach(h->thread); // joining could wait, as the thread may get no processor
            h->running = false;
            if (atomic_load(&job->next) < job->parts)
                start_helper(h, job, h->worker, y->level);
        }
        running += h->running;
    }
    return running;
}

static void run_yielding(struct yield *y, struct job *job, unsigned threads)
{
    struct helper helpers[PARALLEL_THREADS_MAX] = {{0}};
    pthread_condattr_t attributes;
    unsigned count = 0;
    atomic_init(&job->level, y->level);
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&job->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    while (count < threads && count < job->parts && count < PARALLEL_THREADS_MAX &&
           start_helper(&helpers[count], job, count, y->level))
        count++;
    pthread_mutex_lock(&job->lock);
    while (replace_ended(y, job, helpers, count) > 0) {
        wait_for_helper(job, y);
        if (clock_monotonic_ns() - y->measured_ns >= YIELD_MEASURE_NS) {
            pthread_mutex_unlock(&job->lock);
            measure(y, helpers, count);
            atomic_store(&job->level, y->level);
            pthread_mutex_lock(&job->lock);
        }
    }
    pthread_mutex_unlock(&job->lock);
    take_parts(job, 0, (enum yield_level)atomic_load(&job->level)); // if no thread could be started
    pthread_cond_destroy(&job->ended);
    pthread_mutex_destroy(&job->lock);
}

// ---- work that does not give way ----------------------------------------------------------------

static void *run_helper(void *argument)
{
    struct job *job = argument;
    take_parts(job, atomic_fetch_add_explicit(&job->workers, 1, memory_order_relaxed),
               YIELD_TO_NONE);
    return NULL;
}

static void run_at_once(struct job *job, unsigned threads)
{
    pthread_t helpers[PARALLEL_THREADS_MAX];
    unsigned started = 0;
    atomic_init(&job->level, YIELD_TO_NONE);
    while (started + 1 < threads && started + 1 < job->parts &&
           started + 1 < PARALLEL_THREADS_MAX &&
           thread_start(&helpers[started], STACK, run_helper, job))
        started++;
    take_parts(job, 0, YIELD_TO_NONE);
    for (unsigned i = 0; i < started; i++)
        pthread_join(helpers[i], NULL);
}

void parallel_run(unsigned threads, size_t parts,
                  void (*work)(void *context, unsigned worker, size_t part), void *context)
{
    struct job job = {.work = work, .context = context, .parts = parts};
    struct yield *y = yield_current();
    atomic_init(&job.next, 0);
    atomic_init(&job.workers, 1);
    if (y != NULL)
        run_yielding(y, &job, threads > 0 ? threads : 1);
    else
        run_at_once(&job, threads);
}
