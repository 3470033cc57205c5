// The chains are linked through the sessions, so that only their heads need memory. There are as
// many as sessions, or twice; they are never taken back, being a hundredth of what a session takes.
#include "serve/roster.h"

#include <stdlib.h>

#include "serve/session.h"

enum { BITS_MOST = 32 };

static unsigned bits_of(const struct roster *r)
{
    return ROSTER_BITS_FIRST + r->grown;
}

// Fibonacci hashing (Knuth, volume 3, 6.4): ids of one loop come in steps of the number of loops.
static size_t place_of(const struct roster *r, uint64_t id)
{
    return id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits_of(r));
}

static struct session **chain_of(struct roster *r, uint64_t id)
{
    return (r->chains != NULL ? r->chains : r->first) + place_of(r, id);
}

static void push(struct roster *r, struct session *s)
{
    struct session **chain = chain_of(r, s->id);
    s->next_in_chain = *chain;
    *chain = s;
}

static void grow(struct roster *r)
{
    struct session **old = r->chains != NULL ? r->chains : r->first;
    size_t count = (size_t)1 << bits_of(r);
    struct roster grown = {.grown = r->grown + 1, .count = r->count};
    if (bits_of(&grown) > BITS_MOST)
        return;
    grown.chains = calloc(2 * count, sizeof *grown.chains);
    if (grown.chains == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        for (struct session *s = old[i], *next; s != NULL; s = next) {
            next = s->next_in_chain;
            push(&grown, s);
        }
    }
    free(r->chains);
    *r = grown;
}

void roster_add(struct roster *r, struct session *s)
{
    if (r->count >= (size_t)1 << bits_of(r))
        grow(r);
    push(r, s);
    r->count++;
}

void roster_remove(struct roster *r, struct session *s)
{
    struct session **link = chain_of(r, s->id);
    while (*link != NULL && *link != s)
        link = &(*link)->next_in_chain;
    if (*link == NULL)
        return;
    *link = s->next_in_chain;
    s->next_in_chain = NULL;
    r->count--;
}

struct session *roster_find(const struct roster *r, uint64_t id)
{
    struct session *s = (r->chains != NULL ? r->chains : r->first)[place_of(r, id)];
    while (s != NULL && s->id != id)
        s = s->next_in_chain;
    return s;
}

void roster_release(struct roster *r)
{
    free(r->chains);
    *r = (struct roster){0};
}
