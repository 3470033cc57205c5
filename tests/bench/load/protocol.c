// Makes requests and replies. It must be quick, because the load generator runs on the same machine
// as the server that it measures. So room is reserved only once for each lookup.
#include "bench/load/protocol.h"

#include "base/number.h"
#include "data/uuid_text.h"

enum { AROUND = 128 }; // room for a key and all bytes around it and its value, in both protocols

static char *put(char *at, struct span s)
{
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

#define PUT(at, literal) put(at, span_of(literal, sizeof literal - 1))

static char *put_number(char *at, uint64_t number)
{
    return at + number_format(at, number);
}

static void end_at(struct buf *b, const char *end)
{
    b->len = (size_t)(end - b->ptr);
}

// ---- RESP ---------------------------------------------------------------------------------------

static void resp_key(const struct lookup *l, struct buf *request)
{
    char *at = buf_reserve(request, AROUND);
    if (at == NULL)
        return;
    at = PUT(at, "$36\r\n");
    at = put(at, span_of(l->key.ptr, UUID_TEXT_LEN));
    end_at(request, PUT(at, "\r\n"));
}

static void resp_value(const struct lookup *l, struct buf *reply)
{
    char *at = buf_reserve(reply, AROUND + l->value.len);
    if (at == NULL)
        return;
    if (l->value.ptr == NULL) {
        end_at(reply, PUT(at, "$-1\r\n"));
        return;
    }
    *at++ = '$';
    at = put_number(at, l->value.len);
    at = PUT(at, "\r\n");
    at = put(at, l->value);
    end_at(reply, PUT(at, "\r\n"));
}

static void resp_begin_mget(size_t count, struct buf *request, struct buf *reply)
{
    char *at = buf_reserve(request, AROUND);
    if (at != NULL) {
        *at++ = '*';
        at = put_number(at, count + 1);
        end_at(request, PUT(at, "\r\n$4\r\nMGET\r\n"));
    }
    at = buf_reserve(reply, AROUND);
    if (at != NULL) {
        *at++ = '*';
        at = put_number(at, count);
        end_at(reply, PUT(at, "\r\n"));
    }
}

static void resp_begin(enum request_kind kind, size_t count, struct buf *request, struct buf *reply)
{
    switch (kind) {
    case REQUEST_GET: buf_append_text(request, "*2\r\n$3\r\nGET\r\n"); break;
    case REQUEST_MGET: resp_begin_mget(count, request, reply); break;
    case REQUEST_PING:
        buf_append_text(request, "*1\r\n$4\r\nPING\r\n");
        buf_append_text(reply, "+PONG\r\n");
        break;
    }
}

// ---- memcached ----------------------------------------------------------------------------------

static void memcached_key(const struct lookup *l, struct buf *request)
{
    char *at = buf_reserve(request, AROUND);
    if (at == NULL)
        return;
    *at++ = ' ';
    end_at(request, put(at, span_of(l->key.ptr, UUID_TEXT_LEN)));
}

static void memcached_value(const struct lookup *l, struct buf *reply)
{
    char *at = l->value.ptr != NULL ? buf_reserve(reply, AROUND + l->value.len) : NULL;
    if (at == NULL)
        return;
    at = PUT(at, "VALUE ");
    at = put(at, span_of(l->key.ptr, UUID_TEXT_LEN));
    at = PUT(at, " 0 ");
    at = put_number(at, l->value.len);
    at = PUT(at, "\r\n");
    at = put(at, l->value);
    end_at(reply, PUT(at, "\r\n"));
}

static void memcached_append(enum request_kind kind, const struct lookup *lookups, size_t count,
                             struct buf *request, struct buf *reply)
{
    if (kind == REQUEST_PING) { // in memcached, a "meta no-op"
        buf_append_text(request, "mn\r\n");
        buf_append_text(reply, "MN\r\n");
        return;
    }
    buf_append_text(request, "get");
    for (size_t i = 0; i < count; i++) {
        memcached_key(&lookups[i], request);
        memcached_value(&lookups[i], reply);
    }
    buf_append_text(request, "\r\n");
    buf_append_text(reply, "END\r\n");
}

void protocol_append_set(struct span key, struct span value, struct buf *request)
{
    char *at = buf_reserve(request, AROUND + value.len);
    if (at == NULL)
        return;
    at = PUT(at, "set ");
    at = put(at, key);
    at = PUT(at, " 0 0 ");
    at = put_number(at, value.len);
    at = PUT(at, " noreply\r\n");
    at = put(at, value);
    end_at(request, PUT(at, "\r\n"));
}

// ---- both protocols -----------------------------------------------------------------------------

void protocol_append(enum protocol protocol, enum request_kind kind, const struct lookup *lookups,
                     size_t count, struct buf *request, struct buf *reply)
{
    if (protocol == PROTOCOL_MEMCACHED) {
        memcached_append(kind, lookups, count, request, reply);
        return;
    }
    resp_begin(kind, count, request, reply);
    for (size_t i = 0; i < count; i++) {
        resp_key(&lookups[i], request);
        resp_value(&lookups[i], reply);
    }
}
