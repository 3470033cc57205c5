// A value that a handler processes in several turns, because it may have any length. Finding its
// end takes time in proportion to its length, so the end is found once and kept.
//
// These functions belong to the thread of the session.
#ifndef STELE_COMMANDS_LONG_VALUE_H
#define STELE_COMMANDS_LONG_VALUE_H

#include "serve/session.h"

// Sets `*value` to the value of the key in argument `i`. While `s->request.cursor` is 0, works as
// session_look_up does, and keeps the location of the value in `s->request.collected`. Once the
// cursor is not 0, sets the same value without a search, or returns LOOKUP_MISSED if there was
// none. The handler must call long_value_forget before it returns COMMAND_DONE, whatever was found.
enum lookup long_value_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                               struct span *value);

// Frees the location that long_value_look_up has kept. Sets `s->oom` if memory was too short to
// keep it.
void long_value_forget(struct session *s);

#endif
