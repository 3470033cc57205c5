// Messages of channels, as clients receive them: PUBLISH and the invalidations of CLIENT TRACKING
// send them.
#ifndef STELE_COMMANDS_CHANNEL_MESSAGE_H
#define STELE_COMMANDS_CHANNEL_MESSAGE_H

#include "base/bytes.h"

struct session;

// Sends `message` of `channel` to the client, as a push in its protocol. `kind` is "message",
// "smessage" or, with the `pattern` that matches the channel, "pmessage"; `pattern` is NULL
// otherwise. A `message.ptr` of NULL sends a null. Called on the loop of the session.
void channel_message_push(struct session *s, const char *kind, const struct span *pattern,
                          struct span channel, struct span message);

#endif
