// CLIENT LIST, INFO and KILL: describe and close connections. LIST and KILL concern the clients of
// all loops, so a loop task visits each loop.
//
// Other subcommands of CLIENT: connection.c has those about this connection's name and library,
// client_control.c those that change how clients are served, client_tracking.c client-side caching.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/loop_task.h"
#include "serve/session.h"
#include "serve/subscriptions.h"
#include "serve/tracking.h"
#include "serve/transaction.h"

enum {
    // Most bytes of a client's line. The longest fields are the name of the connection and the name
    // and version of its library, of at most 1 KiB each, and two addresses.
    LINE_MAX = 4096,
    LINE_USUAL = 512,       // bytes first reserved for each line
    VISITS = 64,            // clients described or checked in one turn, at two system calls each
    SKIPPED_PER_VISIT = 16, // clients skipped in the time that it takes to describe one
    VISIT_WORK = 8,         // units of work for describing one client
    IDS_MAX = 1024,         // ids in one CLIENT LIST
    FILTER_WORDS_MAX = 32,  // words of filters in one CLIENT KILL; a filter has two words
    LETTERS_MAX = 16,       // letters of the field `flags`, with a NUL
};

// ---- one client's line --------------------------------------------------------------------------

static bool is_subscriber(const struct session *s)
{
    return s->subscriptions != NULL;
}

static void write_flags(const struct session *s, const struct client_facts *facts,
                        char to[LETTERS_MAX])
{
    size_t len = 0;
    if (s->replicates)
        to[len++] = 'S';
    if (is_subscriber(s))
        to[len++] = 'P';
    if (s->transaction != NULL)
        to[len++] = 'x';
    if (s->paused)
        to[len++] = 'b';
    len += tracking_letters(s->tracking, to + len);
    if (s->closing)
        to[len++] = 'c';
    if (s->killed)
        to[len++] = 'A';
    if (*facts->address == '/')
        to[len++] = 'U';
    if (s->no_evict)
        to[len++] = 'e';
    if (s->no_touch)
        to[len++] = 'T';
    if (len == 0)
        to[len++] = 'N';
    to[len] = '\0';
}

static unsigned long long seconds_since(uint64_t now, uint64_t then)
{
    return now > then ? (now - then) / CLOCK_SECOND : 0;
}

// Writes the client's line, without a newline and cut at LINE_MAX, to `to`. Returns its length. The
// fields are those of Redis 7.4, and `io-thread` of Redis 8. `now` is monotonic, in nanoseconds.
static size_t write_line(const struct session *s, uint64_t now, char to[LINE_MAX])
{
    struct client_facts facts;
    char flags[LETTERS_MAX];
    const char *command = s->last != NULL ? s->last->command->name : "NULL";
    const struct transaction *t = s->transaction;
    size_t queued = t != NULL ? t->requests.cap : 0;
    session_describe(s, &facts);
    write_flags(s, &facts, flags);
    int len = snprintf(
        to, LINE_MAX,
        "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=0 sub=%u psub=%u "
        "ssub=%u multi=%lld watch=%llu qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=0 "
        "rbp=0 "
        "obl=0 oll=%d omem=%zu tot-mem=%zu events=%s%s cmd=%s user=default redir=%lld resp=%d "
        "lib-name=%s lib-ver=%s io-thread=%u",
        (unsigned long long)s->id, facts.address, facts.local_address, facts.fd,
        s->name != NULL ? s->name : "", seconds_since(now, s->created_ns),
        seconds_since(now, facts.active_ns), flags, subscriptions_count(s->subscriptions, CHANNEL),
        subscriptions_count(s->subscriptions, CHANNEL_PATTERN),
        subscriptions_count(s->subscriptions, CHANNEL_SHARD), t != NULL ? (long long)t->count : -1,
        (unsigned long long)s->watched, facts.input, facts.input_memory - facts.input,
        s->request.args_capacity * sizeof *s->request.args, queued, facts.output > 0,
        facts.output_memory,
        facts.memory + facts.input_memory + facts.output_memory + session_memory(s),
        facts.reading ? "r" : "", facts.writing ? "w" : "", command,
        (long long)tracking_redirect(s->tracking), s->reply.protocol == RESP3 ? 3 : 2,
        s->lib_name != NULL ? s->lib_name : "", s->lib_ver != NULL ? s->lib_ver : "",
        s->service->number);
    return len < 0 ? 0 : len < LINE_MAX ? (size_t)len : LINE_MAX - 1;
}

static enum command_result client_info_command(struct session *s, const struct resp_request *r)
{
    char line[LINE_MAX + 1];
    (void)r;
    size_t len = write_line(s, clock_monotonic_ns(), line);
    line[len++] = '\n';
    session_charge(s, VISIT_WORK);
    resp_verbatim(&s->reply, span_of(line, len));
    return COMMAND_DONE;
}

// ---- which clients ------------------------------------------------------------------------------

// Redis's types of clients, and TYPE_ANY for "all types". No client of Stele is a master.
enum client_type { TYPE_NORMAL, TYPE_PUBSUB, TYPE_MASTER, TYPE_REPLICA, TYPE_ANY };

// Reads a type of clients. Replies with an error and returns false if `word` is not a type.
static bool read_type(struct session *s, struct span word, enum client_type *type)
{
    static const struct {
        const char *name;
        enum client_type type;
    } types[] = {{"normal", TYPE_NORMAL},
                 {"pubsub", TYPE_PUBSUB},
                 {"master", TYPE_MASTER},
                 {"replica", TYPE_REPLICA},
                 {"slave", TYPE_REPLICA}};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        if (span_is(word, types[i].name)) {
            *type = types[i].type;
            return true;
        }
    }
    resp_error(&s->reply, "ERR Unknown client type '%.*s'", session_echoed(word), word.ptr);
    return false;
}

static bool has_type(const struct session *s, enum client_type type)
{
    return type == TYPE_ANY || type == (s->replicates      ? TYPE_REPLICA
                                        : is_subscriber(s) ? TYPE_PUBSUB
                                                           : TYPE_NORMAL);
}

// ---- CLIENT LIST --------------------------------------------------------------------------------

struct list_request {
    struct loop_task task;
    enum client_type type;
    uint64_t *ids;   // sorted ids of the clients to list; NULL: all clients
    size_t id_count; // number of `ids`
    uint64_t now;    // time of the request, monotonic ns
    size_t needed;   // bytes of all lines so far, even those that did not fit into `text`
    size_t used;     // bytes of `text` in use
    size_t room;     // bytes that `text` can hold
    char *text;      // lines, each with its newline
};

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_listed(const struct list_request *l, const struct session *s)
{
    return has_type(s, l->type) && (l->ids == NULL || bsearch(&s->id, l->ids, l->id_count,
                                                              sizeof *l->ids, compare_ids) != NULL);
}

static bool visit_list(struct loop_task *task, struct service *service)
{
    struct list_request *l = (struct list_request *)task;
    struct session *s = session_after(service, task->cursor);
    char line[LINE_MAX + 1];
    for (unsigned i = 0; i < VISITS * SKIPPED_PER_VISIT && s != NULL; s = session_next(s)) {
        task->cursor = s->id;
        i++;
        if (!is_listed(l, s))
            continue;
        i += SKIPPED_PER_VISIT - 1;
        size_t len = write_line(s, l->now, line);
        line[len++] = '\n';
        l->needed += len;
        if (len > l->room - l->used)
            continue;
        memcpy(l->text + l->used, line, len);
        l->used += len;
    }
    return s == NULL;
}

static void release_list(struct loop_task *task)
{
    struct list_request *l = (struct list_request *)task;
    free(l->ids);
    free(l->text);
    free(l);
}

// Reads which clients to list. Returns false if it has replied with an error, or memory is short.
static bool read_list(struct session *s, const struct resp_request *r, struct list_request *l)
{
    l->type = TYPE_ANY;
    if (r->argc == 4 && span_is(resp_arg(r, 2), "type"))
        return read_type(s, resp_arg(r, 3), &l->type);
    if (r->argc == 2)
        return true;
    if (r->argc < 4 || !span_is(resp_arg(r, 2), "id")) {
        reply_syntax_error(s);
        return false;
    }
    l->id_count = r->argc - 3;
    if (l->id_count > IDS_MAX) {
        resp_error(&s->reply, "ERR more than %d client IDs", IDS_MAX);
        return false;
    }
    l->ids = malloc(l->id_count * sizeof *l->ids);
    s->oom |= l->ids == NULL;
    for (size_t i = 0; !s->oom && i < l->id_count; i++) {
        int64_t id;
        if (!number_parse(resp_arg(r, (uint32_t)i + 3), &id)) {
            resp_error(&s->reply, "ERR Invalid client ID");
            return false;
        }
        l->ids[i] = (uint64_t)id;
    }
    if (!s->oom)
        qsort(l->ids, l->id_count, sizeof *l->ids, compare_ids);
    return !s->oom;
}

// Starts to collect the list in `room` bytes; the session then waits for it. Returns false if it
// has replied with an error, or memory is short.
static bool send_list(struct session *s, const struct resp_request *r, size_t room)
{
    struct list_request *l = calloc(1, sizeof *l);
    if (l != NULL)
        l->text = malloc(room);
    if (l == NULL || l->text == NULL || !read_list(s, r, l)) {
        s->oom |= l == NULL || l->text == NULL;
        if (l != NULL)
            release_list(&l->task);
        return false;
    }
    l->task.visit = visit_list;
    l->task.release = release_list;
    l->room = room;
    l->task.memory = sizeof *l + room + l->id_count * sizeof *l->ids;
    l->task.for_waiter = true;
    l->now = clock_monotonic_ns();
    session_await(s, &l->task);
    return true;
}

static enum command_result client_list_command(struct session *s, const struct resp_request *r)
{
    size_t clients = service_total(s->service, offsetof(struct stats, connected_clients));
    if (s->task == NULL && !send_list(s, r, LINE_MAX + clients * LINE_USUAL))
        return COMMAND_DONE;
    const struct list_request *l;
    // If the lines did not fit, collect them again with twice the room that they needed. There may
    // be more clients by then.
    while ((l = (const struct list_request *)session_task(s)) != NULL && l->needed > l->room) {
        size_t room = 2 * l->needed;
        session_end_task(s);
        if (!send_list(s, r, room))
            return COMMAND_DONE;
    }
    if (l == NULL)
        return COMMAND_WAIT;
    session_charge(s, VISITS * VISIT_WORK);
    resp_verbatim(&s->reply, span_of(l->text, l->used));
    session_end_task(s);
    return COMMAND_DONE;
}

// ---- CLIENT KILL --------------------------------------------------------------------------------

struct kill_request {
    struct loop_task task;
    enum client_type type;
    uint64_t id;         // id of the client to close; 0: any
    uint64_t sender;     // id of the client that sent the command
    uint64_t age;        // least age of the connections to close, in seconds
    bool spares_sender;  // do not close the sender
    bool matches_sender; // the filters match the sender
    bool only_sender;    // the sender may close only its own connection
    bool matches_others; // with `only_sender`: another client matches, so the request is refused
    bool old_form;       // the command names one address and no filters
    char address[CLIENT_ADDRESS_TEXT];       // empty: any
    char local_address[CLIENT_ADDRESS_TEXT]; // empty: any
    uint64_t matched;                        // number of clients that the filters match
};

static bool is_matched(const struct kill_request *k, const struct session *s)
{
    struct client_facts facts;
    if ((k->id != 0 && k->id != s->id) || !has_type(s, k->type) ||
        (s->id == k->sender && k->spares_sender) || s->killed)
        return false;
    if (k->age > 0 && seconds_since(clock_monotonic_ns(), s->created_ns) < k->age)
        return false;
    if (*k->address == '\0' && *k->local_address == '\0')
        return true;
    session_describe(s, &facts);
    return (*k->address == '\0' || strcmp(k->address, facts.address) == 0) &&
           (*k->local_address == '\0' || strcmp(k->local_address, facts.local_address) == 0);
}

static bool visit_kill(struct loop_task *task, struct service *service)
{
    struct kill_request *k = (struct kill_request *)task;
    struct session *s = session_after(service, task->cursor);
    for (unsigned i = 0; i < VISITS && s != NULL; i++, s = session_next(s)) {
        task->cursor = s->id;
        if (!is_matched(k, s))
            continue;
        if (s->id == k->sender)
            k->matches_sender = true; // the handler closes it after its reply
        else if (k->only_sender)
            k->matches_others = true;
        else
            session_kill(s);
        k->matched++;
    }
    return s == NULL;
}

// Copies the address of a filter. An empty `to` would mean "any address", so an empty `text` is
// stored as "?", which no client has. A text that is too long is cut. It still matches no client,
// because the addresses of clients are shorter.
static void copy_address(char to[CLIENT_ADDRESS_TEXT], struct span text)
{
    size_t len = text.len < CLIENT_ADDRESS_TEXT - 1 ? text.len : CLIENT_ADDRESS_TEXT - 1;
    memset(to, 0, CLIENT_ADDRESS_TEXT);
    memcpy(to, text.len > 0 ? text.ptr : "?", text.len > 0 ? len : 1);
}

// Reads one filter, the pair of `word` and `value`. Replies with an error and returns false if it
// is invalid.
static bool read_filter(struct session *s, struct span word, struct span value,
                        struct kill_request *k)
{
    int64_t number;
    if (span_is(word, "id")) {
        if (!number_parse(value, &number) || number < 1) {
            resp_error(&s->reply, "ERR client-id should be greater than 0");
            return false;
        }
        k->id = (uint64_t)number;
    } else if (span_is(word, "maxage")) {
        bool good = number_parse(value, &number);
        if (!good || number < 1) {
            resp_error(&s->reply, "ERR maxage %s",
                       good ? "should be greater than 0" : "is not an integer or out of range");
            return false;
        }
        k->age = (uint64_t)number;
    } else if (span_is(word, "type")) {
        return read_type(s, value, &k->type);
    } else if (span_is(word, "addr")) {
        copy_address(k->address, value);
    } else if (span_is(word, "laddr")) {
        copy_address(k->local_address, value);
    } else if (span_is(word, "user")) {
        if (!span_equal(value, span_text("default"))) {
            resp_error(&s->reply, "ERR No such user '%.*s'", session_echoed(value), value.ptr);
            return false;
        }
    } else if (span_is(word, "skipme") && (span_is(value, "yes") || span_is(value, "no"))) {
        k->spares_sender = span_is(value, "yes");
    } else {
        reply_syntax_error(s);
        return false;
    }
    return true;
}

// Reads all filters. Replies with an error and returns false if one is invalid.
static bool read_kill(struct session *s, const struct resp_request *r, struct kill_request *k)
{
    k->type = TYPE_ANY;
    k->sender = s->id;
    k->only_sender = !session_may_administer(s);
    k->old_form = r->argc == 3;
    k->spares_sender = !k->old_form;
    if (k->old_form) {
        copy_address(k->address, resp_arg(r, 2));
        return true;
    }
    for (uint32_t i = 2; i < r->argc; i += 2) {
        if (i + 1 == r->argc || i > FILTER_WORDS_MAX) {
            reply_syntax_error(s);
            return false;
        }
        if (!read_filter(s, resp_arg(r, i), resp_arg(r, i + 1), k))
            return false;
    }
    return true;
}

// Starts to search for the clients to close; the session then waits for the result. Returns false
// if it has replied with an error, or memory is short.
static bool send_kill(struct session *s, const struct resp_request *r)
{
    struct kill_request *k = calloc(1, sizeof *k);
    s->oom |= k == NULL;
    if (k == NULL || !read_kill(s, r, k)) {
        free(k);
        return false;
    }
    k->task.visit = visit_kill;
    k->task.release = loop_task_free;
    session_await(s, &k->task);
    return true;
}

static enum command_result client_kill_command(struct session *s, const struct resp_request *r)
{
    if (s->task == NULL && !send_kill(s, r))
        return COMMAND_DONE;
    const struct kill_request *k = (const struct kill_request *)session_task(s);
    if (k == NULL)
        return COMMAND_WAIT;
    bool closes_sender = k->matches_sender && !k->matches_others;
    session_charge(s, VISITS * VISIT_WORK);
    if (k->matches_others)
        session_refuse_administering(s);
    else if (!k->old_form)
        resp_integer(&s->reply, (int64_t)k->matched);
    else if (k->matched > 0)
        resp_status(&s->reply, "OK");
    else
        resp_error(&s->reply, "ERR No such client");
    session_end_task(s);
    return closes_sender ? COMMAND_CLOSE : COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument list_types[] = {{"normal", "pure-token", "NORMAL", 0, NULL},
                                                     {"master", "pure-token", "MASTER", 0, NULL},
                                                     {"replica", "pure-token", "REPLICA", 0, NULL},
                                                     {"pubsub", "pure-token", "PUBSUB", 0, NULL},
                                                     {0}};
static const struct command_argument client_ids[] = {
    {"client-id", "integer", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument client_list_words[] = {
    {"normal_master_replica_pubsub", "oneof", "TYPE", ARGUMENT_OPTIONAL, list_types},
    {"id", "block", "ID", ARGUMENT_OPTIONAL, client_ids},
    {0}};
static const struct command_argument kill_types[] = {
    {"normal", "pure-token", "NORMAL", 0, NULL}, {"master", "pure-token", "MASTER", 0, NULL},
    {"slave", "pure-token", "SLAVE", 0, NULL},   {"replica", "pure-token", "REPLICA", 0, NULL},
    {"pubsub", "pure-token", "PUBSUB", 0, NULL}, {0}};
static const struct command_argument kill_filters[] = {
    {"client-id", "integer", "ID", ARGUMENT_OPTIONAL, NULL},
    {"normal_master_slave_pubsub", "oneof", "TYPE", ARGUMENT_OPTIONAL, kill_types},
    {"username", "string", "USER", ARGUMENT_OPTIONAL, NULL},
    {"ip:port", "string", "ADDR", ARGUMENT_OPTIONAL, NULL},
    {"ip:port", "string", "LADDR", ARGUMENT_OPTIONAL, NULL},
    {"yes/no", "string", "SKIPME", ARGUMENT_OPTIONAL, NULL},
    {"maxage", "integer", "MAXAGE", ARGUMENT_OPTIONAL, NULL, "7.4.0"},
    {0}};
static const struct command_argument kill_forms[] = {
    {"ip:port", "string", NULL, 0, NULL},
    {"new-format", "oneof", NULL, ARGUMENT_MULTIPLE, kill_filters},
    {0}};
static const struct command_argument kill_words[] = {{"filter", "oneof", NULL, 0, kill_forms}, {0}};
static const struct command_change client_kill_history[] = {
    {"2.8.12", "Accepts filters, among them `ID`"},
    {"3.2.0", "Accepts the type `MASTER`"},
    {"5.0.0", "Accepts the type `REPLICA`, which means the same as `SLAVE`"},
    {"6.2.0", "Accepts `LADDR`"},
    {"7.4.0", "Accepts `MAXAGE`"},
    {0}};
static const struct command_change client_list_history[] = {
    {"2.8.12", "Returns the ID of each client"},
    {"5.0.0", "Accepts `TYPE`"},
    {"6.0.0", "Returns the user of each client"},
    {"6.2.0", "Accepts `ID`; returns `argv-mem`, `tot-mem`, `laddr` and `redir`"},
    {"7.0.0", "Returns `resp`, `multi-mem`, `rbs` and `rbp`"},
    {"7.0.3", "Returns `ssub`"},
    {0}};

const struct command client_list_commands[] = {
    {"client", -2, KEEPS_CACHING, NO_KEYS, GROUP_CONNECTION, "2.4.0", 0, NULL,
     "A container for the commands about client connections", NULL},
    {"client|help", 2, LOADING | STALE, NO_KEYS, GROUP_CONNECTION, "5.0.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"client|info", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.2.0", 0, client_info_command,
     "Returns the line of CLIENT LIST about this connection", "O(1)", "nondeterministic_output",
     .deviation = "The fields are those of `CLIENT LIST`."},
    {"client|kill", -3, ADMIN | SUBCOMMAND | ADMINISTRATIVE_IN_PART, NO_KEYS, GROUP_CONNECTION,
     "2.4.0", 0, client_kill_command,
     "Closes the connection from a given address, or all connections that match every filter",
     "O(N) where N is the number of connections", NULL, kill_words, .history = client_kill_history,
     .deviation = "A request may have at most 16 filters. A client that may not use "
                  "administrative commands may close only its own connection. A request that would "
                  "close other connections is refused."},
    {"client|list", -2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "2.4.0", 0,
     client_list_command, "Returns a line of information about each connection",
     "O(N) where N is the number of connections", "nondeterministic_output", client_list_words,
     .history = client_list_history,
     .deviation =
         "The list is grouped by event loop (thread). "
         "Within each loop clients are in the order of their IDs. `CLIENT LIST ID` uses the "
         "same order, accepts at most 1,024 IDs, and lists each client once. The fields "
         "are those of Redis 7.4, and `io-thread` of Redis 8. The "
         "flag `b` marks a client that waits for the end of a pause."},
    {0},
};
