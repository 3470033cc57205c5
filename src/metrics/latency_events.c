// One ring of samples for each kind of event. One lock protects all rings.
#include "metrics/latency_events.h"

#include <assert.h>

static const char *const names[] = {"cold-read", "command", "event-loop", "fast-command"};
_Static_assert(sizeof names / sizeof *names == LATENCY_EVENTS, "each kind of event needs a name");

void latency_events_init(struct latency_events *events)
{
    *events = (struct latency_events){0};
    pthread_mutex_init(&events->lock, NULL);
}

void latency_events_release(struct latency_events *events)
{
    pthread_mutex_destroy(&events->lock);
}

const char *latency_event_name(enum latency_event event)
{
    assert(event < LATENCY_EVENTS);
    return names[event];
}

void latency_events_add(struct latency_events *events, enum latency_event event, uint64_t seconds,
                        uint64_t ms)
{
    pthread_mutex_lock(&events->lock);
    struct latency_series *series = &events->series[event];
    struct latency_sample *last =
        series->count > 0 ? &series->samples[(series->count - 1) % LATENCY_SAMPLES] : NULL;
    if (ms > series->max)
        series->max = ms;
    if (last == NULL || last->seconds != seconds)
        series->samples[series->count++ % LATENCY_SAMPLES] = (struct latency_sample){seconds, ms};
    else if (ms > last->ms)
        last->ms = ms;
    pthread_mutex_unlock(&events->lock);
}

struct latency_series latency_events_get(struct latency_events *events, enum latency_event event)
{
    pthread_mutex_lock(&events->lock);
    struct latency_series series = events->series[event];
    pthread_mutex_unlock(&events->lock);
    return series;
}

bool latency_events_reset(struct latency_events *events, enum latency_event event)
{
    pthread_mutex_lock(&events->lock);
    bool any = events->series[event].count > 0;
    events->series[event] = (struct latency_series){0};
    pthread_mutex_unlock(&events->lock);
    return any;
}
