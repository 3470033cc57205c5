// The history of reloads. Each function takes the lock for a few assignments.
#include "serve/reload.h"

#include "base/clock.h"

void reload_history_init(struct reload_history *h)
{
    h->figures = (struct reload_figures){.published_ns = clock_monotonic_ns()};
    pthread_mutex_init(&h->lock, NULL);
}

void reload_history_release(struct reload_history *h)
{
    pthread_mutex_destroy(&h->lock);
}

void reload_history_begin(struct reload_history *h)
{
    pthread_mutex_lock(&h->lock);
    h->figures.running = true;
    h->figures.begun_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&h->lock);
}

void reload_history_end(struct reload_history *h, uint64_t took_ns, bool unchanged,
                        const struct error *why)
{
    bool replaced = why == NULL && !unchanged;
    struct reload_figures *f = &h->figures;
    pthread_mutex_lock(&h->lock);
    f->running = false;
    f->failed = why != NULL;
    f->done += replaced;
    f->failures += why != NULL;
    if (replaced)
        f->published_ns = clock_monotonic_ns();
    f->ended_us = clock_wall_us();
    f->took_ns = took_ns;
    f->why = why != NULL ? *why : (struct error){""};
    pthread_mutex_unlock(&h->lock);
}

struct reload_figures reload_history_read(struct reload_history *h)
{
    pthread_mutex_lock(&h->lock);
    struct reload_figures figures = h->figures;
    pthread_mutex_unlock(&h->lock);
    return figures;
}
