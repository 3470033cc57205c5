// The checks before a command, and Redis's errors for requests that fail one.
#include "serve/admit.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "serve/key_specs.h"
#include "serve/transaction.h"

enum {
    REJECTION_MAX = 1024, // bytes of an error message; longer ones are cut
    KEYS_PER_WORK = 16,   // computing the slots of so many keys costs one unit of work
};

// Answers a request with an error and aborts the transaction that it belongs to. `entry` is NULL
// when there is no such command.
static void __attribute__((format(printf, 3, 4)))
reject(struct session *s, const struct command_entry *entry, const char *format, ...)
{
    char text[REJECTION_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (entry != NULL)
        counter_add(&s->service->stats.commands[entry->number].rejected, 1);
    if (entry != NULL && (entry->command->flags & EXECUTES) != 0) {
        // As in Redis, the code "ERR" is left out.
        const char *reason = strncmp(text, "ERR ", 4) == 0 ? text + 4 : text;
        session_end_transaction(s);
        resp_error(&s->reply, "EXECABORT Transaction discarded because of: %s", reason);
    } else {
        if (s->transaction != NULL)
            s->transaction->aborted = true;
        resp_error(&s->reply, "%s", text);
    }
}

static void reject_unknown(struct session *s, const struct resp_request *r)
{
    char echoed[2 * SESSION_ECHOED_MAX];
    size_t len = 0;
    echoed[0] = '\0';
    for (uint32_t i = 1; i < r->argc && len < SESSION_ECHOED_MAX; i++) {
        struct span arg = resp_arg(r, i);
        size_t shown = arg.len < SESSION_ECHOED_MAX - len ? arg.len : SESSION_ECHOED_MAX - len;
        echoed[len++] = '\'';
        // Redis prints the argument as a C string, so it ends at its first NUL.
        for (size_t j = 0; j < shown && arg.ptr[j] != '\0'; j++)
            echoed[len++] = arg.ptr[j];
        echoed[len++] = '\'';
        echoed[len++] = ' ';
        echoed[len] = '\0';
    }
    struct span name = resp_arg(r, 0);
    reject(s, NULL, "ERR unknown command '%.*s', with args beginning with: %s",
           session_echoed(name), name.ptr, echoed);
}

const struct command_entry *admit_find(struct session *s, const struct resp_request *r,
                                       const struct command_entry *entry)
{
    char upper[COMMAND_NAME_MAX];
    if (entry == NULL) {
        reject_unknown(s, r);
        return NULL;
    }
    if (entry->subcommands == 0 || r->argc < 2)
        return entry;
    struct span word = resp_arg(r, 1);
    const struct command_entry *sub = command_find_sub(s->service->commands, entry, word);
    if (sub == NULL)
        reject(s, NULL, "ERR unknown subcommand '%.*s'. Try %s HELP.", session_echoed(word),
               word.ptr, command_upper_name(entry->command, upper));
    return sub;
}

// Returns whether this client may use a protected command. Nobody may use one without a handler.
static bool is_enabled(const struct session *s, const struct command_entry *entry)
{
    return entry->command->handler != NULL &&
           session_is_allowed(s, s->service->settings->enable_debug_command);
}

static void reject_protected(struct session *s, const struct command_entry *entry)
{
    const struct command *top = entry->container != NULL ? entry->container : entry->command;
    char upper[COMMAND_NAME_MAX];
    reject(s, entry,
           "ERR %s command not allowed. If the enable-%s-command option is set to "
           "\"local\", you can run it from a local connection, otherwise you need to set this "
           "option in the configuration file, and then restart the server.",
           command_upper_name(top, upper), top->name);
}

static void reject_administrative(struct session *s, const struct command_entry *entry)
{
    session_report_refusal(s, entry);
    reject(s, entry, NO_PERMISSION, entry->command->name);
}

static void reject_write(struct session *s, const struct command_entry *entry)
{
    service_count_refused(s->service, entry->command);
    switch (s->service->settings->write_error) {
    case WRITE_ERROR_UNSET: assert(false); break; // settings_complete has chosen another
    case WRITE_ERROR_READONLY:
        reject(s, entry, "READONLY You can't write against a read only replica.");
        break;
    case WRITE_ERROR_NOPERM: reject(s, entry, NO_PERMISSION, entry->command->name); break;
    case WRITE_ERROR_ERR:
        reject(s, entry, "ERR You can't write against a read only replica.");
        break;
    }
}

// Looks at the keys of a request that were not looked at yet, as long as the turn may do more work.
// Returns whether it has looked at all.
static bool find_route(struct session *s, const struct resp_request *r,
                       const struct command *command)
{
    struct key_runs runs;
    const struct key_run *run;
    struct route *route = &s->request.route;
    keys_find_routed(command, r, &runs);
    while (route->keys < runs.keys) {
        if (route->keys % KEYS_PER_WORK == KEYS_PER_WORK - 1) {
            if (!session_may_go_on(s))
                return false;
            session_charge(s, 1);
        }
        struct span key = resp_arg(r, keys_at(&runs, route->keys, &run));
        unsigned home = route_add(route, s->service->view, s->service->keys, key);
        if (s->transaction != NULL)
            s->oom |= !transaction_note_home(s->transaction, home);
    }
    return true;
}

// Returns the host of a node as clients prefer it.
static const char *preferred_host(const struct session *s, const struct topology_node *node)
{
    bool by_name = s->service->settings->cluster_hostnames && *node->hostname != '\0';
    return by_name ? node->hostname : node->host;
}

// Answers a request that is not for this node of the cluster with the error that says so.
static void send_on(struct session *s, const struct command_entry *entry, const struct route *route,
                    unsigned shard)
{
    const struct cluster_view *view = s->service->view;
    struct stats *stats = &s->service->stats;
    const struct topology_node *node = &view->topology->nodes[cluster_primary(view, shard)];
    const char *host = preferred_host(s, node);
    switch (route->kind) {
    case ROUTE_HERE: assert(false); break;
    case ROUTE_CROSSSLOT:
        counter_add(&stats->redirects_crossslot, 1);
        reject(s, entry, "CROSSSLOT Keys in request don't hash to the same slot");
        break;
    case ROUTE_MOVED:
        counter_add(&stats->redirects_moved, 1);
        reject(s, entry, "MOVED %u %s:%u", route->slot, host, node->port);
        break;
    case ROUTE_ASK:
        counter_add(&stats->redirects_ask, 1);
        reject(s, entry, "ASK %u %s:%u", route->slot, host, node->port);
        break;
    }
}

// Decides which node of the cluster answers the request.
static enum admission route_request(struct session *s, const struct resp_request *r,
                                    const struct command_entry *entry)
{
    unsigned shard = 0;
    if (s->service->view == NULL)
        return ADMIT_YES;
    if (!s->routing || s->request.route_version != s->service->view_version)
        s->request.route = (struct route){.keys = 0};
    s->request.route_version = s->service->view_version;
    s->routing = !find_route(s, r, entry->command);
    if (s->routing)
        return ADMIT_AGAIN;
    route_decide(&s->request.route, s->service->view, &shard);
    if (s->request.route.kind == ROUTE_HERE)
        return ADMIT_YES;
    send_on(s, entry, &s->request.route, shard);
    return ADMIT_NO;
}

bool admit_exec(struct session *s)
{
    const struct cluster_view *view = s->service->view;
    if (view == NULL)
        return true;
    unsigned slot = transaction_next_home(s->transaction, 0);
    while (slot < SLOTS && cluster_owns(view, slot))
        slot = transaction_next_home(s->transaction, slot + 1);
    if (slot == SLOTS)
        return true;
    unsigned primary = cluster_primary(view, view->topology->owner[slot]);
    const struct topology_node *node = &view->topology->nodes[primary];
    counter_add(&s->service->stats.redirects_moved, 1);
    session_end_transaction(s);
    resp_error(&s->reply, "MOVED %u %s:%u", slot, preferred_host(s, node), node->port);
    return false;
}

// The checks that come before the one for the cluster. Returns false after an error reply.
static bool is_acceptable(struct session *s, const struct resp_request *r,
                          const struct command_entry *entry)
{
    const struct command *command = entry->command;
    if (!command_takes(command, r->argc))
        reject(s, entry, "ERR wrong number of arguments for '%s' command", entry->command->name);
    else if ((command->flags & PROTECTED) != 0 && !is_enabled(s, entry))
        reject_protected(s, entry);
    else if (!s->authenticated && (command->flags & (NO_AUTH | UNAUTHENTICATED)) == 0)
        reject(s, entry, "NOAUTH Authentication required.");
    else if (s->transaction != NULL && (command->flags & NO_MULTI) != 0)
        reject(s, entry, "ERR Command not allowed inside a transaction");
    else if ((command->flags & ADMINISTRATIVE) != 0 && !session_may_administer(s))
        reject_administrative(s, entry);
    else
        return true;
    return false;
}

enum admission admit(struct session *s, const struct resp_request *r,
                     const struct command_entry *entry)
{
    const struct command *command = entry->command;
    if (!is_acceptable(s, r, entry))
        return ADMIT_NO;
    enum admission route = route_request(s, r, entry);
    if (route != ADMIT_YES)
        return route;
    if ((command->flags & WRITE) != 0) {
        reject_write(s, entry);
        return ADMIT_NO;
    }
    if (s->subscriptions != NULL && s->reply.protocol == RESP2 &&
        (command->flags & SUBSCRIBED) == 0) {
        reject(s, entry,
               "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
               "RESET are allowed in this context",
               entry->command->name);
        return ADMIT_NO;
    }
    return ADMIT_YES;
}
