// Tests of the time that commands take: how it is divided, that the parts add up, and how often
// the clock is read. The test replaces the clock by its own, which advances by a fixed step
// whenever it is read.
#include "metrics/timing.h"
#include "commands/groups.h"

#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset.h"
#include "net/conn.h"
#include "net/worker.h"
#include "serve/feed.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define B "f8a24bb8-eff8-41dc-929b-10b4c3e49e05"
#define ABSENT "00000000-0000-4000-8000-000000000000"

enum {
    BIG = 512 * 1024,
    BIG_UNITS = BIG / 4096, // units of work to find the end of the large value
    SLACK = COMMANDS_MAX,   // most ns that are lost because each command's part is rounded down
};

static struct dataset *dataset;

// ---- the clock ----------------------------------------------------------------------------------

static struct {
    bool ours; // the test's clock is used; otherwise the system's
    uint64_t now;
    uint64_t step;
    unsigned readings;
} fake;

// Replaces the function of the C library.
int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!fake.ours || clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, t);
    fake.readings++;
    fake.now += fake.step;
    t->tv_sec = (time_t)(fake.now / CLOCK_SECOND);
    t->tv_nsec = (long)(fake.now % CLOCK_SECOND);
    return 0;
}

static void set_clock(uint64_t now, uint64_t step)
{
    fake.ours = true;
    fake.now = now;
    fake.step = step;
    fake.readings = 0;
}

static void check_clock(void)
{
    set_clock(5 * CLOCK_SECOND, 7);
    ok(clock_monotonic_ns() == 5 * CLOCK_SECOND + 7 &&
           clock_monotonic_ns() == 5 * CLOCK_SECOND + 14,
       "the test's clock is used");
    is_number(fake.readings, 2, "the clock counts its readings");
}

// ---- the division -------------------------------------------------------------------------------

static int64_t ns_of(const struct stats *stats, unsigned number)
{
    return (int64_t)counter_get(&stats->commands[number].ns);
}

static int64_t sum_of(const struct stats *stats)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < COMMANDS_MAX; i++)
        sum += ns_of(stats, i);
    return sum;
}

static void check_division(void)
{
    struct timing t = {0};
    static struct stats stats;
    set_clock(0, 1000);
    timing_begin(&t, clock_monotonic_ns());
    timing_flush(&t, &stats);
    ok(fake.readings == 1 && sum_of(&stats) == 0 && t.since_ns == 1000,
       "without commands, a flush does not read the clock");
    timing_add(&t, 3, 1);
    timing_add(&t, 0, 2);
    timing_add(&t, COMMANDS_MAX - 1, 5);
    timing_add(&t, 0, 2);
    is_number(fake.readings, 1, "adding work does not read the clock");
    timing_flush(&t, &stats);
    is_number(fake.readings, 2, "a flush reads the clock once");
    is_number(ns_of(&stats, 3), 100, "a tenth of the work gets a tenth of the time");
    is_number(ns_of(&stats, 0), 400, "two calls of one command get the time of both");
    is_number(ns_of(&stats, COMMANDS_MAX - 1), 500, "half of the work gets half of the time");
    timing_flush(&t, &stats);
    ok(fake.readings == 2 && sum_of(&stats) == 1000, "a second flush does nothing");
    timing_add(&t, 0, 1);
    timing_flush(&t, &stats);
    is_number(ns_of(&stats, 0), 1400, "the next command's time begins at the last reading");
    is_number(sum_of(&stats), 2000, "a single command gets all of the time");
    timing_begin(&t, 10000);
    fake.now = 19000;
    timing_add(&t, 3, 7);
    timing_flush(&t, &stats);
    is_number(ns_of(&stats, 3), 10100, "time before timing_begin is given to no command");
}

static void check_sums(struct random *r)
{
    unsigned wrong = 0, wrong_parts = 0, wrong_alone = 0;
    for (unsigned round = 0; round < 2000; round++) {
        struct timing t = {0};
        static struct stats stats;
        uint64_t work[COMMANDS_MAX] = {0};
        uint64_t units = 0;
        unsigned commands = 1 + (unsigned)random_below(r, COMMANDS_MAX);
        stats = (struct stats){0};
        uint64_t elapsed = random_below(r, UINT64_C(1) << random_below(r, 45));
        set_clock(random_next(r) / 4, elapsed);
        timing_begin(&t, fake.now);
        for (unsigned i = 1 + (unsigned)random_below(r, 500); i > 0; i--) {
            unsigned number = (unsigned)random_below(r, commands);
            unsigned more = 1 + (unsigned)random_below(r, random_below(r, 9) == 0 ? 2000 : 3);
            timing_add(&t, number, more);
            work[number] += more;
            units += more;
        }
        timing_flush(&t, &stats);
        unsigned used = 0;
        for (unsigned i = 0; i < COMMANDS_MAX; i++) {
            double exact = (double)elapsed * (double)work[i] / (double)units;
            double off = exact - (double)ns_of(&stats, i);
            wrong_parts += off < -0.01 || off > 1.01;
            used += work[i] > 0;
        }
        int64_t lost = (int64_t)elapsed - sum_of(&stats);
        wrong += lost < 0 || lost > (int64_t)used;

        stats = (struct stats){0};
        uint32_t alone = 1 + (uint32_t)random_below(r, 3000);
        timing_add(&t, 9, alone);
        timing_flush(&t, &stats);
        lost = (int64_t)elapsed - ns_of(&stats, 9);
        wrong_alone += lost < 0 || lost > 1;
    }
    is_number(wrong, 0, "2000 times, the parts add up to the whole, except for rounding");
    is_number(wrong_parts, 0, "each part is in proportion to the work");
    is_number(wrong_alone, 0, "a single command always gets all of the time");
}

// ---- sessions -----------------------------------------------------------------------------------

static struct service_group group;
static struct service service;

static void start_service(void)
{
    service_group_init(&group, &test_settings, dataset, command_groups);
    service_init(&service, &group);
}

static int64_t time_of(const struct service *s, const char *name)
{
    const struct command_entry *entry = command_find_full(s->commands, span_text(name));
    require(entry != NULL, "no command %s", name);
    return ns_of(&s->stats, entry->number);
}

// Does what the loop does in a turn, for sessions that have received `inputs`.
static void take_turn(const struct buf *inputs, unsigned count)
{
    enum { MOST = 20 };
    static struct session sessions[MOST];
    struct output out = {0};
    require(count <= MOST, "too many sessions");
    timing_begin(&service.timing, clock_monotonic_ns());
    for (unsigned i = 0; i < count; i++) {
        session_init(&sessions[i], &service, i, true);
        session_read_ahead(&sessions[i], (struct bytes){inputs[i].ptr, inputs[i].len});
    }
    batch_look_up(&service.batch, dataset);
    for (unsigned i = 0; i < count; i++) {
        struct feed_result result =
            session_feed(&sessions[i], (struct bytes){inputs[i].ptr, inputs[i].len}, &out);
        require(result.consumed == inputs[i].len, "not all requests are answered");
        session_release(&sessions[i]);
    }
    timing_flush(&service.timing, &service.stats);
    output_release(&out);
}

// The same for the requests of one session, separated by '|'.
static void take_turn_of(const char *text)
{
    struct buf input = {0};
    char *words = strdup(text);
    require(words != NULL, "no memory");
    for (char *word = strtok(words, "|"); word != NULL; word = strtok(NULL, "|"))
        append_request(&input, word);
    take_turn(&input, 1);
    free(words);
    buf_release(&input);
}

// Returns the sum of the "usec=" fields of INFO commandstats.
static int64_t info_usec(void)
{
    struct session s;
    struct output out = {0};
    char request[] = "INFO commandstats\r\n";
    int64_t sum = 0;
    session_init(&s, &service, 1, true);
    session_feed(&s, (struct bytes){request, sizeof request - 1}, &out);
    output_append(&out, span_of("", 1));
    for (const char *at = out.owned.ptr; (at = strstr(at, ",usec=")) != NULL; at++)
        sum += atoll(at + sizeof ",usec=" - 1);
    output_release(&out);
    session_release(&s);
    return sum;
}

static void check_pipelines(void)
{
    enum { SESSIONS = 8, COMMANDS = 25 };
    struct buf inputs[SESSIONS] = {0};
    start_service();
    for (unsigned i = 0; i < SESSIONS; i++)
        for (unsigned j = 0; j < COMMANDS; j++)
            append_request(&inputs[i], (i + j) % 4 == 0   ? "PING"
                                       : (i + j) % 4 == 1 ? "GET " ABSENT
                                                          : "GET " A);
    set_clock(CLOCK_SECOND, 3000 * 1000);
    take_turn(inputs, SESSIONS);
    is_number(fake.readings, 2, "200 GETs and PINGs of 8 sessions: the clock is read twice");
    int64_t get = time_of(&service, "get"), ping = time_of(&service, "ping");
    ok(get + ping >= 3000 * 1000 - 2 && get + ping <= 3000 * 1000,
       "GET and PING get all of the time");
    ok(get >= 2250 * 1000 - 1 && get <= 2250 * 1000, "GET gets three quarters of it: %lld ns",
       (long long)get);
    int64_t usec = info_usec();
    ok(usec >= 3000 - 2 && usec <= 3000, "INFO commandstats reports %lld of 3000 µs",
       (long long)usec);
    for (unsigned i = 0; i < SESSIONS; i++)
        buf_release(&inputs[i]);
    service_release(&service);
}

static void check_work(void)
{
    start_service();
    set_clock(CLOCK_SECOND, 1100);
    take_turn_of("PING|MGET"
                 " " A " " A " " A " " ABSENT " " ABSENT " " A " " A " " A " x");
    is_number(time_of(&service, "ping"), 100, "PING beside an MGET of 9 keys gets one eleventh");
    is_number(time_of(&service, "mget"), 1000, "MGET gets ten elevenths");
    set_clock(2 * CLOCK_SECOND, 1000 * (BIG_UNITS + 2));
    take_turn_of("PING|GET " B);
    is_number(time_of(&service, "get"), 1000 * (BIG_UNITS + 1),
              "a large value counts as more work");
    is_number(time_of(&service, "ping"), 1100, "PING counts as one unit");
    service_release(&service);
}

static void check_slow(void)
{
    start_service();
    set_clock(CLOCK_SECOND, 1000);
    take_turn_of("PING|GET " A "|COMMAND COUNT|PING");
    is_number(fake.readings, 4, "the clock is read before and after a slow command");
    is_number(time_of(&service, "command|count"), 1000, "a slow command gets its own time");
    is_number(time_of(&service, "ping"), 500 + 1000,
              "PING gets half of the time before it, and all of the time after it");
    is_number(time_of(&service, "get"), 500, "GET gets the other half of the time before it");
    set_clock(2 * CLOCK_SECOND, 1000);
    take_turn_of("COMMAND COUNT|COMMAND COUNT");
    is_number(fake.readings, 3, "between two slow commands the clock is read once");
    is_number(time_of(&service, "command|count"), 3000,
              "each slow command gets the time of one step");
    set_clock(3 * CLOCK_SECOND, 1000);
    take_turn_of("nonsense|GET|SET a b");
    is_number(fake.readings, 1, "the clock is not read for refused requests");
    is_number(sum_of(&service.stats), 5000, "no command gets the time of refused requests");
    service_release(&service);
}

// ---- the loop -----------------------------------------------------------------------------------

static struct ev_loop *loop;
static struct worker *worker;

// Opens a connection and returns the client's end.
static int client_connect(void)
{
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no socket pair");
    worker_adopt(worker, ends[0], 1, true, false);
    return ends[1];
}

// Runs a turn of the loop in which all connections are ready. libev is left out, because it reads
// the clock, too.
static void turn_loop(void)
{
    ev_invoke(loop, &worker->turn_end, EV_PREPARE);
    fake.readings = 0;
    for (struct link *link = worker->loop.active.next; link != &worker->loop.active;
         link = link->next) {
        struct conn *c = (struct conn *)((char *)link - offsetof(struct conn, link));
        ev_feed_event(loop, &c->io, EV_READ);
    }
    ev_invoke_pending(loop);
    ev_invoke(loop, &worker->turn_end, EV_PREPARE);
}

// Clients whose requests fill `batches` batches.
static void check_loop(unsigned clients, unsigned commands, unsigned batches)
{
    struct error error = {""};
    struct buf request = {0};
    struct stats *stats;
    int *fds = calloc(clients, sizeof *fds);
    require(fds != NULL, "no memory");
    service_group_init(&group, &test_settings, dataset, command_groups);
    worker = worker_new(loop, &group, &error);
    require(worker != NULL, "%s", error.text);
    stats = &worker->loop.service.stats;
    set_clock(CLOCK_SECOND, 100 * 1000);
    for (unsigned i = 0; i < commands; i++)
        append_request(&request, i % 3 == 0 ? "PING" : i % 3 == 1 ? "GET " A : "STRLEN " ABSENT);
    for (unsigned i = 0; i < clients; i++) {
        fds[i] = client_connect();
        require(send(fds[i], request.ptr, request.len, 0) == (ssize_t)request.len, "cannot send");
    }
    turn_loop();
    is_number((int64_t)counter_get(&stats->commands_processed), clients * commands,
              "%u clients with %u commands are answered in one turn of the loop", clients,
              commands);
    is_number(fake.readings, 2 * batches, "the loop reads the clock twice a batch");
    int64_t elapsed = batches * 100 * 1000, sum = sum_of(stats);
    ok(sum <= elapsed && sum >= elapsed - SLACK,
       "the commands get the time of the batches: %lld of %lld ns", (long long)sum,
       (long long)elapsed);
    turn_loop();
    is_number(fake.readings, 1, "a turn without requests reads the clock once");
    ok(sum_of(stats) == sum, "no command gets the time of that turn");
    for (unsigned i = 0; i < clients; i++)
        close(fds[i]);
    worker_free(worker);
    free(fds);
    buf_release(&request);
}

static void open_dataset(void)
{
    static struct buf text;
    struct error error = {""};
    buf_append_text(&text, A " this is a value\n" B " ");
    append_bytes(&text, 'x', BIG);
    buf_append_text(&text, "\n");
    dataset = dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
}

int main(void)
{
    struct random r = random_seeded();
    signal(SIGPIPE, SIG_IGN);
    open_dataset();
    check_clock();
    check_division();
    check_sums(&r);
    check_pipelines();
    check_work();
    check_slow();
    loop = ev_default_loop(EVFLAG_AUTO);
    check_loop(1, 1, 1);
    check_loop(1, 200, 1);
    check_loop(20, 10, 1);
    check_loop(200, 10, 8);
    check_loop(200, 30, 23);           // more input than is read before the requests are answered
    check_loop(LOOP_TURNS + 30, 3, 4); // more clients than are answered together
    ev_loop_destroy(loop);
    dataset_close(dataset);
    return done_testing();
}
