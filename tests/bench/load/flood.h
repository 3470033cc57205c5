// Clients that pipeline without end beside those that are measured: a process of its own, which
// writes requests as fast as they are taken and throws the replies away unread.
#ifndef STELE_TESTS_BENCH_LOAD_FLOOD_H
#define STELE_TESTS_BENCH_LOAD_FLOOD_H

#include <sys/types.h>

#include "bench/load/batch.h"

struct flood {
    pid_t pid; // 0: none
};

// Starts it with so many connections, all writing GETs of `protocol` for keys of the file over and
// over. It has the lowest priority, so that it does not take the processor from who measures, and
// ends with the thread that started it. False with a message when it cannot.
bool flood_start(struct flood *flood, const char *address, enum protocol protocol,
                 size_t connections, const struct data_file *file, struct error *error);

// Ends it. False with a message when it had ended before: nothing was flooded then.
bool flood_stop(struct flood *flood, struct error *error);

#endif
