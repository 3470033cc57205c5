// Damage is noticed by comparing numbers: the damage of the dataset when reading began with that
// when it ended. A command that reads keys in order is tried again when the index file was written
// to and is sound all the same, as when another server has noted something in its header.
#include "serve/integrity.h"

#include "data/uuid_text.h"

enum { TRIES_MAX = 4 };

static void refuse(struct session *s)
{
    resp_error(&s->reply,
               "ERR data unreadable: a file of the dataset was truncated, overwritten or "
               "cannot be read; what was asked for may be in the lost part");
}

static void refuse_command(struct session *s)
{
    counter_add(&s->service->stats.commands[s->request.running->number].rejected, 1);
    refuse(s);
    s->request.running = NULL;
}

enum command_result integrity_check_keys(struct session *s, const struct resp_request *r)
{
    const struct command *c = s->request.running->command;
    // Where the table cannot say which arguments are keys, any may be.
    bool all = (c->flags & ORDERED) != 0 ||
               (c->keys.first == 0 && c->key_specs != NULL && (c->flags & READONLY) != 0);
    uint32_t count = command_keys(c, r->argc);
    for (; !all && s->request.checked < count; s->request.checked++) {
        uint32_t i = (uint32_t)c->keys.first + s->request.checked * (uint32_t)c->keys.step;
        struct span key = resp_arg(r, i);
        struct span value = {NULL, 0};
        struct uuid id;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (key.len != UUID_TEXT_LEN || !uuid_parse(key.ptr, &id))
            continue;
        all = dataset_presence(session_dataset(s), id, &value) == DATASET_UNREADABLE;
        if (value.ptr != NULL) {
            enum lookup lookup = session_find_end(s, &value);
            if (lookup == LOOKUP_GOES_ON)
                return COMMAND_AGAIN;
            all |= lookup == LOOKUP_MISSED;
        }
    }
    if (all)
        refuse_command(s);
    return all ? COMMAND_CLOSE : COMMAND_DONE;
}

// What a command can be taken back to: its state before this turn. `collected` is a copy, because
// the handler may write over the session's or release it; empty for a command that is not called
// again.
struct checkpoint {
    uint64_t cursor;
    uint64_t sum;
    struct buf collected;
    struct output_mark output;
};

static void restore(struct session *s, const struct checkpoint *start)
{
    s->request.cursor = start->cursor;
    s->request.sum = start->sum;
    s->request.collected.len = 0;
    buf_append(&s->request.collected, buf_span(&start->collected));
    output_rewind(s->reply.out, start->output);
}

enum command_result integrity_call(struct session *s, const struct resp_request *r)
{
    const struct command *command = s->request.running->command;
    const struct dataset *d = session_dataset(s);
    bool ordered = (command->flags & ORDERED) != 0;
    bool again = !ordered || !dataset_index_is_damaged(d);
    struct checkpoint start = {s->request.cursor, s->request.sum, {0}, output_mark(s->reply.out)};
    if (ordered && s->request.collected.len > 0)
        buf_append(&start.collected, buf_span(&s->request.collected));
    s->oom |= start.collected.oom;
    s->integrity.revocable = true;
    for (unsigned tries = 0; again && tries < TRIES_MAX; tries++) {
        unsigned round = ordered ? dataset_index_round(d) : 0;
        s->integrity.revoked = false;
        enum command_result result = command->handler(s, r);
        if (!s->integrity.revoked && (!ordered || dataset_index_round_is_valid(d, round))) {
            s->integrity.revocable = false;
            buf_release(&start.collected);
            s->request.replied |= output_pending(s->reply.out) != start.output.pending;
            return result;
        }
        restore(s, &start);
        again = ordered && !dataset_index_is_damaged(d);
    }
    s->integrity.revocable = false;
    s->integrity.revoked = false;
    buf_release(&start.collected);
    buf_release(&s->request.collected);
    if (s->request.replied)
        s->killed = true;
    else
        refuse(s);
    return COMMAND_DONE;
}
