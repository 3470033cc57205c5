// A client that copies the dataset with the replication protocol of Redis: a redis-server that is a
// replica, `redis-cli --rdb`, or a tool that does the same. serve/replication.h says what it gets.
//
// The replica belongs to its session, and to the thread of the session's loop. INFO and ROLE show
// the replicas of all loops, so these are on a list of the group, which a lock guards.
#ifndef STELE_SERVE_REPLICA_H
#define STELE_SERVE_REPLICA_H

#include <stdatomic.h>

#include "base/link.h"
#include "serve/service.h"

struct session;

// Host of the primary that a server announces with --announce-role replica: it has none.
#define REPLICA_NO_PRIMARY "none"

enum {
    REPLICATION_ID_LEN = 40, // hexadecimal digits
    REPLICAS_SHOWN = 64,     // replicas that INFO and ROLE show at most
};

enum replica_state {
    REPLICA_ASKED,   // it has said what it can do
    REPLICA_COPYING, // it receives the RDB file
    REPLICA_ONLINE,  // it has the data; PINGs follow
};

// A client that has sent REPLCONF or PSYNC.
struct replica {
    // What the client has said with REPLCONF.
    bool reads_marked; // it can read a file that ends with a mark instead of a length (capa eof)
    bool knows_ids;    // it can continue with another replication id (capa psync2)
    bool only_file;    // the connection closes after the file (rdb-only 1)
    bool without_keys; // the file shall have no keys (rdb-filter-only)
    bool old;          // it has sent SYNC, so it does not acknowledge anything

    struct session *session;
    struct service_group *group;
    struct link in_loop;   // in the list of the loop's service
    struct link in_group;  // in the group's list; guarded by its lock
    uint64_t generation;   // of the snapshot that it copies or has
    uint64_t next_ping_ns; // monotonic time of the next PING; 0: none until it acknowledges
    char mark[REPLICATION_ID_LEN + 1]; // the file ends with this text; empty: its length was sent

    // Read by other threads that hold the lock of the group's list. `ip` does not change while the
    // replica is in that list.
    char ip[CLIENT_ADDRESS_TEXT]; // address that INFO shows; empty: not known
    _Atomic int64_t port;         // port on which the replica itself listens; 0: not known
    atomic_int state;             // enum replica_state
    _Atomic int64_t sent;         // offset of the replication stream after the last PING
    _Atomic int64_t received;     // offset that the replica has acknowledged
    _Atomic uint64_t heard_ns;    // monotonic time of its last acknowledgement
};

// Returns a replica that is on no list yet, or NULL when memory is short. `service` is that of the
// session.
struct replica *replica_new(struct session *session, struct service *service);

// Removes the replica from its lists and frees it. NULL is accepted.
void replica_free(struct replica *r);

// Returns the bytes of memory of the replica. NULL is accepted.
size_t replica_memory(const struct replica *r);

// Puts the replica on the lists. `address` is that of its connection, such as "127.0.0.1:41234" or
// "[::1]:41234". The stream that the replica receives begins at `offset`.
void replica_enlist(struct replica *r, struct service *service, const char *address,
                    enum replica_state state, int64_t offset);

// What INFO and ROLE show about a replica.
struct replica_facts {
    char ip[CLIENT_ADDRESS_TEXT];
    int64_t port;
    enum replica_state state;
    int64_t received;
    uint64_t lag; // seconds since its last acknowledgement
};

// Describes at most `most` replicas of all loops, in the order in which they began. Sets `*count`
// to the number of all, and `*offset` to the highest offset sent to one; 0 if there is none.
// Returns the number of those described. Any thread may call this.
unsigned replicas_describe(struct service_group *group, struct replica_facts *facts, unsigned most,
                           unsigned *count, int64_t *offset);

#endif
