// Starting a thread with all signals blocked, and waiting for one with patience that ends.
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

bool thread_start(pthread_t *thread, size_t stack, void *(*run)(void *argument), void *argument)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    pthread_attr_init(&attributes);
    if (stack > 0)
        pthread_attr_setstacksize(&attributes, stack);
    // A new thread inherits the mask.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(thread, &attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return errno == 0;
}

bool thread_join(pthread_t thread, unsigned seconds)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += seconds;
    return pthread_timedjoin_np(thread, NULL, &limit) == 0;
}
