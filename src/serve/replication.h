// Copies the dataset to a client with the replication protocol of Redis (serve/replica.h). The
// client sends PSYNC and receives the whole dataset as an RDB file (rdb/dump.h). After that it
// receives a PING from time to time, and nothing else, because the data does not change. When the
// dataset is replaced, the connection closes, and the replica connects again and copies the new
// one.
//
// The bytes of the file are made by reader threads (serve/readers.h), because the data may not be
// in memory, and because event loops have other clients. A thread makes the next piece while the
// loop sends the one before. Several copies take turns: if the data is in memory, the threads have
// one piece at a time for each loop. So a loop sends one piece between two looks at its other
// clients, however many replicas it has. Without reader threads, the loop makes smaller pieces
// itself.
//
// All functions are for the thread of the session's loop.
#ifndef STELE_SERVE_REPLICATION_H
#define STELE_SERVE_REPLICATION_H

#include "serve/replica.h"
#include "serve/session.h"

// Returns what the session knows about its client as a replica, and allocates it at the first call.
// Returns NULL when memory is short; the session is then closed.
struct replica *replica_of(struct session *s);

// Writes the replication id of the session's dataset: other content has another id. It is computed
// from the checksum of the content. While that is not known, soon after an index was built, it is
// computed from the time when the index was built. Both ids stay valid. The prefix of keys is a
// part of the content.
void replication_id(const struct session *s, char id[REPLICATION_ID_LEN + 1]);

// Returns whether `id` is an id that replication_id has returned for the session's dataset, in this
// process or another one.
bool replication_id_is_ours(const struct session *s, struct span id);

// Begins to send the session's dataset to its replica, from offset `offset` of the stream on.
// Appends the size of the file, or the mark at its end, to the output. Returns false when memory is
// short; the session is then closed. The handler then calls replica_send until it does not return
// COMMAND_AGAIN or COMMAND_WAIT.
bool replica_begin(struct session *s, int64_t offset);

// Appends the next pieces of the file to the output. Returns COMMAND_DONE at its end, or
// COMMAND_CLOSE when the connection must close after it. When the data cannot be read, kills the
// session and returns COMMAND_DONE.
enum command_result replica_send(struct session *s);

// Says that the replica has all data up to `offset` of the stream, so that only PINGs follow.
void replica_continue(struct session *s, int64_t offset);

// Notes an acknowledgement: the replica has received the stream up to `offset`. A negative `offset`
// only says that it is alive.
void replica_acknowledge(struct session *s, int64_t offset);

// Returns whether the replica has, or has copied, another dataset than the loop serves now.
bool replica_is_outdated(const struct session *s);

// Sends PINGs to the replicas of the loop, and closes those that have been silent for too long. To
// be called about every second, between two turns of the loop. `now` is the monotonic time in ns.
void replicas_tick(struct service *service, uint64_t now);

// Frees the copies that wait for their turn. All sessions of the loop are closed, and the loop has
// ended.
void replicas_release(struct service *service);

#endif
