// Runs a handler and measures its time. Reading the clock takes about a tenth of the time of a
// lookup, so commands that run one after the other share one measurement. Measured alone are:
// - a command without the flag FAST and without keys (one with keys shares a measurement, because
//   a pipeline may have hundreds of them);
// - a call that continues in another turn;
// - a call that has done much work;
// - every command, when the slow log must show commands shorter than a millisecond.
#ifndef STELE_SERVE_EXECUTE_H
#define STELE_SERVE_EXECUTE_H

#include "serve/integrity.h"
#include "serve/session.h"

// A call with this many units of work is measured at once. That is about 25 µs, a thousand times
// the cost of reading the clock.
enum { EXECUTE_LONG_WORK = 128 };

// Returns whether every command must be measured alone, because slowlog-log-slower-than is below a
// millisecond.
bool execute_times_singly(const struct service *service);

// Reads the clock after a call that has done `units` of work (timing_flush), and adds the time of
// the call to `request.spent_ns`. When the command is done, that is its total time. If it exceeds
// the thresholds, adds the command to the slow log and the latency events. For the slow log, the
// time that the command has waited for data is added.
void execute_flush(struct session *s, const struct resp_request *r, unsigned units, bool done);

// Calls the handler of the session's running command and returns its result. With `guarded`, the
// call is made by integrity_call, which replaces the reply if the handler has read damaged data.
// Inline, because every lookup runs it.
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
