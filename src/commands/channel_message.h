// Messages of channels, as clients receive them. PUBLISH sends them, and so does CLIENT TRACKING
// when it redirects an invalidation to a RESP2 client.
#ifndef STELE_COMMANDS_CHANNEL_MESSAGE_H
#define STELE_COMMANDS_CHANNEL_MESSAGE_H

#include "base/bytes.h"

struct session;

// Sends `message` of `channel` to the client: as a push in RESP3, as an array in RESP2. `kind` is
// "message", "smessage" or "pmessage". For "pmessage", `pattern` is the pattern that matches the
// channel; for the others it is NULL. If `message.ptr` is NULL, sends a null instead of the text.
// Called on the loop of the session.
void channel_message_push(struct session *s, const char *kind, const struct span *pattern,
                          struct span channel, struct span message);

#endif
