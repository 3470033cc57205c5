// The conversation: parse the request at the front, check it in Redis's order, run its handler,
// until the input, the output's room or the turn's work is used up.
#include "serve/session.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/doubt.h"
#include "serve/loop_task.h"
#include "serve/observe.h"
#include "serve/subscriptions.h"
#include "serve/tracking.h"
#include "serve/transaction.h"
#include "serve/watch.h"

enum {
    ARGS_FIRST = 16,
    AHEAD_MIN = 16,        // requests that are read ahead at least
    BYTES_PER_WORK = 4096, // of a value whose end is searched, in the time of a lookup
    // Of replies to one who wants none: a turn's work is as much as others' output may be.
    SILENT_BYTES_PER_WORK = SESSION_OUTPUT_HIGH / SESSION_TURN_WORK,
    REJECTION_MAX = 1024,
    // Work of a call behind which the clock is read, though it is one of a batch: some 25 µs, a
    // thousand times what the reading takes.
    LONG_WORK = 128,
};

void session_init(struct session *s, struct service *service, uint64_t id, bool local)
{
    *s = (struct session){
        .service = service,
        .reply = {.protocol = RESP2, .errors_by_code = service->stats.errors},
        .ahead = {.limit = SESSION_TURN_WORK},
        .id = id,
        .entry = {.id = id},
        .local = local,
        .authenticated = service->settings->requirepass == NULL,
    };
    link_init(&s->link);
    link_move_last(&service->sessions, &s->link);
    session_table_add(&service->table, &s->entry);
}

static void forget_ahead(struct session *s);

static void drop_snapshot(struct session *s)
{
    if (s->snapshot == NULL)
        return;
    ref_drop(&s->snapshot->ref);
    s->snapshot = NULL;
}

static void take_task(struct session *s, struct loop_task *t)
{
    assert(s->task == NULL);
    t->waiter = s;
    t->arrived = session_wake;
    s->task = t;
}

void session_await(struct session *s, struct loop_task *t)
{
    take_task(s, t);
    loop_task_send(t, &s->service->group->router, s->service, s->service->number);
}

void session_await_external(struct session *s, struct loop_task *t)
{
    take_task(s, t);
    loop_task_lend(t, &s->service->group->router, s->service, s->service->number);
}

struct loop_task *session_task(const struct session *s)
{
    return s->task != NULL && s->task->done ? s->task : NULL;
}

void session_end_task(struct session *s)
{
    struct loop_task *t = s->task;
    if (t == NULL)
        return;
    s->task = NULL;
    loop_task_end(t);
}

void session_unwatch(struct session *s)
{
    if (s->watched > 0)
        counter_sub(&s->service->stats.watching_clients, 1);
    s->watched = 0;
    watch_free(s->watch);
    s->watch = NULL;
}

void session_end_transaction(struct session *s)
{
    session_unwatch(s);
    transaction_free(s->transaction);
    s->transaction = NULL;
}

void session_unsubscribe(struct session *s)
{
    if (s->subscriptions == NULL)
        return;
    subscriptions_free(s->subscriptions);
    s->subscriptions = NULL;
    counter_sub(&s->service->stats.pubsub_clients, 1);
}

void session_stop_tracking(struct session *s)
{
    if (s->tracking == NULL)
        return;
    tracking_free(s->tracking);
    s->tracking = NULL;
    counter_sub(&s->service->stats.tracking_clients, 1);
}

void session_shed(struct session *s)
{
    session_end_task(s);
    session_end_transaction(s);
    free(s->args);
    s->args = NULL;
    s->args_capacity = 0;
    buf_release(&s->pushes);
    s->pushes_taken = 0;
    buf_release(&s->collected);
}

void session_leave(struct session *s)
{
    session_shed(s);
    session_stop_tracking(s);
    session_unsubscribe(s);
    link_remove(&s->link);
    session_table_remove(&s->service->table, &s->entry);
}

void session_release(struct session *s)
{
    if (s->service == NULL)
        return;
    forget_ahead(s);
    session_leave(s);
    drop_snapshot(s);
    free(s->name);
    free(s->lib_name);
    free(s->lib_ver);
    *s = (struct session){0};
}

// Bytes that a text takes, with what the allocator notes beside it.
static size_t text_memory(const char *text)
{
    return text != NULL ? strlen(text) + 1 + sizeof(size_t) : 0;
}

void session_set_text(struct session *s, char **field, struct span value)
{
    char *copy = NULL;
    if (value.len > 0) {
        copy = strndup(value.ptr, value.len);
        if (copy == NULL)
            s->oom = true;
    }
    s->texts_memory += text_memory(copy) - text_memory(*field);
    free(*field);
    *field = copy;
}

bool session_may_go_on(struct session *s)
{
    if (s->work_left == 0 || !session_has_room(s))
        return false;
    s->work_left--;
    return true;
}

void session_charge(struct session *s, uint64_t units)
{
    s->work_left -= units < s->work_left ? (unsigned)units : s->work_left;
}

static bool count_lookup(struct session *s, bool found)
{
    if (found)
        counter_add(&s->service->stats.keyspace_hits, 1);
    else
        counter_add(&s->service->stats.keyspace_misses, 1);
    return found;
}

// Looks up keys of the running command from argument `i` on.
static void look_up_stretch(struct session *s, const struct resp_request *r, uint32_t i)
{
    const struct command *command = s->running->command;
    uint32_t step = (uint32_t)command->keys.step;
    uint32_t before = (i - (uint32_t)command->keys.first) / step;
    uint32_t left = command_keys(command, r->argc) - before;
    uint32_t count = left < BATCH_STRETCH ? left : BATCH_STRETCH;
    assert(i >= (uint32_t)command->keys.first && left > 0);
    batch_look_up_stretch(&s->service->batch, session_dataset(s), r, i, step, count);
    s->keys.first = i;
    s->keys.count = count;
    s->keys.place = BATCH_KEYS;
}

// The place of argument `i`, one of those of which some are not known.
static __attribute__((noinline)) uint64_t place_anew(struct session *s,
                                                     const struct resp_request *r, uint32_t i)
{
    struct span key = resp_arg(r, i);
    struct uuid id;
    uint64_t place = DATASET_NO_OFFSET;
    if (key.len == UUID_TEXT_LEN && uuid_parse(key.ptr, &id) &&
        !dataset_find_many(session_dataset(s), &id, 1, &place))
        doubt_note(s);
    return place;
}

// Where the value of argument `i` is.
static uint64_t place_of(struct session *s, const struct resp_request *r, uint32_t i)
{
    uint32_t step = (uint32_t)s->running->command->keys.step;
    uint32_t number = step == 1 ? i - s->keys.first : (i - s->keys.first) / step;
    if (i < s->keys.first || number >= s->keys.count) {
        look_up_stretch(s, r, i);
        number = 0;
    }
    uint64_t place = s->service->batch.place[s->keys.place + number];
    return place == DATASET_NO_OFFSET && s->service->batch.doubt ? place_anew(s, r, i) : place;
}

// Goes on looking for the end of a value of which the first part has none. False when it has not
// been found in this turn. One of which a part is lost gets a NULL `ptr`.
static bool find_end(struct session *s, struct span *value)
{
    uint64_t snapshot = session_snapshot(s)->number;
    const char *ptr = value->ptr;
    bool ended;
    if (s->long_value.ptr == ptr && s->long_value.snapshot == snapshot)
        value->len = s->long_value.len;
    do {
        size_t before = value->len;
        ended = dataset_value_more(session_dataset(s), value);
        if (value->ptr != NULL)
            session_charge(s, (value->len - before) / BYTES_PER_WORK);
    } while (!ended && s->work_left > 0);
    s->long_value.ptr = value->ptr;
    s->long_value.len = value->len;
    s->long_value.snapshot = snapshot;
    return ended;
}

// Of a value that is long, or cannot be read.
__attribute__((noinline)) static enum lookup settle_value(struct session *s, struct span *value)
{
    session_charge(s, value->len / BYTES_PER_WORK);
    if (value->len >= DATASET_PART && !find_end(s, value))
        return LOOKUP_GOES_ON;
    return value->ptr != NULL ? LOOKUP_FOUND : LOOKUP_MISSED;
}

enum lookup session_value(struct session *s, uint64_t place, struct span *value)
{
    *value = dataset_value_part(session_dataset(s), place);
    return settle_value(s, value);
}

enum lookup session_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                            struct span *value)
{
    uint64_t place = place_of(s, r, i);
    if (!count_lookup(s, place != DATASET_NO_OFFSET))
        return LOOKUP_MISSED;
    *value = dataset_value_part(session_dataset(s), place);
    if (value->len < BYTES_PER_WORK && value->ptr != NULL)
        return LOOKUP_FOUND;
    enum lookup lookup = settle_value(s, value);
    if (lookup == LOOKUP_GOES_ON)
        counter_sub(&s->service->stats.keyspace_hits, 1); // it is counted when it has been found
    s->killed |= lookup == LOOKUP_MISSED;                 // the line was whole a moment ago
    return lookup;
}

bool session_has(struct session *s, const struct resp_request *r, uint32_t i)
{
    return count_lookup(s, place_of(s, r, i) != DATASET_NO_OFFSET);
}

void session_push_output(struct session *s, struct output *message)
{
    if (!output_oom(message)) {
        session_push(s, buf_span(&message->owned));
    } else {
        s->oom = true; // it would go on without what it was to be told
        session_wake(s);
    }
    output_release(message);
}

static struct session *session_of(const struct service *service, struct link *link)
{
    return link == &service->sessions ? NULL : container_of(link, struct session, link);
}

struct session *session_next(const struct session *s)
{
    return session_of(s->service, s->link.next);
}

struct session *session_find(const struct service *service, uint64_t id)
{
    struct session_entry *entry = session_table_find(&service->table, id);
    return entry != NULL ? container_of(entry, struct session, entry) : NULL;
}

struct session *session_after(const struct service *service, uint64_t id)
{
    struct session *s = session_find(service, id);
    if (s != NULL)
        return session_next(s);
    s = session_of(service, service->sessions.next);
    while (s != NULL && s->id <= id)
        s = session_next(s);
    return s;
}

void session_wake(struct session *s)
{
    if (s->service->owner.wake != NULL)
        s->service->owner.wake(s);
}

void session_wake_trackers(const struct service *service)
{
    struct session *s = session_after(service, 0);
    for (; s != NULL; s = session_next(s))
        if (s->tracking != NULL)
            session_wake(s);
}

void session_end_pause(struct service *service)
{
    service->paused_until = 0;
    for (struct session *s = session_after(service, 0); s != NULL; s = session_next(s))
        if (s->paused)
            session_wake(s);
}

void session_describe(const struct session *s, struct client_facts *facts)
{
    *facts = (struct client_facts){.fd = -1, .active_ns = s->created_ns};
    if (s->service->owner.describe != NULL)
        s->service->owner.describe(s, facts);
}

void session_address(const struct session *s, char to[CLIENT_ADDRESS_TEXT])
{
    struct client_facts facts;
    session_describe(s, &facts);
    memcpy(to, facts.address, CLIENT_ADDRESS_TEXT);
}

void session_local_address(const struct session *s, char to[CLIENT_ADDRESS_TEXT])
{
    struct client_facts facts;
    session_describe(s, &facts);
    memcpy(to, facts.local_address, CLIENT_ADDRESS_TEXT);
}

void session_kill(struct session *s)
{
    s->killed = true;
    // At once, so that clients who do not read cannot hold what a turn of PUBLISH would send them.
    buf_release(&s->pushes);
    s->pushes_taken = 0;
    session_wake(s);
}

// What has been handed out makes room for others, when that moves no more bytes than have left.
static void forget_handed_out(struct session *s)
{
    if (s->pushes_taken < s->pushes.len - s->pushes_taken)
        return;
    buf_remove_front(&s->pushes, s->pushes_taken);
    s->pushes_taken = 0;
}

void session_push(struct session *s, struct span message)
{
    session_push_parts(s, &message, 1);
}

void session_push_parts(struct session *s, const struct span *parts, unsigned count)
{
    size_t waiting = s->pushes.len - s->pushes_taken;
    if (s->killed || s->closing) // what waits already is still handed out
        return;
    for (unsigned i = 0; i < count; i++)
        waiting += parts[i].len;
    // Looked at before the message is copied, which may be longer than all that may wait.
    if (waiting > SESSION_PUSHES_MAX) {
        counter_add(&s->service->stats.pushes_limit_hits, 1);
        session_kill(s);
        return;
    }
    forget_handed_out(s);
    for (unsigned i = 0; i < count; i++)
        buf_append(&s->pushes, parts[i]);
    session_wake(s);
    if (s->service->owner.grown != NULL)
        s->service->owner.grown(s);
}

size_t session_memory(const struct session *s)
{
    size_t bytes =
        s->args_capacity * sizeof *s->args + s->pushes.cap + s->collected.cap + s->texts_memory;
    bytes += transaction_memory(s->transaction) + watch_memory(s->watch) +
             subscriptions_memory(s->subscriptions) + tracking_memory(s->tracking);
    if (s->task != NULL)
        bytes += s->task->memory;
    return bytes;
}

bool session_oom(const struct session *s, const struct output *out)
{
    return s->oom || s->pushes.oom || output_oom(out);
}

// Answers a request that is not even queued, which also spoils the transaction it was for. `entry`
// is NULL when there is no such command.
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
        // As in Redis, the code of the error is left out.
        const char *reason = strncmp(text, "ERR ", 4) == 0 ? text + 4 : text;
        session_end_transaction(s);
        resp_error(&s->reply, "EXECABORT Transaction discarded because of: %s", reason);
    } else {
        if (s->transaction != NULL)
            s->transaction->spoiled = true;
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
        // As with C strings in Redis, an argument ends at its first NUL.
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

// What a web browser, a TLS or an SSH client says first. They must not go on talking: a page in a
// browser could hide commands in what it sends (cross-protocol scripting).
static const char *foreign_protocol(const struct resp_request *r, bool inline_form)
{
    struct span name = resp_arg(r, 0);
    struct span last = resp_arg(r, r->argc - 1);
    if (span_is(name, "post") || span_is(name, "host:"))
        return "HTTP";
    if (!inline_form)
        return NULL;
    if (r->argc >= 3 && last.len > 5 && memcmp(last.ptr, "HTTP/", 5) == 0)
        return "HTTP";
    if (name.len > 4 && memcmp(name.ptr, "SSH-", 4) == 0)
        return "SSH";
    return NULL;
}

static bool is_tls_hello(struct bytes in)
{
    return in.len >= 2 && in.ptr[0] == 0x16 && in.ptr[1] == 0x03;
}

// The command or subcommand that the request names, or NULL when there is none, which has been
// answered. `entry` is that of its name.
static const struct command_entry *find(struct session *s, const struct resp_request *r,
                                        const struct command_entry *entry)
{
    char name[COMMAND_FULL_NAME_MAX];
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
               word.ptr, command_upper_name(entry->command, name));
    return sub;
}

static bool is_allowed(const struct session *s, enum enable_command allowed)
{
    return allowed == ENABLE_YES || (allowed == ENABLE_LOCAL && s->local);
}

bool session_may_administer(const struct session *s)
{
    return is_allowed(s, s->service->settings->admin_commands);
}

static bool is_enabled(const struct session *s, const struct command_entry *entry)
{
    return entry->command->handler != NULL &&
           is_allowed(s, s->service->settings->enable_debug_command);
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

// The error of Redis for what the rules for a user do not allow.
#define NO_PERMISSION "NOPERM User default has no permissions to run the '%s' command"

static void tell_refused(const struct session *s, const struct command_entry *entry)
{
    const struct service_group *group = s->service->group;
    if (group->refused != NULL)
        group->refused(s, entry);
}

static void reject_administrative(struct session *s, const struct command_entry *entry)
{
    char name[COMMAND_FULL_NAME_MAX];
    tell_refused(s, entry);
    reject(s, entry, NO_PERMISSION, command_full_name(entry, name));
}

void session_refuse_administering(struct session *s)
{
    char name[COMMAND_FULL_NAME_MAX];
    tell_refused(s, s->running);
    resp_error(&s->reply, NO_PERMISSION, command_full_name(s->running, name));
}

static void reject_write(struct session *s, const struct command_entry *entry)
{
    char name[COMMAND_FULL_NAME_MAX];
    service_count_refused(s->service, entry->command);
    switch (s->service->settings->write_error) {
    case WRITE_ERROR_READONLY:
        reject(s, entry, "READONLY You can't write against a read only replica.");
        break;
    case WRITE_ERROR_NOPERM: reject(s, entry, NO_PERMISSION, command_full_name(entry, name)); break;
    case WRITE_ERROR_ERR:
        reject(s, entry, "ERR You can't write against a read only replica.");
        break;
    case WRITE_ERROR_UNSET: assert(false); break; // settings_complete has chosen one
    }
}

// Whether the request may run, or be queued, now: the checks in Redis's order. Otherwise it has
// been answered.
static bool admit(struct session *s, const struct resp_request *r,
                  const struct command_entry *entry)
{
    const struct command *command = entry->command;
    char name[COMMAND_FULL_NAME_MAX];
    if (!command_takes(command, r->argc)) {
        reject(s, entry, "ERR wrong number of arguments for '%s' command",
               command_full_name(entry, name));
    } else if ((command->flags & PROTECTED) != 0 && !is_enabled(s, entry)) {
        reject_protected(s, entry);
    } else if (!s->authenticated && (command->flags & (NO_AUTH | STRANGERS)) == 0) {
        reject(s, entry, "NOAUTH Authentication required.");
    } else if (s->transaction != NULL && (command->flags & NO_MULTI) != 0) {
        reject(s, entry, "ERR Command not allowed inside a transaction");
    } else if ((command->flags & ADMINISTRATIVE) != 0 && !session_may_administer(s)) {
        reject_administrative(s, entry);
    } else if ((command->flags & WRITE) != 0) {
        reject_write(s, entry);
    } else if (s->subscriptions != NULL && s->reply.protocol == RESP2 &&
               (command->flags & SUBSCRIBED) == 0) {
        reject(s, entry,
               "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
               "RESET are allowed in this context",
               command_full_name(entry, name));
    } else {
        return true;
    }
    return false;
}

// Reads the clock behind a call that has taken `units` of work: of a command that is timed by
// itself, or that may have taken long, which can then be told.
static void settle_call(struct session *s, const struct resp_request *r, unsigned units, bool done)
{
    struct timing *timing = &s->service->timing;
    if (done) {
        timing->earlier_ns = s->spent_ns;
    } else {
        timing->unfinished.number = s->running->number;
        timing->unfinished.units = units;
    }
    timing_flush(timing, &s->service->stats);
    uint64_t ns = (uint64_t)(timing->each_ns * units);
    s->spent_ns += ns > 0 ? ns : 1;
    if (done) {
        observe_command(s, r, s->spent_ns);
        s->spent_ns = 0;
        timing->singly = observe_singly(s->service);
    }
}

// Runs the handler and times it; slow commands by themselves, but for those of a key, which may
// come by the hundred; what goes on since another turn; and all, if the operator looks for short
// ones.
static enum command_result run(struct session *s, const struct resp_request *r, bool guarded)
{
    uint64_t errors = s->reply.errors;
    const struct command_entry *entry = s->running;
    struct stats *stats = &s->service->stats;
    struct timing *timing = &s->service->timing;
    bool slow = (entry->command->flags & FAST) == 0 && entry->command->keys.first == 0;
    bool alone = slow || timing->singly;
    unsigned before = s->work_left;
    if (alone)
        service_flush_timing(s->service);
    enum command_result result = guarded ? doubt_call(s, r) : entry->command->handler(s, r);
    bool done = result != COMMAND_AGAIN && result != COMMAND_WAIT;
    unsigned units = 1 + before - s->work_left;
    timing_add(timing, entry->number, units);
    if (s->reply.errors > errors)
        counter_add(&stats->commands[entry->number].failed, 1);
    if (done) {
        counter_add(&stats->commands[entry->number].calls, 1);
        counter_add(&stats->commands_processed, 1);
    }
    if (alone || !done || units >= LONG_WORK)
        settle_call(s, r, units, done);
    if (done)
        s->running = NULL;
    else if (!guarded)
        s->replied = true;
    return result;
}

// Makes room for `count` arguments of a request that is kept from turn to turn.
static bool reserve_args(struct session *s, size_t count)
{
    size_t capacity = s->args_capacity != 0 ? s->args_capacity : ARGS_FIRST;
    while (capacity < count)
        capacity *= 2;
    if (capacity == s->args_capacity)
        return true;
    struct resp_arg *args = realloc(s->args, capacity * sizeof *args);
    if (args == NULL) {
        s->oom = true;
        return false;
    }
    s->args = args;
    s->args_capacity = capacity;
    return true;
}

// Makes the request at the front of `in` complete. RESP_ARGS_FULL here means memory ran short.
static enum resp_status parse(struct session *s, struct bytes in, char *bad)
{
    enum resp_status status;
    enum resp_status (*read)(struct resp_progress *, struct bytes, struct resp_arg *, size_t,
                             char *) = s->authenticated ? resp_parse : resp_parse_stranger;
    while ((status = read(&s->progress, in, s->args, s->args_capacity, bad)) == RESP_ARGS_FULL)
        if (!reserve_args(s, s->args_capacity + 1))
            return RESP_ARGS_FULL;
    return status;
}

static bool is_read_ahead(const struct session *s)
{
    return s->ahead.next < s->ahead.end;
}

static void forget_ahead(struct session *s)
{
    if (s->ahead.end == 0)
        return;
    struct batch *batch = &s->service->batch;
    s->ahead.next = 0;
    s->ahead.end = 0;
    if (--batch->holders == 0)
        batch_clear(batch);
}

// Keys that are looked up with others' are looked up in the loop's dataset.
static bool sees_old(const struct session *s)
{
    return s->snapshot != NULL && s->snapshot != s->service->snapshot;
}

void session_read_ahead(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    unsigned first = batch->requests;
    bool begun = s->progress.at != 0 || s->progress.searched != 0;
    assert(s->ahead.end == 0);
    if (transaction_executes(s->transaction))
        in = transaction_rest(s->transaction);
    if (s->closing || s->running != NULL || begun || !s->authenticated || sees_old(s) ||
        batch_read(batch, s->service->commands, in, s->ahead.limit) == 0)
        return;
    s->ahead.next = first;
    s->ahead.end = batch->requests;
    batch->holders++;
}

// Errors are counted at once, so that an INFO behind them in a pipeline tells them.
static void count_errors(struct session *s)
{
    counter_add(&s->service->stats.error_replies, s->reply.errors);
    s->reply.errors = 0;
}

static void close_session(struct session *s, const char *reason)
{
    s->closing = true;
    s->close_reason = reason;
}

// Whether a command has to wait for the end of CLIENT PAUSE. As in Redis, one that is refused does
// not; and those do not that begin or end a conversation, or the pause.
static bool must_wait(const struct session *s, const struct command *command)
{
    uint64_t until = s->service->paused_until;
    return until != 0 && (command->flags & UNPAUSED) == 0 && clock_monotonic_ns() < until;
}

// Keeps a request until EXEC and says so to the client.
static void queue(struct session *s, const struct resp_request *r)
{
    resp_status(&s->reply, "QUEUED");
    // The requests may take as many bytes as a single one: Redis counts both against
    // client-query-buffer-limit.
    switch (transaction_queue(s->transaction, r, SESSION_INPUT_MAX)) {
    case TRANSACTION_QUEUED: break;
    case TRANSACTION_NO_MEMORY: s->oom = true; break;
    case TRANSACTION_TOO_LONG:
        counter_add(&s->service->stats.input_limit_hits, 1);
        session_kill(s);
        break;
    }
}

// What has become of a request.
enum beginning {
    BEGINNING_ANSWERED, // or there was nothing to answer
    BEGINNING_RUNS,     // its command is to be run
    BEGINNING_WAITS,    // for the end of a pause
};

// Begins the command of a complete request.
static enum beginning begin(struct session *s, const struct resp_request *r,
                            const struct command_entry *entry, bool inline_form)
{
    session_charge(s, 1);
    s->paused = false;
    if (r->argc == 0)
        return BEGINNING_ANSWERED;
    if (entry == NULL || inline_form) {
        const char *foreign = foreign_protocol(r, inline_form);
        if (foreign != NULL) {
            close_session(s, foreign);
            return BEGINNING_ANSWERED;
        }
    }
    entry = find(s, r, entry);
    // What is executed was admitted when it was queued.
    if (!transaction_executes(s->transaction)) {
        s->last = entry;
        if (entry == NULL || !admit(s, r, entry))
            return BEGINNING_ANSWERED;
        s->paused = must_wait(s, entry->command);
        s->waiting = s->paused;
        if (s->paused)
            return BEGINNING_WAITS;
        if (s->transaction != NULL && (entry->command->flags & AT_ONCE) == 0) {
            queue(s, r);
            return BEGINNING_ANSWERED;
        }
    }
    s->running = entry;
    s->cursor = 0;
    s->sum = 0;
    s->checked = 0;
    s->replied = false;
    s->reads = s->reads || (entry->command->flags & (READONLY | ORDERED)) != 0;
    return BEGINNING_RUNS;
}

// ---- damaged data -------------------------------------------------------------------------------
//
// What the data file has lost is found out while it is read, or right after it: a session that has
// read meanwhile is killed, and nothing of what it was to be answered in that turn is sent. From
// then on a command whose keys cannot be read is answered an error, before it begins.

// From here on the session reads data with so much damage.
static void note_damage(struct session *s)
{
    s->damage = dataset_damage(session_dataset(s));
    s->reply.mark = s->damage;
    s->careful = s->damage != 0;
    s->reads = s->running != NULL;
}

// Whether all that was read since then was what it had been.
static void check_damage(struct session *s)
{
    if (s->reads && dataset_look(session_dataset(s)) != s->damage)
        s->killed = true;
}

static void refuse_unreadable(struct session *s)
{
    counter_add(&s->service->stats.commands[s->running->number].rejected, 1);
    doubt_refuse(s);
    s->running = NULL;
}

// Looks at the keys of a command that is about to begin on damaged data. DONE: it may; CLOSE: it
// has been answered.
static enum command_result check_keys(struct session *s, const struct resp_request *r)
{
    const struct command *c = s->running->command;
    // Where the table cannot say which arguments are keys, any may be.
    bool all = (c->flags & ORDERED) != 0 ||
               (c->keys.first == 0 && c->key_specs != NULL && (c->flags & READONLY) != 0);
    uint32_t count = command_keys(c, r->argc);
    for (; !all && s->checked < count; s->checked++) {
        uint32_t i = (uint32_t)c->keys.first + s->checked * (uint32_t)c->keys.step;
        struct span key = resp_arg(r, i);
        struct span value = {NULL, 0};
        struct uuid id;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (key.len != UUID_TEXT_LEN || !uuid_parse(key.ptr, &id))
            continue;
        all = dataset_presence(session_dataset(s), id, &value) == DATASET_UNREADABLE;
        if (value.ptr != NULL) {
            enum lookup lookup = settle_value(s, &value);
            if (lookup == LOOKUP_GOES_ON)
                return COMMAND_AGAIN;
            all |= lookup == LOOKUP_MISSED;
        }
    }
    if (all)
        refuse_unreadable(s);
    return all ? COMMAND_CLOSE : COMMAND_DONE;
}

// True when the request is done with.
static bool go_on(struct session *s, const struct resp_request *r, bool guarded)
{
    enum command_result result = run(s, r, guarded);
    if (result == COMMAND_CLOSE)
        close_session(s, NULL);
    s->waiting = result == COMMAND_WAIT;
    return result != COMMAND_AGAIN && result != COMMAND_WAIT;
}

// The same, with care where that is needed.
static bool go_on_safely(struct session *s, const struct resp_request *r)
{
    enum command_result checked = COMMAND_DONE;
    if (s->careful && s->cursor == 0)
        checked = check_keys(s, r);
    return checked == COMMAND_DONE ? go_on(s, r, true) : checked == COMMAND_CLOSE;
}

// The reply to a request read ahead will take another turn, for which the batch does not live.
static void keep_request(struct session *s, const struct resp_request *r, size_t size)
{
    if (!reserve_args(s, r->argc))
        return;
    memcpy(s->args, r->args, r->argc * sizeof *s->args);
    s->progress = (struct resp_progress){.at = size, .argc = r->argc};
}

// Answers the next request read ahead, which is at the front of `in`; the bytes done with.
static size_t answer_ahead(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    const struct batch_request *next = &batch->request[s->ahead.next++];
    struct resp_request request = {in.ptr, batch->arg + next->first_arg, next->argc};
    enum beginning beginning = begin(s, &request, next->entry, false);
    if (beginning == BEGINNING_RUNS) {
        s->keys.first = (uint32_t)s->running->command->keys.first;
        s->keys.count = next->keys;
        s->keys.place = next->first_key;
        if (!go_on_safely(s, &request))
            beginning = BEGINNING_WAITS;
    }
    if (beginning == BEGINNING_WAITS) {
        keep_request(s, &request, next->size);
        return 0;
    }
    return next->size;
}

// The same for the request that is kept in the session, which is complete.
static size_t answer_kept(struct session *s, struct bytes in)
{
    struct resp_request request = {in.ptr, s->args, s->progress.argc};
    const struct command_entry *entry = NULL;
    if (s->running == NULL && request.argc > 0)
        entry = command_find(s->service->commands, resp_arg(&request, 0));
    s->keys.count = 0; // what was looked up in another turn is gone
    enum beginning beginning = BEGINNING_RUNS;
    if (s->running == NULL)
        beginning = begin(s, &request, entry, s->progress.inline_form);
    if (beginning == BEGINNING_WAITS || (beginning == BEGINNING_RUNS && !go_on_safely(s, &request)))
        return 0;
    size_t size = s->progress.at;
    s->progress = (struct resp_progress){0};
    return size;
}

// Answers the request at the front of `in`; the bytes done with. 0 when it is not complete, which
// `*partial` tells, or its reply is not.
static size_t answer(struct session *s, struct bytes in, bool *partial)
{
    char bad[RESP_BAD_TEXT];
    if (s->running != NULL || s->paused)
        return answer_kept(s, in);
    if (!is_read_ahead(s)) {
        forget_ahead(s);
        session_read_ahead(s, in);
        batch_look_up(&s->service->batch, s->service->dataset);
    }
    if (is_read_ahead(s))
        return answer_ahead(s, in);
    if (s->progress.at == 0 && is_tls_hello(in)) {
        close_session(s, "TLS");
        return 0;
    }
    switch (parse(s, in, bad)) {
    case RESP_COMPLETE: return answer_kept(s, in);
    case RESP_PARTIAL: *partial = true; break;
    case RESP_ARGS_FULL: break; // out of memory
    case RESP_BAD:
        resp_error(&s->reply, "ERR %s", bad);
        close_session(s, NULL);
        break;
    }
    return 0;
}

// What is not finished goes on, in another turn, with the dataset it began with.
static void keep_snapshot(struct session *s)
{
    if (s->snapshot != NULL)
        return;
    s->snapshot = s->service->snapshot;
    ref_take(&s->snapshot->ref);
}

// Whether a message may stand here: between two replies, but not within an EXEC's.
static bool at_boundary(const struct session *s)
{
    return s->running == NULL && !transaction_executes(s->transaction);
}

// Hands out messages, all that wait or as much as a turn may and there is room for: what is left
// goes on before the next reply. There is room.
static void hand_out(struct session *s)
{
    size_t left = s->pushes.len - s->pushes_taken;
    size_t part = left < s->pushes_left ? left : s->pushes_left;
    size_t room = SESSION_OUTPUT_HIGH - output_pending(s->out);
    part = part < room ? part : room;
    output_append(s->out, span_of(s->pushes.ptr + s->pushes_taken, part));
    s->pushes_taken += part;
    s->pushes_left -= part;
    if (s->pushes_taken < s->pushes.len)
        return;
    s->pushes.len = 0;
    s->pushes_taken = 0;
}

// Tells a client that tracks, once, that the dataset of its loop has been replaced.
static void tell_replaced(struct session *s)
{
    uint64_t now = s->service->snapshot->number;
    if (s->tracking->told == now)
        return;
    s->tracking->told = now;
    s->tracking->invalidate(s);
}

// What stops the session now, besides the end of what it is to answer; FEED_NEEDS_INPUT: nothing.
static enum feed_status stopped_by(struct session *s)
{
    bool room = output_pending(s->out) < SESSION_OUTPUT_HIGH;
    if (s->snapshot != NULL && at_boundary(s)) {
        check_damage(s);
        drop_snapshot(s);
        note_damage(s);
    }
    if (s->tracking != NULL && at_boundary(s))
        tell_replaced(s);
    if (s->pushes.len > 0 && room && at_boundary(s))
        hand_out(s);
    if (s->killed || session_oom(s, s->out))
        return FEED_CLOSE;
    if (s->pushes.len > 0 && (!room || at_boundary(s)))
        return FEED_OUTPUT_FULL;
    if (s->closing)
        return FEED_CLOSE;
    return s->waiting ? FEED_WAITS : FEED_NEEDS_INPUT;
}

// The last request is done with, and so is what CLIENT CACHING said of it, unless it was one of
// CLIENT itself or MULTI has begun.
static void forget_caching(struct session *s)
{
    const struct command_entry *done = s->last;
    bool keeps =
        done != NULL && done->container != NULL && (done->container->flags & KEEPS_CACHING) != 0;
    if (s->transaction == NULL && !keeps)
        s->tracking->caching = CACHING_UNSAID;
}

// A request is done with, an EXEC with all it executes, so what it said about the next one begins,
// and what was said about it ends.
static void follow_modes(struct session *s)
{
    bool skip = (s->reply_mode & REPLY_SKIP_NEXT) != 0;
    s->reply_mode = (s->reply_mode & REPLY_OFF) | (skip ? REPLY_SKIP : 0);
    if (s->tracking != NULL)
        forget_caching(s);
}

// Nothing but the request itself has a say in how it is answered.
static bool is_plain(const struct session *s)
{
    return s->transaction == NULL && s->subscriptions == NULL && s->reply_mode == REPLY_ON &&
           s->authenticated && s->running == NULL && !s->careful && s->service->paused_until == 0 &&
           !s->service->batch.doubt;
}

// Answers requests of keys at the front of `in` that were read ahead, and with that checked, up to
// the first other one; the bytes done with. They change nothing of a session that is plain, so
// between them there is less to look at.
static size_t answer_lookups(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    size_t done = 0;
    while (is_read_ahead(s) && s->work_left > 0 && session_has_room(s)) {
        const struct batch_request *next = &batch->request[s->ahead.next];
        if (next->keys == 0)
            break;
        struct resp_request request = {in.ptr + done, batch->arg + next->first_arg, next->argc};
        s->ahead.next++;
        s->work_left--;
        s->last = next->entry;
        s->running = next->entry;
        s->cursor = 0;
        s->sum = 0;
        s->keys.first = (uint32_t)next->entry->command->keys.first;
        s->keys.count = next->keys;
        s->keys.place = next->first_key;
        if (!go_on(s, &request, false)) {
            keep_request(s, &request, next->size);
            break;
        }
        done += next->size;
    }
    s->reads = s->reads || done > 0 || s->running != NULL;
    return done;
}

// Answers the next request in `in`, or in the transaction that is executed; how many bytes of `in`
// are done with.
static size_t answer_next(struct session *s, struct bytes in, struct output *nowhere, bool *partial)
{
    bool executing = transaction_executes(s->transaction);
    bool silent = (s->reply_mode & (REPLY_OFF | REPLY_SKIP)) != 0;
    s->reply.out = silent ? nowhere : s->out;
    if (is_plain(s)) {
        size_t done = answer_lookups(s, in);
        if (done > 0 || s->running != NULL) {
            if (s->reply.errors > 0)
                count_errors(s);
            if (s->tracking != NULL && done > 0)
                forget_caching(s);
            return done;
        }
    }
    size_t done = answer(s, executing ? transaction_rest(s->transaction) : in, partial);
    if (s->reply.errors > 0)
        count_errors(s);
    if (silent) {
        // Output that nobody gets fills nothing that would end the turn.
        session_charge(s, output_pending(nowhere) / SILENT_BYTES_PER_WORK);
        output_take(nowhere, output_pending(nowhere));
    }
    if (executing && transaction_advance(s->transaction, done))
        session_end_transaction(s);
    if ((s->reply_mode != REPLY_ON || s->tracking != NULL) && done > 0 &&
        !transaction_executes(s->transaction))
        follow_modes(s);
    return executing ? 0 : done;
}

// Answers requests until something stops it; how many bytes of `in` are done with.
static size_t feed(struct session *s, struct bytes in, enum feed_status *status)
{
    struct output nowhere = {0};
    size_t consumed = 0;
    bool partial = false;
    s->waiting = false;
    for (;;) {
        *status = stopped_by(s);
        if (*status != FEED_NEEDS_INPUT ||
            ((consumed == in.len || partial) && !transaction_executes(s->transaction)))
            break;
        *status = FEED_OUTPUT_FULL;
        if (output_pending(s->out) >= SESSION_OUTPUT_HIGH)
            break;
        *status = FEED_TURN_OVER;
        if (s->work_left == 0)
            break;
        consumed += answer_next(s, (struct bytes){in.ptr + consumed, in.len - consumed}, &nowhere,
                                &partial);
    }
    output_release(&nowhere);
    return consumed;
}

struct feed_result session_feed(struct session *s, struct bytes in, struct output *out)
{
    struct feed_result result;
    s->out = out;
    s->work_left = SESSION_TURN_WORK;
    s->pushes_left = SESSION_PUSHES_TURN;
    s->service->timing.singly = s->spent_ns > 0 || observe_singly(s->service);
    if (s->snapshot == NULL)
        note_damage(s);
    result.consumed = feed(s, in, &result.status);
    forget_ahead(s);
    check_damage(s);
    if (s->killed)
        result.status = FEED_CLOSE;
    if (!at_boundary(s))
        keep_snapshot(s);
    // Large values fill the output long before all that could be read ahead is answered.
    unsigned done = SESSION_TURN_WORK - s->work_left;
    bool full = result.status == FEED_OUTPUT_FULL;
    s->ahead.limit = full && done < AHEAD_MIN ? AHEAD_MIN : full ? done : SESSION_TURN_WORK;
    s->out = NULL;
    s->reply.out = NULL;
    if (s->progress.at == 0 && s->args != NULL) {
        free(s->args);
        s->args = NULL;
        s->args_capacity = 0;
    }
    if (s->pushes.len == 0 && s->pushes.cap > 0 && !s->pushes.oom)
        buf_release(&s->pushes);
    return result;
}
