// The way of an errand: through all loops in the order of their numbers, and home.
#include "serve/errand.h"

#include <assert.h>
#include <stdlib.h>

#include "serve/service.h"
#include "serve/session.h"

static void pass_on(struct errand *e, unsigned number)
{
    const struct service_group *group = e->home->group;
    group->post(group->post_context, number, e);
}

// All loops have been visited.
static void come_home(struct errand *e)
{
    e->done = true;
    if (e->back != NULL)
        e->back(e);
    if (e->asker == NULL)
        e->release(e);
}

// Visits `service`. False when the errand has gone elsewhere, or stays for another turn.
static bool visit(struct errand *e, struct service *service)
{
    const struct service_group *group = service->group;
    while (!atomic_load_explicit(&e->given_up, memory_order_relaxed) && !e->visit(e, service)) {
        if (group->post == NULL) // nobody else to have a turn in between
            continue;
        pass_on(e, service->number);
        return false;
    }
    e->cursor = 0;
    if (e->left == 0 && service == e->home)
        return true;
    unsigned next = e->left == 0 ? e->home->number : (service->number + 1) % group->count;
    e->left -= e->left > 0;
    pass_on(e, next);
    return false;
}

void errand_send(struct errand *e, struct service *home, struct session *s)
{
    assert(s == NULL || s->errand == NULL);
    e->home = home;
    e->asker = s;
    e->left = home->group->count - 1;
    e->cursor = 0;
    e->done = false;
    if (s != NULL)
        s->errand = e;
    if (visit(e, home))
        come_home(e);
}

void errand_lend(struct errand *e, struct session *s)
{
    assert(s->errand == NULL);
    e->home = s->service;
    e->asker = s;
    e->lent = true;
    s->errand = e;
}

void errand_arrive(struct errand *e, struct service *service)
{
    // Home again: either back from the last loop, or for more of its own part.
    bool returned = e->lent || (service == e->home && e->left == 0 && service->group->count > 1);
    if (!returned && !visit(e, service))
        return;
    struct session *asker = e->asker;
    come_home(e);
    if (asker != NULL)
        session_wake(asker);
}

void errand_free(struct errand *e)
{
    free(e);
}

struct errand *errand_answer(const struct session *s)
{
    return s->errand != NULL && s->errand->done ? s->errand : NULL;
}

void errand_end(struct session *s)
{
    struct errand *e = s->errand;
    if (e == NULL)
        return;
    s->errand = NULL;
    e->asker = NULL;
    if (e->for_asker)
        atomic_store_explicit(&e->given_up, true, memory_order_relaxed);
    if (e->done)
        e->release(e);
}
