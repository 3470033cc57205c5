// Messages of channels, for the commands that send one to a client of their loop.
#ifndef STELE_COMMANDS_PUBSUB_H
#define STELE_COMMANDS_PUBSUB_H

#include "base/bytes.h"

struct session;

// Sends `message` as one of `channel` to the client, in its protocol. A `message.ptr` of NULL sends
// a null.
void pubsub_send(struct session *s, struct span channel, struct span message);

#endif
