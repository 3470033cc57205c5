// Reads the PROXY protocol header of a connection that a proxy forwards. The bytes are looked at
// before they are taken from the socket (MSG_PEEK), so exactly the header is taken, and the first
// request stays for the conversation. The first bytes of an incomplete header are kept in `input`.
//
// The watcher of the connection has a callback of its own until the header has come. So other
// clients do not pay for it: nothing asks, for each event, whether a header is missing.
#include "net/conn_internal.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/proxy_header.h"
#include "net/refusal.h"

// Begins the conversation with the client that the header names. Returns false when the connection
// must be freed: protected mode keeps the client out, or memory is short.
static bool begin_proxied(struct conn *c, const struct proxy_header *header)
{
    struct session *s = &c->session;
    char text[ADDRESS_TEXT];
    c->awaits_header = false;
    conn_stop_timeout(c);
    buf_release(&c->input);
    if (header->has_client) {
        const struct sockaddr *client = (const struct sockaddr *)&header->client;
        // A client that the proxy sees on its loopback is on the machine of the proxy.
        s->local &= address_is_local(client);
        address_format(client, sizeof header->client, text);
        session_set_text(s, &s->proxied_address, span_text(text));
        log_write(LOG_DEBUG, "client id=%llu is %s", (unsigned long long)s->id, text);
    }
    if (s->oom)
        return false;
    if (!refusal_is_due(c->loop->service.settings, s->local))
        return true;
    log_write(LOG_VERBOSE, "refused client id=%llu of a proxy: protected mode",
              (unsigned long long)s->id);
    counter_add(&c->loop->service.stats.connections_rejected, 1);
    refusal_send(c->io.fd, refusal_protected);
    return false;
}

bool conn_read_header(struct conn *c)
{
    char bytes[PROXY_HEADER_MAX];
    struct proxy_header header;
    size_t had = c->input.len;
    if (had > 0)
        memcpy(bytes, c->input.ptr, had);
    ssize_t count = recv(c->io.fd, bytes + had, sizeof bytes - had, MSG_PEEK);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    if (count == 0) {
        if (had > 0) // without a byte, it was a check of the port
            conn_log_bad_header(c, "it is cut");
        return false;
    }
    size_t len = had + (size_t)count;
    enum proxy_header_status status = proxy_header_parse(span_of(bytes, len), &header);
    if (status == PROXY_HEADER_BAD) {
        conn_log_bad_header(c, header.fault);
        return false;
    }
    size_t taken = (status == PROXY_HEADER_COMPLETE ? header.len : len) - had;
    size_t got;
    if (!conn_read_into(c, (struct bytes){bytes + had, taken}, &got) || got != taken)
        return false;
    if (status == PROXY_HEADER_COMPLETE)
        return begin_proxied(c, &header);
    buf_append(&c->input, span_of(bytes + had, taken));
    conn_update_memory(c);
    return !c->input.oom;
}

// The callback of the watcher until the header has come. So the header costs other clients nothing.
static void on_header(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct conn *c = io->data;
    if (c->session.killed || (events & EV_ERROR) != 0 || !conn_read_header(c))
        conn_free(c);
    else if (!c->awaits_header)
        conn_begin_requests(c);
}

void conn_await_header(struct conn *c)
{
    c->awaits_header = true;
    ev_set_cb(&c->io, on_header);
    conn_start_timeout(c, TIMEOUT_REQUEST);
}
