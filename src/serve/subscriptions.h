// The channels that one client has subscribed to. They are a list, because a client usually has
// only a few.
//
// A session owns its subscriptions, and has no struct subscriptions while there are none. Only the
// thread of the loop that serves the session uses them.
#ifndef STELE_SERVE_SUBSCRIPTIONS_H
#define STELE_SERVE_SUBSCRIPTIONS_H

#include "base/bytes.h"

enum channel_kind { CHANNEL, CHANNEL_PATTERN, CHANNEL_SHARD, CHANNEL_KINDS };

struct subscription {
    enum channel_kind kind;
    uint32_t len; // bytes of the name
    char *text;   // the name, owned, without a NUL at its end
    // Serial number: 1 for the first subscription that was added, one more for each later one.
    uint64_t number;
};

struct subscriptions {
    struct subscription *list; // in the order in which they were added
    uint64_t last_number;      // `number` of the newest subscription
    unsigned count;
    unsigned capacity;
    size_t bytes;                    // bytes of all names
    unsigned of_kind[CHANNEL_KINDS]; // number of subscriptions by kind
};

static inline struct span subscription_name(const struct subscription *subscription)
{
    return span_of(subscription->text, subscription->len);
}

// Returns the number of subscriptions of one kind. 0 for NULL.
unsigned subscriptions_count(const struct subscriptions *all, enum channel_kind kind);

// Returns the bytes of memory that the subscriptions take. 0 for NULL.
size_t subscriptions_memory(const struct subscriptions *all);

// Writes the names of one kind to `to`. Each name follows its length, which takes two bytes. Writes
// nothing when they need more than `room` bytes. Returns how many bytes they need; 0 for NULL.
size_t subscriptions_names(const struct subscriptions *all, enum channel_kind kind, char *to,
                           size_t room);

// Returns the subscription of this kind and name, or NULL. `all` may be NULL.
struct subscription *subscriptions_find(struct subscriptions *all, enum channel_kind kind,
                                        struct span name);

// Adds a subscription with a copy of `name`. Allocates `*all` when it is NULL. Returns false, and
// changes nothing, when memory is short.
bool subscriptions_add(struct subscriptions **all, enum channel_kind kind, struct span name);

// Removes a subscription from `*all`. After the last one, frees `*all` and sets it to NULL.
void subscriptions_drop(struct subscriptions **all, struct subscription *gone);

// Frees all subscriptions. NULL is allowed.
void subscriptions_free(struct subscriptions *all);

#endif
