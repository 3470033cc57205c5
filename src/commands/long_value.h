// A value that a handler works through in several turns, because it may be of any length. Finding
// where it ends takes time in proportion to its length too, so that is done once.
#ifndef STELE_COMMANDS_LONG_VALUE_H
#define STELE_COMMANDS_LONG_VALUE_H

#include "serve/session.h"

// Like session_look_up for argument `i` when `s->request.cursor` is 0; remembers in
// `s->request.collected` where the value is. Called again with another cursor, gives the same value
// without looking for its end. The handler calls long_value_forget before it is done, found or not.
enum lookup long_value_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                               struct span *value);

void long_value_forget(struct session *s);

#endif
