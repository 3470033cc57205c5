// A value that a handler processes in several turns, because it may have any length. Finding its
// end takes time in proportion to its length, so the end is found once and kept.
//
// These functions belong to the thread of the session.
#ifndef STELE_COMMANDS_LONG_VALUE_H
#define STELE_COMMANDS_LONG_VALUE_H

#include "serve/session.h"

// Returns the value under argument `i`, a key. While `s->request.cursor` is 0, it works as
// session_look_up does, and keeps the location of the value in `s->request.collected`. With another
// cursor it returns the same value without a search, or LOOKUP_MISSED if there was no value. The
// handler must call long_value_forget before it returns COMMAND_DONE, whatever was found.
enum lookup long_value_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                               struct span *value);

// Frees what long_value_look_up has kept. If memory was short for it, the session is marked so.
void long_value_forget(struct session *s);

#endif
