// The checks that a request passes before it runs or is queued, in Redis's order: an unknown
// command, the number of words, who may use it, and whether it may come now.
#ifndef STELE_SERVE_ADMIT_H
#define STELE_SERVE_ADMIT_H

#include "serve/session.h"

// The command or subcommand that the request names; `entry` is that of its first word, or NULL.
// NULL: there is no such command, and the client has got an error.
const struct command_entry *admit_find(struct session *s, const struct resp_request *r,
                                       const struct command_entry *entry);

// Whether the request may run, or be queued, now. False: the client has got an error, and the
// transaction that the request was for is spoiled.
bool admit(struct session *s, const struct resp_request *r, const struct command_entry *entry);

#endif
