// Tests that a reload sends neither RELOADING=1 nor READY=1 to the supervisor after STOPPING=1.
// This file replaces net/notify.c, so that sending a message takes as long as the test needs.
#include <ev.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "net/notify.h"
#include "net/publisher.h"
#include "net/workers.h"
#include "support/server.h"
#include "support/service.h"
#include "support/tap.h"

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

static struct dataset *open_source(void *context, struct error *error)
{
    static const struct dataset_settings settings = {.index = DATASET_INDEX_NONE};
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
    struct publisher *p = publisher_new(&source, false, workers, d, &error);
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

int main(void)
{
    sem_init(&slow_begun, 0, 0);
    stop_during(RELOADING, "RELOADING=1");
    stop_during(READY, "READY=1");
    sem_destroy(&slow_begun);
    return done_testing();
}
