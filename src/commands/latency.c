// LATENCY reports two things: the samples of the latency monitor, which records slow events, and
// histograms of the durations of all calls of a command.
#include <stdio.h>

#include "base/clock.h"
#include "commands/groups.h"
#include "commands/rows.h"
#include "serve/session.h"

enum {
    GRAPH_ROWS = 4, // height of the bars of LATENCY GRAPH
    FIRST_BIT = 10, // the first bucket of LATENCY HISTOGRAM counts calls below 2^FIRST_BIT ns
    AGE_MAX = 24,   // bytes of an age as text
    // Units of work for reading the histogram that one loop keeps of one command.
    SUM_WORK = 8,
    // The maximum number of commands in a request for LATENCY HISTOGRAM. It bounds the list that
    // the session keeps until it replies.
    HISTOGRAM_WORDS_MAX = 1024,
};

static struct latency_events *events_of(struct session *s)
{
    return &s->service->group->observation.latency;
}

// Returns the event with this name, in the same case, or LATENCY_EVENTS if there is none.
static enum latency_event find_event(struct span name)
{
    unsigned event = 0;
    while (event < LATENCY_EVENTS &&
           !span_equal(name, span_text(latency_event_name((enum latency_event)event))))
        event++;
    return (enum latency_event)event;
}

static enum command_result latency_latest_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    struct latency_series series[LATENCY_EVENTS];
    unsigned seen = 0;
    for (unsigned i = 0; i < LATENCY_EVENTS; i++) {
        series[i] = latency_events_get(events_of(s), (enum latency_event)i);
        seen += series[i].count > 0;
    }
    resp_array(&s->reply, seen);
    for (unsigned i = 0; i < LATENCY_EVENTS; i++) {
        if (series[i].count == 0)
            continue;
        struct latency_sample last =
            latency_series_at(&series[i], latency_series_kept(&series[i]) - 1);
        resp_array(&s->reply, 4);
        resp_bulk_text(&s->reply, latency_event_name((enum latency_event)i));
        resp_integer(&s->reply, (int64_t)last.seconds);
        resp_integer(&s->reply, (int64_t)last.ms);
        resp_integer(&s->reply, (int64_t)series[i].max);
    }
    return COMMAND_DONE;
}

static enum command_result latency_history_command(struct session *s, const struct resp_request *r)
{
    struct latency_series series = {0};
    enum latency_event event = find_event(resp_arg(r, 2));
    if (event < LATENCY_EVENTS)
        series = latency_events_get(events_of(s), event);
    unsigned kept = latency_series_kept(&series);
    session_charge(s, kept / 4);
    resp_array(&s->reply, kept);
    for (unsigned i = 0; i < kept; i++) {
        struct latency_sample sample = latency_series_at(&series, i);
        resp_array(&s->reply, 2);
        resp_integer(&s->reply, (int64_t)sample.seconds);
        resp_integer(&s->reply, (int64_t)sample.ms);
    }
    return COMMAND_DONE;
}

// Replies with the number of events that had samples before. `s->request.sum` counts them.
static enum command_result latency_reset_command(struct session *s, const struct resp_request *r)
{
    for (unsigned i = 0; r->argc == 2 && i < LATENCY_EVENTS; i++)
        s->request.sum += latency_events_reset(events_of(s), (enum latency_event)i);
    for (; s->request.cursor + 2 < r->argc; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum latency_event event = find_event(resp_arg(r, (uint32_t)s->request.cursor + 2));
        if (event < LATENCY_EVENTS)
            s->request.sum += latency_events_reset(events_of(s), event);
    }
    resp_integer(&s->reply, (int64_t)s->request.sum);
    return COMMAND_DONE;
}

// ---- reports as text ----------------------------------------------------------------------------

static void format_age(char to[AGE_MAX], uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    unsigned i = 0;
    while (i < 3 && seconds < units[i].seconds)
        i++;
    snprintf(to, AGE_MAX, "%llu%c", (unsigned long long)(seconds / units[i].seconds),
             units[i].unit);
}

// Draws a column for each sample: a bar of '#', or a '_' where the bar has no height. The shortest
// sample (`low` ms) has the height 0, the longest one (`high` ms) the full height. Below each bar
// stands the age of the sample, written downwards.
static void draw_graph(struct buf *b, const struct latency_series *series, uint64_t low,
                       uint64_t high)
{
    unsigned kept = latency_series_kept(series);
    uint64_t now = clock_wall_us() / 1000000;
    uint64_t range = high > low ? high - low : 1;
    for (unsigned row = GRAPH_ROWS; row > 0; row--) {
        for (unsigned i = 0; i < kept; i++) {
            uint64_t height = (latency_series_at(series, i).ms - low) * GRAPH_ROWS / range;
            buf_append_text(b, height >= row ? "#" : row == 1 ? "_" : " ");
        }
        buf_append_text(b, "\n");
    }
    buf_append_text(b, "\n");
    for (unsigned row = 0, shown = 1; shown > 0; row++) {
        shown = 0;
        for (unsigned i = 0; i < kept; i++) {
            char age[AGE_MAX];
            uint64_t at = latency_series_at(series, i).seconds;
            format_age(age, now > at ? now - at : 0);
            bool more = row < strlen(age);
            shown += more;
            buf_append(b, more ? span_of(&age[row], 1) : span_of(" ", 1));
        }
        buf_append_text(b, shown > 0 ? "\n" : "");
    }
}

static void find_extremes(const struct latency_series *series, uint64_t *low, uint64_t *high)
{
    *low = UINT64_MAX;
    *high = 0;
    for (unsigned i = 0; i < latency_series_kept(series); i++) {
        uint64_t ms = latency_series_at(series, i).ms;
        *low = ms < *low ? ms : *low;
        *high = ms > *high ? ms : *high;
    }
}

static enum command_result latency_graph_command(struct session *s, const struct resp_request *r)
{
    struct latency_series series = {0};
    struct buf text = {0};
    struct span name = resp_arg(r, 2);
    enum latency_event event = find_event(name);
    uint64_t low, high;
    if (event < LATENCY_EVENTS)
        series = latency_events_get(events_of(s), event);
    if (series.count == 0) {
        resp_error(&s->reply, "ERR No samples available for event '%.*s'", session_echoed(name),
                   name.ptr);
        return COMMAND_DONE;
    }
    session_charge(s, latency_series_kept(&series));
    find_extremes(&series, &low, &high);
    buf_printf(&text, "%s - high %llu ms, low %llu ms (all time high %llu ms)\n",
               latency_event_name(event), (unsigned long long)high, (unsigned long long)low,
               (unsigned long long)series.max);
    for (unsigned i = 0; i < 80; i++)
        buf_append_text(&text, "-");
    buf_append_text(&text, "\n");
    draw_graph(&text, &series, low, high);
    s->oom |= text.oom;
    resp_verbatim(&s->reply, buf_span(&text));
    buf_release(&text);
    return COMMAND_DONE;
}

static const char *advice(enum latency_event event)
{
    switch (event) {
    case LATENCY_COLD_READ:
        return "Some requests waited long for data that was not in memory. INFO cold shows whether "
               "the data fits into memory, and how many reads wait for the disk. If "
               "cold_reads_waiting is often above 0, more reader threads (--read-threads) or a "
               "faster disk help. More memory lets fewer requests wait.";
    case LATENCY_COMMAND:
        return "Some commands took long. SLOWLOG GET lists those that took at least "
               "slowlog-log-slower-than microseconds. A long value, many keys in one MGET, or "
               "DEBUG SLEEP can take long.";
    case LATENCY_FAST_COMMAND:
        return "Some commands that are usually fast took long. Possible causes are many keys, a "
               "very long value, other programs that keep the processors busy, or a wait for the "
               "disk with --read-threads 0. SLOWLOG GET may list these commands.";
    case LATENCY_EVENT_LOOP:
        return "An event loop took long to answer the requests that it had received. Possible "
               "causes: other programs kept the processors busy; or the loop had to wait for the "
               "disk. It waits itself with --read-threads 0, and the first time that it meets data "
               "which is not in memory.";
    case LATENCY_EVENTS: break;
    }
    return "";
}

static enum command_result latency_doctor_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    struct buf text = {0};
    int64_t threshold = runtime_get(&s->service->group->runtime.latency_monitor_threshold);
    for (unsigned i = 0; i < LATENCY_EVENTS; i++) {
        enum latency_event event = (enum latency_event)i;
        struct latency_series series = latency_events_get(events_of(s), event);
        unsigned kept = latency_series_kept(&series);
        uint64_t sum = 0;
        if (kept == 0)
            continue;
        for (unsigned j = 0; j < kept; j++)
            sum += latency_series_at(&series, j).ms;
        buf_printf(&text, "%s: %u samples, %llu ms on average, %llu ms at most.\n%s\n",
                   latency_event_name(event), kept, (unsigned long long)(sum / kept),
                   (unsigned long long)series.max, advice(event));
    }
    session_charge(s, LATENCY_SAMPLES);
    if (text.len == 0)
        buf_append_text(
            &text, threshold > 0 ? "No event took as long as latency-monitor-threshold.\n" : "");
    if (threshold == 0)
        buf_append_text(&text, "The latency monitor is off. To turn it on, set "
                               "latency-monitor-threshold to a number of milliseconds with CONFIG "
                               "SET.\n");
    s->oom |= text.oom;
    resp_verbatim(&s->reply, buf_span(&text));
    buf_release(&text);
    return COMMAND_DONE;
}

// ---- histograms ---------------------------------------------------------------------------------

// Returns what Redis reports as the end of the bucket up to 2^bit ns, in microseconds. That is not
// 2^bit ns, but the end of the first 1/128 of the following bucket: 2^bit + 2^(bit - 7) - 1 ns.
static uint64_t bucket_end_us(unsigned bit)
{
    return ((UINT64_C(1) << bit) + (UINT64_C(1) << (bit - 7)) - 1) / 1000;
}

// Returns the name of the histogram `number`.
static const char *histogram_name(const struct session *s, unsigned number)
{
    return number == HISTOGRAM_COLD_READ ? HISTOGRAM_COLD_READ_NAME
                                         : s->service->commands->entries[number].command->name;
}

static void reply_histogram(struct session *s, unsigned number)
{
    struct histogram_sum sum;
    uint64_t below[HISTOGRAM_TOP_BIT + 1];
    unsigned buckets = 0;
    session_charge(s, SUM_WORK * (uint64_t)service_histogram(s->service, number, &sum));
    below[FIRST_BIT - 1] = 0;
    for (unsigned bit = FIRST_BIT; bit <= HISTOGRAM_TOP_BIT; bit++) {
        below[bit] = histogram_sum_below(&sum, bit);
        buckets += below[bit] > below[bit - 1];
    }
    resp_bulk_text(&s->reply, histogram_name(s, number));
    resp_map(&s->reply, 2);
    resp_bulk_text(&s->reply, "calls");
    resp_integer(&s->reply, (int64_t)sum.total);
    resp_bulk_text(&s->reply, "histogram_usec");
    resp_map(&s->reply, buckets);
    for (unsigned bit = FIRST_BIT; bit <= HISTOGRAM_TOP_BIT; bit++) {
        if (below[bit] == below[bit - 1])
            continue;
        resp_integer(&s->reply, (int64_t)bucket_end_us(bit));
        resp_integer(&s->reply, (int64_t)below[bit]);
    }
}

// Appends the number of a histogram to `s->request.collected` if the histogram has calls.
static void collect_called(struct session *s, unsigned number)
{
    struct histogram_sum sum;
    uint16_t kept = (uint16_t)number;
    session_charge(s, SUM_WORK * (uint64_t)service_histogram(s->service, number, &sum));
    if (sum.total > 0)
        buf_append(&s->request.collected, span_of((const char *)&kept, sizeof kept));
}

// Calls collect_called for the command with this name and for its subcommands, or for the waiting
// time.
static void collect_named(struct session *s, struct span name)
{
    const struct command_index *commands = s->service->commands;
    const struct command_entry *entry = command_find_full(commands, name);
    if (span_is(name, HISTOGRAM_COLD_READ_NAME))
        collect_called(s, HISTOGRAM_COLD_READ);
    if (entry == NULL)
        return;
    for (unsigned i = 0; i <= entry->subcommands; i++)
        collect_called(s, entry[i].number);
}

// The candidates are the words of the request or, without words, all commands and the waiting time.
// The reply begins with the number of histograms, so those that have calls are collected first. If
// the statistics are reset in between, the reply reports 0 calls for a collected one.
//
// `s->request.cursor` grows by 1 for each candidate that is examined, then by 1 for the length of
// the reply, and then by 1 for each histogram that is sent.
static enum command_result latency_histogram_command(struct session *s,
                                                     const struct resp_request *r)
{
    const struct command_index *commands = s->service->commands;
    uint64_t words = r->argc - 2;
    uint64_t candidates = words > 0 ? words : commands->count + 1;
    if (words > HISTOGRAM_WORDS_MAX) {
        resp_error(&s->reply, "ERR LATENCY HISTOGRAM takes at most %d commands",
                   HISTOGRAM_WORDS_MAX);
        return COMMAND_DONE;
    }
    for (; s->request.cursor < candidates; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (words > 0)
            collect_named(s, resp_arg(r, (uint32_t)s->request.cursor + 2));
        else
            collect_called(s, s->request.cursor < commands->count ? (unsigned)s->request.cursor
                                                                  : HISTOGRAM_COLD_READ);
    }
    uint64_t found = s->request.collected.len / sizeof(uint16_t);
    if (s->request.cursor == candidates) {
        resp_map(&s->reply, found);
        s->request.cursor++;
    }
    for (; s->request.cursor <= candidates + found; s->request.cursor++) {
        uint16_t number;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        memcpy(&number,
               s->request.collected.ptr + (s->request.cursor - candidates - 1) * sizeof number,
               sizeof number);
        reply_histogram(s, number);
    }
    s->oom |= s->request.collected.oom;
    buf_release(&s->request.collected);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument one_event[] = {{"event", "string", NULL, 0, NULL}, {0}};
static const struct command_argument events[] = {
    {"event", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument histogram_words[] = {
    {"command", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};

const struct command latency_commands[] = {
    {"latency", -2, 0, NO_KEYS, GROUP_SERVER, "2.8.13", 0, NULL,
     "A container for the commands about slow events and the durations of commands", NULL},
    {"latency|doctor", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0,
     latency_doctor_command, "Returns a report about slow events, with advice", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"latency|graph", 3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0,
     latency_graph_command, "Returns a graph of the samples of an event", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special", one_event},
    {"latency|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"latency|histogram", -2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "7.0.0", 0,
     latency_histogram_command, "Returns histograms of the durations of some or all commands",
     "O(N*M) where N is the number of commands and M is the number of event loops",
     "nondeterministic_output request_policy:all_nodes response_policy:special", histogram_words,
     .deviation = "The entry `cold-read` is no command. It has the time that requests have waited "
                  "for data that was not in memory. The durations of commands do not include it."},
    {"latency|history", 3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0,
     latency_history_command, "Returns the samples of an event", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special", one_event},
    {"latency|latest", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "2.8.13", 0,
     latency_latest_command, "Returns the latest and the longest sample of each event", "O(1)",
     "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"latency|reset", -2, ADMIN | SUBCOMMAND | ADMINISTRATIVE, NO_KEYS, GROUP_SERVER, "2.8.13", 0,
     latency_reset_command,
     "Removes the samples of some or all events, and returns how many events had samples", "O(1)",
     "request_policy:all_nodes response_policy:all_succeeded", events},
    {0},
};
