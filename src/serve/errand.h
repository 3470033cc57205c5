// What has to be done in every loop for one client: CLIENT LIST, CLIENT KILL, PUBLISH. An errand
// goes from loop to loop, beginning with that of the client who asks, and each does its part in its
// own thread; so the loops share nothing that would have to be locked.
//
// The client waits until its errand is back: its handler returns COMMAND_WAIT and is called again.
// Memory of an errand is made and freed by the loop it comes from.
#ifndef STELE_SERVE_ERRAND_H
#define STELE_SERVE_ERRAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service;
struct service_group;
struct session;

// The first member of a larger struct, which holds what is asked and what has been found. Zeroed
// but for the functions.
struct errand {
    struct errand *next; // in a mailbox of net/'s
    // Does a part of the work in one loop, no more than a turn's worth. `cursor` is 0 when it is
    // first called there. True when the loop is done with.
    bool (*visit)(struct errand *e, struct service *service);
    // Optional: called in its home loop when all have been visited.
    void (*back)(struct errand *e);
    void (*release)(struct errand *e); // frees it, in its home loop or when no loop runs any more
    uint64_t cursor;
    size_t memory;  // bytes that count as the asker's
    bool for_asker; // of no use to anybody else: when the asker is gone, it only goes home

    struct service *home;  // the loop it comes from
    struct session *asker; // only for the home loop's thread; NULL: nobody waits for it
    unsigned left;         // loops still to be visited after the one it is in
    bool lent;             // it is with somebody who is no loop
    bool done;             // it is back, or needed no way
    atomic_bool given_up;  // by the home loop, for all others
};

// Sends `e` on behalf of `s`, or of nobody (NULL), from the loop of `home`; it is released by
// errand_end, or when it is back and nobody waits. A session has one at a time.
void errand_send(struct errand *e, struct service *home, struct session *s);

// Makes `s` wait for `e`, which visits no loop (its `visit` is not called) but is given to somebody
// else: who, on any thread, brings it home with the group's `post` when it is done.
void errand_lend(struct errand *e, struct session *s);

// For handlers: the errand of `s` when it is done; NULL when it is still on its way, and the
// handler must return COMMAND_WAIT.
struct errand *errand_answer(const struct session *s);

// For handlers: the answer has been used. Also when the session ends, wherever its errand is.
void errand_end(struct session *s);

// For `release`, of an errand that owns nothing but itself.
void errand_free(struct errand *e);

// For net/: `e` has come to the loop of `service`, in its thread.
void errand_arrive(struct errand *e, struct service *service);

#endif
