// The way of a task: through all loops in the order of their numbers, and home.
#include "serve/loop_task.h"

#include <stdlib.h>

static void pass_on(struct loop_task *t, unsigned number)
{
    t->router->post(t->router->context, number, t);
}

// All loops have been visited.
static void come_home(struct loop_task *t)
{
    t->done = true;
    if (t->back != NULL)
        t->back(t);
    if (t->waiter == NULL)
        t->release(t);
}

// Visits `service`, the loop of that number. Returns true when all loops have been visited. False:
// the task is on its way to another loop, or waits for this loop's next turn.
static bool visit(struct loop_task *t, struct service *service, unsigned number)
{
    const struct loop_router *router = t->router;
    while (!atomic_load_explicit(&t->abandoned, memory_order_relaxed) && !t->visit(t, service)) {
        if (router->post == NULL) // no other loop could have a turn in between
            continue;
        pass_on(t, number);
        return false;
    }
    t->cursor = 0;
    if (t->hops == 0 && service == t->home)
        return true;
    unsigned next = t->hops == 0 ? t->home_number : (number + 1) % router->count;
    t->hops -= t->hops > 0;
    pass_on(t, next);
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
        come_home(t);
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
    // Home again: either back from the last loop, or for more of its own part.
    bool returned = t->external || (service == t->home && t->hops == 0 && t->router->count > 1);
    if (!returned && !visit(t, service, number))
        return;
    struct session *waiter = t->waiter;
    void (*arrived)(struct session *) = t->arrived;
    come_home(t);
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
