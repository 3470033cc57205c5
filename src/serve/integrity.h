// Damage to the files of the dataset, and what it means for a client's replies.
//
// Before a command: on a dataset with damage, a command whose keys cannot be read gets an error.
// During it: a damaged index (data/verifier.h) is noticed while a command reads it. What the
// command has written in this turn is taken back. The client gets an error or, when a part of the
// reply has left before, is closed. After it: a client that has read data while more of it was lost
// is closed, and nothing that it was to be answered in that turn is sent.
#ifndef STELE_SERVE_INTEGRITY_H
#define STELE_SERVE_INTEGRITY_H

#include "data/dataset.h"
#include "serve/session.h"

// From here on the session reads its snapshot's data, with the damage that it has now.
static inline void integrity_begin(struct session *s)
{
    s->integrity.damage = dataset_damage(session_dataset(s));
    s->reply.damage_stamp = s->integrity.damage;
    s->integrity.careful = s->integrity.damage != 0;
    s->integrity.reads = s->request.running != NULL;
}

// Kills the session when data that it has read since integrity_begin may have been damaged.
static inline void integrity_check(struct session *s)
{
    if (s->integrity.reads && dataset_look(session_dataset(s)) != s->integrity.damage)
        s->killed = true;
}

// Looks at the keys of the command that is about to begin on damaged data. COMMAND_DONE: it may
// begin. COMMAND_CLOSE: the client has got an error instead. COMMAND_AGAIN: the turn is over first.
enum command_result integrity_check_keys(struct session *s, const struct resp_request *r);

// Calls the handler of the running command and returns its result. When the handler has read
// damaged parts of the index, its reply is taken back and replaced as described above.
enum command_result integrity_call(struct session *s, const struct resp_request *r);

#endif
