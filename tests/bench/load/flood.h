// Clients that send pipelined requests without end, beside the clients that are measured. They run
// in a process of their own, which sends requests as fast as the server accepts them, and drops
// the replies.
#ifndef STELE_TESTS_BENCH_LOAD_FLOOD_H
#define STELE_TESTS_BENCH_LOAD_FLOOD_H

#include <sys/types.h>

#include "bench/load/batch.h"

struct flood {
    pid_t pid; // 0: none
};

// Starts the process. All its connections send GETs for keys of the file. The process has the
// lowest priority, so that it does not take processor time from the measurement. It ends with the
// thread that has started it. Returns false with a message on failure.
bool flood_start(struct flood *flood, const char *address, enum protocol protocol,
                 size_t connections, const struct data_file *file, struct error *error);

// Ends the process. Returns false with a message when it had ended before, so that there
// was no flood.
bool flood_stop(struct flood *flood, struct error *error);

#endif
