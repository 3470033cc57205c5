// A fixed table of paths, because a signal handler must not take a lock or allocate memory. The
// handler uses an entry only when it is REGISTERED, which is set after the rest of the entry.
#include "base/ending.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { ENTRIES = 8 };

enum state { FREE, RESERVED, REGISTERED };

static struct {
    _Atomic enum state state;
    dev_t device;
    ino_t inode;
    char path[PATH_MAX];
} entries[ENTRIES];

unsigned ending_register(const char *path, const struct stat *status)
{
    size_t len = strlen(path);
    for (unsigned i = 0; i < ENTRIES && len < PATH_MAX; i++) {
        enum state is_free = FREE;
        if (!atomic_compare_exchange_strong(&entries[i].state, &is_free, RESERVED))
            continue;
        memcpy(entries[i].path, path, len + 1);
        entries[i].device = status->st_dev;
        entries[i].inode = status->st_ino;
        atomic_store(&entries[i].state, REGISTERED);
        return i + 1;
    }
    return 0;
}

void ending_unregister(unsigned number)
{
    if (number > 0)
        atomic_store(&entries[number - 1].state, FREE);
}

// Called in a signal handler, so it may call only functions that are async-signal-safe.
void ending_remove_files(void)
{
    struct stat status;
    for (unsigned i = 0; i < ENTRIES; i++)
        if (atomic_load(&entries[i].state) == REGISTERED && lstat(entries[i].path, &status) == 0 &&
            status.st_dev == entries[i].device && status.st_ino == entries[i].inode)
            (void)unlink(entries[i].path);
}

static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
enum { SIGNALS = sizeof signals / sizeof *signals };

void ending_block_signals(sigset_t *before)
{
    sigset_t all;
    sigemptyset(&all);
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaddset(&all, signals[i]);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

bool ending_is_pending(void)
{
    sigset_t pending;
    sigset_t blocked;
    bool any = false;
    if (sigpending(&pending) != 0 || pthread_sigmask(SIG_BLOCK, NULL, &blocked) != 0)
        return false;
    for (unsigned i = 0; i < SIGNALS; i++)
        any |= sigismember(&pending, signals[i]) == 1 && sigismember(&blocked, signals[i]) == 1;
    return any;
}

void ending_restore_signals(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void on_ending(int number)
{
    sigset_t own;
    ending_remove_files();
    signal(number, SIG_DFL);
    sigemptyset(&own);
    sigaddset(&own, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL); // here the signal ends the process
    _exit(128 + number);                      // except process 1
}

void ending_catch(void)
{
    for (unsigned i = 0; i < SIGNALS; i++) {
        struct sigaction action = {.sa_handler = on_ending, .sa_flags = SA_RESTART};
        struct sigaction before;
        sigfillset(&action.sa_mask);
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &action, NULL);
    }
}
