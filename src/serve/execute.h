// Running a handler and measuring its time. Commands that run after each other share a reading of
// the clock. Timed alone are: a command that is not fast, unless it reads keys, which may come by
// the hundred; a call that goes on in another turn; and every command when the operator looks for
// short ones.
#ifndef STELE_SERVE_EXECUTE_H
#define STELE_SERVE_EXECUTE_H

#include "serve/integrity.h"
#include "serve/session.h"

// Work of a call after which the clock is read, though it is one of a batch: some 25 µs, a thousand
// times the cost of the reading.
enum { EXECUTE_LONG_WORK = 128 };

// Whether every command is to be timed alone: the slow log wants commands of less than a
// millisecond, and commands of a batch only share their time.
bool execute_times_singly(const struct service *service);

// Reads the clock after a call that has taken `units` of work, and adds its time to what the
// command has spent. When the command is done, its time goes to the slow log and the latency
// monitor.
void execute_flush(struct session *s, const struct resp_request *r, unsigned units, bool done);

// Runs the handler of the session's running command, and returns its result. `guarded`: with care
// for damage (integrity_call). Inline, as it is a part of every lookup.
static inline enum command_result execute(struct session *s, const struct resp_request *r,
                                          bool guarded)
{
    uint64_t errors = s->reply.errors;
    const struct command_entry *entry = s->request.running;
    struct stats *stats = &s->service->stats;
    struct timing *timing = &s->service->timing;
    bool slow = (entry->command->flags & FAST) == 0 && entry->command->keys.first == 0;
    bool alone = slow || timing->singly;
    unsigned before = s->turn.work_left;
    if (alone)
        service_flush_timing(s->service);
    enum command_result result = guarded ? integrity_call(s, r) : entry->command->handler(s, r);
    bool done = result != COMMAND_AGAIN && result != COMMAND_WAIT;
    unsigned units = 1 + before - s->turn.work_left;
    timing_add(timing, entry->number, units);
    if (s->reply.errors > errors)
        counter_add(&stats->commands[entry->number].failed, 1);
    if (done) {
        counter_add(&stats->commands[entry->number].calls, 1);
        counter_add(&stats->commands_processed, 1);
    }
    if (alone || !done || units >= EXECUTE_LONG_WORK)
        execute_flush(s, r, units, done);
    if (done)
        s->request.running = NULL;
    else if (!guarded)
        s->request.replied = true;
    return result;
}

#endif
