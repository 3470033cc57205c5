// The checks before a request runs or is queued, made in the same order as in Redis. They ask
// whether the command exists, has the right number of arguments, and may be used by this client in
// its present state, for example inside MULTI.
#ifndef STELE_SERVE_ADMIT_H
#define STELE_SERVE_ADMIT_H

#include "serve/session.h"

// Returns the command or subcommand that the request names. `entry` is the command of the first
// word, or NULL. Returns NULL when there is no such command; the client has then got an error.
const struct command_entry *admit_find(struct session *s, const struct resp_request *r,
                                       const struct command_entry *entry);

// Returns whether the request may run or be queued now. If not, the client has got an error, and
// EXEC will refuse the transaction that the request belongs to.
bool admit(struct session *s, const struct resp_request *r, const struct command_entry *entry);

#endif
