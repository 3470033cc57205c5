// Tests of work that gives way: which threads do it, and when it stops giving way. The work must
// come to an end although other programs, or other threads of the process, keep all processors
// busy. No privileges are needed.
#include "base/yield.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "base/thread.h"
#include "support/busy.h"
#include "support/tap.h"

enum {
    BUSY_MAX = 64,
    NOBODY = 65534,
    PARTS = 300,
    PART_US = 1000, // processor time of a part
};

// ---- the decision -------------------------------------------------------------------------------

static void check_decision(void)
{
    struct yield y;
    yield_begin(&y);
    ok(yield_current() == &y && y.level == YIELD_TO_ALL, "work begins at YIELD_TO_ALL");
    for (unsigned i = 0; i < 199; i++)
        yield_note(&y, YIELD_MEASURE_NS, 1, 0.9);
    is_number(y.level, YIELD_TO_ALL,
              "after 9.95 s of waiting for threads of the process, the level is the same");
    yield_note(&y, YIELD_MEASURE_NS, 1, 0.9);
    is_number(y.level, YIELD_SOME, "after 10 s it is YIELD_SOME");
    for (unsigned i = 0; i < 9; i++)
        yield_note(&y, YIELD_MEASURE_NS, 1, 0.1);
    is_number(y.level, YIELD_SOME,
              "after 0.45 s of waiting for other programs, the level is the same");
    yield_note(&y, YIELD_MEASURE_NS, 1, 0.1);
    is_number(y.level, YIELD_TO_NONE, "after 0.5 s it is YIELD_TO_NONE");
    yield_note(&y, YIELD_MEASURE_NS, 0, 1);
    is_number(y.level, YIELD_TO_NONE, "the level never falls");
    yield_end();
    yield_begin(&y);
    for (unsigned i = 0; i < 10000; i++)
        yield_note(&y, YIELD_MEASURE_NS, 0, 0);
    is_number(y.level, YIELD_TO_ALL, "work that does not wait stays at YIELD_TO_ALL");
    yield_end();
    ok(yield_current() == NULL, "after yield_end there is no current struct");
}

// ---- the work -----------------------------------------------------------------------------------

struct work {
    pthread_t caller;
    atomic_uint done[PARTS];
    atomic_bool taken[PARALLEL_THREADS_MAX]; // numbers of threads that are in use
    atomic_uint wrong;
    atomic_uint idle; // number of parts done in the idle class
    atomic_uint nice; // number of parts done at nice 10
};

static uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

static void do_part(void *context, unsigned worker, size_t part)
{
    struct work *w = context;
    uint64_t end = thread_ns() + PART_US * 1000;
    if (atomic_exchange(&w->taken[worker], true) || pthread_equal(pthread_self(), w->caller))
        atomic_fetch_add(&w->wrong, 1);
    while (thread_ns() < end)
        ;
    atomic_fetch_add(&w->done[part], 1);
    atomic_fetch_add(&w->idle, thread_class() == SCHED_IDLE);
    atomic_fetch_add(&w->nice, getpriority(PRIO_PROCESS, 0) == 10);
    atomic_store(&w->taken[worker], false);
}

static bool is_done_once(const struct work *w, size_t parts)
{
    for (size_t i = 0; i < PARTS; i++)
        if (atomic_load(&w->done[i]) != (i < parts))
            return false;
    return atomic_load(&w->wrong) == 0;
}

static void check_work(void)
{
    static const size_t parts[] = {0, 1, 2, 77};
    struct yield y;
    yield_begin(&y);
    for (unsigned threads = 0; threads <= 5; threads++) {
        for (unsigned i = 0; i < 4; i++) {
            struct work w = {.caller = pthread_self()};
            parallel_run(threads, parts[i], do_part, &w);
            ok(is_done_once(&w, parts[i]), "%zu parts on %u threads: helpers do each part once",
               parts[i], threads);
            if (parts[i] > 0 && y.level == YIELD_TO_ALL)
                ok(atomic_load(&w.idle) > 0, "helpers are in the idle class");
        }
    }
    yield_end();
}

// ---- while all processors are busy --------------------------------------------------------------

static atomic_bool spin_ends;

static void *spin(void *argument)
{
    while (!atomic_load_explicit(&spin_ends, memory_order_relaxed))
        ;
    return argument;
}

static unsigned twice_the_processors(void)
{
    unsigned count = 2 * parallel_threads();
    return count < BUSY_MAX ? count : BUSY_MAX;
}

// Returns the exit code of the child process: 0 when the work was done and the level had risen to
// YIELD_TO_NONE.
static int work_beside_programs(void)
{
    struct yield y;
    struct work w = {.caller = pthread_self()};
    yield_begin(&y);
    parallel_run(parallel_threads(), PARTS, do_part, &w);
    yield_end();
    return (is_done_once(&w, PARTS) ? 0 : 1) + (y.level == YIELD_TO_NONE ? 0 : 2);
}

static void check_programs(void)
{
    busy_start(twice_the_processors());
    fflush(stdout);
    pid_t child = fork();
    require(child >= 0, "cannot fork");
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_NICE, &none);
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(4);
        _exit(work_beside_programs());
    }
    int status = -1;
    waitpid(child, &status, 0);
    busy_end();
    ok(WIFEXITED(status), "beside busy programs: the process exits");
    is_number(WEXITSTATUS(status), 0, "beside busy programs: the work is done, at YIELD_TO_NONE");
}

static void check_threads(void)
{
    pthread_t threads[BUSY_MAX];
    unsigned count = twice_the_processors();
    struct yield y;
    struct work w = {.caller = pthread_self()};
    for (unsigned i = 0; i < count; i++)
        require(thread_start(&threads[i], 0, spin, NULL), "no thread");
    yield_begin(&y);
    y.wait_max_ns = CLOCK_SECOND / 2;
    parallel_run(parallel_threads(), PARTS / 2, do_part, &w);
    yield_end();
    atomic_store(&spin_ends, true);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    ok(is_done_once(&w, PARTS / 2), "beside busy threads of the process: the work is done");
    ok(y.level != YIELD_TO_ALL, "beside busy threads: the level has risen");
    if (y.level == YIELD_SOME) // unless other programs keep the machine busy, too
        ok(atomic_load(&w.nice) > 0, "beside busy threads: parts are done at nice 10");
}

int main(void)
{
    check_decision();
    check_work();
    check_programs();
    check_threads();
    return done_testing();
}
