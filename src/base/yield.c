// Sets the scheduling class of helpers, and decides when they have given way for long enough.
#include "base/yield.h"

#include <assert.h>
#include <sched.h>
#include <stddef.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/thread.h"

// The nice value of YIELD_SOME. The scheduler gives it a weight of 110, a tenth of the 1,024 of an
// ordinary thread.
enum { NICE_SOME = 10 };

// If the rest of the process uses less than this share of the processors, helpers that wait for a
// processor wait for other programs.
static const double BUSY_SHARE = 0.25;

static _Thread_local struct yield *current;

void yield_begin(struct yield *y)
{
    assert(current == NULL);
    *y = (struct yield){.wait_max_ns = YIELD_WAIT_MAX_NS};
    current = y;
}

void yield_end(void)
{
    current = NULL;
}

struct yield *yield_current(void)
{
    return current;
}

// If the system refuses, the thread keeps its class, and just gives way less.
void yield_enter(enum yield_level level)
{
    if (level == YIELD_TO_ALL)
        (void)thread_enter_class(SCHED_IDLE);
    else if (level == YIELD_SOME)
        (void)setpriority(PRIO_PROCESS, 0, NICE_SOME); // on Linux, only for this thread
}

void yield_note(struct yield *y, uint64_t elapsed_ns, double waiting, double others)
{
    uint64_t waited = (uint64_t)((double)elapsed_ns * waiting);
    y->waited_ns += waited;
    if (others < BUSY_SHARE)
        y->others_ns += waited;
    if (y->others_ns >= YIELD_OTHERS_NS)
        y->level = YIELD_TO_NONE;
    else if (y->waited_ns >= y->wait_max_ns && y->level == YIELD_TO_ALL)
        y->level = YIELD_SOME;
}
