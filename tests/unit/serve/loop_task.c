// Tasks on their way through the loops: a task visits each loop once, in order and in slices of
// work, whether or not its session still waits when it is back.
#include "serve/loop_task.h"

#include <stdlib.h>

#include "data/dataset.h"
#include "support/service.h"
#include "support/tap.h"
#include "unit/support/loops.h"

enum { VISITS_MAX = 64 };

static struct dataset *dataset;

// What has happened to the task of a test.
static struct {
    unsigned visited[VISITS_MAX];
    uint64_t cursors[VISITS_MAX];
    unsigned visits;
    unsigned backs;
    unsigned releases;
} seen;

// A task that does its part in each loop in `slices` calls of `visit`.
struct probe {
    struct loop_task task;
    unsigned slices;
};

static bool visit(struct loop_task *task, struct service *service)
{
    require(seen.visits < VISITS_MAX, "visits without end");
    seen.visited[seen.visits] = service->number;
    seen.cursors[seen.visits++] = task->cursor;
    return ++task->cursor == ((struct probe *)task)->slices;
}

static void back(struct loop_task *task)
{
    (void)task;
    seen.backs++;
}

static void release(struct loop_task *task)
{
    seen.releases++;
    free(task);
}

static struct loop_task *probe(unsigned slices)
{
    struct probe *p = calloc(1, sizeof *p);
    require(p != NULL, "no memory");
    memset(&seen, 0, sizeof seen);
    *p = (struct probe){.task = {.visit = visit, .back = back, .release = release}, slices};
    return &p->task;
}

static void check_visits(unsigned count, unsigned home, unsigned slices)
{
    struct loops l;
    loops_init(&l, count, &test_settings, dataset);
    struct party *p = party_new(&l, home);
    struct loop_task *task = probe(slices);
    session_await(&p->session, task);
    bool early = session_task(&p->session) != NULL;
    is_number(early, count == 1 && slices == 1,
              "%u loops, home %u: whether the task is done at once", count, home);
    while (loops_deliver(&l))
        require(p->woken == (session_task(&p->session) != NULL),
                "the session was not woken when the task came back");
    ok(session_task(&p->session) == task, "the task is back after %u slices in each loop", slices);
    bool right = seen.visits == count * slices;
    for (unsigned i = 0; i < seen.visits; i++)
        right &= seen.visited[i] == (home + i / slices) % count && seen.cursors[i] == i % slices;
    ok(right, "it visited each loop once, in order, slice by slice: %u visits", seen.visits);
    is_number(seen.backs, 1, "`back` was called once");
    is_number(seen.releases, 0, "the task is kept for the session");
    session_end_task(&p->session);
    ok(p->session.task == NULL && seen.releases == 1, "session_end_task releases it");
    session_end_task(&p->session);
    is_number(seen.releases, 1, "a second call does nothing");
    loops_release(&l);
}

// The client leaves when the task has been delivered `steps` times.
static void check_gone(unsigned count, unsigned steps)
{
    struct loops l;
    loops_init(&l, count, &test_settings, dataset);
    struct party *p = party_new(&l, 0);
    session_await(&p->session, probe(2));
    for (unsigned i = 0; i < steps; i++)
        loops_deliver(&l);
    party_end(p);
    while (loops_deliver(&l))
        ;
    ok(seen.visits == 2 * count && seen.backs == 1 && seen.releases == 1,
       "%u loops: the client is gone after %u steps, and the task still visits all loops", count,
       steps);
    loops_release(&l);
}

static void check_nobody(unsigned count)
{
    struct loops l;
    loops_init(&l, count, &test_settings, dataset);
    loop_task_send(probe(1), &l.group.router, &l.service[count - 1], count - 1);
    while (loops_deliver(&l))
        ;
    ok(seen.visits == count && seen.backs == 1 && seen.releases == 1,
       "%u loops: without a waiter, the task is released when it is back", count);
    loops_release(&l);
}

// The loops end while a task is on its way.
static void check_end(void)
{
    struct loops l;
    loops_init(&l, 3, &test_settings, dataset);
    struct party *p = party_new(&l, 1);
    session_await(&p->session, probe(1));
    loops_deliver(&l);
    loops_release(&l);
    is_number(seen.releases, 1, "a task in a mailbox is released when the loops end");
}

// A single loop without a mailbox does all slices at once.
static void check_alone(void)
{
    struct loops l;
    loops_init(&l, 1, &test_settings, dataset);
    l.group.router.post = NULL;
    struct party *p = party_new(&l, 0);
    session_await(&p->session, probe(5));
    ok(session_task(&p->session) != NULL && seen.visits == 5,
       "without `post`, all slices are done at once");
    loops_release(&l);
    is_number(seen.releases, 1, "the task is released with its session");
}

int main(void)
{
    static const unsigned counts[] = {1, 2, 3, 8};
    dataset = loops_dataset("3479d894-3271-4935-88cf-a06f3cbb80a5 v\n");
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned home = 0; home < counts[i]; home++)
            for (unsigned slices = 1; slices <= 3; slices++)
                check_visits(counts[i], home, slices);
        for (unsigned steps = 0; steps <= 2 * counts[i]; steps++)
            check_gone(counts[i], steps);
        check_nobody(counts[i]);
    }
    check_end();
    check_alone();
    return done_testing();
}
