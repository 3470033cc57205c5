// Refuses clients that may not connect, with the reply that Redis gives them. The acceptor refuses
// most of them. A client of a proxy is known only after its first bytes, so its connection refuses
// it.
#ifndef STELE_NET_REFUSAL_H
#define STELE_NET_REFUSAL_H

#include <stdbool.h>

struct settings;

// The replies.
extern const char refusal_too_many[];
extern const char refusal_protected[];

// Returns whether protected mode keeps the client out. `local`: the client is on this machine.
bool refusal_is_due(const struct settings *settings, bool local);

// Sends the reply on a nonblocking socket, which the caller then closes. Failures are ignored, as
// the client may have disconnected.
void refusal_send(int fd, const char *reply);

#endif
