// What a connection reports about itself: its addresses and figures, for CLIENT LIST, and its lines
// in the log. A warning that a client can cause comes at most once a minute, so that no client
// fills the log. None of these functions is called for a request that is simply answered.
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "net/conn_internal.h"

static const uint64_t LOG_INTERVAL = 60 * CLOCK_SECOND; // of warnings of one kind, as in Redis

// ---- addresses and figures ----------------------------------------------------------------------

// Writes the address of one end of the socket, which `get` returns.
static void format_address(char to[CLIENT_ADDRESS_TEXT], const struct conn *c,
                           int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char text[ADDRESS_TEXT] = "";
    if (get(c->io.fd, (struct sockaddr *)&address, &len) == 0)
        address_format((struct sockaddr *)&address, len, text);
    // As in Redis, the address of a client on a unix socket is the path of the socket.
    const char *path = c->loop->service.settings->unixsocket;
    bool is_unix = address.ss_family == AF_UNIX;
    snprintf(to, CLIENT_ADDRESS_TEXT, "%s%s", is_unix ? path : text, is_unix ? ":0" : "");
    escape_in_place(to, CLIENT_ADDRESS_TEXT);
}

void conn_peer_address(const struct conn *c, char to[CLIENT_ADDRESS_TEXT])
{
    format_address(to, c, getpeername);
}

void conn_describe(const struct session *s, struct client_facts *facts)
{
    const struct conn *c = container_of(s, struct conn, session);
    *facts = (struct client_facts){
        .fd = c->io.fd,
        .active_ns = c->active_at,
        .input = conn_unanswered(c),
        .input_memory = c->input.cap + c->backlog.memory,
        .output = output_pending(&c->output),
        .output_memory = output_memory(&c->output),
        .memory = CONN_MEMORY,
        .reading = ev_is_active(&c->io) && (c->io.events & EV_READ) != 0,
        .writing = ev_is_active(&c->io) && (c->io.events & EV_WRITE) != 0,
    };
    if (s->proxied_address != NULL)
        snprintf(facts->address, sizeof facts->address, "%s", s->proxied_address);
    else
        conn_peer_address(c, facts->address);
    format_address(facts->local_address, c, getsockname);
}

// ---- the log ------------------------------------------------------------------------------------

void conn_log_bad_header(const struct conn *c, const char *fault)
{
    static _Atomic uint64_t logged_at; // time of the last such line of any loop; monotonic ns
    char proxy[CLIENT_ADDRESS_TEXT];
    counter_add(&c->loop->service.stats.proxy_header_errors, 1);
    if (!log_is_due(&logged_at, loop_now(c->loop), LOG_INTERVAL))
        return;
    conn_peer_address(c, proxy);
    log_write(LOG_WARNING,
              "client id=%llu closed: no PROXY protocol header from %s, although "
              "--proxy-protocol lists it: %s (logged once a minute)",
              (unsigned long long)c->session.id, proxy, fault);
}

void conn_log_late(const struct conn *c)
{
    if (c->awaits_header)
        conn_log_bad_header(c, "it did not come in time");
    else
        log_write(LOG_VERBOSE, "client id=%llu closed: it %s in time",
                  (unsigned long long)c->session.id,
                  c->timeout == TIMEOUT_REQUEST ? "did not complete its request"
                                                : "read none of its replies");
}

void conn_log_foreign_protocol(const struct conn *c)
{
    static _Atomic uint64_t logged_at; // time of the last such line of any loop; monotonic ns
    if (c->session.close_reason == NULL || !log_is_due(&logged_at, loop_now(c->loop), LOG_INTERVAL))
        return;
    log_write(LOG_WARNING,
              "possible attack: client id=%llu speaks %s instead of RESP; connection closed "
              "(logged once a minute)",
              (unsigned long long)c->session.id, c->session.close_reason);
}

void conn_refused(const struct session *s, const struct command_entry *entry)
{
    // For each command, the time of its last such line of any loop; monotonic ns.
    static _Atomic uint64_t logged_at[COMMANDS_MAX];
    char address[CLIENT_ADDRESS_TEXT];
    if (!log_is_due(&logged_at[entry->number], clock_monotonic_ns(), LOG_INTERVAL))
        return;
    session_address(s, address);
    log_write(LOG_WARNING,
              "refused the administrative command '%s' to client id=%llu addr=%s: see "
              "--admin-commands (logged once a minute)",
              entry->command->name, (unsigned long long)s->id, address);
}

void conn_replicated(const struct session *s, bool failed, const char *what)
{
    static _Atomic uint64_t logged_at; // time of the last failure of any loop; monotonic ns
    char address[CLIENT_ADDRESS_TEXT];
    if (failed && !log_is_due(&logged_at, clock_monotonic_ns(), LOG_INTERVAL))
        return;
    session_address(s, address);
    log_write(failed ? LOG_WARNING : LOG_VERBOSE, "client id=%llu addr=%s: %s%s",
              (unsigned long long)s->id, address, what, failed ? " (logged once a minute)" : "");
}
