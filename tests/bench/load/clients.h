// Many clients in one thread. Each one always has requests in flight, and compares every byte of
// every reply.
#ifndef STELE_TESTS_BENCH_LOAD_CLIENTS_H
#define STELE_TESTS_BENCH_LOAD_CLIENTS_H

#include <sys/types.h>

#include "bench/load/batch.h"
#include "support/histogram.h"

struct clients_settings {
    struct load load;
    const char *address;
    size_t connections; // 1 or more
    // The length of the measurement: a number of lookups or, if that is 0, of seconds. A warm-up of
    // a tenth of that comes first. Its replies are compared, but not measured.
    uint64_t lookups;
    uint64_t seconds;
    pid_t pid; // process whose processor time is measured; 0: none
    uint64_t seed;
    bool progress; // show progress on standard error
};

struct clients_result {
    uint64_t lookups;
    uint64_t ns;
    uint64_t server_cpu_ns; // processor time of all threads of `pid`
    uint64_t own_cpu_ns;
    struct histogram latency; // ns from before a batch is sent until its whole reply is received
};

// Connects, sends requests, measures, and closes the connections. Returns false with a message when
// a connection fails, no reply comes for a minute, a reply is wrong, or there is no process `pid`;
// `*result` is then unspecified.
bool clients_run(const struct clients_settings *settings, struct clients_result *result,
                 struct error *error);

#endif
