// What the server records of slow commands: the slow log, latency events, durations of calls that
// take several turns, and rates. The clock is the test's own: each reading advances it by one step.
#include "serve/execute.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "serve/feed.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"

static const uint64_t MS = 1000 * 1000;

static struct service_group group;
static struct service service;
static struct dataset *dataset;

// Replaces the monotonic clock of the C library.
static struct {
    uint64_t now;
    uint64_t step;
    unsigned readings;
} fake;
int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (fake.step == 0 || clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, t);
    fake.readings++;
    fake.now += fake.step;
    t->tv_sec = (time_t)(fake.now / CLOCK_SECOND);
    t->tv_nsec = (long)(fake.now % CLOCK_SECOND);
    return 0;
}

static void start(uint64_t step)
{
    fake.now = CLOCK_SECOND;
    fake.step = step;
    service_group_init(&group, &test_settings, dataset, command_groups);
    service_init(&service, &group);
}

static void end(void)
{
    service_release(&service);
    service_group_release(&group);
}

// Sends requests, separated by '|', in one input, and takes as many turns as they need. Returns the
// replies.
static struct buf ask(struct session *s, const char *text)
{
    struct buf input = {0};
    struct buf reply = {0};
    struct output out = {0};
    size_t done = 0;
    char *words = strdup(text);
    char *rest = NULL;
    require(words != NULL, "no memory");
    for (char *word = strtok_r(words, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
        append_request(&input, word);
    while (done < input.len) {
        timing_begin(&service.timing, clock_monotonic_ns());
        done += session_feed(s, (struct bytes){input.ptr + done, input.len - done}, &out).consumed;
        service_flush_timing(&service);
    }
    buf_append(&reply, buf_span(&out.owned));
    buf_append(&reply, span_of("", 1));
    output_release(&out);
    buf_release(&input);
    free(words);
    return reply;
}

static void run(const char *text)
{
    struct session s;
    session_init(&s, &service, 1, true);
    struct buf reply = ask(&s, text);
    buf_release(&reply);
    session_release(&s);
}

// ---- the slow log -------------------------------------------------------------------------------

static void check_ring(void)
{
    struct slow_log log;
    struct slow_entry entry;
    uint64_t next;
    slow_log_init(&log);
    ok(slow_log_count(&log, &next) == 0 && next == 0 && !slow_log_get(&log, 0, &entry),
       "a new log is empty");
    slow_log_add(&log, &(struct slow_entry){.us = 1}, 0);
    is_number((int64_t)slow_log_count(&log, &next), 0, "with a maximum of 0, nothing is logged");
    for (unsigned i = 0; i < 5; i++)
        slow_log_add(&log, &(struct slow_entry){.us = 100 + i}, 3);
    ok(slow_log_count(&log, &next) == 3 && next == 5, "the last three of five are kept");
    ok(slow_log_get(&log, 4, &entry) && entry.us == 104 && entry.id == 4, "the newest entry");
    ok(slow_log_get(&log, 2, &entry) && entry.us == 102 && entry.id == 2, "the oldest entry");
    ok(!slow_log_get(&log, 1, &entry) && !slow_log_get(&log, 5, &entry), "no other ids are found");
    slow_log_reset(&log);
    ok(slow_log_count(&log, &next) == 0 && next == 5, "a reset empties the log, and ids go on");
    ok(!slow_log_get(&log, 4, &entry), "the old entries are gone");
    for (unsigned i = 0; i < 3 * SLOW_LOG_MAX; i++)
        slow_log_add(&log, &(struct slow_entry){.us = i}, UINT64_MAX);
    is_number((int64_t)slow_log_count(&log, &next), SLOW_LOG_MAX,
              "no more than SLOW_LOG_MAX entries are kept");
    unsigned wrong = 0;
    for (uint64_t id = next - SLOW_LOG_MAX; id < next; id++)
        wrong += !slow_log_get(&log, id, &entry) || entry.us != id - 5;
    is_number(wrong, 0, "each of them is the right one");
    slow_log_release(&log);
}

static void *add_some(void *log)
{
    for (unsigned i = 0; i < 1000; i++)
        slow_log_add(log, &(struct slow_entry){.us = i}, 128);
    return NULL;
}

static void check_threads(void)
{
    struct slow_log log;
    uint64_t next;
    pthread_t threads[4];
    slow_log_init(&log);
    for (unsigned i = 0; i < 4; i++)
        require(pthread_create(&threads[i], NULL, add_some, &log) == 0, "no thread");
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ok(slow_log_count(&log, &next) == 128 && next == 4000,
       "several threads may add at the same time");
    slow_log_release(&log);
}

static void check_shortening(void)
{
    struct slow_entry entry = {0};
    char text[300];
    memset(text, 'x', sizeof text);
    slow_entry_add(&entry, span_of(text, 128), 0, 3);
    is_number(entry.arg_len[0], 128, "128 bytes are kept whole");
    slow_entry_add(&entry, span_of(text, 129), 1, 3);
    is_bytes(span_of(entry.arg[1] + 128, entry.arg_len[1] - 128u), SPAN("... (1 more bytes)"),
             "after a longer argument, the number of missing bytes");
    slow_entry_add(&entry, span_of(text, 0), 2, 3);
    ok(entry.arg_len[2] == 0 && entry.args == 3, "an empty argument counts, too");
    for (uint32_t i = 0; i < 32; i++)
        slow_entry_add(&entry, SPAN("a"), i, 32);
    ok(entry.args == 32 && entry.arg_len[31] == 1, "32 arguments are kept");
    for (uint32_t i = 0; i < 1000; i++)
        slow_entry_add(&entry, SPAN("a"), i, 1000);
    is_number(entry.args, 32, "of more arguments, 31 are kept");
    is_bytes(span_of(entry.arg[31], entry.arg_len[31]), SPAN("... (969 more arguments)"),
             "after them, the number of missing arguments");
}

// ---- what is logged -----------------------------------------------------------------------------

// Returns the entry that is `back` entries older than the newest, as "us=N name: arg arg".
static const char *logged(unsigned back)
{
    static char text[8192];
    struct slow_entry entry;
    uint64_t next;
    slow_log_count(&group.observation.slow_log, &next);
    if (!slow_log_get(&group.observation.slow_log, next - 1 - back, &entry))
        return "none";
    int len = snprintf(text, sizeof text, "us=%llu %s:", (unsigned long long)entry.us, entry.name);
    for (unsigned i = 0; i < entry.args; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, " %.*s", entry.arg_len[i],
                        entry.arg[i]);
    return text;
}

static int64_t logged_count(void)
{
    uint64_t next;
    return (int64_t)slow_log_count(&group.observation.slow_log, &next);
}

static void check_limits(void)
{
    start(10 * MS - 1);
    run("COMMAND COUNT");
    is_number(logged_count(), 0, "a command below the limit is not logged");
    fake.step = 10 * MS;
    run("CLIENT SETNAME joe|COMMAND count");
    is_number(logged_count(), 2, "a command that reaches the limit is logged");
    is_text(logged(0), "us=10000 joe: COMMAND count", "with the words as they were sent");
    group.runtime.slowlog_log_slower_than = -1;
    run("COMMAND COUNT");
    is_number(logged_count(), 2, "nothing is logged when the log is off");
    group.runtime.slowlog_log_slower_than = 10000;
    run("PING|PING|GET " A);
    is_number(logged_count(), 2, "short commands share one measurement, and are not logged");
    group.runtime.slowlog_log_slower_than = 999;
    fake.readings = 0;
    run("PING|PING|GET " A "|SET a b|GET|nonsense");
    is_number(logged_count(), 5, "with a low limit, each is measured alone and logged");
    is_number(fake.readings, 4, "the clock is read after each");
    is_text(logged(0), "us=10000 : GET " A, "refused requests are not logged");
    group.runtime.slowlog_log_slower_than = 1000;
    fake.readings = 0;
    run("PING|PING|GET " A);
    is_number(fake.readings, 2, "with a high limit again, the clock is read twice a batch");
    end();
}

static void check_secrets(void)
{
    static const struct {
        const char *said, *logged;
    } cases[] = {
        {"AUTH secret", "AUTH (redacted)"},
        {"auth user secret", "auth (redacted) (redacted)"},
        {"AUTH a b c", "AUTH (redacted) (redacted) (redacted)"},
        {"HELLO 3 AUTH default secret SETNAME joe",
         "HELLO 3 AUTH (redacted) (redacted) SETNAME joe"},
        {"HELLO 3 SETNAME joe auth default secret",
         "HELLO 3 SETNAME joe auth (redacted) (redacted)"},
        {"CONFIG SET timeout 0 Requirepass secret", "CONFIG SET timeout 0 Requirepass (redacted)"},
        {"CONFIG SET masterauth secret requirepass x",
         "CONFIG SET masterauth (redacted) requirepass (redacted)"},
        {"CONFIG GET requirepass", "CONFIG GET requirepass"},
        {"ECHO auth", "ECHO auth"},
    };
    start(10 * MS);
    group.runtime.slowlog_log_slower_than = 0;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(cases[i].said);
        const char *text = strstr(logged(0), ": ");
        is_text(text != NULL ? text + 2 : "", cases[i].logged, "%s", cases[i].said);
    }
    end();
}

// SLOWLOG GET returns as many elements as it announced, even if the log is reset in the meantime.
static void check_reset_between_turns(void)
{
    enum { ENTRIES = 600 };
    struct session s;
    struct output out = {0};
    char input[] = "SLOWLOG GET -1\r\n";
    struct bytes in = {input, sizeof input - 1};
    unsigned turns = 0;
    start(1000);
    for (unsigned i = 0; i < ENTRIES; i++)
        slow_log_add(&group.observation.slow_log, &(struct slow_entry){.us = 7, .args = 1},
                     ENTRIES);
    session_init(&s, &service, 1, true);
    while (session_feed(&s, in, &out).consumed == 0) {
        timing_flush(&service.timing, &service.stats);
        if (++turns == 1)
            slow_log_reset(&group.observation.slow_log);
    }
    timing_flush(&service.timing, &service.stats);
    buf_append(&out.owned, span_of("", 1));
    ok(turns > 1, "SLOWLOG GET of %u entries takes %u turns more", ENTRIES, turns);
    ok(strncmp(out.owned.ptr, "*600\r\n*6\r\n:599\r\n", 16) == 0, "the newest entry comes first");
    is_number(occurrences(buf_span(&out.owned), "*6\r\n:"), ENTRIES, "all announced entries come");
    unsigned dropped =
        occurrences(buf_span(&out.owned), "\r\n:0\r\n:0\r\n*0\r\n$0\r\n\r\n$0\r\n\r\n");
    ok(dropped > 0 && dropped < ENTRIES, "%u dropped entries come without content", dropped);
    session_release(&s);
    output_release(&out);
    end();
}

static void check_replies(void)
{
    struct session s;
    start(1000);
    struct latency_events *events = &group.observation.latency;
    latency_events_add(events, LATENCY_COMMAND, 1000, 9);
    latency_events_add(events, LATENCY_COMMAND, 1001, 1);
    latency_events_add(events, LATENCY_COMMAND, 1002, 5);
    latency_events_add(events, LATENCY_EVENT_LOOP, 1003, 3);
    session_init(&s, &service, 1, true);
    struct buf reply = ask(&s, "LATENCY LATEST|LATENCY HISTORY command|LATENCY HISTORY COMMAND");
    is_text(reply.ptr,
            "*2\r\n*4\r\n$7\r\ncommand\r\n:1002\r\n:5\r\n:9\r\n"
            "*4\r\n$10\r\nevent-loop\r\n:1003\r\n:3\r\n:3\r\n"
            "*3\r\n*2\r\n:1000\r\n:9\r\n*2\r\n:1001\r\n:1\r\n*2\r\n:1002\r\n:5\r\n*0\r\n",
            "LATEST and HISTORY");
    buf_release(&reply);
    reply = ask(&s, "LATENCY GRAPH command");
    ok(strstr(reply.ptr, "\r\ncommand - high 9 ms, low 1 ms (all time high 9 ms)\n---") != NULL &&
           strstr(reply.ptr, "-\n#  \n#  \n# #\n#_#\n\n") != NULL,
       "GRAPH");
    buf_release(&reply);
    reply = ask(&s, "LATENCY DOCTOR");
    ok(strstr(reply.ptr, "command: 3 samples, 5 ms on average, 9 ms at most.\n") != NULL &&
           strstr(reply.ptr, "event-loop: 1 samples, 3 ms on average, 3 ms at most.\n") != NULL &&
           strstr(reply.ptr, "\nSome commands took long. ") != NULL &&
           strstr(reply.ptr, "\nAn event loop took long ") != NULL &&
           strstr(reply.ptr, "is off") != NULL,
       "DOCTOR");
    buf_release(&reply);
    reply = ask(&s, "LATENCY RESET command foo command|LATENCY RESET|LATENCY LATEST");
    is_text(reply.ptr, ":1\r\n:1\r\n*0\r\n", "RESET");
    buf_release(&reply);
    session_release(&s);
    end();
}

// A command that takes several turns is recorded once, with the time of all of them.
static void check_turns(void)
{
    enum { KEYS = 1000 };
    struct buf command = {0};
    buf_append_text(&command, "MGET");
    for (unsigned i = 0; i < KEYS; i++)
        buf_append_text(&command, " " A);
    buf_append(&command, span_of("", 1));
    start(5 * MS);
    run(command.ptr);
    const struct command_entry *mget = command_find(&group.commands, span_text("mget"));
    uint64_t ns = counter_get(&service.stats.commands[mget->number].ns);
    is_number(logged_count(), 1, "a command that takes several turns is logged once");
    char text[128];
    snprintf(text, sizeof text, "us=%llu : MGET " A, (unsigned long long)(ns / 1000));
    ok(ns >= 4 * 5 * MS && strncmp(logged(0), text, strlen(text)) == 0,
       "with the time of all turns: %.30s of %llu ns", logged(0), (unsigned long long)ns);
    struct histogram_sum sum;
    service_histogram(&service, mget->number, &sum);
    uint64_t recorded = histogram_sum_percentile(&sum, 100);
    ok(sum.total == 1 && recorded >= ns && recorded - ns <= ns >> HISTOGRAM_BITS,
       "the histogram has it once, with the same time: %llu ns", (unsigned long long)recorded);
    run("PING|MGET " A "|MGET " A);
    service_histogram(&service, mget->number, &sum);
    is_number((int64_t)sum.total, 3, "short calls of a batch are recorded, too");
    is_number((int64_t)histogram_sum_below(&sum, 21), 2, "each with its part of the batch's time");
    struct buf both = {0};
    buf_printf(&both, "MGET " A "|%s", command.ptr);
    buf_append(&both, span_of("", 1));
    end();
    start(5 * MS);
    run(both.ptr);
    buf_release(&both);
    service_histogram(&service, mget->number, &sum);
    is_number((int64_t)sum.total, 2, "a short call and the beginning of a long one in a batch");
    is_number((int64_t)histogram_sum_below(&sum, 20), 1, "the short one is recorded as short");
    end();
    buf_release(&command);
}

// ---- latency events -----------------------------------------------------------------------------

static void check_samples(void)
{
    struct latency_events events;
    latency_events_init(&events);
    ok(!latency_events_reset(&events, LATENCY_COMMAND), "a reset of an empty series returns false");
    latency_events_add(&events, LATENCY_COMMAND, 1000, 5);
    latency_events_add(&events, LATENCY_COMMAND, 1000, 9);
    latency_events_add(&events, LATENCY_COMMAND, 1000, 7);
    struct latency_series series = latency_events_get(&events, LATENCY_COMMAND);
    ok(series.count == 1 && series.max == 9 && latency_series_at(&series, 0).ms == 9,
       "only the longest event of a second is kept");
    for (unsigned i = 1; i <= 200; i++)
        latency_events_add(&events, LATENCY_COMMAND, 1000 + i, i);
    series = latency_events_get(&events, LATENCY_COMMAND);
    is_number(latency_series_kept(&series), LATENCY_SAMPLES, "160 samples are kept");
    ok(latency_series_at(&series, 0).ms == 41 && latency_series_at(&series, 159).ms == 200,
       "the newest ones");
    is_number((int64_t)series.max, 200, "the maximum is that of all");
    is_number((int64_t)latency_events_get(&events, LATENCY_EVENT_LOOP).count, 0,
              "another kind of event is not affected");
    ok(latency_events_reset(&events, LATENCY_COMMAND), "a reset of a series returns true");
    is_number((int64_t)latency_events_get(&events, LATENCY_COMMAND).max, 0,
              "it empties the series");
    latency_events_release(&events);
}

static int64_t longest(enum latency_event event)
{
    return (int64_t)latency_events_get(&group.observation.latency, event).max;
}

static void check_events(void)
{
    start(20 * MS);
    run("COMMAND COUNT|PING");
    ok(longest(LATENCY_COMMAND) == 0 && longest(LATENCY_EVENT_LOOP) == 0,
       "nothing is recorded by default");
    group.runtime.latency_monitor_threshold = 21;
    run("COMMAND COUNT|PING");
    ok(longest(LATENCY_COMMAND) == 0 && longest(LATENCY_EVENT_LOOP) == 0,
       "nothing is recorded below the threshold");
    group.runtime.latency_monitor_threshold = 20;
    run("COMMAND COUNT");
    is_number(longest(LATENCY_COMMAND), 20, "a command that reaches the threshold is recorded");
    ok(longest(LATENCY_FAST_COMMAND) == 0 && longest(LATENCY_EVENT_LOOP) == 0,
       "a command is recorded as no other kind of event");
    run("PING|PING");
    is_number(longest(LATENCY_EVENT_LOOP), 20,
              "commands that share a measurement are recorded as event-loop");
    group.runtime.slowlog_log_slower_than = 0;
    run("PING");
    is_number(longest(LATENCY_FAST_COMMAND), 20,
              "a fast command that is measured alone is recorded");
    end();
}

// ---- rates --------------------------------------------------------------------------------------

static void check_rate(void)
{
    static struct rate p;
    static struct stats stats;
    uint64_t now = 1000 * CLOCK_SECOND;
    struct rate_totals done = rate_since(&p, now - RATE_WINDOW, &stats);
    is_number((int64_t)done.commands, 0, "no commands yet");
    // 10 commands every 10 ms, for 10 seconds
    for (unsigned i = 0; i < 1000; i++, now += 10 * MS) {
        counter_add(&stats.commands_processed, 10);
        counter_add(&stats.net_input_bytes, 100);
        counter_add(&stats.net_output_bytes, 1000);
        rate_note(&p, now, &stats);
    }
    done = rate_since(&p, now - RATE_WINDOW, &stats);
    ok(done.commands >= 1550 && done.commands <= 1700, "%llu of 1600 commands in 1.6 seconds",
       (unsigned long long)done.commands);
    ok(done.input_bytes == done.commands * 10 && done.output_bytes == done.commands * 100,
       "input and output bytes");
    ok(counter_get(&p.taken) <= 101, "%llu samples in 10 seconds",
       (unsigned long long)counter_get(&p.taken));
    now += CLOCK_SECOND;
    done = rate_since(&p, now - RATE_WINDOW, &stats);
    ok(done.commands >= 550 && done.commands <= 700, "after an idle second: %llu of 600",
       (unsigned long long)done.commands);
    now += 100 * CLOCK_SECOND;
    done = rate_since(&p, now - RATE_WINDOW, &stats);
    is_number((int64_t)done.commands, 0, "after a long idle time: none");
    counter_add(&stats.commands_processed, 10);
    rate_note(&p, now, &stats);
    now += CLOCK_SECOND;
    done = rate_since(&p, now - RATE_WINDOW, &stats);
    ok(done.commands >= 10 && done.commands <= 110, "one batch after that: %llu",
       (unsigned long long)done.commands);
}

int main(void)
{
    static struct buf text;
    struct error error = {""};
    buf_append_text(&text, A " value\n");
    dataset = dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    check_ring();
    check_threads();
    check_shortening();
    check_limits();
    check_secrets();
    check_reset_between_turns();
    check_turns();
    check_samples();
    check_replies();
    check_events();
    check_rate();
    dataset_close(dataset);
    return done_testing();
}
