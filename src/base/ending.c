// A fixed table of paths, as a signal handler may take no lock and no memory. An entry counts only
// after it has been written completely.
#include "base/ending.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 8 };

enum use { FREE, TAKEN, COUNTS };

static struct {
    _Atomic enum use use;
    dev_t device;
    ino_t inode;
    char path[PATH_MAX];
} places[PLACES];

unsigned ending_removes(const char *path, const struct stat *status)
{
    size_t len = strlen(path);
    for (unsigned i = 0; i < PLACES && len < PATH_MAX; i++) {
        enum use is_free = FREE;
        if (!atomic_compare_exchange_strong(&places[i].use, &is_free, TAKEN))
            continue;
        memcpy(places[i].path, path, len + 1);
        places[i].device = status->st_dev;
        places[i].inode = status->st_ino;
        atomic_store(&places[i].use, COUNTS);
        return i + 1;
    }
    return 0;
}

void ending_keeps(unsigned number)
{
    if (number > 0)
        atomic_store(&places[number - 1].use, FREE);
}

// Calls only functions that a signal handler may call.
void ending_clean(void)
{
    struct stat status;
    for (unsigned i = 0; i < PLACES; i++)
        if (atomic_load(&places[i].use) == COUNTS && lstat(places[i].path, &status) == 0 &&
            status.st_dev == places[i].device && status.st_ino == places[i].inode)
            (void)unlink(places[i].path);
}

static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

void ending_wait(sigset_t *before)
{
    sigset_t all;
    sigemptyset(&all);
    for (unsigned i = 0; i < NUMBERS; i++)
        sigaddset(&all, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

void ending_go_on(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void on_ending(int number)
{
    sigset_t own;
    ending_clean();
    signal(number, SIG_DFL);
    sigemptyset(&own);
    sigaddset(&own, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL); // the signal arrives now
    _exit(128 + number);                      // process 1
}

void ending_catch(void)
{
    for (unsigned i = 0; i < NUMBERS; i++) {
        struct sigaction action = {.sa_handler = on_ending, .sa_flags = SA_RESTART};
        struct sigaction before;
        sigfillset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL);
    }
}
