// The latency monitor: a list of events that took at least the operator's threshold
// (latency-monitor-threshold), by kind of event.
//
// Any thread may call any function here. Each one takes a lock. That costs little, because the lock
// is taken only when an event took long, or when a client asks for the list.
#ifndef STELE_METRICS_LATENCY_EVENTS_H
#define STELE_METRICS_LATENCY_EVENTS_H

#include <pthread.h>

#include "base/bytes.h"

enum latency_event {
    LATENCY_COLD_READ, // a request has waited for data that was not in memory (serve/cold.h)
    // Only commands whose time was measured alone are recorded, not those of a batch
    // (serve/execute.h).
    LATENCY_COMMAND,      // a command without the flag FAST
    LATENCY_EVENT_LOOP,   // a batch: requests of one or more clients, answered together
    LATENCY_FAST_COMMAND, // a command with the flag FAST
    LATENCY_EVENTS,       // number of kinds
};

enum { LATENCY_SAMPLES = 160 }; // samples kept of each kind, the newest; as in Redis

struct latency_sample {
    uint64_t seconds; // time of the event, in seconds since 1970
    uint64_t ms;      // duration
};

// The samples of one kind.
struct latency_series {
    uint64_t count; // samples added since the last reset; sample i is at i % LATENCY_SAMPLES
    uint64_t max;   // longest duration since the last reset, in ms
    struct latency_sample samples[LATENCY_SAMPLES];
};

struct latency_events {
    pthread_mutex_t lock;
    struct latency_series series[LATENCY_EVENTS];
};

void latency_events_init(struct latency_events *events);
void latency_events_release(struct latency_events *events);

// Returns the name of the kind: "command" and "fast-command" as in Redis, "cold-read" or
// "event-loop".
const char *latency_event_name(enum latency_event event);

// Adds an event that took `ms` at `seconds` (since 1970). Of several events in the same second, the
// series keeps only the longest.
void latency_events_add(struct latency_events *events, enum latency_event event, uint64_t seconds,
                        uint64_t ms);

// Returns a copy of the series.
struct latency_series latency_events_get(struct latency_events *events, enum latency_event event);

// Removes all samples of the series. Returns false when it was empty already.
bool latency_events_reset(struct latency_events *events, enum latency_event event);

// Returns the number of samples that the series still has, at most LATENCY_SAMPLES.
static inline unsigned latency_series_kept(const struct latency_series *series)
{
    return series->count < LATENCY_SAMPLES ? (unsigned)series->count : LATENCY_SAMPLES;
}

// Returns one of these samples. `i` counts from 0 for the oldest.
static inline struct latency_sample latency_series_at(const struct latency_series *series,
                                                      unsigned i)
{
    uint64_t first = series->count - latency_series_kept(series);
    return series->samples[(first + i) % LATENCY_SAMPLES];
}

#endif
