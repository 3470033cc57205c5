// What a command took, told to who wants to know: the slow log and the latency monitor.
#ifndef STELE_SERVE_OBSERVE_H
#define STELE_SERVE_OBSERVE_H

#include "serve/session.h"

// Whether every command is to be timed by itself, as the slow log is to have such as take less than
// a millisecond, which in a batch share their time.
bool observe_singly(const struct service *service);

// The session's running command has taken `ns`, in all its turns.
void observe_command(struct session *s, const struct resp_request *r, uint64_t ns);

#endif
