// The channels that one client listens to, as a list: clients listen to a few.
//
// A session owns its subscriptions; without any it has none of these structs. Only the thread of
// its service touches them.
#ifndef STELE_SERVE_SUBSCRIPTIONS_H
#define STELE_SERVE_SUBSCRIPTIONS_H

#include "base/bytes.h"

enum channel_kind { CHANNEL, CHANNEL_PATTERN, CHANNEL_SHARD, CHANNEL_KINDS };

struct subscription {
    enum channel_kind kind;
    uint32_t len;
    char *text;      // owned
    uint64_t number; // the client's subscriptions are counted from 1
};

struct subscriptions {
    struct subscription *list; // in the order in which they were added
    uint64_t last_number;
    unsigned count;
    unsigned capacity;
    size_t bytes; // of all names
    unsigned of_kind[CHANNEL_KINDS];
};

static inline struct span subscription_name(const struct subscription *subscription)
{
    return span_of(subscription->text, subscription->len);
}

// The number of subscriptions of that kind. 0 for NULL.
unsigned subscriptions_count(const struct subscriptions *all, enum channel_kind kind);

// The number of bytes that the subscriptions take. 0 for NULL.
size_t subscriptions_memory(const struct subscriptions *all);

// Writes the names of that kind to `to`, each after its length in two bytes, if all of them fit in
// `room` bytes. Returns how many bytes they take. NULL has no names.
size_t subscriptions_names(const struct subscriptions *all, enum channel_kind kind, char *to,
                           size_t room);

// The subscription of that kind and name, or NULL. NULL has none.
struct subscription *subscriptions_find(struct subscriptions *all, enum channel_kind kind,
                                        struct span name);

// Adds a subscription with a copy of `name`. Makes `*all` when it is NULL. Returns false when
// memory is short; nothing has changed then.
bool subscriptions_add(struct subscriptions **all, enum channel_kind kind, struct span name);

// Drops a subscription of `*all`. With the last one, `*all` is freed and becomes NULL.
void subscriptions_drop(struct subscriptions **all, struct subscription *gone);

// Frees all subscriptions. NULL is allowed.
void subscriptions_free(struct subscriptions *all);

#endif
