// The state of one client's conversation, and what both handlers and serve/ do with it: look up
// keys, wait for tasks, send messages, and free what a session owns, such as its transaction.
#include "serve/session.h"

#include <assert.h>
#include <stdlib.h>

#include "data/dataset.h"
#include "serve/replica.h"
#include "serve/subscriptions.h"
#include "serve/tracking.h"
#include "serve/transaction.h"
#include "serve/watch.h"

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

void session_keep_view(struct session *s)
{
    if (s->request.view != NULL || s->service->view == NULL)
        return;
    s->request.view = s->service->view;
    ref_take(&s->request.view->ref);
}

void session_drop_view(struct session *s)
{
    cluster_view_close(s->request.view);
    s->request.view = NULL;
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
    session_drop_view(s);
    session_drop_lines(s, true);
}

void session_drop_lines(struct session *s, bool all)
{
    cold_set_drop(s->cold_before);
    s->cold_before = NULL;
    if (all) {
        cold_set_drop(s->cold);
        s->cold = NULL;
    }
}

void session_leave(struct session *s)
{
    session_drop_work(s);
    session_stop_tracking(s);
    session_unsubscribe(s);
    replica_free(s->replica);
    s->replica = NULL;
    s->replicates = false;
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
    free(s->proxied_address);
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

void session_wake_holders(const struct service *service)
{
    struct session *s = session_after(service, 0);
    for (; s != NULL; s = session_next(s))
        if (s->tracking != NULL || s->replicates)
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
    bytes += cold_set_memory(s->cold) + cold_set_memory(s->cold_before);
    bytes += replica_memory(s->replica);
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
