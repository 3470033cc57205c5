// Work for every loop that one client asks for: CLIENT LIST, CLIENT KILL, PUBLISH. A task goes from
// loop to loop, beginning with that of the client that asks. Each loop does its part in its own
// thread, so the loops share nothing that would need a lock.
//
// The client waits until its task is back: its handler returns COMMAND_WAIT and is called again.
// The loop that sends a task makes and frees its memory.
#ifndef STELE_SERVE_LOOP_TASK_H
#define STELE_SERVE_LOOP_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop_task;
struct service;
struct session;

// How tasks travel between loops.
struct loop_router {
    unsigned count; // of loops
    // Brings a task to the loop of that number, whose thread then calls loop_task_arrive. Any
    // loop's thread may call it. NULL is allowed when there is one loop.
    void (*post)(void *context, unsigned number, struct loop_task *t);
    void *context;
};

// The first member of a larger struct, which holds the question and the answer. The caller zeroes
// it and sets the functions.
struct loop_task {
    struct loop_task *next; // in a mailbox of net/
    // Does a part of the work in one loop, at most a turn's worth. `cursor` is 0 at the first call
    // in each loop. Returns true when that loop's part is done.
    bool (*visit)(struct loop_task *t, struct service *service);
    // Optional: called in the home loop when all loops have been visited.
    void (*back)(struct loop_task *t);
    // Frees the task, in its home loop or when no loop runs any more.
    void (*release)(struct loop_task *t);
    uint64_t cursor;
    size_t memory;   // bytes that count as the waiter's
    bool for_waiter; // of no use to anybody else: when the waiter is gone, it only goes home

    const struct loop_router *router;
    struct service *home;   // the loop that sent it
    unsigned home_number;   // of that loop
    struct session *waiter; // only for the home loop's thread; NULL: nobody waits for it
    // Called in the home loop when the task is back and the waiter is still there.
    void (*arrived)(struct session *waiter);
    unsigned hops;         // loops still to be visited after the one it is in
    bool external;         // it visits no loop: a thread that is no loop works on it
    bool done;             // all loops have been visited
    atomic_bool abandoned; // by the home loop, for all others
};

// Begins the task's way at `home`, the loop of that number, in that loop's thread. The caller has
// set `waiter` and `arrived`, or left them NULL. Without a waiter, the task is released when it is
// back: perhaps before this returns.
void loop_task_send(struct loop_task *t, const struct loop_router *router, struct service *home,
                    unsigned number);

// Prepares a task that visits no loop: its `visit` is not called. A thread that is no loop works on
// it and brings it home with the router's `post`.
void loop_task_begin_external(struct loop_task *t, const struct loop_router *router,
                              struct service *home, unsigned number);

// The task has come to the loop of that number, in its thread. For net/.
void loop_task_arrive(struct loop_task *t, struct service *service, unsigned number);

// The waiter needs the task no more, wherever it is. A task that is done is released at once,
// another when it is back.
void loop_task_end(struct loop_task *t);

// For `release`, of a task that owns nothing but itself.
void loop_task_free(struct loop_task *t);

#endif
