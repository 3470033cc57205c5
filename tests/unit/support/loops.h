// Several loops and their clients in one thread, without sockets. Tasks that the loops send to each
// other wait in one queue. (In the server, each loop has a queue of its own, its mailbox.) A client
// is called a party here. A test sends the requests of a party with `party_send`, and reads its
// replies with `party_receive`. The work of all loops is done one step after the other, always in
// the same order.
#ifndef STELE_TESTS_UNIT_LOOPS_H
#define STELE_TESTS_UNIT_LOOPS_H

#include "serve/feed.h"

struct error;
struct loops;

enum { LOOPS_MAX = 8, PARTIES_MAX = 256, POSTS_MAX = 512 };

// A client. The session is its first member.
struct party {
    struct session session;
    struct loops *loops;
    char address[32];    // "10.0.0.ID:1"
    struct buf requests; // all requests
    size_t sent;         // bytes of `requests` that the session may see
    size_t done;         // bytes of `requests` that the session has consumed
    struct output output;
    struct buf received;     // replies that the test has not yet taken with `party_receive`
    enum feed_status status; // result of the last turn
    bool woken;              // session_wake was called since the last turn
    bool slow;               // the client reads no output
    bool closed;             // the server has closed the connection
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
    // `inside(true)` is called before code of the server runs, `inside(false)` after it. A test
    // sets it to make allocations fail only in the server. It may be NULL. If a session runs out of
    // memory, its party is closed; if `inside` is NULL, the test ends instead.
    void (*inside)(bool begins);
};

// Returns a dataset of these lines, which must outlive it.
struct dataset *loops_dataset(const char *lines);

// Makes the loop `number` serve `dataset`.
void loops_publish(struct loops *l, unsigned number, struct dataset *dataset);

// Initialises `count` loops without clients, which serve `dataset`.
void loops_init(struct loops *l, unsigned count, const struct settings *settings,
                struct dataset *dataset);

// Ends all parties and the loops. Tasks that are still in the queue are released.
void loops_release(struct loops *l);

// Returns a new client of the loop `number`. The server treats it as a client on its own machine,
// whatever its address.
struct party *party_new(struct loops *l, unsigned number);

// Ends a party: the client closes its connection.
void party_end(struct party *p);

// Adds bytes to what the client has sent. The server sees them in the next turn.
void party_send_bytes(struct party *p, struct span bytes);

// The same for requests as text: newlines separate requests, single spaces separate words, as in
// "GET x\nPING".
void party_send(struct party *p, const char *requests);

// Gives the client one turn, as a loop does: feeds its session, and reads all output unless the
// client is slow.
void party_turn(struct party *p);

// Delivers the oldest task of the queue to its next loop. Returns false when the queue is empty.
bool loops_deliver(struct loops *l);

// Gives turns and delivers tasks until there is no work left.
void loops_run(struct loops *l);

// Returns the replies since the last call. They are valid until the next call.
struct span party_receive(struct party *p);

// Returns requests as one line, for the name of a test point. It is valid until the next call.
const char *one_line(const char *requests);

// Sends requests, runs the loops, and compares the replies with `wanted`, as a test point.
bool replies(struct party *p, const char *requests, const char *wanted);

#endif
