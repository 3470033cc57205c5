// Work that gives way: who does it, when it stops giving way, and that it comes to an end beside
// programs, and beside threads of our own, that keep all processors busy; without a privilege.
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
    PART_US = 1000, // of processor time
};

// ---- the decision -------------------------------------------------------------------------------

static void check_decision(void)
{
    struct yield y;
    yield_begin(&y);
    ok(yield_current() == &y && y.level == YIELD_TO_ALL, "it begins by giving way to all");
    for (unsigned i = 0; i < 199; i++)
        yield_note(&y, YIELD_MEASURE_NS, 1, 0.9);
    is_number(y.level, YIELD_TO_ALL, "9.95 s of waiting for our own threads are borne");
    yield_note(&y, YIELD_MEASURE_NS, 1, 0.9);
    is_number(y.level, YIELD_SOME, "10 s are not");
    for (unsigned i = 0; i < 9; i++)
        yield_note(&y, YIELD_MEASURE_NS, 1, 0.1);
    is_number(y.level, YIELD_SOME, "nor are 0.45 s of waiting for others a reason");
    yield_note(&y, YIELD_MEASURE_NS, 1, 0.1);
    is_number(y.level, YIELD_TO_NONE, "0.5 s are");
    yield_note(&y, YIELD_MEASURE_NS, 0, 1);
    is_number(y.level, YIELD_TO_NONE, "it does not give way again");
    yield_end();
    yield_begin(&y);
    for (unsigned i = 0; i < 10000; i++)
        yield_note(&y, YIELD_MEASURE_NS, 0, 0);
    is_number(y.level, YIELD_TO_ALL, "who does not wait gives way for ever");
    yield_end();
    ok(yield_current() == NULL, "it ends");
}

// ---- the work -----------------------------------------------------------------------------------

struct work {
    pthread_t caller;
    atomic_uint done[PARTS];
    atomic_bool taken[PARALLEL_THREADS_MAX]; // numbers of threads
    atomic_uint wrong;
    atomic_uint idle; // parts done in the idle class
    atomic_uint nice; // at nice 10
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
    atomic_fetch_add(&w->idle, sched_getscheduler(0) == SCHED_IDLE);
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
            ok(is_done_once(&w, parts[i]), "%zu parts on %u threads: by helpers, each once",
               parts[i], threads);
            if (parts[i] > 0 && y.level == YIELD_TO_ALL)
                ok(atomic_load(&w.idle) > 0, "in the idle class");
        }
    }
    yield_end();
}

// ---- beside who keeps all processors busy -------------------------------------------------------

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

// The test's exit code: 0 when the work was done and had stopped giving way.
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
    ok(WIFEXITED(status), "beside busy programs: no crash");
    is_number(WEXITSTATUS(status), 0, "the work is done, and no longer gives way to them");
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
    ok(y.level != YIELD_TO_ALL, "it has stopped giving way");
    if (y.level == YIELD_SOME) // not where other programs keep the machine busy besides
        ok(atomic_load(&w.nice) > 0, "but for being nice");
}

int main(void)
{
    check_decision();
    check_work();
    check_programs();
    check_threads();
    return done_testing();
}
