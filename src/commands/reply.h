// Error replies that commands of several groups share, in Redis's words. These functions belong to
// the thread of the session.
#ifndef STELE_COMMANDS_REPLY_H
#define STELE_COMMANDS_REPLY_H

#include "serve/session.h"

// Replies that an argument is not an integer of 64 bits.
void reply_not_an_integer(struct session *s);

// Parses `word` as an integer. Returns false if it is none; the reply is then the error of
// reply_not_an_integer.
bool reply_unless_integer(struct session *s, struct span word, int64_t *number);

// Replies with an error and returns false if the server is not in a cluster.
bool reply_unless_cluster(struct session *s);

// Replies with a syntax error: an option is unknown or incomplete, or contradicts another.
void reply_syntax_error(struct session *s);

// Replies that argument 1, the subcommand, is unknown or has a wrong number of words. The arity
// that the command's row states (serve/command.h) cannot express every rule, such as a highest
// number of words. So a handler that finds a wrong number of words calls this. `container` is the
// name, in upper case, of the command that has the subcommand, such as CLIENT.
void reply_wrong_subcommand(struct session *s, const struct resp_request *r, const char *container);

#endif
