// Sets of lines that may not be in memory (serve/cold.h): which lines are parked, what the reader
// threads find, longer values, sets that are dropped while parked, and when a loop expects that
// data is not in memory.
#include "serve/cold.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mapping.h"
#include "data/uuid_text.h"
#include "faults/support/slow_disk.h"
#include "metrics/stats.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"

enum { PAGE = 4096, LINE = 64, LINES = 256, MEDIUM = 1000, TOO_LONG = 20000 };

// ---- one loop without an event loop -------------------------------------------------------------

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t posted = PTHREAD_COND_INITIALIZER;
static struct loop_task *mailbox; // newest first

static void post(void *context, unsigned number, struct loop_task *task)
{
    (void)context;
    require(number == 0, "a task for loop %u", number);
    pthread_mutex_lock(&lock);
    task->next = mailbox;
    mailbox = task;
    pthread_cond_signal(&posted);
    pthread_mutex_unlock(&lock);
}

static const struct loop_router router = {1, post, NULL};
static struct stats stats;
static struct cold cold;
static unsigned arrivals;

static void arrived(struct session *waiter)
{
    require(waiter == (struct session *)&cold, "another waiter");
    arrivals++;
}

// Waits for the next task that comes home, and handles it.
static void come_home(void)
{
    pthread_mutex_lock(&lock);
    while (mailbox == NULL)
        pthread_cond_wait(&posted, &lock);
    struct loop_task *task = mailbox;
    mailbox = task->next;
    pthread_mutex_unlock(&lock);
    loop_task_arrive(task, NULL, 0);
}

// Waits until reader threads have nothing of the set.
static void settle(struct cold_set *set)
{
    if (cold_set_is_parked(set))
        come_home();
}

static void begin(struct cold_set *set)
{
    cold_set_begin(&cold, set, (struct session *)&cold, arrived);
}

// ---- the data -----------------------------------------------------------------------------------

static struct uuid numbered(unsigned n)
{
    return (struct uuid){0x1000000000004000u + ((uint64_t)n << 32), 0x8000000000000000u + n};
}

static void append_key(struct buf *text, unsigned n)
{
    char key[UUID_TEXT_LEN];
    uuid_format(numbered(n), key);
    buf_append(text, span_of(key, sizeof key));
}

// Key `n` is line `n`. Keys LINES and LINES + 1 have longer values, at the end of the file.
static struct dataset *open_data(void)
{
    static struct opened o;
    struct buf text = {0};
    notices_clear(&o.notices);
    for (unsigned n = 0; n < LINES; n++) {
        char value[LINE];
        append_key(&text, n);
        snprintf(value, sizeof value, " value-%08u............\n", n);
        buf_append_text(&text, value);
    }
    append_key(&text, LINES);
    buf_append_text(&text, " ");
    append_bytes(&text, 'm', MEDIUM);
    buf_append_text(&text, "\n");
    append_key(&text, LINES + 1);
    buf_append_text(&text, " ");
    append_bytes(&text, 'l', TOO_LONG);
    opened_init(&o, test_file("data", buf_span(&text)), DATASET_INDEX_NONE, NULL);
    require(o.dataset != NULL, "%s", o.error.text);
    buf_release(&text);
    return o.dataset;
}

static bool is_value(const struct cold_line *line, unsigned n)
{
    char value[LINE];
    snprintf(value, sizeof value, "value-%08u............", n);
    return line != NULL && !line->parked && !line->pending && line->found == DATASET_READ_FOUND &&
           span_equal(line->line.value, span_text(value)) && line->line.offset == n * LINE;
}

static struct cold_set *new_set(struct dataset *d, unsigned capacity)
{
    struct cold_set *set = cold_set_new(&cold, d, 7, capacity);
    require(set != NULL, "no memory");
    return set;
}

// ---- tests --------------------------------------------------------------------------------------

static void check_kinds(struct dataset *d)
{
    struct cold_set *set = new_set(d, 6);
    size_t memory = cold_set_memory(set);
    ok(memory > 6 * 256 && cold_set_memory(NULL) == 0, "a set takes memory: %zu bytes", memory);
    cold_set_add_key(set, numbered(100));
    cold_set_add_key(set, numbered(9999));
    cold_set_add_rank(set, 70);
    cold_set_add_seek(set, numbered(80));
    cold_set_add_key(set, numbered(100)); // once more
    ok(!cold_set_is_full(set), "a set with room");
    cold_set_add_key(set, numbered(LINES + 1));
    ok(cold_set_is_full(set), "a full set");
    slow_disk_cold(0, UINT64_MAX);
    slow_disk_hold(true);
    begin(set);
    ok(cold_set_is_parked(set), "the set is parked");
    slow_disk_await_held(1);
    ok(cold_set_key(set, numbered(100))->parked && cold_set_rank(set, 70)->parked &&
           cold_set_seek(set, numbered(80))->parked,
       "keys, ranks and seeks are parked");
    const struct cold_line *missing = cold_set_key(set, numbered(9999));
    ok(!missing->parked && missing->found == DATASET_READ_ABSENT, "a missing key is not");
    is_number((int64_t)counter_get(&stats.parked_requests), 1, "one request is parked");
    is_number((int64_t)arrivals, 0, "nobody was told");
    slow_disk_hold(false);
    come_home();
    is_number((int64_t)arrivals, 1, "the session is told once");
    ok(!cold_set_is_parked(set), "the set is not parked any more");
    ok(is_value(cold_set_key(set, numbered(100)), 100), "a key has its value");
    const struct cold_line *rank = cold_set_rank(set, 70);
    ok(is_value(rank, 70) && rank->id.lo == numbered(70).lo, "a rank has its key and value");
    is_number((int64_t)cold_set_seek(set, numbered(80))->rank, 80, "a seek has its rank");
    is_number(cold_set_key(set, numbered(LINES + 1))->found, DATASET_READ_LONG, "a long value");
    ok(cold_set_key(set, numbered(80)) == NULL && cold_set_rank(set, 100) == NULL &&
           cold_set_seek(set, numbered(100)) == NULL,
       "the set has no other lines");
    ok(cold_set_is_valid(set, 7) && !cold_set_is_valid(set, 8), "it knows its snapshot");
    is_number((int64_t)counter_get(&stats.parked_requests), 0, "no request is parked");
    is_number((int64_t)counter_get(&stats.cold_lookups), 5, "five lines were parked");

    struct cold_set *next = new_set(d, 2);
    cold_set_add_rank(next, 1);
    cold_set_keep_seeks(next, set);
    ok(cold_set_is_full(next) && cold_set_seek(next, numbered(80))->rank == 80,
       "another set takes over the seek");
    cold_set_drop(set);
    slow_disk_cold(0, 0);
    begin(next);
    settle(next);
    ok(!cold_set_seek(next, numbered(80))->parked, "and does not park it again");
    cold_set_drop(next);
    cold_set_drop(NULL);
    is_number((int64_t)slow_disk_reads()->begun, 5, "(no line was read twice)");
}

// A page that was read lately is asked about; only what is not there is parked.
static void check_recent(struct dataset *d)
{
    slow_disk_reset();
    for (unsigned round = 0; round < 3; round++) {
        struct cold_set *set = new_set(d, 2);
        cold_set_add_key(set, numbered(1));
        cold_set_add_key(set, numbered(129));
        if (round == 2)
            slow_disk_cold(2 * PAGE, 3 * PAGE);
        begin(set);
        ok(cold_set_is_parked(set) == (round != 1), "round %u: %s", round,
           round == 0   ? "nothing is known of the pages"
           : round == 1 ? "both are in memory"
                        : "one has left it");
        if (round == 2)
            ok(!cold_set_key(set, numbered(1))->parked && cold_set_key(set, numbered(129))->parked,
               "only that line is parked");
        if (round != 1)
            come_home();
        ok(is_value(cold_set_key(set, numbered(1)), 1) &&
               is_value(cold_set_key(set, numbered(129)), 129),
           "round %u: both values", round);
        cold_set_drop(set);
    }
    slow_disk_reset();
    for (unsigned i = 0; i < 40; i++) { // the page becomes busy, and is read from the mapping
        struct cold_set *set = new_set(d, 1);
        cold_set_add_key(set, numbered(2));
        begin(set);
        require(!cold_set_is_parked(set) && is_value(cold_set_key(set, numbered(2)), 2),
                "a page in memory");
        cold_set_drop(set);
    }
    unsigned asked = slow_disk_reads()->asked;
    ok(asked >= 1 && asked < 20, "a page that is read often costs no system call: %u of 40", asked);
}

static void check_longer(struct dataset *d)
{
    slow_disk_reset();
    struct cold_set *set = new_set(d, 2);
    size_t memory = cold_set_memory(set);
    cold_set_add_key(set, numbered(LINES));
    cold_set_add_key(set, numbered(LINES + 1));
    begin(set);
    settle(set);
    struct cold_line *line = cold_set_key(set, numbered(LINES));
    is_number(line->found, DATASET_READ_LONG, "a value that is longer than most");
    slow_disk_cold(0, UINT64_MAX);
    ok(cold_set_read_longer(&cold, set, line, (struct session *)&cold, arrived) && line->parked,
       "it is read again and parked");
    ok(cold_set_memory(set) > memory + COLD_VALUE_MAX, "the set takes more memory");
    come_home();
    bool same = line->found == DATASET_READ_FOUND && line->line.value.len == MEDIUM;
    for (size_t i = 0; same && i < MEDIUM; i++)
        same = line->line.value.ptr[i] == 'm';
    ok(same, "then it is there");
    line = cold_set_key(set, numbered(LINES + 1));
    slow_disk_cold(0, 0);
    ok(cold_set_read_longer(&cold, set, line, (struct session *)&cold, arrived), "a longer value");
    settle(set);
    ok(line->found == DATASET_READ_LONG &&
           !cold_set_read_longer(&cold, set, line, (struct session *)&cold, arrived),
       "does not fit into the larger buffer either, and is not read again");
    cold_set_drop(set);
}

// Some file systems cannot begin a read without waiting. Then each thread waits for one line.
static void check_refused(void)
{
    struct dataset *d = open_data();
    slow_disk_reset();
    slow_disk_refuse();
    for (unsigned round = 0; round < 2; round++) {
        struct cold_set *set = new_set(d, 4);
        for (unsigned i = 0; i < 4; i++)
            cold_set_add_key(set, numbered(i));
        slow_disk_cold(0, UINT64_MAX);
        slow_disk_hold(true);
        begin(set);
        slow_disk_await_held(1 + round); // in the first round, one thread has taken all lines
        ok(!dataset_can_ask(d), "round %u: the refusal %s", round,
           round == 0 ? "is met" : "is known, so two threads work on one set");
        slow_disk_hold(false);
        come_home();
        bool right = true;
        for (unsigned i = 0; i < 4; i++)
            right &= is_value(cold_set_key(set, numbered(i)), i);
        ok(right, "round %u: all lines are read", round);
        cold_set_drop(set);
    }
    dataset_close(d);
    slow_disk_reset();
}

// Some systems have no preadv2, among them programs that emulate another processor.
static void check_lacked(void)
{
    struct dataset *d = open_data();
    slow_disk_reset();
    slow_disk_lack();
    struct cold_set *set = new_set(d, 4);
    for (unsigned i = 0; i < 4; i++)
        cold_set_add_key(set, numbered(i));
    begin(set);
    come_home();
    bool right = true;
    for (unsigned i = 0; i < 4; i++)
        right &= is_value(cold_set_key(set, numbered(i)), i);
    ok(right && !dataset_can_ask(d), "without preadv2, lines are read by calls that wait");
    cold_set_drop(set);
    dataset_close(d);
    slow_disk_reset();
}

static struct cold_set *begin_one(struct dataset *d, unsigned n)
{
    struct cold_set *set = new_set(d, 1);
    cold_set_add_key(set, numbered(n));
    begin(set);
    return set;
}

// The search for the end of a long value takes many reads. A line of another client does not wait
// until it ends.
static void check_long_search(void)
{
    struct dataset *d = open_data();
    slow_disk_reset();
    cold_dataset(&cold, d); // pages of the former dataset are forgotten
    struct cold_set *search = begin_one(d, LINES + 1);
    settle(search);
    struct cold_line *line = cold_set_key(search, numbered(LINES + 1));
    is_number(line->found, DATASET_READ_LONG, "a long value");
    slow_disk_cold(0, UINT64_MAX);
    slow_disk_hold(true);
    struct cold_set *busy[] = {begin_one(d, 1), NULL}; // each keeps a thread busy
    slow_disk_await_held(1);
    busy[1] = begin_one(d, 70);
    slow_disk_await_held(2);
    cold_set_read_end(&cold, search, line, (struct session *)&cold, arrived);
    struct cold_set *other = begin_one(d, 140);
    slow_disk_let_one_go();
    come_home(); // its thread takes the search
    slow_disk_await_held(2);
    slow_disk_let_one_go();
    come_home(); // this thread takes the other line
    slow_disk_await_held(2);
    ok(cold_set_is_parked(search) && cold_set_is_parked(other),
       "a thread searches, and another one reads the line of another client");
    slow_disk_hold(false);
    come_home();
    come_home();
    ok(is_value(cold_set_key(other, numbered(140)), 140), "the line is read");
    ok(line->found == DATASET_READ_FOUND && line->line.value.len == TOO_LONG, "the end is found");
    cold_set_drop(search);
    cold_set_drop(busy[0]);
    cold_set_drop(busy[1]);
    cold_set_drop(other);
    dataset_close(d);
    slow_disk_reset();
}

static unsigned unreferenced;

static void note_unreferenced(void *context, struct dataset *d)
{
    (void)context;
    (void)d;
    unreferenced++;
}

// The client leaves while its set is parked. The dataset is replaced, too.
static void check_drop(void)
{
    struct dataset *d = open_data();
    dataset_on_unreferenced(d, note_unreferenced, NULL);
    slow_disk_reset();
    cold_dataset(&cold, d); // pages of the former dataset are forgotten
    struct cold_set *set = new_set(d, COLD_LINES_MAX);
    for (unsigned i = 0; i < COLD_LINES_MAX; i++)
        cold_set_add_key(set, numbered(i));
    slow_disk_cold(0, UINT64_MAX);
    slow_disk_hold(true);
    unsigned before = arrivals;
    begin(set);
    slow_disk_await_held(2);
    cold_set_drop(set);
    dataset_close(d);
    is_number(unreferenced, 0, "the dataset is held while reads are under way");
    slow_disk_hold(false);
    come_home();
    is_number(unreferenced, 1, "and let go when they have ended");
    is_number((int64_t)arrivals, before, "the session that has gone is not told");
    unsigned waited = slow_disk_reads()->waited;
    ok(waited <= 2 * READERS_AT_ONCE, "lines that no thread had taken are not read: %u of %d",
       waited, COLD_LINES_MAX);
    is_number((int64_t)counter_get(&stats.parked_requests), 0, "no request is parked");
    dataset_free(d);
}

static void check_active(struct dataset *d)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t ms = CLOCK_SECOND / 1000;
    slow_disk_reset();
    struct cold c = {.readers = cold.readers, .stats = &stats, .memory_allowed = UINT64_MAX};
    cold_dataset(&c, d);
    cold_update(&c, now);
    ok(!c.active, "data that fits into memory, at first");
    slow_disk_faults(1);
    cold_update(&c, now + ms / 2);
    ok(!c.active, "the thread has waited for a page, but that is read once in a millisecond");
    cold_update(&c, now + ms);
    ok(c.active, "then it is noticed");
    cold_update(&c, now + 2000 * ms);
    ok(c.active, "for two seconds");
    cold_update(&c, now + 2001 * ms);
    ok(!c.active, "and not longer");
    c.memory_allowed = 1;
    cold_dataset(&c, d);
    cold_update(&c, now + 2002 * ms);
    ok(c.active, "a dataset that does not fit");
    cold_update(&c, now + 9000 * ms);
    ok(c.active, "always");
    cold_release(&c);
    struct cold none = {.stats = &stats, .memory_allowed = 1};
    cold_dataset(&none, d);
    cold_update(&none, now);
    ok(!none.active, "never without reader threads");
    cold_release(&none);
}

int main(void)
{
    struct error error = {""};
    struct dataset *d = open_data();
    mapping_catch_faults();
    cold = (struct cold){.readers = readers_new(2, &error),
                         .stats = &stats,
                         .router = &router,
                         .memory_allowed = 1024 * PAGE};
    require(cold.readers != NULL, "%s", error.text);
    cold.memory_allowed = 1;
    cold_dataset(&cold, d);
    cold.memory_allowed = 1024 * PAGE;
    cold_update(&cold, clock_monotonic_ns());
    require(cold.active, "not active");
    check_kinds(d);
    check_recent(d);
    check_longer(d);
    check_active(d);
    check_drop();
    check_refused();
    check_lacked();
    check_long_search();
    dataset_close(d);
    require(readers_stop(cold.readers), "the threads do not end");
    readers_free(cold.readers);
    cold_release(&cold);
    return done_testing();
}
