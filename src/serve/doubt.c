// Taking back what should not have been read. A command that reads keys in order is tried again
// when the index file was written to and is sound all the same, as when another server has noted
// something in its header.
#include "serve/doubt.h"

#include "data/dataset.h"
#include "serve/session.h"

enum { TRIES_MAX = 4 };

// Of a command, before its turn.
struct before {
    uint64_t cursor;
    uint64_t sum;
    size_t collected;
    struct output_mark output;
};

static void take_back(struct session *s, const struct before *before)
{
    s->cursor = before->cursor;
    s->sum = before->sum;
    s->collected.len = before->collected;
    output_rewind(s->reply.out, before->output);
}

void doubt_note(struct session *s)
{
    if (s->guarded)
        s->doubtful = true;
    else
        s->killed = true; // its command may have written some of its reply
}

void doubt_refuse(struct session *s)
{
    resp_error(&s->reply,
               "ERR data unreadable: a file of the dataset was truncated, overwritten or "
               "cannot be read; what was asked for may be in the lost part");
}

enum command_result doubt_call(struct session *s, const struct resp_request *r)
{
    const struct command *command = s->running->command;
    const struct dataset *d = session_dataset(s);
    bool ordered = (command->flags & ORDERED) != 0;
    bool again = !ordered || !dataset_index_is_bad(d);
    struct before before = {s->cursor, s->sum, s->collected.len, output_mark(s->reply.out)};
    s->guarded = true;
    for (unsigned tries = 0; again && tries < TRIES_MAX; tries++) {
        unsigned round = ordered ? dataset_index_round(d) : 0;
        s->doubtful = false;
        enum command_result result = command->handler(s, r);
        if (!s->doubtful && (!ordered || dataset_index_stands(d, round))) {
            s->guarded = false;
            s->replied |= output_pending(s->reply.out) != before.output.pending;
            return result;
        }
        take_back(s, &before);
        again = ordered && !dataset_index_is_bad(d);
    }
    s->guarded = false;
    s->doubtful = false;
    buf_release(&s->collected);
    if (s->replied)
        s->killed = true;
    else
        doubt_refuse(s);
    return COMMAND_DONE;
}
