// Damage to the files of the dataset, and what it means for a client's replies.
//
// - Before a command: if the dataset has damage, a command whose keys cannot be read is answered
//   with an error.
// - During a command: a handler may find that the index is damaged (data/verifier.h). What it has
//   written in this turn is then removed from the output. The client gets an error instead, or is
//   closed if a part of the reply was written in an earlier turn.
// - After reading: if the files were damaged while the session read them, and their memory may have
//   shown wrong bytes, the session is killed. So nothing that it has written in this turn is sent.
#ifndef STELE_SERVE_INTEGRITY_H
#define STELE_SERVE_INTEGRITY_H

#include "data/dataset.h"
#include "serve/session.h"

// Notes how many times damage has been found so far in the session's dataset. Called before the
// session reads from it.
static inline void integrity_begin(struct session *s)
{
    s->integrity.damage = dataset_damage(session_dataset(s));
    // Without damage there are no replacements. Nothing has been read yet, so this one may be
    // newer.
    s->integrity.replacements =
        s->integrity.damage != 0 ? dataset_replacements(session_dataset(s)) : 0;
    s->reply.damage_stamp = s->integrity.replacements;
    s->integrity.careful = s->integrity.damage != 0;
    s->integrity.reads = s->request.running != NULL;
}

// Kills the session if it may have read wrong bytes of its dataset since integrity_begin. It has
// not if reader threads have only met pages that cannot be read: who needs these gets an error.
static inline void integrity_check(struct session *s)
{
    if (s->integrity.reads && dataset_look(session_dataset(s)) != s->integrity.damage &&
        dataset_replacements(session_dataset(s)) != s->integrity.replacements)
        s->killed = true;
}

enum key_check {
    KEYS_READABLE,  // the handler may be called
    KEYS_REFUSED,   // the client has got an error; the handler must not be called
    KEYS_UNCHECKED, // this turn may do no more work; the next turn must call again
};

// Checks, on a damaged dataset, whether the keys of the running command can be read.
enum key_check integrity_check_keys(struct session *s, const struct resp_request *r);

// Calls the handler of the running command and returns its result. If the handler has read damaged
// parts of the index, replaces its reply as described above and returns COMMAND_DONE.
enum command_result integrity_call(struct session *s, const struct resp_request *r);

#endif
