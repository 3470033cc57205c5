// Starts a thread that blocks all signals but those of its own faults, sets its scheduling class,
// and joins a thread with a time limit.
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { STACK_LEAST = 1024 * 1024 }; // bytes; musl's default of 128 KiB is too small

bool thread_start(pthread_t *thread, size_t stack, void *(*run)(void *argument), void *argument)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    size_t usual = 0;
    pthread_attr_init(&attributes);
    if (stack == 0 && pthread_attr_getstacksize(&attributes, &usual) == 0 && usual < STACK_LEAST)
        stack = STACK_LEAST;
    if (stack > 0)
        pthread_attr_setstacksize(&attributes, stack);
    // A new thread inherits the mask of the thread that starts it.
    sigfillset(&all);
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(thread, &attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return errno == 0;
}

// The system calls, because musl's functions of these names always fail: by POSIX they would
// concern the process, and Linux has no call for that.
int thread_class(void)
{
    return (int)syscall(SYS_sched_getscheduler, 0);
}

bool thread_enter_class(int class)
{
    static const struct sched_param none = {0};
    return syscall(SYS_sched_setscheduler, 0, class, &none) == 0;
}

// Polls, because the alternatives do not work: pthread_timedjoin_np uses the wall clock, which may
// jump, and the thread sanitizer does not know pthread_clockjoin_np.
bool thread_join(pthread_t thread, unsigned seconds)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t limit = clock_monotonic_ns() + seconds * CLOCK_SECOND;
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        if (clock_monotonic_ns() >= limit)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}
