// F23: SIGHUP and SIGTERM in storms, SIGTERM while a dataset is being opened, SIGSTOP and SIGCONT:
// one clean exit, all replies sent. That replies on their way are drained is shown by
// tests/integration/lifecycle.c.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/control.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/twins.h"

enum {
    KEYS = 2000,
    MANY_KEYS = 400000, // their index takes some 0.1 s, checked some seconds
    MANY_KEYS_CHECKED = 100000,
    CONNECTIONS = 20,
    HANGUPS = 1000,
    REPLIES = 5,
    STOPS = 10,
};

static const char *const options[] = {"--requirepass", CONTROL_PASSWORD, NULL};
static struct random seed;

static int end(struct server_process *s)
{
    int status = 0;
    require(waitpid(s->pid, &status, 0) == s->pid, "the server is not ours");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void storm(void)
{
    struct twins twins;
    twins_write(&twins, KEYS, false);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    twins_replace(&twins);
    for (unsigned i = 0; i < HANGUPS; i++) {
        kill(s.pid, SIGHUP);
        if (i % 100 == 0)
            askers_run(askers, -1, 1);
    }
    // What comes last is answered by a reload that begins after it.
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "a reload behind %d SIGHUPs", HANGUPS);
    twins_acknowledge(&twins);
    askers_run(askers, -1, REPLIES);
    is_number(askers_wrong(askers), 0, "no reply is wrong");
    askers_free(askers);
    for (unsigned i = 0; i < 20; i++)
        kill(s.pid, i % 2 == 0 ? SIGHUP : SIGTERM);
    is_number(end(&s), 0, "one clean exit");
    close(control);
}

// SIGTERM comes when the file is read, or its index built, published or written.
static void stop_while_reloading(void)
{
    struct twins twins;
    bool done;
    twins_write(&twins, CHECKED_BUILD ? MANY_KEYS_CHECKED : MANY_KEYS, false);
    for (unsigned i = 0; i < STOPS; i++) {
        unlink(test_path("live.data.idx")); // so that each reload builds
        struct server_process s = server_start(twins.live, options);
        int asker = control_open(s.port);
        int other = control_open(s.port);
        unsigned looks = (unsigned)random_below(&seed, 60);
        require(send_all(asker, SPAN("*1\r\n$12\r\nSTELE.RELOAD\r\n")), "the server is gone");
        for (unsigned look = 0; look < looks; look++)
            control_info(other, "dataset_reload_in_progress");
        kill(s.pid, SIGTERM);
        const char *reply = control_line(asker, NULL);
        done = strcmp(reply, "+OK") == 0;
        ok(done || strcmp(reply, "-ERR cannot reload: the server is stopping") == 0,
           "SIGTERM after %u looks: %s", looks, reply);
        is_number(end(&s), 0, "one clean exit");
        close(asker);
        close(other);
    }
}

// What is asked while the server stands still is answered when it goes on.
static void stop_and_continue(void)
{
    struct twins twins;
    int status;
    twins_write(&twins, KEYS, true);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    for (unsigned i = 0; i < STOPS; i++) {
        twins_replace(&twins);
        require(send_all(control, SPAN("*1\r\n$12\r\nSTELE.RELOAD\r\n")), "the server is gone");
        kill(s.pid, SIGSTOP);
        require(waitpid(s.pid, &status, WUNTRACED) == s.pid && WIFSTOPPED(status), "not stopped");
        kill(s.pid, SIGHUP);
        kill(s.pid, SIGCONT);
        askers_run(askers, control, 0);
        is_text(control_line(control, NULL), "+OK", "stopped and continued in a reload");
        twins_acknowledge(&twins);
        askers_run(askers, -1, REPLIES);
    }
    is_number(askers_wrong(askers), 0, "no reply is wrong");
    askers_free(askers);
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

int main(void)
{
    seed = random_seeded();
    storm();
    stop_while_reloading();
    stop_and_continue();
    return done_testing();
}
