#include "client/remote.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"

enum {
    CONNECT_SECONDS = 5,
    REPLY_MAX = 1024 * 1024, // bytes; a longer reply is an error
    HOST_MAX = 255,
};

static bool fail(const struct remote *c, const char *reason, struct error *error)
{
    error_set(error, "%s: %s", c->address, reason);
    return false;
}

// Waits until the socket is ready for `events`. Returns false with a message.
static bool await(const struct remote *c, short events, uint64_t until_ns, struct error *error)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        struct pollfd ready = {c->fd, events, 0};
        if (now >= until_ns)
            return fail(c, "no answer in time", error);
        int count = poll(&ready, 1, (int)((until_ns - now) / 1000000) + 1);
        if (count > 0)
            return true;
        if (count < 0 && errno != EINTR)
            return fail(c, strerror(errno), error);
    }
}

// ---- connecting ---------------------------------------------------------------------------------

// Connects a new socket. Returns false with a message.
static bool connect_to(struct remote *c, int family, const struct sockaddr *address, socklen_t len,
                       struct error *error)
{
    int reason = 0;
    socklen_t size = sizeof reason;
    c->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return fail(c, strerror(errno), error);
    if (connect(c->fd, address, len) != 0) {
        reason = errno;
        if (reason == EINPROGRESS) {
            unsigned seconds = c->timeout_s < CONNECT_SECONDS ? c->timeout_s : CONNECT_SECONDS;
            if (!await(c, POLLOUT, clock_monotonic_ns() + seconds * CLOCK_SECOND, error)) {
                remote_close(c);
                return false;
            }
            if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &reason, &size) != 0)
                reason = errno;
        }
    }
    if (reason == 0)
        return true;
    remote_close(c);
    return fail(c, strerror(reason), error);
}

static bool connect_unix(struct remote *c, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(c->address) >= sizeof address.sun_path)
        return fail(c, strerror(ENAMETOOLONG), error);
    strcpy(address.sun_path, c->address);
    return connect_to(c, AF_UNIX, (const struct sockaddr *)&address, sizeof address, error);
}

static bool connect_tcp(struct remote *c, struct error *error)
{
    char host[HOST_MAX + 1];
    const char *colon = strrchr(c->address, ':');
    const char *begin = c->address;
    size_t len = colon != NULL ? (size_t)(colon - begin) : 0;
    if (len >= 2 && begin[0] == '[' && begin[len - 1] == ']') {
        begin++;
        len -= 2;
    }
    int64_t port; // getaddrinfo would take 65536 for 0
    if (len == 0 || len > HOST_MAX || !number_parse(span_text(colon + 1), &port) || port < 1 ||
        port > UINT16_MAX)
        return fail(c, "must be HOST:PORT or the path of a Unix socket", error);
    memcpy(host, begin, len);
    host[len] = '\0';
    struct addrinfo *addresses;
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int reason = getaddrinfo(host, colon + 1, &wanted, &addresses);
    if (reason != 0)
        return fail(c, reason == EAI_SYSTEM ? strerror(errno) : gai_strerror(reason), error);
    bool connected = false;
    for (const struct addrinfo *a = addresses; a != NULL && !connected; a = a->ai_next)
        connected = connect_to(c, a->ai_family, a->ai_addr, a->ai_addrlen, error);
    freeaddrinfo(addresses);
    return connected;
}

bool remote_open(struct remote *c, const char *address, const char *password, unsigned timeout_s,
                 struct error *error)
{
    *c = (struct remote){.fd = -1, .address = address, .timeout_s = timeout_s};
    bool is_unix = strchr(address, '/') != NULL;
    if (!(is_unix ? connect_unix(c, error) : connect_tcp(c, error)))
        return false;
    if (password == NULL)
        return true;
    const struct span words[] = {span_text("AUTH"), span_text(password)};
    if (remote_send(c, 2, words, error) && remote_receive(c, error).ptr != NULL)
        return true;
    // As for redis-cli, a password too many does no harm.
    if (c->refused && strstr(error->text, "called without any password configured") != NULL)
        return true;
    remote_close(c);
    return false;
}

void remote_close(struct remote *c)
{
    if (c->address != NULL && c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_release(&c->in);
    buf_release(&c->text);
}

// ---- commands -----------------------------------------------------------------------------------

bool remote_send(struct remote *c, unsigned count, const struct span *words, struct error *error)
{
    struct buf out = {0};
    uint64_t until = clock_monotonic_ns() + c->timeout_s * CLOCK_SECOND;
    buf_printf(&out, "*%u\r\n", count);
    for (unsigned i = 0; i < count; i++) {
        buf_printf(&out, "$%zu\r\n", words[i].len);
        buf_append(&out, words[i]);
        buf_append_text(&out, "\r\n");
    }
    bool good = !out.oom || fail(c, strerror(ENOMEM), error);
    for (size_t at = 0; good && at < out.len;) {
        ssize_t sent = send(c->fd, out.ptr + at, out.len - at, MSG_NOSIGNAL);
        if (sent >= 0)
            at += (size_t)sent;
        else if (errno == EAGAIN)
            good = await(c, POLLOUT, until, error);
        else if (errno != EINTR)
            good = fail(c, strerror(errno), error);
    }
    buf_release(&out);
    return good;
}

// Removes the bytes that were read, and receives more into `c->in`.
static bool receive_more(struct remote *c, uint64_t until_ns, struct error *error)
{
    enum { PIECE = 16 * 1024 };
    buf_remove_front(&c->in, c->taken);
    c->taken = 0;
    if (!await(c, POLLIN, until_ns, error))
        return false;
    char *to = buf_reserve(&c->in, PIECE);
    if (to == NULL)
        return fail(c, strerror(ENOMEM), error);
    ssize_t got = recv(c->fd, to, PIECE, 0);
    if (got > 0)
        c->in.len += (size_t)got;
    else if (got == 0)
        return fail(c, "the server has closed the connection", error);
    else if (errno != EAGAIN && errno != EINTR)
        return fail(c, strerror(errno), error);
    return true;
}

// Waits for the next part of a reply.
static bool next_part(struct remote *c, uint64_t until_ns, struct reply_part *part,
                      struct error *error)
{
    for (;;) {
        size_t used;
        struct span input = {NULL, 0};
        if (c->in.len > 0)
            input = span_of(c->in.ptr + c->taken, c->in.len - c->taken);
        switch (reply_read(&c->reader, input, &used, part)) {
        case REPLY_PART: c->taken += used; return true;
        case REPLY_BAD: return fail(c, "the reply is not one of the Redis protocol", error);
        case REPLY_PARTIAL:
            if (!receive_more(c, until_ns, error))
                return false;
        }
    }
}

bool remote_next(struct remote *c, struct reply_part *part, struct error *error)
{
    c->refused = false;
    return next_part(c, clock_monotonic_ns() + c->timeout_s * CLOCK_SECOND, part, error);
}

struct span remote_receive(struct remote *c, struct error *error)
{
    static const struct span nothing = {NULL, 0};
    uint64_t until = clock_monotonic_ns() + c->timeout_s * CLOCK_SECOND;
    struct reply_part part;
    c->refused = false;
    c->text.len = 0;
    do {
        if (!next_part(c, until, &part, error))
            return nothing;
        c->refused = part.kind == REPLY_ERROR;
        if (part.kind == REPLY_ERROR)
            error_set(error, "%s: %.*s", c->address, (int)part.text.len, part.text.ptr);
        else if (part.kind == REPLY_ARRAY || part.kind == REPLY_NIL)
            fail(c, part.kind == REPLY_NIL ? "the reply is nil" : "the reply is an array", error);
        else if (part.text.len > REPLY_MAX - c->text.len || part.left > REPLY_MAX)
            fail(c, "the reply is too long", error);
        else {
            buf_append(&c->text, part.text);
            continue;
        }
        return nothing;
    } while (!part.is_last);
    if (!c->text.oom && buf_reserve(&c->text, 1) != NULL) // an empty reply has a `ptr`, too
        return buf_span(&c->text);
    fail(c, strerror(ENOMEM), error);
    return nothing;
}
