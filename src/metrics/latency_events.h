// The latency monitor: the times when something took longer than the operator asked to be told, by
// kind. Any thread may call any of it: a lock is taken, which is only when something took long or
// when somebody asks.
#ifndef STELE_METRICS_LATENCY_EVENTS_H
#define STELE_METRICS_LATENCY_EVENTS_H

#include <pthread.h>

#include "base/bytes.h"

enum latency_event {
    LATENCY_COMMAND,      // a command, timed by itself
    LATENCY_EVENT_LOOP,   // what was answered together, of one client or several
    LATENCY_FAST_COMMAND, // a command that is marked fast, timed by itself
    LATENCY_EVENTS,       // how many
};

enum { LATENCY_SAMPLES = 160 }; // of each, the last ones, as in Redis

struct latency_sample {
    uint64_t seconds; // since 1970
    uint64_t ms;
};

struct latency_series {
    uint64_t count; // of all samples since the last reset; sample i is at i % LATENCY_SAMPLES
    uint64_t max;   // ms, of all of them
    struct latency_sample samples[LATENCY_SAMPLES];
};

struct latency_events {
    pthread_mutex_t lock;
    struct latency_series series[LATENCY_EVENTS];
};

void latency_events_init(struct latency_events *events);
void latency_events_release(struct latency_events *events);

// Redis's word for the kind, or ours ("event-loop").
const char *latency_event_name(enum latency_event event);

// Adds a sample; of one second only the longest is kept.
void latency_events_add(struct latency_events *events, enum latency_event event, uint64_t seconds,
                        uint64_t ms);

// A copy of the series.
struct latency_series latency_events_get(struct latency_events *events, enum latency_event event);

// Forgets the series; whether there was anything.
bool latency_events_reset(struct latency_events *events, enum latency_event event);

// How many samples the series has kept, and the one that is `i`th of them, the oldest first.
static inline unsigned latency_series_kept(const struct latency_series *series)
{
    return series->count < LATENCY_SAMPLES ? (unsigned)series->count : LATENCY_SAMPLES;
}

static inline struct latency_sample latency_series_at(const struct latency_series *series,
                                                      unsigned i)
{
    uint64_t first = series->count - latency_series_kept(series);
    return series->samples[(first + i) % LATENCY_SAMPLES];
}

#endif
