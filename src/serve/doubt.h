// A damaged index (data/proof.h) is found out while a command reads it: a key cannot be told to be
// missing, or keys that were read in order may not be in order. What the command has written in
// this turn is then taken back, and the client gets an error, or, where a part of the reply has
// left before, no more at all.
#ifndef STELE_SERVE_DOUBT_H
#define STELE_SERVE_DOUBT_H

#include "resp/resp.h"
#include "serve/command.h"

struct session;

// Calls the handler of the command at work.
enum command_result doubt_call(struct session *s, const struct resp_request *r);

// For who looks up a key: that it was not found does not mean that it is missing.
void doubt_note(struct session *s);

// Writes the error for what is, or may be, in a lost part of the data or of its index.
void doubt_refuse(struct session *s);

#endif
