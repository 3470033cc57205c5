// Many clients in one thread: each keeps its requests in flight, and every byte of every reply is
// compared.
#ifndef STELE_TESTS_BENCH_LOAD_CLIENTS_H
#define STELE_TESTS_BENCH_LOAD_CLIENTS_H

#include <sys/types.h>

#include "bench/load/batch.h"
#include "support/histogram.h"

struct clients_settings {
    struct load load;
    const char *address;
    size_t connections; // 1 or more
    // How much is measured: so many lookups or, where that is 0, so many seconds. A tenth as much
    // goes before it and is verified, but not measured.
    uint64_t lookups;
    uint64_t seconds;
    pid_t pid; // whose processor time is measured; 0: nobody's
    uint64_t seed;
    bool progress; // on standard error
};

struct clients_result {
    uint64_t lookups;
    uint64_t ns;
    uint64_t server_cpu_ns; // of `pid`, all its threads
    uint64_t own_cpu_ns;
    struct histogram latency; // ns, from before a batch is written until all its reply is read
};

// Connects, asks, measures and closes. False with a message when a connection fails or is silent
// for a minute, a reply is wrong, or `pid` is no process; `*result` is then unspecified.
bool clients_run(const struct clients_settings *settings, const struct data_file *file,
                 struct clients_result *result, struct error *error);

#endif
