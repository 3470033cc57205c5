// The server puts the acceptor, the workers and the publisher together, and handles signals and the
// graceful stop. Its functions run in the main thread, which is also the first loop's thread, with
// three exceptions. Any thread may call on_reload_command, which takes a lock, on_shutdown_command,
// which sends an event to the first loop, and server_clients_memory_left, which reads counters.
#include "net/server.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/password.h"
#include "cluster/topology.h"
#include "data/dataset.h"
#include "net/acceptor.h"
#include "net/cluster_config.h"
#include "net/notify.h"
#include "net/prober.h"
#include "net/publisher.h"
#include "net/workers.h"

static const ev_tstamp DRAIN_TIME_MAX = 5; // seconds that clients have to read their replies
static const ev_tstamp CHECK_INTERVAL = 1; // seconds between two checks of the dataset's files

struct server {
    struct settings settings;
    const struct command *const *commands;
    struct ev_loop *loop;
    struct workers *workers;
    struct publisher *publisher;
    struct acceptor acceptor;
    ev_timer drain_timer; // ends a stop that takes too long
    ev_timer check_timer; // checks the dataset's files
    ev_signal on_term;
    ev_signal on_int;
    ev_signal on_hup;
    ev_signal on_usr1;
    ev_async shutdown_command;
    bool stopping;
    // The dataset of a start that failed before the publisher took it over; NULL: none.
    struct dataset *unserved_dataset;
    struct prober *prober;           // NULL: the nodes of the cluster are not probed
    struct cluster_view *first_view; // of the cluster at the start, until the workers have it
    // A log line about a changed limit of open files or of clients; empty: no change.
    struct error descriptor_note;
};

static void on_drained(void *context)
{
    struct server *server = context;
    ev_break(server->loop, EVBREAK_ALL);
}

static void on_drain_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    log_write(LOG_WARNING,
              "some clients did not read their replies within %.0f seconds and are disconnected",
              DRAIN_TIME_MAX);
    ev_break(loop, EVBREAK_ALL);
}

static void on_check(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct server *server = timer->data;
    (void)loop;
    (void)events;
    if (workers_check_dataset(server->workers))
        publisher_check_dataset(server->publisher);
}

// Begins the graceful stop. It ends with on_drained, on_drain_limit, or a second SIGINT.
static void begin_stop(struct server *server)
{
    if (server->stopping)
        return;
    server->stopping = true;
    acceptor_stop(&server->acceptor);
    // Before notify_stopping, so that no reload notifies the supervisor after STOPPING=1.
    publisher_cancel(server->publisher);
    notify_stopping();
    ev_timer_stop(server->loop, &server->check_timer);
    ev_timer_start(server->loop, &server->drain_timer);
    workers_drain(server->workers);
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct server *server = signal->data;
    (void)events;
    // A second SIGTERM is ignored, as a supervisor may send it twice. A second Ctrl-C is a person
    // who does not want to wait for the graceful stop.
    if (server->stopping && signal->signum == SIGINT) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    log_write(LOG_NOTICE, "signal %d: stopping", signal->signum);
    begin_stop(server);
}

// Set by a SIGHUP that arrives before the loop handles signals. The loop then begins a reload.
static volatile sig_atomic_t early_hangup;

// Handles SIGHUP and SIGUSR1 until the loop handles them. The log is opened again before the next
// line is written to it.
static void on_early_signal(int number)
{
    log_reopen_soon();
    if (number == SIGHUP)
        early_hangup = 1;
}

static void on_reopen(struct ev_loop *loop, ev_signal *signal, int events)
{
    (void)loop;
    (void)signal;
    (void)events;
    if (log_reopen())
        log_write(LOG_NOTICE, "SIGUSR1: reopened the log file");
}

// Reads the password file again. When it cannot be read, the old password stays, so that the server
// is never without one.
static void reload_password(struct server *server)
{
    char password[PASSWORD_MAX + 1];
    struct error error;
    if (server->settings.requirepass_file == NULL)
        return;
    if (!password_read_again(server->settings.requirepass_file, password, &error))
        log_write(LOG_WARNING, "keeping the old password: %s", error.text);
    else if (workers_set_password(server->workers, password))
        log_write(LOG_NOTICE, "the password has changed; authenticated clients stay authenticated");
    explicit_bzero(password, sizeof password);
}

static void on_hangup(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct server *server = signal->data;
    (void)loop;
    (void)events;
    (void)log_reopen();
    log_write(LOG_NOTICE, "SIGHUP: reloading");
    reload_password(server);
    publisher_request_reload(server->publisher, NULL);
}

// Handles STELE.RELOAD. Called in any loop's thread.
static void on_reload_command(void *context, struct reload_request *request)
{
    struct server *server = context;
    publisher_request_reload(server->publisher, request);
}

static void on_shutdown(struct ev_loop *loop, ev_async *async, int events)
{
    (void)loop;
    (void)events;
    log_write(LOG_NOTICE, "SHUTDOWN: stopping");
    begin_stop(async->data);
}

// Handles SHUTDOWN. Called in any loop's thread while a session is at work, so the stop itself
// begins in the first loop, after this call.
static void on_shutdown_command(void *context)
{
    struct server *server = context;
    ev_async_send(server->loop, &server->shutdown_command);
}

// Reads the topology for the publisher.
static bool read_cluster(void *context, struct cluster_view **view, struct error *error)
{
    struct server *server = context;
    return cluster_config_read(&server->settings, &server->acceptor,
                               workers_cluster(server->workers), view, error);
}

// Counts the nodes that will be probed, because each needs a descriptor that clients cannot have.
static bool count_probed(const struct settings *settings, unsigned *probed, struct error *error)
{
    *probed = 0;
    if (settings->cluster_config == NULL || settings->cluster_node_timeout == 0)
        return true;
    struct topology *t = topology_read(settings->cluster_config, error);
    if (t == NULL)
        return false;
    *probed = t->node_count - 1;
    topology_close(t);
    return true;
}

struct server *server_open(const struct settings *settings, const struct command *const *commands,
                           struct error *error)
{
    struct server *server = calloc(1, sizeof *server);
    unsigned probed;
    if (server == NULL) {
        error_set(error, "no memory for the server");
        return NULL;
    }
    server->settings = *settings;
    server->commands = commands;
    if (settings->threads == 0)
        server->settings.threads = parallel_threads();
    signal(SIGHUP, on_early_signal);
    signal(SIGUSR1, on_early_signal);
    signal(SIGPIPE, SIG_IGN); // a write to a closed connection then fails with EPIPE instead
    if (!count_probed(settings, &probed, error) ||
        !acceptor_reserve_descriptors(&server->settings, probed, &server->descriptor_note, error) ||
        !acceptor_open(&server->acceptor, &server->settings, error))
        goto fail;
    if (settings->cluster_config != NULL &&
        !cluster_config_read(&server->settings, &server->acceptor, NULL, &server->first_view,
                             error))
        goto fail;
    server->loop = ev_default_loop(EVFLAG_AUTO);
    if (server->loop == NULL) {
        error_set(error, "cannot start the event loop");
        goto fail;
    }
    // The handler of libev would take the exit statuses of the commands that base/shell.h runs.
    signal(SIGCHLD, SIG_DFL);
    ev_timer_init(&server->drain_timer, on_drain_limit, DRAIN_TIME_MAX, 0);
    ev_timer_init(&server->check_timer, on_check, CHECK_INTERVAL, CHECK_INTERVAL);
    server->check_timer.data = server;
    ev_signal_init(&server->on_term, on_signal, SIGTERM);
    ev_signal_init(&server->on_int, on_signal, SIGINT);
    ev_signal_init(&server->on_hup, on_hangup, SIGHUP);
    ev_async_init(&server->shutdown_command, on_shutdown);
    server->on_term.data = server;
    server->on_int.data = server;
    server->on_hup.data = server;
    ev_signal_init(&server->on_usr1, on_reopen, SIGUSR1);
    server->shutdown_command.data = server;
    return server;
fail:
    server_close(server);
    return NULL;
}

uint64_t server_clients_memory_left(const struct server *server)
{
    return workers_clients_memory_left(server->workers);
}

const char *server_address(const struct server *server)
{
    return acceptor_address(&server->acceptor);
}

bool server_listen(struct server *server, const struct dataset_source *source,
                   struct dataset *dataset, struct error *error)
{
    const struct settings *settings = &server->settings;
    const struct workers_owner owner = {on_shutdown_command, on_drained, on_reload_command, server};
    server->workers = workers_new(server->loop, settings, dataset, server->commands, &owner, error);
    const struct cluster_source cluster = {settings->cluster_config != NULL ? read_cluster : NULL,
                                           server, settings->cluster_config};
    if (server->workers != NULL && server->first_view != NULL) {
        workers_publish_cluster(server->workers, server->first_view);
        server->first_view = NULL;
    }
    if (server->workers != NULL)
        server->publisher = publisher_new(source, &cluster, server->settings.watch, server->workers,
                                          dataset, error);
    if (server->publisher == NULL) {
        server->unserved_dataset = dataset;
        return false;
    }
    if (settings->cluster_config != NULL && settings->cluster_node_timeout > 0) {
        server->prober = prober_start(workers_cluster(server->workers), settings, error);
        if (server->prober == NULL)
            return false;
    }
    if (!acceptor_is_reachable(&server->acceptor, error) ||
        !publisher_start(server->publisher, error))
        return false;
    if (*server->descriptor_note.text != '\0')
        log_write(LOG_WARNING, "%s", server->descriptor_note.text);
    if (settings->threads > 1)
        log_write(LOG_NOTICE, "serving with %u threads", settings->threads);
    ev_async_start(server->loop, &server->shutdown_command);
    ev_signal_start(server->loop, &server->on_term);
    ev_signal_start(server->loop, &server->on_int);
    ev_signal_start(server->loop, &server->on_hup);
    ev_signal_start(server->loop, &server->on_usr1);
    if (early_hangup)
        ev_feed_signal_event(server->loop, SIGHUP);
    ev_timer_start(server->loop, &server->check_timer);
    acceptor_start(&server->acceptor, server->loop, server->workers);
    return true;
}

void server_run(struct server *server)
{
    ev_run(server->loop, 0);
    if (!workers_stop(server->workers))
        log_write(LOG_WARNING, "a thread has not ended in time; the process ends without it");
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    acceptor_close(&server->acceptor);
    if (!prober_stop(server->prober))
        return; // as below
    if (server->publisher != NULL) {
        publisher_cancel(server->publisher);
        if (!publisher_stop(server->publisher))
            return; // the thread still runs and may use everything, so nothing is freed
    }
    if (server->workers != NULL && !workers_stop(server->workers))
        return;
    workers_free(server->workers);
    publisher_free(server->publisher);
    dataset_close(server->unserved_dataset);
    cluster_view_close(server->first_view);
    if (server->loop != NULL)
        ev_loop_destroy(server->loop);
    free(server);
}
