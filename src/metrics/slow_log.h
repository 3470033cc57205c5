// The slow log: the last commands that took at least the operator's threshold
// (slowlog-log-slower-than). All loops share one ring.
//
// Any thread may call any function here. Each one takes a lock. That costs little, because the lock
// is taken only after a slow command, or when a client reads the log. The ring is one mapping, made
// when the first entry is added. No thread allocates or frees single entries, because no thread may
// free memory that another thread has allocated (net/workers.c).
#ifndef STELE_METRICS_SLOW_LOG_H
#define STELE_METRICS_SLOW_LOG_H

#include <pthread.h>

#include "base/bytes.h"

enum {
    SLOW_LOG_MAX = 1024, // entries in the ring: 6 MiB, but unused entries take no memory
    // As in Redis, an entry keeps only a part of a long request. If a request has more arguments
    // than SLOW_LOG_ARGS, the last one in the entry is a text that says how many are left out. If
    // an argument is longer than SLOW_LOG_ARG_BYTES, such a text follows its first bytes.
    SLOW_LOG_ARGS = 32,
    SLOW_LOG_ARG_BYTES = 128,
    SLOW_LOG_ARG_ROOM = SLOW_LOG_ARG_BYTES + 40, // bytes for an argument and that text
    SLOW_LOG_ADDRESS = 112, // bytes for the path of a unix socket and ":0", or an address and port
    SLOW_LOG_NAME = 256,    // bytes for a client's name; a longer name is cut
};

struct slow_entry {
    uint64_t id;      // number of the entry; the first entry of all is 0
    uint64_t seconds; // end of the command, in seconds since 1970
    uint64_t us;      // duration
    unsigned args;    // number of arguments in `arg`
    uint16_t arg_len[SLOW_LOG_ARGS];
    char arg[SLOW_LOG_ARGS][SLOW_LOG_ARG_ROOM]; // not NUL-terminated
    char address[SLOW_LOG_ADDRESS];             // client's address, NUL-terminated
    char name[SLOW_LOG_NAME];                   // client's name, NUL-terminated; may be empty
};

struct slow_log {
    pthread_mutex_t lock;
    struct slow_entry *ring; // entry `id` is at id % SLOW_LOG_MAX; NULL before the first entry
    uint64_t next_id;        // id of the next entry
    uint64_t count;          // number of entries that the log still has, the newest
};

void slow_log_init(struct slow_log *log);
void slow_log_release(struct slow_log *log);

// Adds a copy of the entry and sets the copy's `id`. Then removes the oldest entries, so that the
// log has at most `max`. Does nothing when `max` is 0 or memory is short.
void slow_log_add(struct slow_log *log, const struct slow_entry *entry, uint64_t max);

// Returns the number of entries, and sets `*next_id` to the id of the newest entry plus 1.
uint64_t slow_log_count(struct slow_log *log, uint64_t *next_id);

// Copies the entry with this id. Returns false when the log does not have it, or no longer has it.
bool slow_log_get(struct slow_log *log, uint64_t id, struct slow_entry *entry);

// Removes all entries. Later entries continue the numbers.
void slow_log_reset(struct slow_log *log);

// Sets the argument `number` (from 0) of an entry, for a request of `argc` arguments. Shortens it
// as described above. The caller sets the arguments in order. Arguments from number SLOW_LOG_ARGS
// on are ignored.
void slow_entry_add(struct slow_entry *entry, struct span arg, uint32_t number, uint32_t argc);

#endif
