// Rate and time left assume that what is left goes as fast as what is done.
#include "base/progress.h"

#include <stdio.h>

#include "base/clock.h"

enum { BAR_WIDTH = 30 };

#define BAR_NS (CLOCK_SECOND / 5)
#define LINE_NS (3 * CLOCK_SECOND)

static size_t draw_bar(uint64_t done, uint64_t total, char *to)
{
    unsigned filled = (unsigned)((double)done / (double)total * BAR_WIDTH);
    size_t len = 0;
    to[len++] = '[';
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        to[len++] = i < filled ? '#' : '-';
    to[len++] = ']';
    to[len++] = ' ';
    return len;
}

void progress_begin(struct progress *p, bool terminal)
{
    uint64_t now = clock_monotonic_ns();
    *p = (struct progress){terminal, now, now};
}

bool progress_due(struct progress *p, uint64_t done, uint64_t total, char to[PROGRESS_TEXT])
{
    uint64_t now = clock_monotonic_ns();
    if (now - p->told_ns < (p->terminal ? BAR_NS : LINE_NS) || done == 0)
        return false;
    p->told_ns = now;
    if (done > total)
        done = total;
    double part = (double)done / (double)total;
    double seconds = (double)(now - p->began_ns) / 1e9;
    uint64_t left = (uint64_t)(seconds / part - seconds + 0.5);
    size_t len = p->terminal ? draw_bar(done, total, to) : 0;
    snprintf(to + len, PROGRESS_TEXT - len, "%3.0f %%  %.1f MB/s  %llu:%02llu left", part * 100,
             (double)done / seconds / 1e6, (unsigned long long)(left / 60),
             (unsigned long long)(left % 60));
    return true;
}
