// CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: client-side caching. When the dataset is
// replaced, each client that has turned tracking on gets one invalidation of all keys.
//
// Modes and prefixes are checked and reported as in Redis, but have no effect on invalidations.
#include <stdlib.h>

#include "base/number.h"
#include "commands/channel_message.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/loop_task.h"
#include "serve/session.h"
#include "serve/subscriptions.h"
#include "serve/tracking.h"

enum {
    PREFIXES_MAX = 128, // prefixes of one client; bounded, as each is compared with all others
    PREFIX_MAX = 1024,  // bytes of a prefix
    WORDS_MAX = 2 * PREFIXES_MAX + 16, // words of one CLIENT TRACKING
    SEARCH_WORK = 64,                  // units of work for finding a client in all loops
};

// ---- invalidations ------------------------------------------------------------------------------

// Pushes a message of two elements. The first is `kind`, the second `id`, or a null if `id` is 0.
static void push_pair(struct session *s, const char *kind, int64_t id)
{
    struct output message = {0};
    struct resp_writer w = {.out = &message, .protocol = RESP3};
    resp_push(&w, 2);
    resp_bulk_text(&w, kind);
    if (id > 0)
        resp_integer(&w, id);
    else
        resp_null(&w);
    session_push_output(s, &message);
}

static void push_invalidation(struct session *s)
{
    push_pair(s, "invalidate", 0);
}

// An invalidation that is redirected to another client.
struct redirection {
    struct loop_task task;
    uint64_t from; // id of the client that has turned tracking on
    uint64_t to;   // id of the client that gets the invalidation
    bool found;    // client `to` exists
};

static bool visit_target(struct loop_task *task, struct service *service)
{
    struct redirection *r = (struct redirection *)task;
    struct session *s = session_find(service, r->to);
    if (s == NULL)
        return true;
    r->found = true;
    if (s->reply.protocol == RESP3)
        push_invalidation(s);
    else if (s->subscriptions != NULL)
        channel_message_push(s, "message", NULL, span_text("__redis__:invalidate"),
                             span_of(NULL, 0));
    return true;
}

// Marks the redirection as broken if the client that should get the invalidation no longer exists.
static void mark_broken(struct loop_task *task)
{
    const struct redirection *r = (const struct redirection *)task;
    struct session *s = session_find(task->home, r->from);
    if (r->found || s == NULL || s->tracking == NULL)
        return;
    s->tracking->broken = true;
    if (s->reply.protocol == RESP3)
        push_pair(s, "tracking-redir-broken", (int64_t)r->to);
}

static void redirect_invalidation(struct session *s)
{
    struct redirection *r = calloc(1, sizeof *r);
    if (r == NULL) {
        s->oom = true; // closes the connection; else the client would use outdated values
        return;
    }
    r->task.visit = visit_target;
    r->task.back = mark_broken;
    r->task.release = loop_task_free;
    r->from = s->id;
    r->to = s->tracking->redirect;
    loop_task_send(&r->task, &s->service->group->router, s->service, s->service->number);
}

// Called between two replies, after the client's loop has changed to a new dataset. Sends one
// invalidation of all keys. Unless it is redirected, the client gets it before any reply from the
// new dataset.
static void invalidate(struct session *s)
{
    if (s->tracking->redirect != 0)
        redirect_invalidation(s);
    else if (s->reply.protocol == RESP3)
        push_invalidation(s);
    // Some client libraries ignore an invalidation of all keys, but every library discards its
    // cache when it loses its connection. So `swap-tracking push+close` closes the connection too.
    s->closing |= s->service->settings->close_tracking;
}

// ---- CLIENT TRACKING ----------------------------------------------------------------------------

// A CLIENT TRACKING request. It does not store the prefixes: next_prefix reads them again.
struct tracking_request {
    bool on;
    struct tracking_modes modes;
    int64_t redirect;  // id of the client to redirect invalidations to; 0: none
    unsigned prefixes; // number of prefixes
};

// Called by read_request after an error reply. Sets `redirect` to 0, by which the caller of
// read_request knows of the reply. Returns false, which read_request returns.
static bool reject(struct tracking_request *request)
{
    request->redirect = 0;
    return false;
}

// Returns true and sets `*flag` if `word` is the option `name`.
static bool is_option(struct span word, const char *name, bool *flag)
{
    bool matches = span_is(word, name);
    *flag |= matches;
    return matches;
}

// Reads the request. Returns true if it is valid so far; the caller compares it with the present
// state. Returns false with `redirect` 0 after an error reply.
//
// Returns false with another `redirect` when it has read REDIRECT and `s->request.cursor` is 0. The
// caller then checks that the client `redirect` exists, sets `cursor` to 1 and calls again. This
// order is that of Redis: the error for a missing client precedes errors in later words.
static bool read_request(struct session *s, const struct resp_request *r,
                         struct tracking_request *request)
{
    bool found = s->request.cursor != 0;
    *request = (struct tracking_request){.on = span_is(resp_arg(r, 2), "on")};
    for (uint32_t i = 3; i < r->argc; i++) {
        struct span word = resp_arg(r, i);
        bool more = i + 1 < r->argc;
        if (span_is(word, "redirect") && more) {
            if (request->redirect != 0) {
                resp_error(&s->reply, "ERR A client can only redirect to a single other client");
                return reject(request);
            }
            if (!number_parse(resp_arg(r, ++i), &request->redirect)) {
                reply_not_an_integer(s);
                return reject(request);
            }
            if (request->redirect <= 0) {
                resp_error(&s->reply, "ERR The client ID you want redirect to does not exist");
                return reject(request);
            }
            if (!found)
                return false;
        } else if (span_is(word, "prefix") && more) {
            if (resp_arg(r, ++i).len > PREFIX_MAX || ++request->prefixes > PREFIXES_MAX) {
                resp_error(&s->reply,
                           "ERR more than %d prefixes, or a prefix of more than %d bytes",
                           PREFIXES_MAX, PREFIX_MAX);
                return reject(request);
            }
        } else if (!is_option(word, "bcast", &request->modes.bcast) &&
                   !is_option(word, "optin", &request->modes.optin) &&
                   !is_option(word, "optout", &request->modes.optout) &&
                   !is_option(word, "noloop", &request->modes.noloop)) {
            reply_syntax_error(s);
            return reject(request);
        }
    }
    return true;
}

// Returns the error if the modes contradict each other or the present modes, else NULL. Checks in
// Redis's order.
static const char *find_conflict(const struct session *s, const struct tracking_request *request)
{
    const struct tracking_modes *now = s->tracking != NULL ? &s->tracking->modes : NULL;
    const struct tracking_modes *next = &request->modes;
    if (!next->bcast && request->prefixes > 0)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (now != NULL && now->bcast != next->bcast)
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    if (next->bcast && (next->optin || next->optout))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if (next->optin && next->optout)
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (now != NULL && ((next->optin && now->optout) || (next->optout && now->optin)))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    return NULL;
}

// Finds the next prefix after argument `*i`. Sets `*prefix`, and `*i` to its argument number.
// Returns false if there is no other.
static bool next_prefix(const struct resp_request *r, uint32_t *i, struct span *prefix)
{
    while (++*i + 1 < r->argc) {
        struct span word = resp_arg(r, *i);
        if (span_is(word, "prefix")) {
            *prefix = resp_arg(r, ++*i);
            return true;
        }
        if (span_is(word, "redirect"))
            ++*i;
    }
    return false;
}

// Returns true if one of the prefixes is a prefix of the other.
static bool overlap(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    return len == 0 || memcmp(a.ptr, b.ptr, len) == 0;
}

static void reply_overlap(struct session *s, struct span prefix, const char *with,
                          struct span other)
{
    resp_error(&s->reply,
               "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
               "must not overlap.",
               session_echoed(prefix), prefix.ptr, with, session_echoed(other), other.ptr);
}

// Compares the new prefixes with each other and with the present ones. Replies with an error and
// returns false if two of them overlap.
static bool check_prefixes(struct session *s, const struct resp_request *r)
{
    struct span prefix;
    struct span other;
    for (uint32_t i = 2; next_prefix(r, &i, &prefix);) {
        const struct tracking *t = s->tracking;
        for (unsigned j = 0; t != NULL && j < t->prefix_count; j++) {
            if (overlap(prefix, buf_span(&t->prefixes[j]))) {
                reply_overlap(s, prefix, "an existing", buf_span(&t->prefixes[j]));
                return false;
            }
        }
        for (uint32_t j = i; next_prefix(r, &j, &other);) {
            if (overlap(prefix, other)) {
                reply_overlap(s, prefix, "another provided", other);
                return false;
            }
        }
    }
    return true;
}

// Turns tracking on, or changes its modes and adds prefixes. Returns false if memory is short.
static bool turn_on(struct session *s, const struct resp_request *r,
                    const struct tracking_request *request)
{
    if (s->tracking == NULL) {
        // Within a transaction, the client may read an older snapshot of the dataset than the
        // loop's newest. Tracking starts from the snapshot that the client reads. So the client
        // gets an invalidation for the newer one, after the transaction.
        s->tracking = tracking_new(session_snapshot(s)->number, invalidate);
        if (s->tracking == NULL)
            return false;
        counter_add(&s->service->stats.tracking_clients, 1);
    }
    struct tracking *t = s->tracking;
    t->modes = request->modes;
    t->redirect = (uint64_t)request->redirect;
    t->broken = false;
    if (!request->modes.bcast)
        return true;
    bool added = request->prefixes > 0 || tracking_add_prefix(t, span_of("", 0));
    struct span prefix;
    for (uint32_t i = 2; added && next_prefix(r, &i, &prefix);)
        added = tracking_add_prefix(t, prefix);
    return added;
}

// Finds out whether a client exists in any loop.
struct search {
    struct loop_task task;
    uint64_t id; // id of the client
    bool found;
};

static bool visit_search(struct loop_task *task, struct service *service)
{
    struct search *search = (struct search *)task;
    search->found |= session_find(service, search->id) != NULL;
    return true;
}

static void send_search(struct session *s, uint64_t id)
{
    struct search *search = calloc(1, sizeof *search);
    if (search == NULL) {
        s->oom = true;
        return;
    }
    search->task.visit = visit_search;
    search->task.release = loop_task_free;
    search->id = id;
    session_await(s, &search->task);
}

// Checks that the client to redirect to exists, and replies with an error if it does not. Returns
// COMMAND_WAIT until all loops have been visited, then COMMAND_DONE with `*found` set.
static enum command_result find_redirect(struct session *s, int64_t id, bool *found)
{
    if (s->task == NULL)
        send_search(s, (uint64_t)id);
    const struct search *search = (const struct search *)session_task(s);
    if (search == NULL)
        return s->oom ? COMMAND_DONE : COMMAND_WAIT;
    *found = search->found;
    session_charge(s, SEARCH_WORK);
    session_end_task(s);
    if (!*found)
        resp_error(&s->reply, "ERR The client ID you want redirect to does not exist");
    return COMMAND_DONE;
}

static enum command_result client_tracking_command(struct session *s, const struct resp_request *r)
{
    struct tracking_request request;
    bool found = true;
    if (r->argc > WORDS_MAX) {
        resp_error(&s->reply, "ERR more than %d words", WORDS_MAX);
        return COMMAND_DONE;
    }
    while (!read_request(s, r, &request)) {
        if (request.redirect == 0)
            return COMMAND_DONE;
        enum command_result result = find_redirect(s, request.redirect, &found);
        if (result != COMMAND_DONE || !found || s->oom)
            return result;
        s->request.cursor = 1;
    }
    if (!request.on && !span_is(resp_arg(r, 2), "off")) {
        reply_syntax_error(s);
        return COMMAND_DONE;
    }
    if (request.on) {
        const char *conflict = find_conflict(s, &request);
        if (conflict != NULL) {
            resp_error(&s->reply, "%s", conflict);
            return COMMAND_DONE;
        }
        unsigned present = s->tracking != NULL ? s->tracking->prefix_count : 0;
        if (!check_prefixes(s, r))
            return COMMAND_DONE;
        if (present + request.prefixes > PREFIXES_MAX) {
            resp_error(&s->reply, "ERR more than %d prefixes", PREFIXES_MAX);
            return COMMAND_DONE;
        }
        s->oom |= !turn_on(s, r, &request);
    } else {
        session_stop_tracking(s);
    }
    resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

static enum command_result client_caching_command(struct session *s, const struct resp_request *r)
{
    struct tracking *t = s->tracking;
    bool yes = span_is(resp_arg(r, 2), "yes");
    if (t == NULL) {
        resp_error(&s->reply, "ERR CLIENT CACHING can be called only when the client is in "
                              "tracking mode with OPTIN or OPTOUT mode enabled");
    } else if (!yes && !span_is(resp_arg(r, 2), "no")) {
        reply_syntax_error(s);
    } else if (yes ? !t->modes.optin : !t->modes.optout) {
        resp_error(&s->reply,
                   "ERR CLIENT CACHING %s is only valid when tracking is enabled in %s "
                   "mode.",
                   yes ? "YES" : "NO", yes ? "OPTIN" : "OPTOUT");
    } else {
        t->caching = yes ? CACHING_YES : CACHING_NO;
        resp_status(&s->reply, "OK");
    }
    return COMMAND_DONE;
}

static enum command_result client_getredir_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_integer(&s->reply, tracking_redirect(s->tracking));
    return COMMAND_DONE;
}

static void reply_flags(struct session *s)
{
    static const struct tracking_modes none;
    const struct tracking *t = s->tracking;
    const struct tracking_modes *modes = t != NULL ? &t->modes : &none;
    const struct {
        bool set;
        const char *word;
    } flags[] = {
        {t == NULL, "off"},
        {t != NULL, "on"},
        {modes->bcast, "bcast"},
        {modes->optin, "optin"},
        {t != NULL && t->caching == CACHING_YES, "caching-yes"},
        {modes->optout, "optout"},
        {t != NULL && t->caching == CACHING_NO, "caching-no"},
        {modes->noloop, "noloop"},
        {t != NULL && t->broken, "broken_redirect"},
    };
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        count += flags[i].set;
    resp_set(&s->reply, count);
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].set)
            resp_bulk_text(&s->reply, flags[i].word);
}

static enum command_result client_trackinginfo_command(struct session *s,
                                                       const struct resp_request *r)
{
    const struct tracking *t = s->tracking;
    unsigned prefixes = t != NULL ? t->prefix_count : 0;
    (void)r;
    resp_map(&s->reply, 3);
    resp_bulk_text(&s->reply, "flags");
    reply_flags(s);
    resp_bulk_text(&s->reply, "redirect");
    resp_integer(&s->reply, tracking_redirect(s->tracking));
    resp_bulk_text(&s->reply, "prefixes");
    resp_array(&s->reply, prefixes);
    for (unsigned i = 0; i < prefixes; i++)
        resp_bulk(&s->reply, buf_span(&t->prefixes[i]));
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument caching_modes[] = {
    {"yes", "pure-token", "YES", 0, NULL}, {"no", "pure-token", "NO", 0, NULL}, {0}};
static const struct command_argument caching_words[] = {{"mode", "oneof", NULL, 0, caching_modes},
                                                        {0}};
static const struct command_argument tracking_states[] = {
    {"on", "pure-token", "ON", 0, NULL}, {"off", "pure-token", "OFF", 0, NULL}, {0}};
static const struct command_argument tracking_words[] = {
    {"status", "oneof", NULL, 0, tracking_states},
    {"client-id", "integer", "REDIRECT", ARGUMENT_OPTIONAL, NULL},
    {"prefix", "string", "PREFIX", ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE | ARGUMENT_MULTIPLE_TOKEN,
     NULL},
    {"bcast", "pure-token", "BCAST", ARGUMENT_OPTIONAL, NULL},
    {"optin", "pure-token", "OPTIN", ARGUMENT_OPTIONAL, NULL},
    {"optout", "pure-token", "OPTOUT", ARGUMENT_OPTIONAL, NULL},
    {"noloop", "pure-token", "NOLOOP", ARGUMENT_OPTIONAL, NULL},
    {0}};

const struct command client_tracking_commands[] = {
    {"client|caching", 3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.0.0", 0, client_caching_command,
     "Takes YES or NO: whether to track the keys of the next command. It has no effect, as an "
     "invalidation concerns all keys",
     "O(1)", NULL, caching_words,
     .deviation = "The argument is checked, and shown by `CLIENT TRACKINGINFO`, as in Redis. But "
                  "when the dataset is replaced, every client with tracking on is "
                  "notified, as everything that it may have cached is invalid."},
    {"client|getredir", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.0.0", 0,
     client_getredir_command,
     "Returns the client ID that invalidations are redirected to, 0 for none, or -1 without "
     "tracking",
     "O(1)"},
    {"client|tracking", -3, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.0.0", 0,
     client_tracking_command,
     "Sets whether this connection is notified when keys that it may have cached become invalid",
     "O(1) without prefixes; O(N^2) with N prefixes", NULL, tracking_words,
     .deviation = "Keys change only when the dataset is replaced. The server then sends one "
                  "invalidation of all keys to every client with tracking on, whatever the client "
                  "has read and whichever prefixes it has given. A client may give at most 128 "
                  "prefixes, each of at most 1,024 bytes."},
    {"client|trackinginfo", 2, SUBCOMMAND, NO_KEYS, GROUP_CONNECTION, "6.2.0", 0,
     client_trackinginfo_command, "Returns the tracking options of this connection", "O(1)"},
    {0},
};
