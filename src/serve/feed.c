// The conversation: takes the request at the front of the input, has it admitted and executed,
// until the input, the output's room or the turn's work is used up.
#include "serve/feed.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/dataset.h"
#include "serve/admit.h"
#include "serve/execute.h"
#include "serve/integrity.h"
#include "serve/tracking.h"
#include "serve/transaction.h"

enum {
    ARGS_FIRST = 16,
    AHEAD_MIN = 16, // requests that are read ahead at least
    // Of replies to one who wants none: a turn's work is as much as others' output may be.
    SILENT_BYTES_PER_WORK = SESSION_OUTPUT_HIGH / SESSION_TURN_WORK,
};

// Makes room for `count` arguments of a request that is kept from turn to turn.
static bool reserve_args(struct session *s, size_t count)
{
    size_t capacity = s->request.args_capacity != 0 ? s->request.args_capacity : ARGS_FIRST;
    while (capacity < count)
        capacity *= 2;
    if (capacity == s->request.args_capacity)
        return true;
    struct resp_arg *args = realloc(s->request.args, capacity * sizeof *args);
    if (args == NULL) {
        s->oom = true;
        return false;
    }
    s->request.args = args;
    s->request.args_capacity = capacity;
    return true;
}

// Makes the request at the front of `in` complete. RESP_ARGS_FULL here means memory ran short.
static enum resp_status parse(struct session *s, struct bytes in, char *bad)
{
    enum resp_status status;
    enum resp_status (*read)(struct resp_progress *, struct bytes, struct resp_arg *, size_t,
                             char *) = s->authenticated ? resp_parse : resp_parse_unauthenticated;
    while ((status = read(&s->request.progress, in, s->request.args, s->request.args_capacity,
                          bad)) == RESP_ARGS_FULL)
        if (!reserve_args(s, s->request.args_capacity + 1))
            return RESP_ARGS_FULL;
    return status;
}

static bool is_read_ahead(const struct session *s)
{
    return s->turn.ahead.next < s->turn.ahead.end;
}

// Keys that are looked up with others' are looked up in the loop's dataset.
static bool uses_old_snapshot(const struct session *s)
{
    return s->snapshot != NULL && s->snapshot != s->service->snapshot;
}

void session_read_ahead(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    unsigned first = batch->requests;
    bool begun = s->request.progress.at != 0 || s->request.progress.searched != 0;
    assert(s->turn.ahead.end == 0);
    if (transaction_executes(s->transaction))
        in = transaction_rest(s->transaction);
    if (s->closing || s->request.running != NULL || begun || !s->authenticated ||
        uses_old_snapshot(s) || batch_read(batch, s->service->commands, in, s->ahead_limit) == 0)
        return;
    s->turn.ahead.next = first;
    s->turn.ahead.end = batch->requests;
    batch->holders++;
}

// Errors are counted at once, so that an INFO behind them in a pipeline tells them.
static void count_errors(struct session *s)
{
    counter_add(&s->service->stats.error_replies, s->reply.errors);
    s->reply.errors = 0;
}

static void close_session(struct session *s, const char *reason)
{
    s->closing = true;
    s->close_reason = reason;
}

// What a web browser, a TLS or an SSH client says first. They must not go on talking: a page in a
// browser could hide commands in what it sends (cross-protocol scripting).
static const char *foreign_protocol(const struct resp_request *r, bool inline_form)
{
    struct span name = resp_arg(r, 0);
    struct span last = resp_arg(r, r->argc - 1);
    if (span_is(name, "post") || span_is(name, "host:"))
        return "HTTP";
    if (!inline_form)
        return NULL;
    if (r->argc >= 3 && last.len > 5 && memcmp(last.ptr, "HTTP/", 5) == 0)
        return "HTTP";
    if (name.len > 4 && memcmp(name.ptr, "SSH-", 4) == 0)
        return "SSH";
    return NULL;
}

static bool is_tls_hello(struct bytes in)
{
    return in.len >= 2 && in.ptr[0] == 0x16 && in.ptr[1] == 0x03;
}

// Whether a command has to wait for the end of CLIENT PAUSE. As in Redis, one that is refused does
// not; and those do not that begin or end a conversation, or the pause.
static bool must_wait(const struct session *s, const struct command *command)
{
    uint64_t until = s->service->paused_until;
    return until != 0 && (command->flags & UNPAUSED) == 0 && clock_monotonic_ns() < until;
}

// Keeps a request until EXEC and says so to the client.
static void queue(struct session *s, const struct resp_request *r)
{
    resp_status(&s->reply, "QUEUED");
    // The requests may take as many bytes as a single one: Redis counts both against
    // client-query-buffer-limit.
    switch (transaction_queue(s->transaction, r, SESSION_INPUT_MAX)) {
    case TRANSACTION_QUEUED: break;
    case TRANSACTION_NO_MEMORY: s->oom = true; break;
    case TRANSACTION_TOO_LONG:
        counter_add(&s->service->stats.input_limit_hits, 1);
        session_kill(s);
        break;
    }
}

// What has become of a request.
enum beginning {
    BEGINNING_ANSWERED, // or there was nothing to answer
    BEGINNING_RUNS,     // its command is to be run
    BEGINNING_WAITS,    // for the end of a pause
};

// Begins the command of a complete request.
static enum beginning begin(struct session *s, const struct resp_request *r,
                            const struct command_entry *entry, bool inline_form)
{
    session_charge(s, 1);
    s->paused = false;
    if (r->argc == 0)
        return BEGINNING_ANSWERED;
    if (entry == NULL || inline_form) {
        const char *foreign = foreign_protocol(r, inline_form);
        if (foreign != NULL) {
            close_session(s, foreign);
            return BEGINNING_ANSWERED;
        }
    }
    entry = admit_find(s, r, entry);
    // What is executed was admitted when it was queued.
    if (!transaction_executes(s->transaction)) {
        s->last = entry;
        if (entry == NULL || !admit(s, r, entry))
            return BEGINNING_ANSWERED;
        s->paused = must_wait(s, entry->command);
        s->waiting = s->paused;
        if (s->paused)
            return BEGINNING_WAITS;
        if (s->transaction != NULL && (entry->command->flags & AT_ONCE) == 0) {
            queue(s, r);
            return BEGINNING_ANSWERED;
        }
    }
    s->request.running = entry;
    s->request.cursor = 0;
    s->request.sum = 0;
    s->request.checked = 0;
    s->request.replied = false;
    s->integrity.reads = s->integrity.reads || (entry->command->flags & (READONLY | ORDERED)) != 0;
    return BEGINNING_RUNS;
}

// True when the request is done with.
static bool run_handler(struct session *s, const struct resp_request *r, bool guarded)
{
    enum command_result result = execute(s, r, guarded);
    if (result == COMMAND_CLOSE)
        close_session(s, NULL);
    s->waiting = result == COMMAND_WAIT;
    return result != COMMAND_AGAIN && result != COMMAND_WAIT;
}

// The same, with care where that is needed.
static bool run_checked(struct session *s, const struct resp_request *r)
{
    enum command_result checked = COMMAND_DONE;
    if (s->integrity.careful && s->request.cursor == 0)
        checked = integrity_check_keys(s, r);
    return checked == COMMAND_DONE ? run_handler(s, r, true) : checked == COMMAND_CLOSE;
}

// The reply to a request read ahead will take another turn, for which the batch does not live.
static void keep_request(struct session *s, const struct resp_request *r, size_t size)
{
    if (!reserve_args(s, r->argc))
        return;
    memcpy(s->request.args, r->args, r->argc * sizeof *s->request.args);
    s->request.progress = (struct resp_progress){.at = size, .argc = r->argc};
}

// Answers the next request read ahead, which is at the front of `in`; the bytes done with.
static size_t answer_ahead(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    const struct batch_request *next = &batch->request[s->turn.ahead.next++];
    struct resp_request request = {in.ptr, batch->arg + next->first_arg, next->argc};
    enum beginning beginning = begin(s, &request, next->entry, false);
    if (beginning == BEGINNING_RUNS) {
        s->request.keys.first = (uint32_t)s->request.running->command->keys.first;
        s->request.keys.count = next->keys;
        s->request.keys.batch_index = next->first_key;
        if (!run_checked(s, &request))
            beginning = BEGINNING_WAITS;
    }
    if (beginning == BEGINNING_WAITS) {
        keep_request(s, &request, next->size);
        return 0;
    }
    return next->size;
}

// The same for the request that is kept in the session, which is complete.
static size_t answer_kept(struct session *s, struct bytes in)
{
    struct resp_request request = {in.ptr, s->request.args, s->request.progress.argc};
    const struct command_entry *entry = NULL;
    if (s->request.running == NULL && request.argc > 0)
        entry = command_find(s->service->commands, resp_arg(&request, 0));
    s->request.keys.count = 0; // what was looked up in another turn is gone
    enum beginning beginning = BEGINNING_RUNS;
    if (s->request.running == NULL)
        beginning = begin(s, &request, entry, s->request.progress.inline_form);
    if (beginning == BEGINNING_WAITS || (beginning == BEGINNING_RUNS && !run_checked(s, &request)))
        return 0;
    size_t size = s->request.progress.at;
    s->request.progress = (struct resp_progress){0};
    return size;
}

// Answers the request at the front of `in`; the bytes done with. 0 when it is not complete, which
// `*partial` tells, or its reply is not.
static size_t answer(struct session *s, struct bytes in, bool *partial)
{
    char bad[RESP_BAD_TEXT];
    if (s->request.running != NULL || s->paused)
        return answer_kept(s, in);
    if (!is_read_ahead(s)) {
        session_forget_ahead(s);
        session_read_ahead(s, in);
        batch_look_up(&s->service->batch, s->service->dataset);
    }
    if (is_read_ahead(s))
        return answer_ahead(s, in);
    if (s->request.progress.at == 0 && is_tls_hello(in)) {
        close_session(s, "TLS");
        return 0;
    }
    switch (parse(s, in, bad)) {
    case RESP_COMPLETE: return answer_kept(s, in);
    case RESP_PARTIAL: *partial = true; break;
    case RESP_ARGS_FULL: break; // out of memory
    case RESP_BAD:
        resp_error(&s->reply, "ERR %s", bad);
        close_session(s, NULL);
        break;
    }
    return 0;
}

// What is not finished goes on, in another turn, with the dataset it began with.
static void keep_snapshot(struct session *s)
{
    if (s->snapshot != NULL)
        return;
    s->snapshot = s->service->snapshot;
    ref_take(&s->snapshot->ref);
}

// Whether a message may stand here: between two replies, but not within an EXEC's.
static bool at_boundary(const struct session *s)
{
    return s->request.running == NULL && !transaction_executes(s->transaction);
}

// Hands out messages, all that wait or as much as a turn may and there is room for: what is left
// goes on before the next reply. There is room.
static void deliver_pushes(struct session *s)
{
    size_t left = s->pushes.len - s->pushes_delivered;
    size_t part = left < s->turn.pushes_left ? left : s->turn.pushes_left;
    size_t room = SESSION_OUTPUT_HIGH - output_pending(s->turn.out);
    part = part < room ? part : room;
    output_append(s->turn.out, span_of(s->pushes.ptr + s->pushes_delivered, part));
    s->pushes_delivered += part;
    s->turn.pushes_left -= part;
    if (s->pushes_delivered < s->pushes.len)
        return;
    s->pushes.len = 0;
    s->pushes_delivered = 0;
}

// Tells a client that tracks, once, that the dataset of its loop has been replaced.
static void report_replacement(struct session *s)
{
    uint64_t now = s->service->snapshot->number;
    if (s->tracking->reported == now)
        return;
    s->tracking->reported = now;
    s->tracking->invalidate(s);
}

// What stops the session now, besides the end of what it is to answer; FEED_NEEDS_INPUT: nothing.
static enum feed_status stop_reason(struct session *s)
{
    bool room = output_pending(s->turn.out) < SESSION_OUTPUT_HIGH;
    if (s->snapshot != NULL && at_boundary(s)) {
        integrity_check(s);
        session_drop_snapshot(s);
        integrity_begin(s);
    }
    if (s->tracking != NULL && at_boundary(s))
        report_replacement(s);
    if (s->pushes.len > 0 && room && at_boundary(s))
        deliver_pushes(s);
    if (s->killed || session_oom(s, s->turn.out))
        return FEED_CLOSE;
    if (s->pushes.len > 0 && (!room || at_boundary(s)))
        return FEED_OUTPUT_FULL;
    if (s->closing)
        return FEED_CLOSE;
    return s->waiting ? FEED_WAITS : FEED_NEEDS_INPUT;
}

// The last request is done with, and so is what CLIENT CACHING said of it, unless it was one of
// CLIENT itself or MULTI has begun.
static void end_caching(struct session *s)
{
    const struct command_entry *done = s->last;
    bool keeps =
        done != NULL && done->container != NULL && (done->container->flags & KEEPS_CACHING) != 0;
    if (s->transaction == NULL && !keeps)
        s->tracking->caching = CACHING_UNSAID;
}

// A request is done with, an EXEC with all it executes, so what it said about the next one begins,
// and what was said about it ends.
static void advance_modes(struct session *s)
{
    bool skip = (s->reply_mode & REPLY_SKIP_NEXT) != 0;
    s->reply_mode = (s->reply_mode & REPLY_OFF) | (skip ? REPLY_SKIP : 0);
    if (s->tracking != NULL)
        end_caching(s);
}

// Nothing but the request itself has a say in how it is answered.
static bool is_plain(const struct session *s)
{
    return s->transaction == NULL && s->subscriptions == NULL && s->reply_mode == REPLY_ON &&
           s->authenticated && s->request.running == NULL && !s->integrity.careful &&
           s->service->paused_until == 0 && !s->service->batch.uncertain;
}

// Answers requests of keys at the front of `in` that were read ahead, and with that checked, up to
// the first other one; the bytes done with. They change nothing of a session that is plain, so
// between them there is less to look at.
static size_t answer_lookups(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    size_t done = 0;
    while (is_read_ahead(s) && s->turn.work_left > 0 && session_has_room(s)) {
        const struct batch_request *next = &batch->request[s->turn.ahead.next];
        if (next->keys == 0)
            break;
        struct resp_request request = {in.ptr + done, batch->arg + next->first_arg, next->argc};
        s->turn.ahead.next++;
        s->turn.work_left--;
        s->last = next->entry;
        s->request.running = next->entry;
        s->request.cursor = 0;
        s->request.sum = 0;
        s->request.keys.first = (uint32_t)next->entry->command->keys.first;
        s->request.keys.count = next->keys;
        s->request.keys.batch_index = next->first_key;
        if (!run_handler(s, &request, false)) {
            keep_request(s, &request, next->size);
            break;
        }
        done += next->size;
    }
    s->integrity.reads = s->integrity.reads || done > 0 || s->request.running != NULL;
    return done;
}

// Answers the next request in `in`, or in the transaction that is executed; how many bytes of `in`
// are done with.
static size_t answer_next(struct session *s, struct bytes in, struct output *discarded,
                          bool *partial)
{
    bool executing = transaction_executes(s->transaction);
    bool silent = (s->reply_mode & (REPLY_OFF | REPLY_SKIP)) != 0;
    s->reply.out = silent ? discarded : s->turn.out;
    if (is_plain(s)) {
        size_t done = answer_lookups(s, in);
        if (done > 0 || s->request.running != NULL) {
            if (s->reply.errors > 0)
                count_errors(s);
            if (s->tracking != NULL && done > 0)
                end_caching(s);
            return done;
        }
    }
    size_t done = answer(s, executing ? transaction_rest(s->transaction) : in, partial);
    if (s->reply.errors > 0)
        count_errors(s);
    if (silent) {
        // Output that nobody gets fills nothing that would end the turn.
        session_charge(s, output_pending(discarded) / SILENT_BYTES_PER_WORK);
        output_take(discarded, output_pending(discarded));
    }
    if (executing && transaction_advance(s->transaction, done))
        session_end_transaction(s);
    if ((s->reply_mode != REPLY_ON || s->tracking != NULL) && done > 0 &&
        !transaction_executes(s->transaction))
        advance_modes(s);
    return executing ? 0 : done;
}

// Answers requests until something stops it; how many bytes of `in` are done with.
static size_t feed(struct session *s, struct bytes in, enum feed_status *status)
{
    struct output discarded = {0};
    size_t consumed = 0;
    bool partial = false;
    s->waiting = false;
    for (;;) {
        *status = stop_reason(s);
        if (*status != FEED_NEEDS_INPUT ||
            ((consumed == in.len || partial) && !transaction_executes(s->transaction)))
            break;
        *status = FEED_OUTPUT_FULL;
        if (output_pending(s->turn.out) >= SESSION_OUTPUT_HIGH)
            break;
        *status = FEED_TURN_OVER;
        if (s->turn.work_left == 0)
            break;
        consumed += answer_next(s, (struct bytes){in.ptr + consumed, in.len - consumed}, &discarded,
                                &partial);
    }
    output_release(&discarded);
    return consumed;
}

struct feed_result session_feed(struct session *s, struct bytes in, struct output *out)
{
    struct feed_result result;
    s->turn.out = out;
    s->turn.work_left = SESSION_TURN_WORK;
    s->turn.pushes_left = SESSION_PUSHES_TURN;
    s->service->timing.singly = s->request.spent_ns > 0 || execute_times_singly(s->service);
    if (s->snapshot == NULL)
        integrity_begin(s);
    result.consumed = feed(s, in, &result.status);
    session_forget_ahead(s);
    integrity_check(s);
    if (s->killed)
        result.status = FEED_CLOSE;
    if (!at_boundary(s))
        keep_snapshot(s);
    // Large values fill the output long before all that could be read ahead is answered.
    unsigned done = SESSION_TURN_WORK - s->turn.work_left;
    bool full = result.status == FEED_OUTPUT_FULL;
    s->ahead_limit = full && done < AHEAD_MIN ? AHEAD_MIN : full ? done : SESSION_TURN_WORK;
    s->turn.out = NULL;
    s->reply.out = NULL;
    if (s->request.progress.at == 0 && s->request.args != NULL) {
        free(s->request.args);
        s->request.args = NULL;
        s->request.args_capacity = 0;
    }
    if (s->pushes.len == 0 && s->pushes.cap > 0 && !s->pushes.oom)
        buf_release(&s->pushes);
    return result;
}
