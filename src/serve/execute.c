// Measures commands, compares their times with the operator's thresholds, and writes entries of the
// slow log and latency events. Passwords do not appear in the slow log.
#include "serve/execute.h"

#include "base/clock.h"

// Short commands may share one measurement (execute.h). Its time is divided among them in
// proportion to their work, so the time of a single one is not known exactly. If the slow log must
// show commands of less than SINGLY_BELOW_US microseconds, each command is measured alone.
enum { SINGLY_BELOW_US = 1000 };

bool execute_times_singly(const struct service *service)
{
    int64_t slower_than = runtime_get(&service->group->runtime.slowlog_log_slower_than);
    return slower_than >= 0 && slower_than < SINGLY_BELOW_US;
}

static bool is_secret(const struct session *s, const struct resp_request *r, uint32_t i)
{
    command_secret *secret = s->request.running->command->is_secret;
    return secret != NULL && secret(r, i);
}

static void log_slow(struct session *s, const struct resp_request *r, uint64_t us, uint64_t max)
{
    char address[CLIENT_ADDRESS_TEXT];
    struct slow_entry entry = {.seconds = clock_wall_us() / 1000000, .us = us};
    for (uint32_t i = 0; i < r->argc && i < SLOW_LOG_ARGS; i++)
        slow_entry_add(&entry, is_secret(s, r, i) ? span_text("(redacted)") : resp_arg(r, i), i,
                       r->argc);
    session_address(s, address);
    memcpy(entry.address, address, strnlen(address, sizeof entry.address - 1));
    if (s->name != NULL)
        strncpy(entry.name, s->name, sizeof entry.name - 1);
    slow_log_add(&s->service->group->observation.slow_log, &entry, max);
}

// Adds the running command to the latency events, if `ns`, the time of all its turns, reaches their
// threshold. Adds it to the slow log, if that time and the time that it has waited for data
// together reach the threshold of the slow log. A wait has a latency event of its own.
static void log_time(struct session *s, const struct resp_request *r, uint64_t ns)
{
    const struct service *service = s->service;
    int64_t slower_than = runtime_get(&service->group->runtime.slowlog_log_slower_than);
    int64_t max = runtime_get(&service->group->runtime.slowlog_max_len);
    int64_t threshold = runtime_get(&service->group->runtime.latency_monitor_threshold);
    bool logged = (s->request.running->command->flags & SKIP_SLOWLOG) == 0;
    uint64_t us = (ns + s->request.waited_ns) / 1000;
    if (logged && slower_than >= 0 && us >= (uint64_t)slower_than && max > 0)
        log_slow(s, r, us, (uint64_t)max);
    if (threshold > 0 && ns / 1000000 >= (uint64_t)threshold)
        latency_events_add(&service->group->observation.latency,
                           (s->request.running->command->flags & FAST) != 0 ? LATENCY_FAST_COMMAND
                                                                            : LATENCY_COMMAND,
                           clock_wall_us() / 1000000, ns / 1000000);
}

void execute_flush(struct session *s, const struct resp_request *r, unsigned units, bool done)
{
    struct timing *timing = &s->service->timing;
    if (done) {
        timing->earlier_ns = s->request.spent_ns;
    } else {
        timing->unfinished.number = s->request.running->number;
        timing->unfinished.units = units;
    }
    timing_flush(timing, &s->service->stats);
    uint64_t ns = (uint64_t)(timing->each_ns * units);
    s->request.spent_ns += ns > 0 ? ns : 1;
    if (done) {
        log_time(s, r, s->request.spent_ns);
        s->request.spent_ns = 0;
        s->request.waited_ns = 0;
        timing->singly = execute_times_singly(s->service);
    }
}
