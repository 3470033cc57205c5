// Channels: who listens to what. A message goes to every loop as an errand, and in each to those
// who listen there. Nothing is kept for who does not listen.
#ifndef STELE_SERVE_PUBSUB_H
#define STELE_SERVE_PUBSUB_H

#include "base/bytes.h"

struct service;
struct session;

enum channel_kind { CHANNEL, CHANNEL_PATTERN, CHANNEL_SHARD, CHANNEL_KINDS };

// How many of that kind the client listens to.
unsigned pubsub_count(const struct session *s, enum channel_kind kind);

// Bytes that the client's subscriptions take.
size_t pubsub_memory(const struct session *s);

// Writes the names of that kind to `to`, each behind its length in two bytes, if all of them fit in
// `room` bytes; how many bytes they take.
size_t pubsub_names(const struct session *s, enum channel_kind kind, char *to, size_t room);

// Sends `message` as one of `channel` to the client, in its protocol; `message.ptr` NULL: a null.
void pubsub_send(struct session *s, struct span channel, struct span message);

// Ends all subscriptions, without a word.
void pubsub_end(struct session *s);

#endif
