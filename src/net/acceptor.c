// Accepting pauses while the system has no descriptor or memory for a new connection. Otherwise the
// listener would stay readable, and the loop would call accept again and again without success
// (libev's manual: "the special problem of accept()ing when you can't").
#include "net/acceptor.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "net/refusal.h"
#include "net/workers.h"
#include "serve/settings.h"

enum {
    // The largest number of clients accepted in one turn of the loop. Accepting that many takes
    // about 0.7 ms. The limit keeps a flood of new connections from delaying the present ones.
    ACCEPTS_PER_TURN = 128,
    // Descriptors that are not clients' sockets. The first number is for files, listeners and the
    // first loop, with a reserve. The second is for each further loop.
    SPARE_DESCRIPTORS = 64,
    LOOP_DESCRIPTORS = 4,
};

static const ev_tstamp ACCEPT_PAUSE = 0.1; // seconds
static const int KEEPALIVE_PROBES = 3;

// ---- descriptors --------------------------------------------------------------------------------

// Returns the number of descriptors that are not clients' sockets.
static unsigned spare_descriptors(const struct settings *settings, unsigned probed)
{
    return SPARE_DESCRIPTORS + (settings->threads - 1) * LOOP_DESCRIPTORS + probed;
}

// Does what acceptor_reserve_descriptors does, but does not set `maxclients_most`.
static bool reserve_descriptors(struct settings *settings, unsigned spare, struct error *note,
                                struct error *error)
{
    unsigned maxclients = (unsigned)runtime_get(&settings->runtime.maxclients);
    struct rlimit limit;
    rlim_t wanted = (rlim_t)maxclients + spare;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return true;
    struct rlimit raised = {wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        error_set(note, "raised the limit of open files to %llu for %u clients",
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
                  "the limit of %llu open files leaves none for clients; the server itself needs "
                  "%u",
                  (unsigned long long)limit.rlim_cur, spare);
        return false;
    }
    maxclients = (unsigned)limit.rlim_cur - spare;
    settings->runtime.maxclients = maxclients;
    error_set(note, "maxclients lowered to %u by the limit of %llu open files", maxclients,
              (unsigned long long)limit.rlim_cur);
    return true;
}

// Returns the number of clients that fit into the limit of open files.
static unsigned most_clients(unsigned spare)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= spare)
        return 0;
    return limit.rlim_cur - spare < UINT_MAX ? (unsigned)(limit.rlim_cur - spare) : UINT_MAX;
}

bool acceptor_reserve_descriptors(struct settings *settings, unsigned probed, struct error *note,
                                  struct error *error)
{
    unsigned spare = spare_descriptors(settings, probed);
    if (!reserve_descriptors(settings, spare, note, error))
        return false;
    settings->maxclients_most = most_clients(spare);
    return true;
}

// ---- listening ----------------------------------------------------------------------------------

// Opens TCP addresses of the settings: with `wildcard` those that stand for all addresses of a
// family, otherwise all other addresses. Returns false with a message when an address cannot be
// opened, unless it is marked as optional by a '-'.
static bool open_tcp(struct acceptor *a, struct settings *settings, bool wildcard,
                     struct error *error)
{
    for (unsigned i = 0; i < settings->bind.count; i++) {
        const char *address = settings->bind.items[i];
        bool optional = *address == '-';
        if (listener_is_wildcard(address + optional) != wildcard)
            continue;
        bool opened = listener_open_tcp(a->listeners, &a->listener_count, address + optional,
                                        settings->port, settings->tcp_backlog, error);
        if (!opened && !optional)
            return false;
        if (!opened)
            log_write(LOG_VERBOSE, "%s", error->text);
        // For port 0 the system chooses a port for the first address; the others use the same.
        if (a->listener_count > 0)
            settings->port = a->listeners[0].port;
    }
    return true;
}

// Reads the addresses of proxies. Returns false with a message when one is malformed.
static bool read_proxies(struct acceptor *a, const struct settings *settings, struct error *error)
{
    _Static_assert((int)SETTING_ITEMS_MAX <= (int)ADDRESS_LIST_MAX, "room for all");
    for (unsigned i = 0; i < settings->proxy_protocol.count; i++) {
        const char *text = settings->proxy_protocol.items[i];
        if (address_list_add(&a->proxies, text))
            continue;
        error_set(error,
                  "--proxy-protocol '%s' must be an address like 10.0.0.1, a network like "
                  "10.0.0.0/8, or unix",
                  text);
        return false;
    }
    return true;
}

bool acceptor_open(struct acceptor *a, struct settings *settings, struct error *error)
{
    a->settings = settings;
    if (!read_proxies(a, settings, error))
        return false;
    if (settings->tcp &&
        !(open_tcp(a, settings, true, error) && open_tcp(a, settings, false, error)))
        return false;
    if (*settings->unixsocket != '\0' &&
        !listener_open_unix(a->listeners, &a->listener_count, settings->unixsocket,
                            settings->unixsocketperm, settings->tcp_backlog, error))
        return false;
    if (a->listener_count > 0)
        return true;
    error_set(error, "no address to listen on");
    return false;
}

const char *acceptor_address(const struct acceptor *a)
{
    return a->listeners[0].text;
}

// Returns whether the listener's address, without port and brackets, is `host`.
static bool has_host(const struct listener *listener, const char *host)
{
    const char *text = listener->text;
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len >= 2 && text[0] == '[') {
        text++;
        len -= 2;
    }
    char bound[ADDRESS_TEXT];
    memcpy(bound, text, len);
    bound[len] = '\0';
    return address_is_same(bound, host) ||
           (listener_is_wildcard(bound) && address_is_of_this_machine(host));
}

bool acceptor_listens_at(const struct acceptor *a, const char *host, unsigned port)
{
    for (unsigned i = 0; i < a->listener_count; i++)
        if (a->listeners[i].port == port && has_host(&a->listeners[i], host))
            return true;
    return false;
}

bool acceptor_is_reachable(const struct acceptor *a, struct error *error)
{
    for (unsigned i = 0; i < a->listener_count; i++)
        if (!listener_is_reachable(&a->listeners[i], error))
            return false;
    return true;
}

void acceptor_close(struct acceptor *a)
{
    for (unsigned i = 0; i < a->listener_count; i++)
        listener_close(&a->listeners[i]);
}

// ---- accepting ----------------------------------------------------------------------------------

// Closes a new connection after sending an error.
static void reject(struct acceptor *a, int fd, const char *reply)
{
    counter_add(&workers_stats(a->workers)->connections_rejected, 1);
    refusal_send(fd, reply);
    close(fd);
}

// Returns the milliseconds without any acknowledgement after which the system closes a connection.
// Returns 0, which stands for the system's default of some 15 minutes, when `write_timeout` is
// disabled. Otherwise the result is the longer of two times. The first is the time that keepalive
// takes to find a vanished client; a shorter one would end keepalive's probes early. The second is
// `write_timeout`, because a client may leave its replies unread for that long. The arguments are
// in seconds; 0: disabled.
static unsigned peer_timeout(int64_t keepalive, int64_t interval, int64_t write_timeout)
{
    int64_t seconds = keepalive > 0 ? keepalive + KEEPALIVE_PROBES * interval : write_timeout;
    if (write_timeout == 0)
        return 0;
    if (seconds < write_timeout)
        seconds = write_timeout;
    return seconds < INT_MAX / 1000 ? (unsigned)seconds * 1000 : INT_MAX;
}

// Sets the options of a TCP client's socket. `keepalive` and `write_timeout` are in seconds; 0:
// none.
static void tune_tcp(int fd, bool local, int keepalive, int64_t write_timeout)
{
    static const char loopback_congestion[] = "reno";
    int on = 1;
    int interval = keepalive / 3 > 0 ? keepalive / 3 : 1;
    unsigned unanswered = peer_timeout(keepalive, interval, write_timeout);
    // Failures are ignored, because the connection works without any of these options.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (keepalive > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive, sizeof keepalive);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &KEEPALIVE_PROBES, sizeof KEEPALIVE_PROBES);
    }
    if (unanswered > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
    // Between programs on one machine no packet is lost or late, so the simplest congestion control
    // is enough; every kernel has it. BBR, the default on some systems, measures the path and sends
    // packets by a timer. That adds about a tenth to the processor time of each request
    // (docs/mistakes.md).
    if (local)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, loopback_congestion,
                         sizeof loopback_congestion - 1);
}

// Gives a new connection to a worker, or rejects it: when there are too many, or in protected mode.
// Whether protected mode admits a client of a proxy is decided when its header has come
// (conn_header.c).
static void admit(struct acceptor *a, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    const struct settings *settings = a->settings;
    const struct runtime_settings *runtime = workers_runtime(a->workers);
    char text[ADDRESS_TEXT];
    bool local = address_is_local(peer);
    bool proxied = address_list_has(&a->proxies, peer);
    address_format(peer, peer_len, text);
    // Lingering connections (shut down on our side, waiting for the client to close) count too,
    // because each has a descriptor.
    if (workers_connections(a->workers) >= runtime_get(&runtime->maxclients)) {
        reject(a, fd, refusal_too_many);
    } else if (!proxied && refusal_is_due(settings, local)) {
        log_write(LOG_VERBOSE, "refused %s: protected mode", text);
        reject(a, fd, refusal_protected);
    } else {
        log_write(LOG_DEBUG, "accepted %s%s", *text != '\0' ? text : "unix socket",
                  proxied ? ", a proxy" : "");
        if (peer->sa_family != AF_UNIX)
            tune_tcp(fd, local, (int)runtime_get(&runtime->tcp_keepalive),
                     runtime_get(&runtime->write_timeout));
        workers_adopt(a->workers, fd, local, proxied);
    }
}

static void watch_listeners(struct acceptor *a)
{
    for (unsigned i = 0; i < a->listener_count; i++)
        ev_io_start(a->ev, &a->watchers[i]);
}

static void unwatch_listeners(struct acceptor *a)
{
    for (unsigned i = 0; i < a->listener_count; i++)
        ev_io_stop(a->ev, &a->watchers[i]);
}

static void on_pause_over(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    watch_listeners(timer->data);
}

// Stops accepting for ACCEPT_PAUSE, because the system is short of descriptors or memory. The
// system keeps new clients waiting.
static void pause_accepting(struct acceptor *a, const char *reason)
{
    if (!a->accept_failed)
        log_write(LOG_WARNING, "cannot accept connections for now: %s", reason);
    a->accept_failed = true;
    unwatch_listeners(a);
    ev_timer_set(&a->pause, ACCEPT_PAUSE, 0);
    ev_timer_start(a->ev, &a->pause);
}

static void on_acceptable(struct ev_loop *ev, ev_io *io, int events)
{
    struct acceptor *a = io->data;
    unsigned failures = 0;
    (void)ev;
    if ((events & EV_ERROR) != 0) { // libev cannot watch the socket and has stopped the watcher
        pause_accepting(a, "the event loop cannot watch the socket");
        return;
    }
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        int fd = accept4(io->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            a->accept_failed = false;
            admit(a, fd, (struct sockaddr *)&peer, len);
            continue;
        }
        int reason = errno;
        if (reason == EAGAIN || reason == EWOULDBLOCK)
            return;
        counter_add(&workers_stats(a->workers)->accept_errors, 1);
        // Any other failure (ECONNABORTED, EPROTO, EPERM …) concerns this connection alone, so the
        // next one is accepted. If ACCEPTS_PER_TURN calls fail in one turn, accepting pauses too.
        if (reason == EMFILE || reason == ENFILE || reason == ENOMEM || reason == ENOBUFS ||
            ++failures == ACCEPTS_PER_TURN) {
            pause_accepting(a, strerror(reason));
            return;
        }
    }
}

void acceptor_start(struct acceptor *a, struct ev_loop *ev, struct workers *workers)
{
    a->ev = ev;
    a->workers = workers;
    for (unsigned i = 0; i < a->listener_count; i++) {
        ev_io_init(&a->watchers[i], on_acceptable, a->listeners[i].fd, EV_READ);
        a->watchers[i].data = a;
    }
    ev_timer_init(&a->pause, on_pause_over, ACCEPT_PAUSE, 0);
    a->pause.data = a;
    watch_listeners(a);
}

void acceptor_stop(struct acceptor *a)
{
    if (a->ev == NULL)
        return;
    unwatch_listeners(a);
    ev_timer_stop(a->ev, &a->pause);
}
