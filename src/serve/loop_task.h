// Work that one client's command needs from every loop, as for CLIENT LIST, CLIENT KILL and
// PUBLISH. A task visits all loops, one after the other, and begins with the client's own loop, its
// home. Each loop does its part in its own thread, so the loops share no data that would need a
// lock.
//
// The client waits until its task is back at home: its handler returns COMMAND_WAIT and is called
// again. A task is allocated and freed in its home loop.
#ifndef STELE_SERVE_LOOP_TASK_H
#define STELE_SERVE_LOOP_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop_task;
struct service;
struct session;

// How a task gets from one loop to another.
struct loop_router {
    unsigned count; // number of loops
    // Sends a task to the loop `number`, whose thread then calls loop_task_arrive. Any thread may
    // call it. NULL is allowed when there is one loop.
    void (*post)(void *context, unsigned number, struct loop_task *t);
    void *context;
};

// The first member of a larger struct, which holds the arguments and the result. The caller zeroes
// the larger struct, and sets `visit`, `release` and, if needed, `back`, `memory` and `for_waiter`.
// session_await sets `waiter` and `arrived`.
struct loop_task {
    struct loop_task *next; // next task in the mailbox of a loop (net/workers.c)
    // Does a part of the work in one loop, at most as much as fits into a turn. `cursor` is 0 at
    // the first call in each loop. Returns true when the work in that loop is done.
    bool (*visit)(struct loop_task *t, struct service *service);
    // Optional: called in the home loop when all loops have been visited.
    void (*back)(struct loop_task *t);
    // Frees the task, in its home loop or when no loop runs any more.
    void (*release)(struct loop_task *t);
    uint64_t cursor; // where the next call of `visit` continues
    size_t memory;   // bytes of memory that count as the waiter's
    bool for_waiter; // without `waiter` (below) the work is useless, so no loop continues it

    const struct loop_router *router;
    struct service *home;   // service of the loop that sent the task
    unsigned home_number;   // number of that loop
    struct session *waiter; // session that waits; only the home loop reads it; NULL: none
    // Called in the home loop when the task is back and the session still waits.
    void (*arrived)(struct session *waiter);
    unsigned hops;         // number of loops still to be visited after the present one
    bool external;         // the task visits no loop; a thread that is no loop does the work
    bool done;             // the work is done in all loops
    atomic_bool abandoned; // the waiter of a task with `for_waiter` is gone; set by the home loop
};

// Sends the task to all loops, and at once calls `visit` for `home`, the calling loop. `number` is
// the number of that loop. The caller has set `waiter` and `arrived`, or left both NULL. A task
// without a waiter is released when it is back, which may be before this function returns.
void loop_task_send(struct loop_task *t, const struct loop_router *router, struct service *home,
                    unsigned number);

// Prepares a task that visits no loop, so that `visit` is not called. The caller hands it to a
// thread that is no loop. When the work is done, that thread sends it home with the router's
// `post`.
void loop_task_begin_external(struct loop_task *t, const struct loop_router *router,
                              struct service *home, unsigned number);

// Handles a task that the router has sent to the loop `number`. Called in that loop's thread.
void loop_task_arrive(struct loop_task *t, struct service *service, unsigned number);

// Ends the waiter's interest in the task, in the home loop's thread. A task that is done is
// released at once, any other task when it is back.
void loop_task_end(struct loop_task *t);

// Frees the task's memory. Serves as `release` for a task that owns nothing else.
void loop_task_free(struct loop_task *t);

#endif
