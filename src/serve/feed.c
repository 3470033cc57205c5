// The conversation. For each request at the front of the input: admit checks it, and it is queued
// or executed. It stops when no complete request is left, the output is full, this turn may do no
// more work, or the session must wait or close.
#include "serve/feed.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/dataset.h"
#include "serve/admit.h"
#include "serve/execute.h"
#include "serve/integrity.h"
#include "serve/replication.h"
#include "serve/tracking.h"
#include "serve/transaction.h"

enum {
    ARGS_FIRST = 16,
    AHEAD_MIN = 16, // least number of requests to read ahead
    // Discarding this many bytes of replies (CLIENT REPLY OFF) costs one unit of work. So one turn
    // discards at most about SESSION_OUTPUT_HIGH bytes, as many as it could write for a client that
    // wants its replies.
    SILENT_BYTES_PER_WORK = SESSION_OUTPUT_HIGH / SESSION_TURN_WORK,
};

// Makes room in the session for `count` arguments. Returns false when memory is short.
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

// Parses the request at the front of `in`. Returns RESP_ARGS_FULL when memory is short.
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

// Returns whether the session reads an older dataset than the loop. The keys of a batch are looked
// up in the loop's dataset, so a session with an older one must not use the batch.
static bool uses_old_snapshot(const struct session *s)
{
    return s->snapshot != NULL && s->snapshot != s->service->snapshot;
}

void session_read_ahead(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    unsigned first = batch->requests;
    bool partly_parsed = s->request.progress.at != 0 || s->request.progress.searched != 0;
    assert(s->turn.ahead.end == 0);
    if (transaction_executes(s->transaction))
        in = transaction_rest(s->transaction);
    if (s->closing || s->request.running != NULL || partly_parsed || !s->authenticated ||
        uses_old_snapshot(s) ||
        batch_read(batch, s->service->commands, s->service->view, in, s->ahead_limit) == 0)
        return;
    s->turn.ahead.next = first;
    s->turn.ahead.end = batch->requests;
    batch->holders++;
}

// Counts the errors of the last request. This happens after each request, so that INFO shows the
// errors before it in a pipeline.
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

// Returns the name of another protocol if the request looks like a line of it, otherwise NULL. Such
// a connection must be closed: a web page can make a browser send this server an HTTP request whose
// body contains commands (cross-protocol scripting).
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

// Returns whether an admitted command must wait for the end of CLIENT PAUSE. Commands with the flag
// UNPAUSED do not wait: AUTH, HELLO, RESET, QUIT and CLIENT UNPAUSE.
static bool must_wait(const struct session *s, const struct command *command)
{
    uint64_t until = s->service->paused_until;
    return until != 0 && (command->flags & UNPAUSED) == 0 && clock_monotonic_ns() < until;
}

// Queues a request until EXEC and replies QUEUED.
static void queue(struct session *s, const struct resp_request *r)
{
    resp_status(&s->reply, "QUEUED");
    // All queued requests together have the limit of a single request: Redis's
    // client-query-buffer-limit counts both.
    switch (transaction_queue(s->transaction, r, SESSION_INPUT_MAX)) {
    case TRANSACTION_QUEUED: break;
    case TRANSACTION_NO_MEMORY: s->oom = true; break;
    case TRANSACTION_TOO_LONG:
        counter_add(&s->service->stats.input_limit_hits, 1);
        session_kill(s);
        break;
    }
}

// The result of `start`.
enum start_result {
    START_ANSWERED, // the request is answered, or needs no answer
    START_RUNS,     // the handler must be called next
    // The request must wait for the end of CLIENT PAUSE, or for the next turn.
    START_WAITS,
};

// Starts a complete request: answers it with an error, queues it, or prepares the call of its
// handler. `entry` is the command of its first word, or NULL.
static enum start_result start(struct session *s, const struct resp_request *r,
                               const struct command_entry *entry, bool inline_form)
{
    session_charge(s, 1);
    s->paused = false;
    if (r->argc == 0) {
        if (s->replicates) // a replica that loads the file sends empty lines
            replica_acknowledge(s, -1);
        return START_ANSWERED;
    }
    if (entry == NULL || inline_form) {
        const char *foreign = foreign_protocol(r, inline_form);
        if (foreign != NULL) {
            close_session(s, foreign);
            return START_ANSWERED;
        }
    }
    entry = admit_find(s, r, entry);
    // A request that EXEC executes was admitted when it was queued.
    if (!transaction_executes(s->transaction)) {
        s->last = entry;
        if (entry == NULL)
            return START_ANSWERED;
        enum admission admission = admit(s, r, entry);
        if (admission != ADMIT_YES)
            return admission == ADMIT_AGAIN ? START_WAITS : START_ANSWERED;
        s->paused = must_wait(s, entry->command);
        s->waiting = s->paused;
        if (s->paused)
            return START_WAITS;
        if (s->transaction != NULL && (entry->command->flags & AT_ONCE) == 0) {
            queue(s, r);
            return START_ANSWERED;
        }
    }
    s->request.running = entry;
    s->request.cursor = 0;
    s->request.sum = 0;
    s->request.checked = 0;
    s->request.replied = false;
    s->integrity.reads = s->integrity.reads || (entry->command->flags & (READONLY | ORDERED)) != 0;
    return START_RUNS;
}

// Calls the handler. Returns true when the reply is complete.
static bool run_handler(struct session *s, const struct resp_request *r, bool guarded)
{
    s->parked = false;
    enum command_result result = execute(s, r, guarded);
    if (result == COMMAND_CLOSE)
        close_session(s, NULL);
    s->waiting = result == COMMAND_WAIT || (result == COMMAND_AGAIN && s->parked);
    return result != COMMAND_AGAIN && result != COMMAND_WAIT;
}

// The same with all checks for damage (integrity.h). On a damaged dataset, it first checks the
// keys.
static bool run_checked(struct session *s, const struct resp_request *r)
{
    enum key_check keys = KEYS_READABLE;
    s->parked = false;
    if (s->integrity.careful && s->request.cursor == 0)
        keys = integrity_check_keys(s, r);
    s->waiting = keys == KEYS_UNCHECKED && s->parked;
    return keys == KEYS_READABLE ? run_handler(s, r, true) : keys == KEYS_REFUSED;
}

// Copies the arguments of a request from the batch to the session. The reply takes another turn,
// and the batch is emptied at the end of the present turn.
static void keep_request(struct session *s, const struct resp_request *r, size_t size)
{
    if (!reserve_args(s, r->argc))
        return;
    memcpy(s->request.args, r->args, r->argc * sizeof *s->request.args);
    s->request.progress = (struct resp_progress){.at = size, .argc = r->argc};
}

// Answers the next request that was read ahead, at the front of `in`. Returns the length of the
// request in bytes when its reply is complete, otherwise 0.
static size_t answer_ahead(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    const struct batch_request *next = &batch->request[s->turn.ahead.next++];
    struct resp_request request = {in.ptr, batch->arg + next->first_arg, next->argc};
    enum start_result result = start(s, &request, next->entry, false);
    bool complete = result == START_ANSWERED;
    if (result == START_RUNS) {
        s->request.keys.first = (uint32_t)s->request.running->command->keys.first;
        s->request.keys.count = next->keys;
        s->request.keys.batch_index = next->first_key;
        complete = run_checked(s, &request);
    }
    if (!complete) {
        keep_request(s, &request, next->size);
        return 0;
    }
    return next->size;
}

// The same for a complete request whose arguments the session keeps.
static size_t answer_kept(struct session *s, struct bytes in)
{
    struct resp_request request = {in.ptr, s->request.args, s->request.progress.argc};
    const struct command_entry *entry = NULL;
    if (s->request.running == NULL && request.argc > 0)
        entry = command_find(s->service->commands, resp_arg(&request, 0));
    s->request.keys.count = 0; // the batch of the last turn is gone
    enum start_result result = START_RUNS;
    if (s->request.running == NULL)
        result = start(s, &request, entry, s->request.progress.inline_form);
    if (result == START_WAITS || (result == START_RUNS && !run_checked(s, &request)))
        return 0;
    size_t size = s->request.progress.at;
    s->request.progress = (struct resp_progress){0};
    return size;
}

// Answers the request at the front of `in`. Returns the length of the request in bytes when its
// reply is complete, otherwise 0. Sets `*partial` when the request is not complete.
static size_t answer(struct session *s, struct bytes in, bool *partial)
{
    char bad[RESP_BAD_TEXT];
    if (s->request.running != NULL || s->paused || s->routing)
        return answer_kept(s, in);
    if (!is_read_ahead(s)) {
        session_forget_ahead(s);
        session_read_ahead(s, in);
        batch_look_up(&s->service->batch, s->service->cold.active ? NULL : s->service->dataset);
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

// Makes the session hold a reference to its present snapshot, because a command or EXEC is
// unfinished. In the next turn, the command or EXEC must read the same dataset.
static void keep_snapshot(struct session *s)
{
    if (s->snapshot != NULL)
        return;
    s->snapshot = s->service->snapshot;
    ref_take(&s->snapshot->ref);
}

// Returns whether a message may be delivered now: between two replies, but not among those of an
// EXEC.
static bool at_boundary(const struct session *s)
{
    return s->request.running == NULL && !transaction_executes(s->transaction);
}

// Delivers waiting messages, as far as the turn's limit and the room in the output allow. The
// output must have room. If messages are left, they are delivered before the next reply.
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

// Sends a tracking client one invalidation if the loop's dataset has been replaced since the last
// invalidation.
static void report_replacement(struct session *s)
{
    uint64_t now = s->service->snapshot->number;
    if (s->tracking->reported == now)
        return;
    s->tracking->reported = now;
    s->tracking->invalidate(s);
}

// Called before each request. Drops an old snapshot, and delivers invalidations and messages. Then
// returns the reason why the session must stop, or FEED_NEEDS_INPUT if it may go on with the next
// request.
static enum feed_status between_requests(struct session *s)
{
    bool room = output_pending(s->turn.out) < SESSION_OUTPUT_HIGH;
    if (s->snapshot != NULL && at_boundary(s)) {
        integrity_check(s);
        session_drop_snapshot(s);
        integrity_begin(s);
    }
    if (s->tracking != NULL && at_boundary(s))
        report_replacement(s);
    if (s->replicates && at_boundary(s) && replica_is_outdated(s))
        s->closing = true;
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

// Ends the effect of CLIENT CACHING, which holds for the next command. CLIENT commands do not count
// as that command, and a transaction counts as one command, which ends with EXEC.
static void end_caching(struct session *s)
{
    const struct command_entry *done = s->last;
    bool keeps =
        done != NULL && done->container != NULL && (done->container->flags & KEEPS_CACHING) != 0;
    if (s->transaction == NULL && !keeps)
        s->tracking->caching = CACHING_UNSAID;
}

// Called after a request, or after EXEC with all its requests. CLIENT REPLY SKIP and CLIENT CACHING
// hold only for the request that follows them. If the request just answered was CLIENT REPLY SKIP,
// the next reply is skipped. If it was the one that a mode held for, the mode ends.
static void advance_modes(struct session *s)
{
    bool skip = (s->reply_mode & REPLY_SKIP_NEXT) != 0;
    s->reply_mode = (s->reply_mode & REPLY_OFF) | (skip ? REPLY_SKIP : 0);
    if (s->tracking != NULL)
        end_caching(s);
}

// Returns whether nothing in the session's state changes how a lookup is answered. Then
// answer_lookups can leave out all checks between two requests.
static bool is_plain(const struct session *s)
{
    return s->transaction == NULL && s->subscriptions == NULL && s->reply_mode == REPLY_ON &&
           s->authenticated && s->request.running == NULL && !s->integrity.careful &&
           s->service->paused_until == 0 && !s->service->batch.uncertain;
}

// The fast path. Answers requests at the front of `in` that have keys in the batch, up to the first
// other request. Returns their length in bytes. They need no check, because batch_read collects
// keys only of commands that read, with the right number of arguments. They change nothing in the
// state of a plain session (is_plain).
static size_t answer_lookups(struct session *s, struct bytes in)
{
    struct batch *batch = &s->service->batch;
    size_t done = 0;
    while (is_read_ahead(s) && s->turn.work_left > 0 && session_has_room(s)) {
        const struct batch_request *next = &batch->request[s->turn.ahead.next];
        if (next->keys == 0 || next->away)
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

// Answers the next request, of the transaction if EXEC is in progress, otherwise of `in`. On the
// fast path, answers several. Returns how many bytes of `in` are answered. `discarded` takes
// replies that the client does not want.
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
        // Discarded replies never fill the output, so they count as work, which ends the turn.
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

// Answers requests until the session must stop, and sets `*status` to the reason. Returns how many
// bytes of `in` are answered.
static size_t feed(struct session *s, struct bytes in, enum feed_status *status)
{
    struct output discarded = {0};
    size_t consumed = 0;
    bool partial = false;
    s->waiting = false;
    for (;;) {
        *status = between_requests(s);
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

// Continues a request that was parked and has written nothing. While it was parked, damage may have
// been found that does not concern it. Then it begins again, with the check of its keys.
static void resume_parked(struct session *s)
{
    if (dataset_damage(session_dataset(s)) == s->integrity.damage)
        return;
    integrity_begin(s);
    s->request.cursor = 0;
    s->request.sum = 0;
    s->request.checked = 0;
    s->request.keys.count = 0;
    buf_release(&s->request.collected);
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
    else if (s->parked && !s->request.replied)
        resume_parked(s);
    result.consumed = feed(s, in, &result.status);
    session_forget_ahead(s);
    integrity_check(s);
    if (s->killed)
        result.status = FEED_CLOSE;
    if (!at_boundary(s))
        keep_snapshot(s);
    if (s->cold != NULL || s->cold_before != NULL)
        session_drop_lines(s, result.status == FEED_NEEDS_INPUT || result.status == FEED_CLOSE);
    // Large values fill the output before all requests read ahead are answered. The keys of the
    // others were looked up in vain, so the next turn reads fewer requests ahead.
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
