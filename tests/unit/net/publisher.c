// Tests that a reload sends neither RELOADING=1 nor READY=1 to the supervisor after STOPPING=1.
// This file replaces net/notify.c, so that sending a message takes as long as the test needs.
//
// Also tests that --watch never loads a file that has just come to the path. The Makefile links
// this test with --wrap=file_open, so that it can replace the file while the publisher opens it.
#include <ev.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "net/notify.h"
#include "net/publisher.h"
#include "net/workers.h"
#include "support/server.h"
#include "support/service.h"
#include "support/tap.h"

static const struct cluster_source no_cluster = {NULL, NULL, NULL};

enum { SLOW_MS = 300 }; // time that a slow message takes, or until STOPPING=1 is sent

enum message { RELOADING, READY };

static enum message slow; // the message that is sent slowly
static sem_t slow_begun;
static atomic_bool slow_sent;
static atomic_bool stopping_sent;
static atomic_bool late; // a message was sent after STOPPING=1

static bool send_message(enum message message)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    if (message == slow) {
        sem_post(&slow_begun);
        for (unsigned i = 0; i < SLOW_MS && !atomic_load(&stopping_sent); i++)
            nanosleep(&pause, NULL);
        atomic_store(&slow_sent, true);
    }
    if (atomic_load(&stopping_sent))
        atomic_store(&late, true);
    return true;
}

bool notify_init(void)
{
    return true;
}

bool notify_ready(const char *format, ...)
{
    (void)format;
    return send_message(READY);
}

bool notify_reloading(void)
{
    return send_message(RELOADING);
}

bool notify_stopping(void)
{
    atomic_store(&stopping_sent, true);
    return true;
}

static const char *watched_path;
static const char *late_path;            // file that replaces the watched one while it is opened
static atomic_bool replace_armed;        // the next file_open of the watched path replaces it
static _Atomic uint64_t replaced_ns;     // monotonic time of the replacement; 0: not yet
static _Atomic uint64_t loaded_after_ns; // time from the replacement until the next load
static sem_t loaded;

int __real_file_open(const char *path, struct stat *status, struct error *error);
int __wrap_file_open(const char *path, struct stat *status, struct error *error);

int __wrap_file_open(const char *path, struct stat *status, struct error *error)
{
    if (path == watched_path && atomic_exchange(&replace_armed, false)) {
        require(rename(late_path, watched_path) == 0, "cannot rename %s", late_path);
        atomic_store(&replaced_ns, clock_monotonic_ns());
    }
    return __real_file_open(path, status, error);
}

static struct dataset *open_source(void *context, struct error *error)
{
    static const struct dataset_settings settings = {.index = DATASET_INDEX_NONE};
    uint64_t since = atomic_load(&replaced_ns);
    if (since != 0 && atomic_load(&loaded_after_ns) == 0) {
        atomic_store(&loaded_after_ns, clock_monotonic_ns() - since);
        sem_post(&loaded);
    }
    return dataset_open(context, &settings, NULL, error);
}

static void do_nothing(void *context)
{
    (void)context;
}

// The server stops while a reload sends `message`. The data file has not changed, so the reload
// does nothing but send messages.
static void stop_during(enum message message, const char *name)
{
    struct error error = {""};
    struct settings settings = test_settings;
    const struct workers_owner owner = {do_nothing, do_nothing, NULL, NULL};
    const char *path =
        test_file("served.data", span_text("00000000-0000-4000-8000-000000000001 one\n"));
    const struct dataset_source source = {open_source, (void *)(uintptr_t)path, path};
    struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
    settings.threads = 1;
    slow = message;
    atomic_store(&slow_sent, false);
    atomic_store(&stopping_sent, false);
    atomic_store(&late, false);
    struct dataset *d = open_source((void *)(uintptr_t)path, &error);
    require(d != NULL, "%s", error.text);
    struct workers *workers = workers_new(loop, &settings, d, command_groups, &owner, &error);
    require(workers != NULL, "%s", error.text);
    struct publisher *p = publisher_new(&source, &no_cluster, false, workers, d, &error);
    require(p != NULL && publisher_start(p, &error), "%s", error.text);
    publisher_request_reload(p, NULL);
    while (sem_wait(&slow_begun) != 0)
        ;
    publisher_cancel(p);
    notify_stopping();
    ok(publisher_stop(p), "%s: the publisher thread ends", name);
    ok(atomic_load(&slow_sent) && !atomic_load(&late), "%s: no message is sent after STOPPING=1",
       name);
    require(workers_stop(workers), "the workers do not stop");
    workers_free(workers);
    publisher_free(p);
    ev_loop_destroy(loop);
}

// Under --watch the data file is replaced. The new file stays unchanged for long enough to be
// loaded. But when the publisher opens it, a third file has just taken its place.
static void replace_while_opened(void)
{
    struct error error = {""};
    struct settings settings = test_settings;
    const struct workers_owner owner = {do_nothing, do_nothing, NULL, NULL};
    struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
    watched_path = test_file("watched.data", span_text("00000000-0000-4000-8000-000000000001 a\n"));
    const char *next_path =
        test_file("next.data", span_text("00000000-0000-4000-8000-000000000001 bb\n"));
    late_path = test_file("late.data", span_text("00000000-0000-4000-8000-000000000001 ccc\n"));
    const struct dataset_source source = {open_source, (void *)(uintptr_t)watched_path,
                                          watched_path};
    settings.threads = 1;
    sem_init(&loaded, 0, 0);
    struct dataset *d = open_source((void *)(uintptr_t)watched_path, &error);
    require(d != NULL, "%s", error.text);
    struct workers *workers = workers_new(loop, &settings, d, command_groups, &owner, &error);
    require(workers != NULL, "%s", error.text);
    struct publisher *p = publisher_new(&source, &no_cluster, true, workers, d, &error);
    require(p != NULL, "%s", error.text);
    require(rename(next_path, watched_path) == 0, "cannot rename %s", next_path);
    atomic_store(&replace_armed, true);
    require(publisher_start(p, &error), "%s", error.text);
    while (sem_wait(&loaded) != 0)
        ;
    ok(atomic_load(&loaded_after_ns) >= CLOCK_SECOND,
       "--watch: a file that comes while the publisher opens another is not loaded for a second");
    publisher_cancel(p);
    require(publisher_stop(p) && workers_stop(workers), "the threads do not stop");
    workers_free(workers);
    publisher_free(p);
    ev_loop_destroy(loop);
    sem_destroy(&loaded);
}

int main(void)
{
    sem_init(&slow_begun, 0, 0);
    stop_during(RELOADING, "RELOADING=1");
    stop_during(READY, "READY=1");
    replace_while_opened();
    sem_destroy(&slow_begun);
    return done_testing();
}
