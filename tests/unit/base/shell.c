// Tests of base/shell.h: what a command gets, how it ends, and that nothing of it runs on.
#include "base/shell.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

static const struct shell_variables none;

static void ends(const char *command, enum shell_result wanted, const char *why)
{
    struct error error = {""};
    enum shell_result result = shell_run(command, &none, 60, NULL, &error);
    ok(result == wanted && strstr(error.text, why) != NULL, "'%s': %s", command, error.text);
}

// Reads the number that a command has written to a file.
static pid_t number_in(const char *path)
{
    struct buf text = file_content(path);
    buf_append(&text, span_of("", 1));
    pid_t pid = (pid_t)atoi(text.ptr);
    buf_release(&text);
    return pid;
}

static void check_timeout(void)
{
    struct error error = {""};
    char command[512];
    const char *path = test_path("pid");
    // The second process outlives the shell, and ignores SIGTERM.
    snprintf(command, sizeof command, "(trap '' TERM; sleep 100) & echo $! > %s; sleep 100", path);
    uint64_t begin = clock_monotonic_ns();
    ok(shell_run(command, &none, 1, NULL, &error) == SHELL_NO &&
           strstr(error.text, "took longer than 1 s") != NULL,
       "a command that hangs: %s", error.text);
    ok(clock_monotonic_ns() - begin < 30 * CLOCK_SECOND, "it is stopped soon");
    pid_t pid = number_in(path);
    bool gone = false;
    for (unsigned tries = 0; !gone && tries < 1000; tries++) {
        // A zombie whose parent does not wait is gone, too.
        char status[64];
        snprintf(status, sizeof status, "/proc/%d/cmdline", (int)pid);
        FILE *file = fopen(status, "r");
        gone = file == NULL || fgetc(file) == EOF;
        if (file != NULL)
            fclose(file);
        usleep(10000);
    }
    ok(pid > 1 && gone, "the process that it has started is gone");
}

static void *set_soon(void *flag)
{
    usleep(50000);
    atomic_store((atomic_bool *)flag, true);
    return NULL;
}

static void check_cancel(void)
{
    struct error error = {""};
    atomic_bool cancel = false;
    pthread_t thread;
    require(pthread_create(&thread, NULL, set_soon, &cancel) == 0, "no thread");
    ok(shell_run("sleep 100", &none, 100, &cancel, &error) == SHELL_LOST,
       "a command is cancelled: %s", error.text);
    pthread_join(thread, NULL);
}

static void check_environment(void)
{
    struct error error = {""};
    struct shell_variables more = {0};
    shell_variables_add(&more, "STELE_A=%s two", "one");
    shell_variables_add(&more, "STELE_B=");
    setenv("STELE_B", "old", 1);
    setenv("STELE_C", "kept", 1);
    ok(shell_run("[ \"$STELE_A\" = 'one two' ] && [ -z \"$STELE_B\" ] && [ \"$STELE_C\" = kept ]",
                 &more, 60, NULL, &error) == SHELL_YES,
       "a command gets the environment: %s", error.text);
    ok(shell_run("[ $(env | grep -c ^STELE_B=) = 1 ]", &more, 60, NULL, &error) == SHELL_YES,
       "each variable once");
    more.oom = true;
    ok(shell_run("true", &more, 60, NULL, &error) == SHELL_LOST &&
           strncmp(error.text, "cannot run 'true': ", 19) == 0 &&
           strcmp(error.text + 19, strerror(ENOMEM)) == 0,
       "no command runs without a variable: %s", error.text);
    shell_variables_release(&more);
}

int main(void)
{
    sigset_t some;
    ends("true", SHELL_YES, "");
    ends("exit 3", SHELL_NO, "'exit 3' exited with status 3");
    ends("no-such-program 2>/dev/null", SHELL_NO, "exited with status 127");
    ends("kill -9 $$", SHELL_NO, "was killed by signal 9");
    ends("read line", SHELL_NO, "exited with status 1"); // its input is empty
    // The command gets the usual actions of signals, and none is blocked.
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &some, NULL);
    signal(SIGUSR1, SIG_IGN);
    ends("kill -USR1 $$; sleep 100", SHELL_NO, "was killed by signal 10");
    check_timeout();
    check_cancel();
    check_environment();
    return done_testing();
}
