// The state of one client's conversation, and what both handlers and serve/ do with it: look up
// keys, wait for tasks, send messages, and free what a session owns, such as its transaction.
#include "serve/session.h"

#include <assert.h>
#include <stdlib.h>

#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/subscriptions.h"
#include "serve/tracking.h"
#include "serve/transaction.h"
#include "serve/watch.h"

// Searching this many bytes of a value for its end costs one unit of work.
enum { BYTES_PER_WORK = 4096 };

void session_init(struct session *s, struct service *service, uint64_t id, bool local)
{
    *s = (struct session){
        .service = service,
        .reply = {.protocol = RESP2, .errors_by_code = service->stats.errors},
        .ahead_limit = SESSION_TURN_WORK,
        .id = id,
        .entry = {.id = id},
        .local = local,
        .authenticated = service->settings->requirepass == NULL,
    };
    link_init(&s->link);
    link_move_last(&service->sessions, &s->link);
    session_table_add(&service->table, &s->entry);
}

void session_drop_snapshot(struct session *s)
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
    loop_task_begin_external(t, &s->service->group->router, s->service, s->service->number);
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

void session_drop_work(struct session *s)
{
    session_end_task(s);
    session_end_transaction(s);
    free(s->request.args);
    s->request.args = NULL;
    s->request.args_capacity = 0;
    buf_release(&s->pushes);
    s->pushes_delivered = 0;
    buf_release(&s->request.collected);
}

void session_leave(struct session *s)
{
    session_drop_work(s);
    session_stop_tracking(s);
    session_unsubscribe(s);
    link_remove(&s->link);
    session_table_remove(&s->service->table, &s->entry);
}

void session_release(struct session *s)
{
    if (s->service == NULL)
        return;
    session_forget_ahead(s);
    session_leave(s);
    session_drop_snapshot(s);
    free(s->name);
    free(s->lib_name);
    free(s->lib_ver);
    *s = (struct session){0};
}

// Returns the bytes of memory of a text, with the allocator's header.
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
    if (s->turn.work_left == 0 || !session_has_room(s))
        return false;
    s->turn.work_left--;
    return true;
}

void session_charge(struct session *s, uint64_t units)
{
    s->turn.work_left -= units < s->turn.work_left ? (unsigned)units : s->turn.work_left;
}

static bool count_lookup(struct session *s, bool found)
{
    if (found)
        counter_add(&s->service->stats.keyspace_hits, 1);
    else
        counter_add(&s->service->stats.keyspace_misses, 1);
    return found;
}

// Looks up the keys of the running command from argument `i` on, at most BATCH_CHUNK of them. Their
// offsets are stored in the batch from index BATCH_KEYS on (batch_look_up_chunk).
static void look_up_chunk(struct session *s, const struct resp_request *r, uint32_t i)
{
    const struct command *command = s->request.running->command;
    uint32_t step = (uint32_t)command->keys.step;
    uint32_t before = (i - (uint32_t)command->keys.first) / step;
    uint32_t left = command_keys(command, r->argc) - before;
    uint32_t count = left < BATCH_CHUNK ? left : BATCH_CHUNK;
    assert(i >= (uint32_t)command->keys.first && left > 0);
    batch_look_up_chunk(&s->service->batch, session_dataset(s), r, i, step, count);
    s->request.keys.first = i;
    s->request.keys.count = count;
    s->request.keys.batch_index = BATCH_KEYS;
}

void session_revoke_reply(struct session *s)
{
    if (s->integrity.revocable)
        s->integrity.revoked = true;
    else
        s->killed = true; // a part of the reply may have been written
}

// Looks up the key in argument `i` alone. A lookup of many keys has not found it, but the index is
// damaged and may hide one of those keys. If it may hide this key, revokes the reply
// (session_revoke_reply). Returns the offset of the key's line, or DATASET_NO_OFFSET.
static __attribute__((noinline)) uint64_t find_again(struct session *s,
                                                     const struct resp_request *r, uint32_t i)
{
    struct span key = resp_arg(r, i);
    struct uuid id;
    uint64_t offset = DATASET_NO_OFFSET;
    if (key.len == UUID_TEXT_LEN && uuid_parse(key.ptr, &id) &&
        !dataset_find_many(session_dataset(s), &id, 1, &offset))
        session_revoke_reply(s);
    return offset;
}

// Returns the offset of the line of argument `i`, or DATASET_NO_OFFSET.
static uint64_t offset_of(struct session *s, const struct resp_request *r, uint32_t i)
{
    uint32_t step = (uint32_t)s->request.running->command->keys.step;
    uint32_t number = step == 1 ? i - s->request.keys.first : (i - s->request.keys.first) / step;
    if (i < s->request.keys.first || number >= s->request.keys.count) {
        look_up_chunk(s, r, i);
        number = 0;
    }
    uint64_t offset = s->service->batch.offset[s->request.keys.batch_index + number];
    return offset == DATASET_NO_OFFSET && s->service->batch.uncertain ? find_again(s, r, i)
                                                                      : offset;
}

// Continues the search for the end of a long value, where the last turn has stopped. Returns false
// if this turn's work is used up and the end has not been found yet. Otherwise `value` is the whole
// value, or its `ptr` is NULL because a part of it is lost.
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
    } while (!ended && s->turn.work_left > 0);
    s->long_value.ptr = value->ptr;
    s->long_value.len = value->len;
    s->long_value.snapshot = snapshot;
    return ended;
}

__attribute__((noinline)) enum lookup session_find_end(struct session *s, struct span *value)
{
    session_charge(s, value->len / BYTES_PER_WORK);
    if (value->len >= DATASET_PART && !find_end(s, value))
        return LOOKUP_GOES_ON;
    return value->ptr != NULL ? LOOKUP_FOUND : LOOKUP_MISSED;
}

enum lookup session_value(struct session *s, uint64_t offset, struct span *value)
{
    *value = dataset_value_part(session_dataset(s), offset);
    return session_find_end(s, value);
}

enum lookup session_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                            struct span *value)
{
    uint64_t offset = offset_of(s, r, i);
    if (!count_lookup(s, offset != DATASET_NO_OFFSET))
        return LOOKUP_MISSED;
    *value = dataset_value_part(session_dataset(s), offset);
    if (value->len < BYTES_PER_WORK && value->ptr != NULL)
        return LOOKUP_FOUND;
    enum lookup lookup = session_find_end(s, value);
    if (lookup == LOOKUP_GOES_ON)
        counter_sub(&s->service->stats.keyspace_hits, 1); // the call that finds the end counts it
    s->killed |= lookup == LOOKUP_MISSED; // the key was found, so its value has just been lost
    return lookup;
}

bool session_has(struct session *s, const struct resp_request *r, uint32_t i)
{
    return count_lookup(s, offset_of(s, r, i) != DATASET_NO_OFFSET);
}

void session_push_output(struct session *s, struct output *message)
{
    if (!output_oom(message)) {
        session_push(s, buf_span(&message->owned));
    } else {
        s->oom = true; // a client must not miss a message, so it is closed
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
    // Frees the messages at once, because the connection closes later. Otherwise one turn of
    // PUBLISH could kill many clients, each with SESSION_PUSHES_MAX bytes of messages still in
    // memory.
    buf_release(&s->pushes);
    s->pushes_delivered = 0;
    session_wake(s);
}

// Removes delivered messages from the front of the buffer, unless that would move more bytes than
// it removes.
static void remove_delivered(struct session *s)
{
    if (s->pushes_delivered < s->pushes.len - s->pushes_delivered)
        return;
    buf_remove_front(&s->pushes, s->pushes_delivered);
    s->pushes_delivered = 0;
}

void session_push(struct session *s, struct span message)
{
    session_push_parts(s, &message, 1);
}

void session_push_parts(struct session *s, const struct span *parts, unsigned count)
{
    size_t waiting = s->pushes.len - s->pushes_delivered;
    // A closing session gets no new messages, but those that wait already are delivered.
    if (s->killed || s->closing)
        return;
    for (unsigned i = 0; i < count; i++)
        waiting += parts[i].len;
    // Checked before the message is copied, because it may be longer than the limit.
    if (waiting > SESSION_PUSHES_MAX) {
        counter_add(&s->service->stats.pushes_limit_hits, 1);
        session_kill(s);
        return;
    }
    remove_delivered(s);
    for (unsigned i = 0; i < count; i++)
        buf_append(&s->pushes, parts[i]);
    session_wake(s);
    if (s->service->owner.memory_grown != NULL)
        s->service->owner.memory_grown(s);
}

size_t session_memory(const struct session *s)
{
    size_t bytes = s->request.args_capacity * sizeof *s->request.args + s->pushes.cap +
                   s->request.collected.cap + s->texts_memory;
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

bool session_is_allowed(const struct session *s, enum enable_command allowed)
{
    return allowed == ENABLE_YES || (allowed == ENABLE_LOCAL && s->local);
}

bool session_may_administer(const struct session *s)
{
    return session_is_allowed(s, s->service->settings->admin_commands);
}

void session_report_refusal(const struct session *s, const struct command_entry *entry)
{
    const struct service_group *group = s->service->group;
    if (group->refused != NULL)
        group->refused(s, entry);
}

void session_refuse_administering(struct session *s)
{
    session_report_refusal(s, s->request.running);
    resp_error(&s->reply, NO_PERMISSION, s->request.running->command->name);
}
