// SUBSCRIBE, UNSUBSCRIBE and PUBLISH, and their variants for patterns and for shard channels. The
// subscriptions of a client are a plain list, as most clients have only a few. The limits below
// bound the memory that one client can make the server use.
#include <assert.h>
#include <stdlib.h>

#include "base/glob.h"
#include "base/number.h"
#include "commands/channel_message.h"
#include "commands/groups.h"
#include "commands/rows.h"
#include "serve/loop_task.h"
#include "serve/session.h"
#include "serve/subscriptions.h"
#include "serve/transaction.h"

enum {
    SUBSCRIPTIONS_MAX = 1024, // subscriptions of one client
    PATTERNS_MAX = 64,        // patterns among them
    CHANNEL_MAX = 256,        // bytes of a name; matching a pattern can take the square of that
    COMPARED_PER_WORK = 64,   // names that are compared in one unit of work

    // A publication counts its work in steps. To look at a client or at a subscription is one step.
    STEPS_PER_WORK = 8,   // steps that count as one unit of work
    VISIT_STEPS = 4096,   // steps after which a publication lets the loop serve its clients
    SQUARE_PER_STEP = 32, // product of the lengths of a pattern and a name that one step matches
    SEND_STEPS = 8,       // steps for sending a message
    BYTES_PER_STEP = 64,  // bytes of a message that one step copies, mostly to fresh memory
};

static const char *const kind_words[CHANNEL_KINDS][2] = {
    [CHANNEL] = {"subscribe", "unsubscribe"},
    [CHANNEL_PATTERN] = {"psubscribe", "punsubscribe"},
    [CHANNEL_SHARD] = {"ssubscribe", "sunsubscribe"},
};

// Returns the number that a confirmation reports. Channels and patterns are counted together, shard
// channels apart, as in Redis.
static unsigned count_for_reply(const struct session *s, enum channel_kind kind)
{
    return kind == CHANNEL_SHARD ? subscriptions_count(s->subscriptions, CHANNEL_SHARD)
                                 : subscriptions_count(s->subscriptions, CHANNEL) +
                                       subscriptions_count(s->subscriptions, CHANNEL_PATTERN);
}

// Charges the turn for the search for a name among all subscriptions of the client. To drop a
// subscription costs about the same, as the subscriptions after it move.
static void charge_search(struct session *s)
{
    if (s->subscriptions != NULL)
        session_charge(s, s->subscriptions->count / COMPARED_PER_WORK);
}

// Returns false when memory is short.
static bool add(struct session *s, enum channel_kind kind, struct span name)
{
    bool first = s->subscriptions == NULL;
    if (!subscriptions_add(&s->subscriptions, kind, name))
        return false;
    if (first)
        counter_add(&s->service->stats.pubsub_clients, 1);
    return true;
}

static void drop(struct session *s, struct subscription *old)
{
    subscriptions_drop(&s->subscriptions, old);
    if (s->subscriptions == NULL)
        counter_sub(&s->service->stats.pubsub_clients, 1);
}

// Sends the confirmation of a subscription, or of its end. `name` is NULL if there was none to end.
// As in Redis, a client that has turned off its replies with CLIENT REPLY receives confirmations
// too.
static void confirm(struct session *s, enum channel_kind kind, bool ends, const struct span *name)
{
    s->reply.out = s->turn.out;
    resp_push(&s->reply, 3);
    resp_bulk_text(&s->reply, kind_words[kind][ends]);
    if (name != NULL)
        resp_bulk(&s->reply, *name);
    else
        resp_null(&s->reply);
    resp_integer(&s->reply, count_for_reply(s, kind));
}

// Returns false if the subscription would exceed a limit; the reply is then an error.
static bool may_add(struct session *s, enum channel_kind kind, struct span name)
{
    if (name.len > CHANNEL_MAX)
        resp_error(&s->reply, "ERR channel exceeds %d bytes", CHANNEL_MAX);
    else if (kind == CHANNEL_PATTERN && subscriptions_count(s->subscriptions, kind) >= PATTERNS_MAX)
        resp_error(&s->reply, "ERR more than %d patterns", PATTERNS_MAX);
    else if (s->subscriptions != NULL && s->subscriptions->count >= SUBSCRIPTIONS_MAX)
        resp_error(&s->reply, "ERR more than %d subscriptions", SUBSCRIPTIONS_MAX);
    else
        return true;
    return false;
}

// SUBSCRIBE, PSUBSCRIBE and SSUBSCRIBE: the field `variant` of the row is the kind of channel.
static enum command_result subscribe_command(struct session *s, const struct resp_request *r)
{
    enum channel_kind kind = (enum channel_kind)s->request.running->command->variant;
    if (kind == CHANNEL_SHARD && transaction_executes(s->transaction)) {
        resp_error(&s->reply, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return COMMAND_DONE;
    }
    for (; s->request.cursor + 1 < r->argc; s->request.cursor++) {
        struct span name = resp_arg(r, (uint32_t)s->request.cursor + 1);
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        charge_search(s);
        bool known = subscriptions_find(s->subscriptions, kind, name) != NULL;
        if (!known && !may_add(s, kind, name))
            continue;
        if (!known && !add(s, kind, name)) {
            s->oom = true;
            return COMMAND_DONE;
        }
        confirm(s, kind, false, &name);
    }
    return COMMAND_DONE;
}

static enum command_result unsubscribe_all(struct session *s, enum channel_kind kind)
{
    unsigned i = 0;
    if (subscriptions_count(s->subscriptions, kind) == 0 && s->request.cursor == 0)
        confirm(s, kind, true, NULL);
    while (s->subscriptions != NULL && i < s->subscriptions->count) {
        struct subscription *old = &s->subscriptions->list[i];
        if (old->kind != kind) {
            i++;
            continue;
        }
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        charge_search(s);
        s->request.cursor = 1; // a subscription was found
        char copy[CHANNEL_MAX];
        struct span name = span_of(copy, old->len);
        memcpy(copy, old->text, old->len);
        drop(s, old);
        confirm(s, kind, true, &name);
    }
    return COMMAND_DONE;
}

// UNSUBSCRIBE, PUNSUBSCRIBE and SUNSUBSCRIBE: the field `variant` of the row is the kind of
// channel.
static enum command_result unsubscribe_command(struct session *s, const struct resp_request *r)
{
    enum channel_kind kind = (enum channel_kind)s->request.running->command->variant;
    if (r->argc == 1)
        return unsubscribe_all(s, kind);
    for (; s->request.cursor + 1 < r->argc; s->request.cursor++) {
        struct span name = resp_arg(r, (uint32_t)s->request.cursor + 1);
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        charge_search(s);
        struct subscription *old = subscriptions_find(s->subscriptions, kind, name);
        if (old != NULL)
            drop(s, old);
        confirm(s, kind, true, &name);
    }
    return COMMAND_DONE;
}

// ---- messages -----------------------------------------------------------------------------------

struct publication {
    struct loop_task task;
    bool sharded;       // the channel is a shard channel
    uint64_t receivers; // number of subscriptions that the message was sent to
    unsigned steps;     // steps taken in the current visit
    uint64_t client;    // ID of the last client that deliver has looked at
    uint64_t number;    // `number` of the last subscription that was handled for that client
    size_t channel_len; // bytes of the channel's name
    size_t message_len; // bytes of the message
    char text[];        // the channel's name, then the message
};

static struct span channel_of(const struct publication *p)
{
    return span_of(p->text, p->channel_len);
}

// Sends the message to the matching subscriptions of the client that have not been handled yet.
// Returns false if the visit reaches VISIT_STEPS before all of them are handled. This can happen,
// as a client may have many matching subscriptions, and each of them receives a copy of the
// message.
static bool deliver(struct publication *p, struct session *s)
{
    struct span channel = channel_of(p);
    struct span message = span_of(p->text + p->channel_len, p->message_len);
    const struct subscriptions *all = s->subscriptions;
    if (p->client != s->id) {
        p->client = s->id;
        p->number = 0;
    }
    p->steps++;
    for (unsigned i = 0; all != NULL && i < all->count && !s->killed; i++) {
        const struct subscription *to = &all->list[i];
        p->steps++;
        if (to->number <= p->number)
            continue;
        if (p->steps >= VISIT_STEPS)
            return false;
        p->number = to->number;
        if (to->kind == CHANNEL_PATTERN)
            p->steps += (unsigned)(to->len * channel.len / SQUARE_PER_STEP);
        bool matches =
            to->kind == CHANNEL_PATTERN
                ? !p->sharded && glob_match(subscription_name(to), channel, GLOB_CASE_SENSITIVE)
                : (to->kind == CHANNEL_SHARD) == p->sharded &&
                      span_equal(subscription_name(to), channel);
        if (!matches)
            continue;
        p->receivers++;
        p->steps += SEND_STEPS + (unsigned)(message.len / BYTES_PER_STEP);
        struct span pattern = subscription_name(to);
        if (to->kind == CHANNEL_PATTERN)
            channel_message_push(s, "pmessage", &pattern, channel, message);
        else
            channel_message_push(s, p->sharded ? "smessage" : "message", NULL, channel, message);
    }
    return true;
}

static bool visit_publication(struct loop_task *task, struct service *service)
{
    struct publication *p = (struct publication *)task;
    p->steps = 0;
    if (counter_get(&service->stats.pubsub_clients) == 0)
        return true;
    struct session *s = session_after(service, task->cursor);
    for (; s != NULL && p->steps < VISIT_STEPS; s = session_next(s)) {
        if (!deliver(p, s))
            return false;
        task->cursor = s->id;
    }
    return s == NULL;
}

// PUBLISH and SPUBLISH: the field `variant` of the row is CHANNEL or CHANNEL_SHARD.
static enum command_result publish_command(struct session *s, const struct resp_request *r)
{
    if (s->task == NULL) {
        struct span channel = resp_arg(r, 1);
        struct span message = resp_arg(r, 2);
        if (channel.len > CHANNEL_MAX) {
            resp_error(&s->reply, "ERR channel exceeds %d bytes", CHANNEL_MAX);
            return COMMAND_DONE;
        }
        struct publication *p = calloc(1, sizeof *p + channel.len + message.len);
        if (p == NULL) {
            s->oom = true;
            return COMMAND_DONE;
        }
        p->task.visit = visit_publication;
        p->task.release = loop_task_free;
        p->task.memory = sizeof *p + channel.len + message.len;
        p->sharded = s->request.running->command->variant == CHANNEL_SHARD;
        p->channel_len = channel.len;
        p->message_len = message.len;
        if (channel.len > 0)
            memcpy(p->text, channel.ptr, channel.len);
        if (message.len > 0)
            memcpy(p->text + channel.len, message.ptr, message.len);
        session_await(s, &p->task);
        if (session_task(s) != NULL)
            session_charge(s, p->steps / STEPS_PER_WORK);
    }
    const struct publication *p = (const struct publication *)session_task(s);
    if (p == NULL)
        return COMMAND_WAIT;
    resp_integer(&s->reply, (int64_t)p->receivers);
    session_end_task(s);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

#define SUBSCRIPTION (PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBED)

static const struct command_argument channels[] = {
    {"channel", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument shard_channels[] = {
    {"shardchannel", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument channel_patterns_inner[] = {
    {"pattern", "pattern", NULL, 0, NULL}, {0}};
static const struct command_argument channel_patterns[] = {
    {"pattern", "block", NULL, ARGUMENT_MULTIPLE, channel_patterns_inner}, {0}};
static const struct command_argument maybe_channel_patterns[] = {
    {"pattern", "pattern", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument publication[] = {
    {"channel", "string", NULL, 0, NULL}, {"message", "string", NULL, 0, NULL}, {0}};
static const struct command_argument shard_publication[] = {
    {"shardchannel", "string", NULL, 0, NULL}, {"message", "string", NULL, 0, NULL}, {0}};

const struct command pubsub_commands[] = {
    {"psubscribe", -2, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, subscribe_command,
     "Subscribes to all channels that match the patterns", "O(N) where N is the number of patterns",
     NULL, channel_patterns,
     .deviation = "The same as for `SUBSCRIBE`. A client has at most 64 patterns.",
     .variant = CHANNEL_PATTERN},
    {"publish", 3, PUBSUB | LOADING | STALE | FAST, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0,
     publish_command, "Sends a message to the subscribers of a channel, and returns their number",
     "O(N) where N is the number of connections and their subscriptions", NULL, publication,
     .deviation = "If a client publishes to a channel that it has subscribed to, it receives the "
                  "message after the reply, as in Redis 7.2 and later. If it publishes in a "
                  "transaction, it receives the message after the whole reply of `EXEC`. The "
                  "server closes a client that has more than 8 MiB of unread messages.",
     .variant = CHANNEL},
    {"punsubscribe", -1, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, unsubscribe_command,
     "Ends the subscriptions to the patterns, or to all patterns",
     "O(N) where N is the number of patterns", NULL, maybe_channel_patterns,
     .variant = CHANNEL_PATTERN},
    {"spublish", 3, PUBSUB | LOADING | STALE | FAST, ONE_KEY, "not_key", GROUP_PUBSUB, "7.0.0", 0,
     publish_command,
     "Sends a message to the subscribers of a shard channel, and returns their number",
     "O(N) where N is the number of connections and their subscriptions", NULL, shard_publication,
     .deviation = "The same as for `PUBLISH`.", .variant = CHANNEL_SHARD},
    {"ssubscribe", -2, SUBSCRIPTION, ALL_KEYS, "not_key", GROUP_PUBSUB, "7.0.0", 0,
     subscribe_command, "Subscribes to shard channels", "O(N) where N is the number of channels",
     NULL, shard_channels, .deviation = "The same as for `SUBSCRIBE`.", .variant = CHANNEL_SHARD},
    {"subscribe", -2, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, subscribe_command,
     "Subscribes to channels", "O(N) where N is the number of channels", NULL, channels,
     .deviation = "A client has at most 1,024 subscriptions to channels, patterns and shard "
                  "channels together. A name has at most 256 bytes. A subscription that exceeds a "
                  "limit is answered with an error in place of its confirmation.",
     .variant = CHANNEL},
    {"sunsubscribe", -1, SUBSCRIPTION, ALL_KEYS, "not_key", GROUP_PUBSUB, "7.0.0", 0,
     unsubscribe_command, "Ends the subscriptions to the shard channels, or to all shard channels",
     "O(N) where N is the number of channels", NULL, argument_maybe_shard_channels,
     .variant = CHANNEL_SHARD},
    {"unsubscribe", -1, SUBSCRIPTION, NO_KEYS, GROUP_PUBSUB, "2.0.0", 0, unsubscribe_command,
     "Ends the subscriptions to the channels, or to all channels",
     "O(N) where N is the number of channels", NULL, argument_maybe_channels, .variant = CHANNEL},
    {0},
};
