// The connection group: authentication, protocol version, and the name of a connection.
//
// There is one user, "default", and one database, 0.
#include "base/number.h"
#include "base/version.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/session.h"
#include "serve/tracking.h"
#include "serve/transaction.h"

enum {
    CLIENT_TEXT_MAX = 1024, // bytes of a name; bounds the memory that a client can occupy
    // Maximum number of words of a HELLO. It is bounded because the handler reads all of them in
    // one call, without a pause for other clients.
    HELLO_WORDS_MAX = 32,
};

static enum command_result ping_command(struct session *s, const struct resp_request *r)
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

static enum command_result echo_command(struct session *s, const struct resp_request *r)
{
    resp_bulk(&s->reply, resp_arg(r, 1));
    return COMMAND_DONE;
}

static enum command_result quit_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_status(&s->reply, "OK");
    return COMMAND_CLOSE;
}

static enum command_result select_command(struct session *s, const struct resp_request *r)
{
    int64_t db;
    if (!number_parse(resp_arg(r, 1), &db))
        reply_not_an_integer(s);
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

// READONLY and READWRITE, which clients of a cluster send to replicas. They change nothing, because
// every connection may read.
static enum command_result readonly_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

static enum command_result reset_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->replicates) {
        resp_error(&s->reply, "ERR can only reset normal connections");
        return COMMAND_DONE;
    }
    session_end_transaction(s);
    session_stop_tracking(s);
    session_unsubscribe(s);
    session_set_text(s, &s->name, span_of(NULL, 0));
    s->authenticated = s->service->settings->requirepass == NULL;
    s->no_evict = false;
    s->no_touch = false;
    s->reply_mode &= REPLY_SKIP; // as in Redis, CLIENT REPLY SKIP applies to the reply to RESET too
    if (s->reply_mode == REPLY_ON)
        s->reply.out = s->turn.out;
    s->reply.protocol = RESP2;
    // The client may be unauthenticated now. The limits for its requests are then lower, so the
    // requests that were already read ahead are parsed again.
    session_reread_rest(s);
    resp_status(&s->reply, "RESET");
    return COMMAND_DONE;
}

// Authenticates the connection. Without `requirepass`, any password is right, as in Redis. Replies
// with an error and returns false if the user or the password is wrong.
static bool authenticate(struct session *s, struct span user, struct span password)
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

static enum command_result auth_command(struct session *s, const struct resp_request *r)
{
    bool has_user = r->argc == 3;
    if (r->argc > 3)
        reply_syntax_error(s);
    else if (!has_user && s->service->settings->requirepass == NULL)
        resp_error(&s->reply, "ERR AUTH <password> called without any password configured for the "
                              "default user. Are you sure your configuration is correct?");
    else if (authenticate(s, has_user ? resp_arg(r, 1) : span_text("default"),
                          resp_arg(r, has_user ? 2 : 1)))
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// Returns true if `text` may be the name of a client, or the name or version of a library.
// Otherwise replies with an error that begins with `what`, as in "Client names cannot contain".
static bool is_client_text(struct session *s, struct span text, const char *what, size_t what_len)
{
    bool valid = true;
    for (size_t i = 0; i < text.len; i++)
        valid &= text.ptr[i] >= '!' && text.ptr[i] <= '~';
    if (!valid)
        resp_error(&s->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
                   (int)what_len, what);
    else if (text.len > CLIENT_TEXT_MAX)
        resp_error(&s->reply, "ERR %.*s cannot be longer than %d bytes.", (int)what_len, what,
                   CLIENT_TEXT_MAX);
    return valid && text.len <= CLIENT_TEXT_MAX;
}

static bool set_name(struct session *s, struct span name)
{
    static const char what[] = "Client names";
    if (!is_client_text(s, name, what, sizeof what - 1))
        return false;
    session_set_text(s, &s->name, name);
    return true;
}

static enum command_result client_setname_command(struct session *s, const struct resp_request *r)
{
    if (set_name(s, resp_arg(r, 2)))
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

static enum command_result client_getname_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->name != NULL)
        resp_bulk_text(&s->reply, s->name);
    else
        resp_null(&s->reply);
    return COMMAND_DONE;
}

static enum command_result client_id_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_integer(&s->reply, (int64_t)s->id);
    return COMMAND_DONE;
}

static enum command_result client_setinfo_command(struct session *s, const struct resp_request *r)
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
    resp_bulk_text(w, "redis"); // with another name, clients do not use all features
    resp_bulk_text(w, "version");
    resp_bulk_text(w, service_redis_version(s->service));
    resp_bulk_text(w, "proto");
    resp_integer(w, w->protocol);
    resp_bulk_text(w, "id");
    resp_integer(w, (int64_t)s->id);
    resp_bulk_text(w, "mode");
    resp_bulk_text(w, s->service->settings->cluster_enabled ? "cluster" : "standalone");
    resp_bulk_text(w, "role");
    // Clients that need a primary refuse a replica, even to read.
    bool replica = s->service->settings->announce_replica || cluster_is_replica(s->service->view);
    resp_bulk_text(w, replica ? "replica" : "master");
    resp_bulk_text(w, "modules");
    resp_array(w, 0);
}

static enum command_result hello_command(struct session *s, const struct resp_request *r)
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
            if (!authenticate(s, resp_arg(r, i + 1), resp_arg(r, i + 2)))
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

// The slow log hides all arguments of AUTH: the password and, as in Redis, the user.
static bool is_auth_secret(const struct resp_request *r, uint32_t i)
{
    (void)r;
    return i >= 1;
}

// In HELLO, the slow log hides the two words after AUTH: the user and the password.
static bool is_hello_secret(const struct resp_request *r, uint32_t i)
{
    return (i >= 3 && span_is(resp_arg(r, i - 1), "auth")) ||
           (i >= 4 && span_is(resp_arg(r, i - 2), "auth"));
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument one_message[] = {{"message", "string", NULL, 0, NULL}, {0}};
static const struct command_argument maybe_message[] = {
    {"message", "string", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument connection_name[] = {
    {"connection-name", "string", NULL, 0, NULL}, {0}};
static const struct command_argument db_index[] = {{"index", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument library[] = {
    {"libname", "string", "LIB-NAME", 0, NULL}, {"libver", "string", "LIB-VER", 0, NULL}, {0}};
static const struct command_argument library_attribute[] = {{"attr", "oneof", NULL, 0, library},
                                                            {0}};
static const struct command_argument auth_words[] = {
    {"username", "string", NULL, ARGUMENT_OPTIONAL, NULL, "6.0.0"},
    {"password", "string", NULL, 0, NULL},
    {0}};
static const struct command_argument credentials[] = {
    {"username", "string", NULL, 0, NULL}, {"password", "string", NULL, 0, NULL}, {0}};
static const struct command_argument hello_options[] = {
    {"protover", "integer", NULL, 0, NULL},
    {"username_password", "block", "AUTH", ARGUMENT_OPTIONAL, credentials},
    {"clientname", "string", "SETNAME", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument hello_words[] = {
    {"arguments", "block", NULL, ARGUMENT_OPTIONAL, hello_options}, {0}};
static const struct command_change auth_history[] = {
    {"6.0.0", "Accepts a user name before the password"}, {0}};

static const struct command_change hello_history[] = {
    {"6.2.0", "Without arguments, returns information about the server and changes nothing"}, {0}};

const struct command connection_commands[] = {
    {"auth", -2, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | UNPAUSED, NO_KEYS,
     GROUP_CONNECTION, "1.0.0", 0, auth_command, "Authenticates this connection", "O(1)", NULL,
     auth_words, .history = auth_history, .is_secret = is_auth_secret},
    {"client|getname", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.6.9", 0, client_getname_command,
     "Returns the name of this connection", "O(1)"},
    {"client|id", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0, client_id_command,
     "Returns the ID of this connection, which is unique while the server runs", "O(1)"},
    {"client|setinfo", 4, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "7.2.0", 0, client_setinfo_command,
     "Sets the name or the version of the client library of this connection", "O(1)", NULL,
     library_attribute,
     .deviation = "Redis 7.0 does not have this command. Clients send it when they connect."},
    {"client|setname", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.6.9", 0, client_setname_command,
     "Sets the name of this connection", "O(1)", NULL, connection_name},
    {"echo", 2, LOADING | STALE | FAST, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, echo_command,
     "Returns the given message", "O(1)", NULL, one_message},
    {"hello", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | UNPAUSED, NO_KEYS,
     GROUP_CONNECTION, "6.0.0", 0, hello_command,
     "Selects the protocol, can authenticate and name the connection, and returns information "
     "about the server",
     "O(1)", NULL, hello_words, .history = hello_history,
     .deviation = "Except in a cluster with a topology, `role` is `master`, as clients that look "
                  "for a primary refuse a replica, even "
                  "for reads. `--announce-role replica` changes it. `version` is 7.4.0, unless "
                  "`--redis-version` sets another one: "
                  "clients decide by it which commands they send.",
     .is_secret = is_hello_secret},
    {"ping", -1, FAST | SUBSCRIBED, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, ping_command,
     "Returns PONG, or the given message", "O(1)",
     "request_policy:all_shards response_policy:all_succeeded", maybe_message},
    {"quit", -1,
     NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | AT_ONCE | SUBSCRIBED | UNPAUSED,
     NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, quit_command, "Closes this connection", "O(1)"},
    {"readonly", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, readonly_command,
     "Returns OK, as every connection may read", "O(1)",
     .deviation = "Returns OK. A Redis server without a cluster returns an error. Cluster clients "
                  "send the command to any server that they read from."},
    {"readwrite", 1, LOADING | STALE | FAST, NO_KEYS, GROUP_CLUSTER, "3.0.0", 0, readonly_command,
     "Returns OK and has no effect", "O(1)",
     .deviation =
         "Returns OK, as `READONLY` does. A Redis server without a cluster returns an error."},
    {"reset", 1,
     NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | AT_ONCE | SUBSCRIBED | UNPAUSED |
         REREADS,
     NO_KEYS, GROUP_CONNECTION, "6.2.0", 0, reset_command,
     "Resets this connection to its initial state", "O(1)"},
    {"select", 2, LOADING | STALE | FAST, NO_KEYS, GROUP_CONNECTION, "1.0.0", 0, select_command,
     "Selects the database; 0 is the only one", "O(1)", NULL, db_index,
     .deviation = "There is one dataset, so 0 is the only database."},
    {0},
};
