// The command becomes the leader of a process group, so that a signal reaches all its processes.
#include "base/shell.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

enum {
    LOOK_MS = 100,     // time between two looks at `*cancel`
    GRACE_SECONDS = 2, // time between SIGTERM and SIGKILL
};

extern char **environ;

void shell_variables_add(struct shell_variables *v, const char *format, ...)
{
    va_list args;
    assert(v->count < SHELL_VARIABLES_MAX);
    va_start(args, format);
    if (vasprintf(&v->strings[v->count], format, args) >= 0)
        v->count++;
    else
        v->oom = true;
    va_end(args);
    v->strings[v->count] = NULL;
}

void shell_variables_release(struct shell_variables *v)
{
    for (unsigned i = 0; i < v->count; i++)
        free(v->strings[i]);
    *v = (struct shell_variables){0};
}

// Whether `more` sets the variable of the string `variable`.
static bool is_replaced(const char *variable, const struct shell_variables *more)
{
    size_t len = strcspn(variable, "=") + 1;
    for (unsigned i = 0; i < more->count; i++)
        if (strncmp(variable, more->strings[i], len) == 0)
            return true;
    return false;
}

// Returns the environment with `more`. The caller frees the list, but not the strings. NULL: memory
// is short.
static char **join(const struct shell_variables *more)
{
    size_t count = 0;
    if (more->oom)
        return NULL;
    for (; environ[count] != NULL; count++)
        ;
    char **all = malloc((count + more->count + 1) * sizeof *all);
    if (all == NULL)
        return NULL;
    size_t to = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_replaced(environ[i], more))
            all[to++] = environ[i];
    memcpy(all + to, more->strings, (more->count + 1) * sizeof *all);
    return all;
}

// Starts the command. Returns 0, or the system's reason.
static int start(const char *command, const struct shell_variables *more, pid_t *pid)
{
    char *words[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)command,
                     NULL};
    char **environment = join(more);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t usual;
    if (environment == NULL)
        return ENOMEM;
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int reason = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (reason == 0)
        reason = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    if (reason == 0)
        reason = posix_spawn(pid, "/bin/sh", &files, &attributes, words, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    free(environment);
    return reason;
}

// Waits until the process has ended, `until_ns` of the monotonic clock, or `*cancel`. Returns
// whether it has ended. Leaves the process a zombie.
static bool await_end(pid_t pid, uint64_t until_ns, const atomic_bool *cancel)
{
    for (;;) {
        siginfo_t info = {0};
        uint64_t now = clock_monotonic_ns();
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == pid)
            return true;
        if (now >= until_ns || (cancel != NULL && atomic_load(cancel)))
            return false;
        uint64_t left_ms = (until_ns - now) / 1000000 + 1;
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd ended = {fd, POLLIN, 0};
        (void)poll(&ended, fd >= 0, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
        if (fd >= 0)
            close(fd);
    }
}

enum shell_result shell_run(const char *command, const struct shell_variables *more,
                            unsigned seconds, const atomic_bool *cancel, struct error *error)
{
    pid_t pid;
    int status = 0;
    int reason = start(command, more, &pid);
    if (reason != 0) {
        error_set(error, "cannot run '%s': %s", command, strerror(reason));
        return SHELL_LOST;
    }
    uint64_t now = clock_monotonic_ns();
    bool ended = await_end(pid, now + seconds * CLOCK_SECOND, cancel);
    if (!ended) {
        (void)kill(-pid, SIGTERM);
        (void)await_end(pid, clock_monotonic_ns() + GRACE_SECONDS * CLOCK_SECOND, NULL);
    }
    // The group may have processes that have outlived their leader.
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return SHELL_YES;
    if (!ended && cancel != NULL && atomic_load(cancel)) {
        error_set(error, "'%s' was stopped", command);
        return SHELL_LOST;
    }
    if (!ended)
        error_set(error, "'%s' took longer than %u s", command, seconds);
    else if (WIFEXITED(status))
        error_set(error, "'%s' exited with status %d", command, WEXITSTATUS(status));
    else
        error_set(error, "'%s' was killed by signal %d", command, WTERMSIG(status));
    return SHELL_NO;
}
