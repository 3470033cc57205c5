// Several loops and their clients in one thread, without a socket: services of a group whose
// mailboxes are queues, and clients that say bytes and hear bytes. Whatever the loops have to do
// is done one thing at a time, in an order that does not change.
#ifndef STELE_TESTS_UNIT_LOOPS_H
#define STELE_TESTS_UNIT_LOOPS_H

#include "serve/feed.h"

struct error;
struct loops;

enum { LOOPS_MAX = 8, PARTIES_MAX = 256, POSTS_MAX = 512 };

// A client, its session first.
struct party {
    struct session session;
    struct loops *loops;
    char address[32]; // "10.0.0.ID:1"
    struct buf said;
    size_t sent; // how much of it the session may see
    size_t done; // how much is consumed
    struct output output;
    struct buf heard;
    enum feed_status status;
    bool woken;
    bool slow;   // does not read what is sent to it
    bool closed; // by the server
};

struct loops {
    struct service_group group;
    struct service service[LOOPS_MAX];
    struct party *parties[PARTIES_MAX];
    unsigned party_count;
    uint64_t last_id;
    struct {
        struct loop_task *task;
        unsigned number;
    } posts[POSTS_MAX]; // tasks on their way, the oldest first
    unsigned post_count;
    unsigned post_total;
    // Told when code of the server is about to run, and when it has; or NULL. If it is set, a party
    // for which memory is short is closed, and does not end the test.
    void (*inside)(bool begins);
};

// A dataset of a few keys, for loops to serve.
struct dataset *loops_dataset(const char *lines);

// Has one of the loops go on with `dataset`.
void loops_publish(struct loops *l, unsigned number, struct dataset *dataset);

void loops_init(struct loops *l, unsigned count, const struct settings *settings,
                struct dataset *dataset);

// Ends all parties that are left, and the loops. Errands that are still on their way are released.
void loops_release(struct loops *l);

// A client of the loop of that number, from this machine.
struct party *party_new(struct loops *l, unsigned number);

// It closes its connection.
void party_end(struct party *p);

// It sends these bytes; nothing is done with them yet.
void say_bytes(struct party *p, struct span bytes);

// The same for requests that single spaces and, between requests, newlines separate: "GET x\nPING".
void say(struct party *p, const char *requests);

// One turn for it, as a loop gives it: fed what it has said, and unless it is slow it reads all.
void party_turn(struct party *p);

// Brings the oldest task one loop further; false when none is on its way.
bool loops_deliver(struct loops *l);

// Until nobody has anything to do.
void loops_run(struct loops *l);

// What it has heard since the last call; valid until the next one.
struct span hear(struct party *p);

// Requests as the name of a test point: valid until the next call.
const char *one_line(const char *requests);

// Says it, runs, and compares what it has heard: a test point.
bool replies(struct party *p, const char *requests, const char *wanted);

#endif
