// Sends PING from a thread, and notes the waits in a histogram and the longest wait of each span.
#include "support/beside.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "support/crowd.h"
#include "support/histogram.h"
#include "support/talk.h"
#include "support/tap.h"

enum { SPELLS_MAX = 1000, PAUSE_NS = 500000 };

struct beside {
    int fd;
    pthread_t thread;
    atomic_bool stop;
    bool wrong;
    uint64_t longest_ns[SPELLS_MAX];
    unsigned spells;
    struct histogram all;
};

static void *run(void *argument)
{
    struct beside *b = argument;
    uint64_t began = clock_monotonic_ns();
    while (!b->wrong && !atomic_load(&b->stop) && b->spells < SPELLS_MAX) {
        uint64_t asked = clock_monotonic_ns();
        b->wrong = !crowd_converses(b->fd, SPAN("PING\r\n"), SPAN("+PONG\r\n"));
        uint64_t now = clock_monotonic_ns();
        histogram_add(&b->all, now - asked);
        uint64_t *longest = &b->longest_ns[b->spells];
        *longest = now - asked > *longest ? now - asked : *longest;
        if (now - began >= BESIDE_SPELL_MS * (CLOCK_SECOND / 1000)) {
            b->spells++;
            began = now;
        }
        nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
    }
    return NULL;
}

struct beside *beside_start(int fd)
{
    struct beside *b = calloc(1, sizeof *b);
    require(b != NULL, "no memory");
    b->fd = fd;
    require(pthread_create(&b->thread, NULL, run, b) == 0, "no thread");
    return b;
}

static int by_length(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

struct waits beside_stop(struct beside *b)
{
    atomic_store(&b->stop, true);
    pthread_join(b->thread, NULL);
    unsigned count = b->spells > 0 ? b->spells : 1;
    qsort(b->longest_ns, count, sizeof *b->longest_ns, by_length);
    struct waits waits = {!b->wrong, (double)histogram_percentile(&b->all, 50) / 1e6,
                          (double)b->longest_ns[(count - 1) / 2] / 1e6};
    diag("waits: %.2f ms; the longest of %u spells: %.1f to %.1f ms, median %.1f", waits.usual_ms,
         count, (double)b->longest_ns[0] / 1e6, (double)b->longest_ns[count - 1] / 1e6,
         waits.longest_ms);
    free(b);
    return waits;
}
