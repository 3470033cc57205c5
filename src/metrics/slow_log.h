// The slow log: the commands that took longest of late, of all loops in one ring.
//
// Any thread may call any of it: a lock is taken, which is of no account, as it is only taken when
// something was slow or when somebody asks. The ring is mapped whole when something is logged
// first, so nothing that one thread has allocated is ever freed by another.
#ifndef STELE_METRICS_SLOW_LOG_H
#define STELE_METRICS_SLOW_LOG_H

#include <pthread.h>

#include "base/bytes.h"

enum {
    SLOW_LOG_MAX = 1024, // entries: 6 MiB, of which only what has been written takes memory
    // What an entry keeps of a request, as in Redis: so many arguments, the last of which tells how
    // many more there are, and so many bytes of each, with words that tell how many more.
    SLOW_LOG_ARGS = 32,
    SLOW_LOG_ARG_BYTES = 128,
    SLOW_LOG_ARG_ROOM = SLOW_LOG_ARG_BYTES + 40,
    SLOW_LOG_ADDRESS = 112, // a unix socket's path and ":0", or an address with its port
    SLOW_LOG_NAME = 256,    // of a client's name; the rest is cut off
};

struct slow_entry {
    uint64_t id;      // counts all that were ever logged, from 0
    uint64_t seconds; // since 1970, when it ended
    uint64_t us;      // it took
    unsigned args;
    uint16_t arg_len[SLOW_LOG_ARGS];
    char arg[SLOW_LOG_ARGS][SLOW_LOG_ARG_ROOM];
    char address[SLOW_LOG_ADDRESS];
    char name[SLOW_LOG_NAME];
};

struct slow_log {
    pthread_mutex_t lock;
    struct slow_entry *ring; // entry `id` is at id % SLOW_LOG_MAX; NULL: none yet
    uint64_t next_id;
    uint64_t count; // of entries, the last ones
};

void slow_log_init(struct slow_log *log);
void slow_log_release(struct slow_log *log);

// Adds a copy of the entry, numbered, and forgets the oldest so that `max` are left at most. Does
// nothing when memory is short.
void slow_log_add(struct slow_log *log, const struct slow_entry *entry, uint64_t max);

// How many entries there are; the newest has the number `*next_id` - 1.
uint64_t slow_log_count(struct slow_log *log, uint64_t *next_id);

// Copies the entry of that number. False when it is not there, or no more.
bool slow_log_get(struct slow_log *log, uint64_t id, struct slow_entry *entry);

void slow_log_reset(struct slow_log *log);

// Adds an argument to an entry that is being made, shortened as above. `number` counts from 0, of
// `argc`; those behind the last that is kept are passed over.
void slow_entry_add(struct slow_entry *entry, struct span arg, uint32_t number, uint32_t argc);

#endif
