// Clients that send GETs at a fixed rate, whether or not the server has answered the ones before.
// The time of a request counts from when it was due. So it includes the time in which the server
// did not read, which a client that waits for its replies would leave out ("coordinated omission",
// Gil Tene).
#ifndef STELE_TESTS_BENCH_LOAD_PACED_H
#define STELE_TESTS_BENCH_LOAD_PACED_H

#include <stdbool.h>

#include "support/histogram.h"
#include "support/working_set.h"

struct error;

struct paced_settings {
    const char *address;
    const struct working_set *set; // the clients request its hot keys, at random
    size_t connections;            // 1 or more
    uint64_t rate;                 // requests a second of each connection
    uint64_t seconds;              // length of the measurement; a warm-up of a tenth comes first
    uint64_t seed;
};

struct paced_result {
    struct histogram latency; // ns from when a request was due until its whole reply was received
    struct histogram late;    // ns from when a request was due until it was sent
};

// Requests every hot key `times` times, one after the other, and compares the replies. Returns
// false with a message on failure.
bool paced_touch(const struct paced_settings *settings, unsigned times, struct error *error);

// Connects, measures and waits for the last replies. Compares every reply. Returns false with a
// message when a connection fails, a reply is wrong, or a client has waited for a minute;
// `*result` is then unspecified.
bool paced_run(const struct paced_settings *settings, struct paced_result *result,
               struct error *error);

#endif
