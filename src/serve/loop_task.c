// A task visits the loops in the order of their numbers. After the last number it continues with 0,
// and it ends in its home loop.
#include "serve/loop_task.h"

#include <stdlib.h>

static void post(struct loop_task *t, unsigned number)
{
    t->router->post(t->router->context, number, t);
}

// Ends the visits: the work is done in all loops, and the task is in its home loop.
static void finish(struct loop_task *t)
{
    t->done = true;
    if (t->back != NULL)
        t->back(t);
    if (t->waiter == NULL)
        t->release(t);
}

// Does the work in the loop `number`, whose service is `service`. Returns true when the work is
// done in all loops and this loop is the home. Otherwise the task has been sent to the next loop,
// or again to this loop, so that other work of this loop comes in between.
static bool visit(struct loop_task *t, struct service *service, unsigned number)
{
    const struct loop_router *router = t->router;
    while (!atomic_load_explicit(&t->abandoned, memory_order_relaxed) && !t->visit(t, service)) {
        if (router->post == NULL) // without `post` there is one loop, which must finish now
            continue;
        post(t, number);
        return false;
    }
    t->cursor = 0;
    if (t->hops == 0 && service == t->home)
        return true;
    unsigned next = t->hops == 0 ? t->home_number : (number + 1) % router->count;
    t->hops -= t->hops > 0;
    post(t, next);
    return false;
}

void loop_task_send(struct loop_task *t, const struct loop_router *router, struct service *home,
                    unsigned number)
{
    t->router = router;
    t->home = home;
    t->home_number = number;
    t->hops = router->count - 1;
    t->cursor = 0;
    t->done = false;
    if (visit(t, home, number))
        finish(t);
}

void loop_task_begin_external(struct loop_task *t, const struct loop_router *router,
                              struct service *home, unsigned number)
{
    t->router = router;
    t->home = home;
    t->home_number = number;
    t->external = true;
}

void loop_task_arrive(struct loop_task *t, struct service *service, unsigned number)
{
    // A task that arrives in its home loop without hops left has visited all loops. With hops left,
    // the home loop has not finished its own part. If there is only one loop, no hops are ever
    // left, and a task that arrives is always unfinished.
    bool returned = t->external || (service == t->home && t->hops == 0 && t->router->count > 1);
    if (!returned && !visit(t, service, number))
        return;
    struct session *waiter = t->waiter;
    void (*arrived)(struct session *) = t->arrived;
    finish(t);
    if (waiter != NULL)
        arrived(waiter);
}

void loop_task_end(struct loop_task *t)
{
    t->waiter = NULL;
    if (t->for_waiter)
        atomic_store_explicit(&t->abandoned, true, memory_order_relaxed);
    if (t->done)
        t->release(t);
}

void loop_task_free(struct loop_task *t)
{
    free(t);
}
