// The connection group: who the client is and which protocol it speaks.
#include "base/number.h"
#include "base/version.h"
#include "serve/handlers.h"
#include "serve/session.h"
#include "serve/tracking.h"
#include "serve/transaction.h"

enum {
    CLIENT_TEXT_MAX = 1024, // bytes of a name: what a client can make us keep is bounded
    // Words of a HELLO: a list without end would take a time without end.
    HELLO_WORDS_MAX = 32,
};

enum command_result ping_command(struct session *s, const struct resp_request *r)
{
    if (r->argc > 2) {
        resp_error(&s->reply, "ERR wrong number of arguments for 'ping' command");
    } else if (s->subscriptions != NULL && s->reply.protocol == RESP2) {
        resp_array(&s->reply, 2);
        resp_bulk_text(&s->reply, "pong");
        resp_bulk(&s->reply, r->argc == 2 ? resp_arg(r, 1) : span_of(NULL, 0));
    } else if (r->argc == 2) {
        resp_bulk(&s->reply, resp_arg(r, 1));
    } else {
        resp_status(&s->reply, "PONG");
    }
    return COMMAND_DONE;
}

enum command_result echo_command(struct session *s, const struct resp_request *r)
{
    resp_bulk(&s->reply, resp_arg(r, 1));
    return COMMAND_DONE;
}

enum command_result quit_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_status(&s->reply, "OK");
    return COMMAND_CLOSE;
}

enum command_result select_command(struct session *s, const struct resp_request *r)
{
    int64_t db;
    if (!number_parse(resp_arg(r, 1), &db))
        resp_error(&s->reply, "ERR value is not an integer or out of range");
    else if (db < INT32_MIN || db > INT32_MAX)
        resp_error(&s->reply, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                   INT32_MAX);
    else if (db != 0 && s->service->settings->cluster_enabled)
        resp_error(&s->reply, "ERR SELECT is not allowed in cluster mode");
    else if (db != 0)
        resp_error(&s->reply, "ERR DB index is out of range");
    else
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// READONLY and READWRITE, which clients of clusters send to replicas: reading is all there is.
enum command_result readonly_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

enum command_result reset_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    session_end_transaction(s);
    session_stop_tracking(s);
    session_unsubscribe(s);
    session_set_text(s, &s->name, span_of(NULL, 0));
    s->authenticated = s->service->settings->requirepass == NULL;
    s->no_evict = false;
    s->no_touch = false;
    s->reply_mode &= REPLY_SKIP; // which holds for this very reply, as in Redis
    if (s->reply_mode == REPLY_ON)
        s->reply.out = s->out;
    s->reply.protocol = RESP2;
    session_turn_aside(s); // the bounds for a stranger's requests are narrower
    resp_status(&s->reply, "RESET");
    return COMMAND_DONE;
}

// There is one user, "default", who enters with any password where none is set.
static bool enter(struct session *s, struct span user, struct span password)
{
    bool required = s->service->settings->requirepass != NULL;
    if (span_equal(user, span_text("default")) &&
        (!required || service_group_is_password(s->service->group, password))) {
        s->authenticated = true;
        return true;
    }
    resp_error(&s->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

enum command_result auth_command(struct session *s, const struct resp_request *r)
{
    bool named = r->argc == 3;
    if (r->argc > 3)
        resp_error(&s->reply, "ERR syntax error");
    else if (!named && s->service->settings->requirepass == NULL)
        resp_error(&s->reply, "ERR AUTH <password> called without any password configured for the "
                              "default user. Are you sure your configuration is correct?");
    else if (enter(s, named ? resp_arg(r, 1) : span_text("default"), resp_arg(r, named ? 2 : 1)))
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// True when `text` may be a name; otherwise the error, in which it is called `what`, is written.
static bool is_client_text(struct session *s, struct span text, const char *what, size_t what_len)
{
    bool good = true;
    for (size_t i = 0; i < text.len; i++)
        good &= text.ptr[i] >= '!' && text.ptr[i] <= '~';
    if (!good)
        resp_error(&s->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
                   (int)what_len, what);
    else if (text.len > CLIENT_TEXT_MAX)
        resp_error(&s->reply, "ERR %.*s cannot be longer than %d bytes.", (int)what_len, what,
                   CLIENT_TEXT_MAX);
    return good && text.len <= CLIENT_TEXT_MAX;
}

static bool set_name(struct session *s, struct span name)
{
    static const char what[] = "Client names";
    if (!is_client_text(s, name, what, sizeof what - 1))
        return false;
    session_set_text(s, &s->name, name);
    return true;
}

enum command_result client_setname_command(struct session *s, const struct resp_request *r)
{
    if (set_name(s, resp_arg(r, 2)))
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

enum command_result client_getname_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->name != NULL)
        resp_bulk_text(&s->reply, s->name);
    else
        resp_null(&s->reply);
    return COMMAND_DONE;
}

enum command_result client_id_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_integer(&s->reply, (int64_t)s->id);
    return COMMAND_DONE;
}

enum command_result client_setinfo_command(struct session *s, const struct resp_request *r)
{
    struct span attribute = resp_arg(r, 2);
    struct span value = resp_arg(r, 3);
    char **field = span_is(attribute, "lib-name")  ? &s->lib_name
                   : span_is(attribute, "lib-ver") ? &s->lib_ver
                                                   : NULL;
    if (field == NULL) {
        resp_error(&s->reply, "ERR Unrecognized option '%.*s'", session_echoed(attribute),
                   attribute.ptr);
    } else if (is_client_text(s, value, attribute.ptr, attribute.len)) {
        session_set_text(s, field, value);
        resp_status(&s->reply, "OK");
    }
    return COMMAND_DONE;
}

static void reply_hello(struct session *s)
{
    struct resp_writer *w = &s->reply;
    resp_map(w, 7);
    resp_bulk_text(w, "server");
    resp_bulk_text(w, "redis"); // clients refuse features to any other name
    resp_bulk_text(w, "version");
    resp_bulk_text(w, service_redis_version(s->service));
    resp_bulk_text(w, "proto");
    resp_integer(w, w->protocol);
    resp_bulk_text(w, "id");
    resp_integer(w, (int64_t)s->id);
    resp_bulk_text(w, "mode");
    resp_bulk_text(w, s->service->settings->cluster_enabled ? "cluster" : "standalone");
    resp_bulk_text(w, "role");
    resp_bulk_text(w, "master"); // clients that want a primary refuse a replica, even to read
    resp_bulk_text(w, "modules");
    resp_array(w, 0);
}

enum command_result hello_command(struct session *s, const struct resp_request *r)
{
    int64_t version = s->reply.protocol;
    if (r->argc >= 2 && !number_parse(resp_arg(r, 1), &version)) {
        resp_error(&s->reply, "ERR Protocol version is not an integer or out of range");
        return COMMAND_DONE;
    }
    if (version != RESP2 && version != RESP3) {
        resp_error(&s->reply, "NOPROTO unsupported protocol version");
        return COMMAND_DONE;
    }
    for (uint32_t i = 2; i < r->argc; i++) {
        struct span option = resp_arg(r, i);
        uint32_t more = r->argc - 1 - i;
        bool known = i < HELLO_WORDS_MAX;
        if (known && span_is(option, "auth") && more >= 2) {
            if (!enter(s, resp_arg(r, i + 1), resp_arg(r, i + 2)))
                return COMMAND_DONE;
            i += 2;
        } else if (known && span_is(option, "setname") && more >= 1) {
            if (!set_name(s, resp_arg(r, i + 1)))
                return COMMAND_DONE;
            i += 1;
        } else {
            resp_error(&s->reply, "ERR Syntax error in HELLO option '%.*s'", session_echoed(option),
                       option.ptr);
            return COMMAND_DONE;
        }
    }
    if (!s->authenticated) {
        resp_error(&s->reply,
                   "NOAUTH HELLO must be called with the client already authenticated, otherwise "
                   "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                   "client and select the RESP protocol version at the same time");
        return COMMAND_DONE;
    }
    s->reply.protocol = (enum resp_protocol)version;
    reply_hello(s);
    return COMMAND_DONE;
}
