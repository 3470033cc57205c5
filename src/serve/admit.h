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

enum admission {
    ADMIT_YES, // the request may run or be queued now
    // It may not. The client has got an error, and EXEC will refuse the transaction that the
    // request belongs to.
    ADMIT_NO,
    // The turn's work is used up before all keys were looked at, in a cluster. The next turn must
    // call again; s->request.route has what is known.
    ADMIT_AGAIN,
};

// Decides whether the request may run or be queued.
enum admission admit(struct session *s, const struct resp_request *r,
                     const struct command_entry *entry);

// For EXEC: looks whether the keys of the transaction still belong to this node. The topology of
// the cluster may have changed since they were queued. If a key has gone to another node, ends the
// transaction, answers with a redirection, as Redis does, and returns false.
bool admit_exec(struct session *s);

#endif
