// Errands on their way through the loops: each is visited once, in order and in slices, whoever is
// still there when they come home.
#include "serve/loop_task.h"

#include <stdlib.h>

#include "data/dataset.h"
#include "support/service.h"
#include "support/tap.h"
#include "unit/support/loops.h"

enum { VISITS_MAX = 64 };

static struct dataset *dataset;

// What has happened to the tasks of a test.
static struct {
    unsigned visited[VISITS_MAX];
    uint64_t cursors[VISITS_MAX];
    unsigned visits;
    unsigned backs;
    unsigned releases;
} seen;

// One that does its part in each loop in so many slices.
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

static void check_way(unsigned count, unsigned home, unsigned slices)
{
    struct loops l;
    loops_init(&l, count, &test_settings, dataset);
    struct party *p = party_new(&l, home);
    struct loop_task *task = probe(slices);
    session_await(&p->session, task);
    bool early = session_task(&p->session) != NULL;
    is_number(early, count == 1 && slices == 1, "%u loops from %u: at home at once", count, home);
    while (loops_deliver(&l))
        require(p->woken == (session_task(&p->session) != NULL), "woken when it is back");
    ok(session_task(&p->session) == task, "it is back, of %u slices", slices);
    bool right = seen.visits == count * slices;
    for (unsigned i = 0; i < seen.visits; i++)
        right &= seen.visited[i] == (home + i / slices) % count && seen.cursors[i] == i % slices;
    ok(right, "each loop was visited once, in order, slice by slice: %u visits", seen.visits);
    is_number(seen.backs, 1, "back once");
    is_number(seen.releases, 0, "kept for who asked");
    session_end_task(&p->session);
    ok(p->session.task == NULL && seen.releases == 1, "and released by it");
    session_end_task(&p->session);
    is_number(seen.releases, 1, "once");
    loops_release(&l);
}

// Who asked leaves when the task has come `steps` loops far.
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
       "%u loops: who asked is gone after %u steps, the task ends all the same", count, steps);
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
       "%u loops: nobody waits, it is released when it is back", count);
    loops_release(&l);
}

// The loops end while it is on its way.
static void check_end(void)
{
    struct loops l;
    loops_init(&l, 3, &test_settings, dataset);
    struct party *p = party_new(&l, 1);
    session_await(&p->session, probe(1));
    loops_deliver(&l);
    loops_release(&l);
    is_number(seen.releases, 1, "the loops end: released from the mailbox");
}

// One loop that has nobody to post to goes on by itself.
static void check_alone(void)
{
    struct loops l;
    loops_init(&l, 1, &test_settings, dataset);
    l.group.router.post = NULL;
    struct party *p = party_new(&l, 0);
    session_await(&p->session, probe(5));
    ok(session_task(&p->session) != NULL && seen.visits == 5, "alone, all slices at once");
    loops_release(&l);
    is_number(seen.releases, 1, "released with who asked");
}

int main(void)
{
    static const unsigned counts[] = {1, 2, 3, 8};
    dataset = loops_dataset("3479d894-3271-4935-88cf-a06f3cbb80a5 v\n");
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned home = 0; home < counts[i]; home++)
            for (unsigned slices = 1; slices <= 3; slices++)
                check_way(counts[i], home, slices);
        for (unsigned steps = 0; steps <= 2 * counts[i]; steps++)
            check_gone(counts[i], steps);
        check_nobody(counts[i]);
    }
    check_end();
    check_alone();
    return done_testing();
}
