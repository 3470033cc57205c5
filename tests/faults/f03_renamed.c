// Fault F3 (docs/faults.md): the data file is replaced by a rename, or its name is a symbolic link
// that is changed to point to another file. The old file is served until a reload, and then the new
// one. SIGHUP starts the reload, or --watch does so. No request fails.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/twins.h"

enum { KEYS = 2000, CONNECTIONS = 20, REPLIES = 20, TURNS = 3 };

static struct random seed;

// Lets the clients send requests until INFO reports this generation, which is then served.
static void await_generation(struct askers *askers, int control, unsigned generation)
{
    do
        askers_run(askers, -1, 1);
    while (atoi(control_info(control, "dataset_generation")) < (int)generation + 1);
}

static void replace(bool by_link, bool watch)
{
    char name[64];
    snprintf(name, sizeof name, "%s, %s", by_link ? "link changed" : "renamed",
             watch ? "--watch" : "SIGHUP");
    const char *const options[] = {
        "--requirepass", CONTROL_PASSWORD, "--threads", "1", watch ? "--watch" : NULL, NULL};
    struct twins twins;
    twins_write(&twins, KEYS, by_link);
    struct server_process s = server_start(twins.live, options);
    int control = control_open(s.port);
    struct askers *askers = askers_new(&twins, s.port, CONNECTIONS, &seed, CONTROL_PASSWORD);
    for (unsigned i = 0; i < TURNS; i++) {
        askers_run(askers, -1, REPLIES);
        twins_replace(&twins);
        if (!watch) {
            askers_run(askers, -1, REPLIES);
            is_number(atoi(control_info(control, "dataset_generation")), i + 1,
                      "%s: the old file is still served", name);
            kill(s.pid, SIGHUP);
        }
        await_generation(askers, control, twins.begun);
        twins_acknowledge(&twins);
    }
    askers_run(askers, -1, REPLIES);
    is_number(askers_wrong(askers), 0, "%s: no reply is wrong in %lu", name,
              askers_replies(askers));
    askers_free(askers);
    close(control);
    is_number(server_stop(&s), 0, "%s: exit code", name);
}

// With --watch, a file that is written slowly is loaded only after it has stopped changing. While
// there is no file, the server waits.
static void watch_slow_file(void)
{
    const char *const options[] = {"--requirepass", CONTROL_PASSWORD, "--watch", NULL};
    const char *live = test_file("slow.data", SPAN("00000000-0000-4000-8000-000000000000 old\n"));
    struct server_process s = server_start(live, options);
    int control = control_open(s.port);
    const char *away = test_path("away");
    bool is_idle = true;
    require(rename(live, away) == 0, "cannot rename");
    server_await_idle(&s);
    FILE *file = fopen(live, "w");
    require(file != NULL, "cannot write");
    fputs("00000000-0000-4000-8000-000000000000 new\n00000000-0000", file);
    fflush(file);
    // While the server looks at the file several times, its last line is incomplete and grows.
    uint64_t until = clock_monotonic_ns() + 5 * CLOCK_SECOND / 2;
    while (clock_monotonic_ns() < until) {
        fputs("-", file);
        fflush(file);
        is_idle &= strcmp(control_info(control, "dataset_reload_in_progress"), "0") == 0;
        poll(NULL, 0, 1);
    }
    ok(is_idle, "a file that grows is not loaded");
    fclose(file);
    file = fopen(live, "w");
    fputs("00000000-0000-4000-8000-000000000000 new\n", file);
    fclose(file);
    while (atoi(control_info(control, "dataset_generation")) < 2)
        poll(NULL, 0, 5);
    is_text(control_info(control, "dataset_failed_reloads"), "0", "no load of it has failed");
    is_text(control_line(control, "GET 00000000-0000-4000-8000-000000000000"), "$3", "GET");
    is_text(control_line(control, NULL), "new", "the finished file is served");
    close(control);
    is_number(server_stop(&s), 0, "exit code");
}

int main(void)
{
    seed = random_seeded();
    replace(false, false);
    replace(true, false);
    replace(false, true);
    replace(true, true);
    watch_slow_file();
    return done_testing();
}
