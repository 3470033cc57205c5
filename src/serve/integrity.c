// The dataset counts the damage that it has found. A session compares the count before reading with
// the count after it.
//
// A command that reads keys in order is right only if the index does not change during the call. If
// the index file was written to during the call, the reply is discarded and the handler is called
// again. The index may still be good: another server that uses the same file may have changed only
// its header.
#include "serve/integrity.h"

enum { TRIES_MAX = 4 }; // calls of a handler while others write to the index file

static void refuse(struct session *s)
{
    resp_error(&s->reply,
               "ERR data unreadable: a file of the dataset was truncated, overwritten or "
               "cannot be read; the requested data may be in the lost part");
}

static void refuse_command(struct session *s)
{
    counter_add(&s->service->stats.commands[s->request.running->number].rejected, 1);
    refuse(s);
    s->request.running = NULL;
}

enum key_check integrity_check_keys(struct session *s, const struct resp_request *r)
{
    const struct command *c = s->request.running->command;
    // A command is refused without a look at its keys if it needs all keys, or if its row does not
    // say which arguments are keys.
    bool refused = (c->flags & ORDERED) != 0 ||
                   (c->keys.first == 0 && c->key_specs != NULL && (c->flags & READONLY) != 0);
    uint32_t count = command_keys(c, r->argc);
    for (; !refused && s->request.checked < count; s->request.checked++) {
        uint32_t i = (uint32_t)c->keys.first + s->request.checked * (uint32_t)c->keys.step;
        struct span value = {NULL, 0};
        struct uuid id;
        if (!session_may_go_on(s))
            return KEYS_UNCHECKED;
        if (s->service->cold.active) {
            bool readable;
            if (session_check(s, r, i, &readable) == LOOKUP_GOES_ON)
                return KEYS_UNCHECKED;
            refused = !readable;
            continue;
        }
        if (!key_rules_read(s->service->keys, resp_arg(r, i), &id))
            continue;
        refused = dataset_presence(session_dataset(s), id, &value) == DATASET_UNREADABLE;
        if (value.ptr != NULL) {
            enum lookup lookup = session_find_end(s, &value);
            if (lookup == LOOKUP_GOES_ON)
                return KEYS_UNCHECKED;
            refused |= lookup == LOOKUP_MISSED;
        }
    }
    if (refused)
        refuse_command(s);
    return refused ? KEYS_REFUSED : KEYS_READABLE;
}

// The state of a command before this turn, to which it can be restored. `collected` is a copy, as
// the handler may overwrite or release the session's. It is empty for a command that is not tried
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
        s->parked = false; // the last call may have waited for lines that this one does not need
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
