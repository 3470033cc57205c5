// Listening, accepting, stopping. Accepting is paced when the system has no descriptor or memory
// to give: a listener that stays readable would otherwise spin the loop (libev's manual: "the
// special problem of accept()ing when you can't").
#include "net/server.h"

#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/password.h"
#include "data/dataset.h"
#include "net/listener.h"
#include "net/notify.h"
#include "net/publisher.h"
#include "net/workers.h"

enum {
    // Accepted in one turn of the loop, some 0.7 ms, so that a flood of connects does not starve
    // clients.
    ACCEPTS_PER_TURN = 128,
    // Descriptors besides those of clients: files, listeners, the first loop's own, some to spare;
    // and those of each further loop.
    SPARE_DESCRIPTORS = 64,
    LOOP_DESCRIPTORS = 4,
};

static const ev_tstamp ACCEPT_PAUSE = 0.1; // seconds
static const int KEEPALIVE_PROBES = 3;
static const ev_tstamp DRAIN_TIME_MAX = 5; // seconds
static const ev_tstamp CHECK_INTERVAL = 1; // seconds between two looks at the dataset's files

struct server {
    struct settings settings;
    const struct command *const *commands;
    struct ev_loop *loop;
    struct workers *workers;
    struct publisher *publisher;
    struct listener listeners[LISTENERS_MAX];
    ev_io accepting[LISTENERS_MAX];
    unsigned listener_count;
    ev_timer accept_pause;
    ev_timer drain_limit;
    ev_timer check;
    ev_signal on_term;
    ev_signal on_int;
    ev_signal on_hup;
    ev_signal on_usr1;
    ev_async shutdown_command;
    bool accept_refused; // by the system; told once until it goes again
    bool stopping;
    struct dataset *dataset; // that could not be served
    struct error note;       // for the log, or empty
};

static void reject(struct server *server, int fd, const char *reply)
{
    char unread[512];
    counter_add(&workers_stats(server->workers)->connections_rejected, 1);
    // Best effort, as the client may be gone; what it has already sent is read away, because
    // closing over unread input would take the reply back.
    ssize_t ignored = write(fd, reply, strlen(reply));
    ignored = read(fd, unread, sizeof unread);
    (void)ignored;
    close(fd);
}

// How long, in ms, what we send may stay unanswered before the system takes the peer for gone: as
// long as keepalive takes to find that out, whose probes it would otherwise cut short; and no less
// than a client may take nothing of its replies, which is for the write timeout to judge. 0: the
// system's own, some 15 minutes.
static unsigned peer_timeout(int64_t keepalive, int64_t interval, int64_t write_timeout)
{
    int64_t seconds = keepalive > 0 ? keepalive + KEEPALIVE_PROBES * interval : write_timeout;
    if (write_timeout == 0)
        return 0;
    if (seconds < write_timeout)
        seconds = write_timeout;
    return seconds < INT_MAX / 1000 ? (unsigned)seconds * 1000 : INT_MAX;
}

// Seconds; 0: none.
static void tune_tcp(int fd, bool local, int keepalive, int64_t write_timeout)
{
    static const char loopback_congestion[] = "reno";
    int on = 1;
    int interval = keepalive / 3 > 0 ? keepalive / 3 : 1;
    unsigned unanswered = peer_timeout(keepalive, interval, write_timeout);
    // Each is an improvement, none a need.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (keepalive > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive, sizeof keepalive);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &KEEPALIVE_PROBES, sizeof KEEPALIVE_PROBES);
    }
    if (unanswered > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
    // On the way to a client on this machine nothing is ever lost or late, so the simplest control
    // does, which every kernel has; one that measures the path and paces what is sent (BBR, where
    // it is the default) costs a tenth of a request's time.
    if (local)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, loopback_congestion,
                         sizeof loopback_congestion - 1);
}

static void admit(struct server *server, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    const struct settings *settings = &server->settings;
    const struct runtime_settings *runtime = workers_runtime(server->workers);
    char text[ADDRESS_TEXT];
    bool local = address_is_local(peer);
    address_format(peer, peer_len, text);
    // What lingers counts: it has a descriptor.
    if (workers_connections(server->workers) >= runtime_get(&runtime->maxclients)) {
        reject(server, fd, "-ERR max number of clients reached\r\n");
    } else if (settings->protected_mode && settings->requirepass == NULL && !local) {
        log_write(LOG_VERBOSE, "refused %s: protected mode", text);
        reject(server, fd,
               "-DENIED Stele is running in protected mode because protected mode is enabled and "
               "no password is set for the default user. In this mode connections are only "
               "accepted from the loopback interface. To let other hosts in, restart the server "
               "with --requirepass-file, or with --protected-mode no, after making sure that it is "
               "not reachable from "
               "networks you do not trust.\r\n");
    } else {
        log_write(LOG_DEBUG, "accepted %s", *text != '\0' ? text : "unix socket");
        if (peer->sa_family != AF_UNIX)
            tune_tcp(fd, local, (int)runtime_get(&runtime->tcp_keepalive),
                     runtime_get(&runtime->write_timeout));
        workers_adopt(server->workers, fd, local);
    }
}

static void start_accepting(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        ev_io_start(server->loop, &server->accepting[i]);
}

static void stop_accepting(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        ev_io_stop(server->loop, &server->accepting[i]);
}

static void on_accept_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    start_accepting(timer->data);
}

// Lets the system come to itself; what waits to be accepted goes on waiting.
static void pause_accepting(struct server *server, const char *reason)
{
    if (!server->accept_refused)
        log_write(LOG_WARNING, "cannot accept connections for now: %s", reason);
    server->accept_refused = true;
    stop_accepting(server);
    ev_timer_set(&server->accept_pause, ACCEPT_PAUSE, 0);
    ev_timer_start(server->loop, &server->accept_pause);
}

static void on_acceptable(struct ev_loop *loop, ev_io *io, int events)
{
    struct server *server = io->data;
    unsigned failures = 0;
    (void)loop;
    if ((events & EV_ERROR) != 0) { // libev could not watch it, and has stopped it
        pause_accepting(server, "the system does not watch the socket");
        return;
    }
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        int fd = accept4(io->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            server->accept_refused = false;
            admit(server, fd, (struct sockaddr *)&peer, len);
            continue;
        }
        int reason = errno;
        if (reason == EAGAIN || reason == EWOULDBLOCK)
            return;
        counter_add(&workers_stats(server->workers)->accept_errors, 1);
        // Any other failure is that connection's own (ECONNABORTED, EPROTO, EPERM …): the next.
        // Unless it turns out to be that of all.
        if (reason == EMFILE || reason == ENFILE || reason == ENOMEM || reason == ENOBUFS ||
            ++failures == ACCEPTS_PER_TURN) {
            pause_accepting(server, strerror(reason));
            return;
        }
    }
}

static void on_drained(void *context)
{
    struct server *server = context;
    ev_break(server->loop, EVBREAK_ALL);
}

static void on_drain_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    log_write(LOG_WARNING, "some clients did not take their replies in time");
    ev_break(loop, EVBREAK_ALL);
}

static void on_check(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct server *server = timer->data;
    (void)loop;
    (void)events;
    if (workers_check_dataset(server->workers))
        publisher_mend(server->publisher);
}

static void stop(struct server *server)
{
    if (server->stopping)
        return;
    server->stopping = true;
    stop_accepting(server);
    publisher_cancel(server->publisher); // who would tell that it is ready
    notify_stopping();
    ev_timer_stop(server->loop, &server->accept_pause);
    ev_timer_stop(server->loop, &server->check);
    ev_timer_start(server->loop, &server->drain_limit);
    workers_drain(server->workers);
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct server *server = signal->data;
    (void)events;
    // A supervisor may repeat itself; who presses Ctrl-C twice means it.
    if (server->stopping && signal->signum == SIGINT) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    log_write(LOG_NOTICE, "signal %d: stopping", signal->signum);
    stop(server);
}

// What comes before the loop runs is kept for it; the log follows at its next line.
static volatile sig_atomic_t early_hangup;

static void on_early(int number)
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
        log_write(LOG_NOTICE, "SIGUSR1: opened the log anew");
}

// A password that cannot be read leaves the one of before; never is there none.
static void follow_password(struct server *server)
{
    char password[PASSWORD_MAX + 1];
    struct error error;
    if (server->settings.requirepass_file == NULL)
        return;
    if (!password_read_again(server->settings.requirepass_file, password, &error))
        log_write(LOG_WARNING, "the password stays as it was: %s", error.text);
    else if (workers_set_password(server->workers, password))
        log_write(LOG_NOTICE, "the password has changed; who has given the old one stays");
    explicit_bzero(password, sizeof password);
}

static void on_hangup(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct server *server = signal->data;
    (void)loop;
    (void)events;
    (void)log_reopen();
    log_write(LOG_NOTICE, "SIGHUP: reloading");
    follow_password(server);
    publisher_ask(server->publisher, NULL);
}

// From any loop.
static void on_reload_command(void *context, struct reload_request *request)
{
    struct server *server = context;
    publisher_ask(server->publisher, request);
}

static void on_shutdown(struct ev_loop *loop, ev_async *async, int events)
{
    (void)loop;
    (void)events;
    log_write(LOG_NOTICE, "SHUTDOWN: stopping");
    stop(async->data);
}

// From any loop, whose connection is at work while it asks: the stop itself waits for this loop.
static void on_shutdown_command(void *context)
{
    struct server *server = context;
    ev_async_send(server->loop, &server->shutdown_command);
}

static unsigned spare_descriptors(const struct server *server)
{
    return SPARE_DESCRIPTORS + (server->settings.threads - 1) * LOOP_DESCRIPTORS;
}

// Descriptors for all clients, or fewer clients. False with a message when there is room for none.
// What was changed is noted for the log, which comes when nothing can refuse the start any more.
static bool reserve_descriptors(struct server *server, struct error *error)
{
    unsigned maxclients = (unsigned)runtime_get(&server->settings.runtime.maxclients);
    struct rlimit limit;
    unsigned spare = spare_descriptors(server);
    rlim_t wanted = (rlim_t)maxclients + spare;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return true;
    struct rlimit raised = {wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        error_set(&server->note, "raised the limit of open files to %llu for %u clients",
                  (unsigned long long)wanted, maxclients);
        return true;
    }
    raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_cur >= wanted)
        return true;
    if (limit.rlim_cur <= spare) {
        error_set(error,
                  "the limit of %llu open files leaves none for clients; %u are needed "
                  "besides",
                  (unsigned long long)limit.rlim_cur, spare);
        return false;
    }
    maxclients = (unsigned)limit.rlim_cur - spare;
    server->settings.runtime.maxclients = maxclients;
    error_set(&server->note, "maxclients lowered to %u by the limit of %llu open files", maxclients,
              (unsigned long long)limit.rlim_cur);
    return true;
}

// How many clients the descriptors that are reserved would do for.
static unsigned most_clients(const struct server *server)
{
    struct rlimit limit;
    rlim_t spare = spare_descriptors(server);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= spare)
        return 0;
    return limit.rlim_cur - spare < UINT_MAX ? (unsigned)(limit.rlim_cur - spare) : UINT_MAX;
}

// Those of `binds` that stand for every address, or the others. False with a message when one that
// is not optional cannot be had.
static bool open_tcp(struct server *server, bool every, struct error *error)
{
    struct settings *settings = &server->settings;
    for (unsigned i = 0; i < settings->bind.count; i++) {
        const char *address = settings->bind.items[i];
        bool optional = *address == '-';
        if (listener_is_every(address + optional) != every)
            continue;
        bool opened =
            listener_open_tcp(server->listeners, &server->listener_count, address + optional,
                              settings->port, settings->tcp_backlog, error);
        if (!opened && !optional)
            return false;
        if (!opened)
            log_write(LOG_VERBOSE, "%s", error->text);
        // Of port 0 the system chooses the first; the other addresses share its choice.
        if (server->listener_count > 0)
            settings->port = server->listeners[0].port;
    }
    return true;
}

static bool open_listeners(struct server *server, struct error *error)
{
    struct settings *settings = &server->settings;
    if (server->settings.tcp && !(open_tcp(server, true, error) && open_tcp(server, false, error)))
        return false;
    if (*settings->unixsocket != '\0' &&
        !listener_open_unix(server->listeners, &server->listener_count, settings->unixsocket,
                            settings->unixsocketperm, settings->tcp_backlog, error))
        return false;
    if (server->listener_count > 0)
        return true;
    error_set(error, "no address to listen on");
    return false;
}

struct server *server_open(const struct settings *settings, const struct command *const *commands,
                           struct error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(error, "no memory for the server");
        return NULL;
    }
    server->settings = *settings;
    server->commands = commands;
    if (settings->threads == 0)
        server->settings.threads = parallel_threads();
    signal(SIGHUP, on_early);
    signal(SIGUSR1, on_early);
    signal(SIGPIPE, SIG_IGN); // a reader that is gone is an error of the write, not our end
    if (!reserve_descriptors(server, error) || !open_listeners(server, error))
        goto fail;
    server->settings.maxclients_most = most_clients(server);
    server->loop = ev_default_loop(EVFLAG_AUTO);
    if (server->loop == NULL) {
        error_set(error, "cannot start the event loop");
        goto fail;
    }
    for (unsigned i = 0; i < server->listener_count; i++) {
        ev_io_init(&server->accepting[i], on_acceptable, server->listeners[i].fd, EV_READ);
        server->accepting[i].data = server;
    }
    ev_timer_init(&server->accept_pause, on_accept_pause_over, ACCEPT_PAUSE, 0);
    server->accept_pause.data = server;
    ev_timer_init(&server->drain_limit, on_drain_limit, DRAIN_TIME_MAX, 0);
    ev_timer_init(&server->check, on_check, CHECK_INTERVAL, CHECK_INTERVAL);
    server->check.data = server;
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
    return server->listeners[0].text;
}

bool server_listen(struct server *server, const struct dataset_source *source,
                   struct dataset *dataset, struct error *error)
{
    const struct settings *settings = &server->settings;
    const struct workers_owner owner = {on_shutdown_command, on_drained, on_reload_command, server};
    server->workers = workers_new(server->loop, settings, dataset, server->commands, &owner, error);
    if (server->workers != NULL)
        server->publisher =
            publisher_new(source, server->settings.watch, server->workers, dataset, error);
    if (server->publisher == NULL) {
        server->dataset = dataset;
        return false;
    }
    for (unsigned i = 0; i < server->listener_count; i++)
        if (!listener_stands(&server->listeners[i], error))
            return false;
    if (!publisher_start(server->publisher, error))
        return false;
    if (*server->note.text != '\0')
        log_write(LOG_WARNING, "%s", server->note.text);
    if (settings->threads > 1)
        log_write(LOG_NOTICE, "serving with %u threads", settings->threads);
    ev_async_start(server->loop, &server->shutdown_command);
    ev_signal_start(server->loop, &server->on_term);
    ev_signal_start(server->loop, &server->on_int);
    ev_signal_start(server->loop, &server->on_hup);
    ev_signal_start(server->loop, &server->on_usr1);
    if (early_hangup)
        ev_feed_signal_event(server->loop, SIGHUP);
    ev_timer_start(server->loop, &server->check);
    start_accepting(server);
    return true;
}

void server_run(struct server *server)
{
    ev_run(server->loop, 0);
    if (!workers_stop(server->workers))
        log_write(LOG_WARNING, "a thread is held up; the process ends without it");
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    for (unsigned i = 0; i < server->listener_count; i++)
        listener_close(&server->listeners[i]);
    if (server->publisher != NULL) {
        publisher_cancel(server->publisher);
        if (!publisher_stop(server->publisher))
            return; // the thread that does not end may use all of it
    }
    if (server->workers != NULL && !workers_stop(server->workers))
        return;
    workers_free(server->workers);
    publisher_free(server->publisher);
    dataset_close(server->dataset);
    if (server->loop != NULL)
        ev_loop_destroy(server->loop);
    free(server);
}
