// The list of a client's subscriptions. A search compares the names one by one.
#include "serve/subscriptions.h"

#include <stdlib.h>

unsigned subscriptions_count(const struct subscriptions *all, enum channel_kind kind)
{
    return all != NULL ? all->of_kind[kind] : 0;
}

size_t subscriptions_memory(const struct subscriptions *all)
{
    enum { BLOCK = 16 }; // bytes that the allocator takes besides a name
    return all != NULL
               ? sizeof *all + all->capacity * sizeof *all->list + all->bytes + all->count * BLOCK
               : 0;
}

struct subscription *subscriptions_find(struct subscriptions *all, enum channel_kind kind,
                                        struct span name)
{
    for (unsigned i = 0; all != NULL && i < all->count; i++)
        if (all->list[i].kind == kind && span_equal(subscription_name(&all->list[i]), name))
            return &all->list[i];
    return NULL;
}

size_t subscriptions_names(const struct subscriptions *all, enum channel_kind kind, char *to,
                           size_t room)
{
    size_t size = 0;
    for (unsigned i = 0; all != NULL && i < all->count; i++)
        size += all->list[i].kind == kind ? sizeof(uint16_t) + all->list[i].len : 0;
    for (unsigned i = 0; size <= room && all != NULL && i < all->count; i++) {
        if (all->list[i].kind != kind)
            continue;
        uint16_t len = (uint16_t)all->list[i].len;
        memcpy(to, &len, sizeof len);
        memcpy(to + sizeof len, all->list[i].text, len);
        to += sizeof len + len;
    }
    return size;
}

void subscriptions_drop(struct subscriptions **all, struct subscription *gone)
{
    struct subscriptions *held = *all;
    size_t after = (size_t)(held->list + held->count - (gone + 1));
    held->of_kind[gone->kind]--;
    held->bytes -= gone->len;
    free(gone->text);
    memmove(gone, gone + 1, after * sizeof *gone);
    if (--held->count > 0)
        return;
    subscriptions_free(held);
    *all = NULL;
}

void subscriptions_free(struct subscriptions *all)
{
    if (all == NULL)
        return;
    for (unsigned i = 0; i < all->count; i++)
        free(all->list[i].text);
    free(all->list);
    free(all);
}

// Makes room for one more subscription. Returns false when memory is short.
static bool reserve(struct subscriptions *all)
{
    if (all->count < all->capacity)
        return true;
    unsigned capacity = all->capacity > 0 ? 2 * all->capacity : 1;
    struct subscription *list = realloc(all->list, capacity * sizeof *list);
    if (list == NULL)
        return false;
    all->list = list;
    all->capacity = capacity;
    return true;
}

bool subscriptions_add(struct subscriptions **all, enum channel_kind kind, struct span name)
{
    struct subscriptions *held = *all != NULL ? *all : calloc(1, sizeof *held);
    char *text = malloc(name.len + 1);
    if (held == NULL || text == NULL || !reserve(held)) {
        if (held != *all)
            free(held);
        free(text);
        return false;
    }
    if (name.len > 0)
        memcpy(text, name.ptr, name.len);
    held->list[held->count++] =
        (struct subscription){kind, (uint32_t)name.len, text, ++held->last_number};
    held->of_kind[kind]++;
    held->bytes += name.len;
    *all = held;
    return true;
}
