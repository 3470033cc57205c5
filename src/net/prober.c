// Each peer is a small state machine: it connects, then sends a probe each second and awaits the
// answer. All times are looked at by one timer. Errors of any kind end the connection, and the next
// one is tried a second later.
#include "net/prober.h"

#include <errno.h>
#include <ev.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/password.h"
#include "base/thread.h"
#include "serve/cluster.h"
#include "serve/node_state.h"
#include "serve/settings.h"

enum {
    STOP_SECONDS = 2,
    STACK = 512 * 1024, // bytes
    REFUSED_DOWN = 2,   // connections refused in a row after which a node is down
    ANSWER_MAX = 1024,  // bytes of the answers to one probe
    REFUSAL_MAX = 128,  // bytes of an error that is logged
};

static const ev_tstamp TICK = 0.1; // seconds
static const uint64_t PROBE_INTERVAL = CLOCK_SECOND;
static const uint64_t UP_AFTER = 10 * CLOCK_SECOND; // of good answers without a break

struct peer {
    struct prober *prober;
    ev_io io;
    int fd; // -1: not connected
    bool connected;
    bool down;
    bool was_good;             // there was a good answer since our start
    unsigned refused;          // connections refused in a row
    unsigned address;          // which of the addresses of its host is tried next
    uint64_t next_ns;          // when to connect, or to send the next probe
    uint64_t asked_ns;         // when the probe was sent whose answer is awaited; 0: none
    uint64_t good_ns;          // last good answer, or the beginning of our interest in the node
    uint64_t streak_ns;        // first good answer after the last failure; 0: none
    unsigned greeted;          // answers `OK` that are awaited in front of the probe's
    bool pinged;               // the probe is PING, because the node has no STELE.CLUSTER
    struct node_state state;   // what the node has said last, unless `pinged`
    char refusal[REFUSAL_MAX]; // the error that it has answered with since it was good; "": none
    char answer[ANSWER_MAX];
    size_t answer_len;
    char name[TOPOLOGY_NAME_MAX + 1];
    char host[TOPOLOGY_HOST_MAX + 1];
    unsigned port;
};

struct prober {
    struct cluster *cluster;
    const struct settings *settings;
    uint64_t timeout_ns;
    pthread_t thread;
    struct ev_loop *loop;
    ev_async wake; // sent after `stop` is set
    ev_timer tick;
    atomic_bool stop;
    struct cluster_view *view; // the view that `peers` belong to
    unsigned version;          // of the view
    struct peer **peers;       // one for each node of the view; NULL for this node
};

// ---- up and down --------------------------------------------------------------------------------

static unsigned number_of(const struct peer *peer)
{
    const struct prober *p = peer->prober;
    unsigned i = 0;
    while (p->peers[i] != peer)
        i++;
    return i;
}

static void set_down(struct peer *peer, bool down, const char *why)
{
    if (peer->down == down)
        return;
    peer->down = down;
    char node[TOPOLOGY_NAME_MAX + TOPOLOGY_HOST_MAX + 16];
    snprintf(node, sizeof node, "%s (%s:%u)", peer->name, peer->host, peer->port);
    if (down)
        log_write(LOG_WARNING, "node %s of the cluster is down: %s", node, why);
    else
        log_write(LOG_NOTICE, "node %s of the cluster is up again", node);
    cluster_set_down(peer->prober->view, number_of(peer), down);
}

// Ends the connection after a failure. The next one is tried a second later.
static void fail(struct peer *peer, bool refused)
{
    if (peer->fd >= 0) {
        ev_io_stop(peer->prober->loop, &peer->io);
        close(peer->fd);
    }
    peer->fd = -1;
    peer->connected = false;
    peer->asked_ns = 0;
    if (peer->streak_ns == 0)
        peer->address++; // this one has not worked
    peer->streak_ns = 0;
    peer->next_ns = clock_monotonic_ns() + PROBE_INTERVAL;
    peer->refused = refused ? peer->refused + 1 : 0;
    if (peer->refused >= REFUSED_DOWN)
        set_down(peer, true, "it refuses connections");
}

static void note_good(struct peer *peer)
{
    struct prober *p = peer->prober;
    uint64_t now = clock_monotonic_ns();
    peer->good_ns = now;
    peer->asked_ns = 0;
    peer->refused = 0;
    peer->refusal[0] = '\0';
    if (peer->streak_ns == 0)
        peer->streak_ns = now;
    atomic_store(&p->view->peers[number_of(peer)].good_ms, (int64_t)(clock_wall_us() / 1000));
    if (!peer->pinged)
        cluster_set_state(p->view, number_of(peer), &peer->state);
    if (!peer->was_good || now - peer->streak_ns >= UP_AFTER)
        set_down(peer, false, NULL);
    peer->was_good = true;
}

// ---- the conversation ---------------------------------------------------------------------------

// Sends bytes that always fit into an empty socket buffer.
static bool send_text(struct peer *peer, struct span text)
{
    return send(peer->fd, text.ptr, text.len, MSG_NOSIGNAL) == (ssize_t)text.len;
}

#define PING "*1\r\n$4\r\nPING\r\n"
#define STATE "*2\r\n$13\r\nSTELE.CLUSTER\r\n$5\r\nSTATE\r\n"

static void ask(struct peer *peer)
{
    uint64_t now = clock_monotonic_ns();
    peer->answer_len = 0;
    peer->asked_ns = now;
    peer->next_ns = now + PROBE_INTERVAL;
    if (!send_text(peer, span_text(peer->pinged ? PING : STATE)))
        fail(peer, false);
}

// Writes the password for other nodes to `password`. Returns whether there is one.
static bool find_password(const struct settings *settings, char password[PASSWORD_MAX + 1])
{
    const char *file = settings->cluster_auth_file != NULL ? settings->cluster_auth_file
                                                           : settings->requirepass_file;
    struct error error;
    if (file != NULL)
        return password_read_again(file, password, &error);
    if (settings->requirepass == NULL)
        return false;
    snprintf(password, PASSWORD_MAX + 1, "%s", settings->requirepass);
    return true;
}

// Sends what comes first on a connection, and the first probe.
static void greet(struct peer *peer)
{
    static const char name[] =
        "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$11\r\nstele-probe\r\n" STATE;
    char password[PASSWORD_MAX + 1];
    struct buf text = {0};
    bool secret = find_password(peer->prober->settings, password);
    if (secret)
        buf_printf(&text, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n", strlen(password), password);
    buf_append_text(&text, name);
    uint64_t now = clock_monotonic_ns();
    peer->greeted = secret ? 2 : 1;
    peer->pinged = false;
    peer->answer_len = 0;
    peer->asked_ns = now;
    peer->next_ns = now + PROBE_INTERVAL;
    peer->connected = true;
    ev_io_stop(peer->prober->loop, &peer->io);
    ev_io_set(&peer->io, peer->fd, EV_READ);
    ev_io_start(peer->prober->loop, &peer->io);
    if (text.oom || !send_text(peer, buf_span(&text)))
        fail(peer, false);
    explicit_bzero(password, sizeof password);
    if (text.ptr != NULL)
        explicit_bzero(text.ptr, text.len);
    buf_release(&text);
}

enum answer { ANSWER_GOOD, ANSWER_INCOMPLETE, ANSWER_UNKNOWN_COMMAND, ANSWER_WRONG };

// Takes `text` from the beginning of `rest`, if it is there.
static enum answer expect(struct span *rest, const char *wanted)
{
    struct span text = span_text(wanted);
    size_t len = rest->len < text.len ? rest->len : text.len;
    if (memcmp(rest->ptr, text.ptr, len) != 0)
        return ANSWER_WRONG;
    *rest = span_of(rest->ptr + len, rest->len - len);
    return len < text.len ? ANSWER_INCOMPLETE : ANSWER_GOOD;
}

// Returns what the bytes say that have come since the last probe.
static enum answer read_answer(struct peer *peer)
{
    struct span rest = span_of(peer->answer, peer->answer_len);
    enum answer answer = ANSWER_GOOD;
    for (unsigned i = 0; i < peer->greeted && answer == ANSWER_GOOD; i++)
        answer = expect(&rest, "+OK\r\n");
    if (answer != ANSWER_GOOD)
        return answer;
    if (peer->pinged) {
        answer = expect(&rest, "+PONG\r\n");
        return answer == ANSWER_GOOD && rest.len > 0 ? ANSWER_WRONG : answer;
    }
    bool ended = rest.len > 0 && rest.ptr[rest.len - 1] == '\n';
    if (expect(&(struct span){rest.ptr, rest.len}, "-ERR unknown command") != ANSWER_WRONG)
        return ended ? ANSWER_UNKNOWN_COMMAND : ANSWER_INCOMPLETE;
    switch (node_state_parse(rest, &peer->state)) {
    case NODE_STATE_GOOD: return ANSWER_GOOD;
    case NODE_STATE_INCOMPLETE: return ANSWER_INCOMPLETE;
    default: return ANSWER_WRONG;
    }
}

// Keeps the error of a wrong answer, for the log.
static void note_refusal(struct peer *peer)
{
    size_t len = 0;
    while (len < peer->answer_len && len < REFUSAL_MAX - 1 && peer->answer[0] == '-' &&
           peer->answer[len] >= ' ' && peer->answer[len] <= '~')
        len++;
    memcpy(peer->refusal, peer->answer, len);
    peer->refusal[len] = '\0';
}

// Takes bytes of the answer. A wrong answer is a failure: an error, LOADING, or bytes that nobody
// asked for.
static void take_answer(struct peer *peer)
{
    ssize_t got = recv(peer->fd, peer->answer + peer->answer_len,
                       sizeof peer->answer - peer->answer_len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        fail(peer, false);
        return;
    }
    peer->answer_len += (size_t)got;
    enum answer answer = peer->asked_ns != 0 ? read_answer(peer) : ANSWER_WRONG;
    if (answer == ANSWER_INCOMPLETE && peer->answer_len < sizeof peer->answer)
        return;
    peer->greeted = 0;
    if (answer == ANSWER_GOOD) {
        note_good(peer);
    } else if (answer == ANSWER_UNKNOWN_COMMAND) {
        peer->pinged = true;
        ask(peer);
    } else {
        note_refusal(peer);
        fail(peer, false);
    }
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    struct peer *peer = io->data;
    int reason = 0;
    socklen_t len = sizeof reason;
    (void)loop;
    (void)events;
    if (peer->connected)
        take_answer(peer);
    else if (getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &reason, &len) != 0 || reason != 0)
        fail(peer, reason == ECONNREFUSED);
    else
        greet(peer);
}

// Adds the time in which this thread could not listen to the deadlines of all other nodes.
static void spare_others(struct peer *peer, uint64_t lost_ns)
{
    struct prober *p = peer->prober;
    for (unsigned i = 0; i < p->view->topology->node_count; i++) {
        struct peer *other = p->peers[i];
        if (other == NULL || other == peer)
            continue;
        other->good_ns += lost_ns;
        if (other->asked_ns != 0)
            other->asked_ns += lost_ns;
    }
}

// Returns one of the addresses of a host. When `number` grows, they take turns.
static const struct addrinfo *choose_address(const struct addrinfo *all, unsigned number)
{
    unsigned count = 0;
    for (const struct addrinfo *at = all; at != NULL; at = at->ai_next)
        count++;
    for (number %= count; number > 0; number--)
        all = all->ai_next;
    return all;
}

// Begins to connect. A host name is resolved here. If the name server does not answer, that takes
// seconds, which must not make other nodes look down.
static void begin_to_connect(struct peer *peer)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", peer->port);
    uint64_t began = clock_monotonic_ns();
    int failure = getaddrinfo(peer->host, port, &hints, &found);
    spare_others(peer, clock_monotonic_ns() - began);
    if (failure != 0) {
        fail(peer, false);
        return;
    }
    const struct addrinfo *to = choose_address(found, peer->address);
    peer->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool begun = peer->fd >= 0 &&
                 (connect(peer->fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS);
    int reason = errno;
    freeaddrinfo(found);
    if (peer->fd >= 0) {
        ev_io_init(&peer->io, on_socket, peer->fd, EV_WRITE);
        peer->io.data = peer;
        ev_io_start(peer->prober->loop, &peer->io);
    }
    peer->asked_ns = clock_monotonic_ns();
    if (!begun)
        fail(peer, reason == ECONNREFUSED);
}

// ---- peers --------------------------------------------------------------------------------------

static struct peer *peer_new(struct prober *p, const struct topology_node *node)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->prober = p;
    peer->fd = -1;
    peer->good_ns = clock_monotonic_ns();
    memcpy(peer->name, node->name, sizeof peer->name);
    memcpy(peer->host, node->host, sizeof peer->host);
    peer->port = node->port;
    return peer;
}

static void peer_free(struct peer *peer)
{
    if (peer == NULL)
        return;
    if (peer->fd >= 0) {
        ev_io_stop(peer->prober->loop, &peer->io);
        close(peer->fd);
    }
    free(peer);
}

// Takes the peer of the old view that is this node, or returns NULL.
static struct peer *take_peer(struct prober *p, const struct topology_node *node)
{
    for (unsigned i = 0; p->view != NULL && i < p->view->topology->node_count; i++) {
        struct peer *peer = p->peers[i];
        if (peer == NULL || strcmp(peer->name, node->name) != 0 ||
            strcmp(peer->host, node->host) != 0 || peer->port != node->port)
            continue;
        p->peers[i] = NULL;
        return peer;
    }
    return NULL;
}

static void free_peers(struct prober *p)
{
    for (unsigned i = 0; p->view != NULL && i < p->view->topology->node_count; i++)
        peer_free(p->peers[i]);
    free(p->peers);
    p->peers = NULL;
    cluster_view_close(p->view);
    p->view = NULL;
}

// Probes the nodes of the new view. What is known of nodes that stay is kept. Without memory for a
// peer, its node counts as up.
static void follow_view(struct prober *p)
{
    unsigned version = atomic_load(&p->cluster->announced);
    if (version == p->version)
        return;
    struct cluster_view *view = cluster_take(p->cluster);
    struct peer **peers = calloc(view->topology->node_count, sizeof(struct peer *));
    if (peers == NULL) {
        cluster_view_close(view);
        return; // the next tick tries again
    }
    for (unsigned i = 0; i < view->topology->node_count; i++) {
        const struct topology_node *node = &view->topology->nodes[i];
        if (i == view->self)
            continue;
        peers[i] = take_peer(p, node);
        if (peers[i] == NULL)
            peers[i] = peer_new(p, node);
        // The view has inherited this, but it may have changed since.
        cluster_set_down(view, i, peers[i] != NULL && peers[i]->down);
    }
    free_peers(p);
    p->view = view;
    p->peers = peers;
    p->version = version;
}

static void look_at(struct peer *peer, uint64_t now)
{
    uint64_t timeout = peer->prober->timeout_ns;
    if (now - peer->good_ns > timeout)
        set_down(peer, true, peer->refusal[0] != '\0' ? peer->refusal : "it does not answer");
    if (peer->asked_ns != 0 && now - peer->asked_ns > timeout)
        fail(peer, false);
    if (now < peer->next_ns)
        return;
    if (peer->fd < 0)
        begin_to_connect(peer);
    else if (peer->connected && peer->asked_ns == 0)
        ask(peer);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct prober *p = timer->data;
    (void)loop;
    (void)events;
    follow_view(p);
    for (unsigned i = 0; p->view != NULL && i < p->view->topology->node_count; i++)
        if (p->peers[i] != NULL)
            look_at(p->peers[i], clock_monotonic_ns());
}

static void on_wake(struct ev_loop *loop, ev_async *async, int events)
{
    struct prober *p = async->data;
    (void)events;
    if (atomic_load(&p->stop))
        ev_break(loop, EVBREAK_ALL);
}

// ---- the thread ---------------------------------------------------------------------------------

static void *run_prober(void *argument)
{
    struct prober *p = argument;
    pthread_setname_np(pthread_self(), "stele-prober");
    ev_run(p->loop, 0);
    return NULL;
}

struct prober *prober_start(struct cluster *cluster, const struct settings *settings,
                            struct error *error)
{
    struct prober *p = calloc(1, sizeof *p);
    if (p != NULL)
        p->loop = ev_loop_new(EVFLAG_AUTO);
    if (p == NULL || p->loop == NULL) {
        error_set(error, "no memory or descriptors to probe the nodes of the cluster");
        free(p);
        return NULL;
    }
    p->cluster = cluster;
    p->settings = settings;
    p->timeout_ns = settings->cluster_node_timeout * (CLOCK_SECOND / 1000);
    ev_async_init(&p->wake, on_wake);
    ev_timer_init(&p->tick, on_tick, 0, TICK);
    p->wake.data = p->tick.data = p;
    ev_async_start(p->loop, &p->wake);
    ev_timer_start(p->loop, &p->tick);
    if (thread_start(&p->thread, STACK, run_prober, p))
        return p;
    error_set(error, "cannot start the thread that probes the cluster: %s", strerror(errno));
    ev_loop_destroy(p->loop);
    free(p);
    return NULL;
}

bool prober_stop(struct prober *p)
{
    if (p == NULL)
        return true;
    atomic_store(&p->stop, true);
    ev_async_send(p->loop, &p->wake);
    if (!thread_join(p->thread, STOP_SECONDS))
        return false;
    free_peers(p);
    ev_loop_destroy(p->loop);
    free(p);
    return true;
}
