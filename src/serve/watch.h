// WATCH: what the keys of a client were, so that EXEC can refuse when one of them has become
// something else. A key changes only when the dataset is replaced, or when its file is damaged: as
// long as neither has happened nothing is compared. Then the values are, by their digests: holding
// on to the old dataset instead would cost as much as the dataset, for as long as a client likes.
//
// A session owns its watch, `session.watch`; only the thread of its service touches it.
#ifndef STELE_SERVE_WATCH_H
#define STELE_SERVE_WATCH_H

#include "serve/session.h"

// For the handler of WATCH: notes the keys of the request, in as many turns as reading their values
// takes. DONE, or AGAIN. When memory is short the session's `oom` is set.
enum command_result watch_note(struct session *s, const struct resp_request *r);

// For the handler of EXEC: finds out whether a watched key is, or may be, another than it was. DONE
// with `*changed` set, or AGAIN, which must not be answered yet.
enum command_result watch_compare(struct session *s, bool *changed);

// Bytes that it takes; 0 when nothing is watched.
size_t watch_memory(const struct session *s);

// Forgets all keys.
void watch_end(struct session *s);

#endif
