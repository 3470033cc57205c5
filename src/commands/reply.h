// Errors that commands of several groups answer with, in Redis's words. Each writes one reply.
#ifndef STELE_COMMANDS_REPLY_H
#define STELE_COMMANDS_REPLY_H

#include "serve/session.h"

// A word that has to be a number is not, or exceeds 64 bits.
void reply_not_an_integer(struct session *s);

// Reads `word` as a number. False when it is none, and that error is the reply.
bool reply_unless_integer(struct session *s, struct span word, int64_t *number);

// Options that are unknown, incomplete or contradict each other.
void reply_syntax_error(struct session *s);

// A subcommand of `container` (upper case) with a number of words that its arity allows but its
// handler does not, or one that the container does not have. Argument 1 is its name.
void reply_wrong_subcommand(struct session *s, const struct resp_request *r, const char *container);

#endif
