// A ring of entries of equal size, protected by a lock.
#include "metrics/slow_log.h"

#include <stdio.h>

#include "base/memory.h"

static const size_t RING_BYTES = SLOW_LOG_MAX * sizeof(struct slow_entry);

void slow_log_init(struct slow_log *log)
{
    *log = (struct slow_log){0};
    pthread_mutex_init(&log->lock, NULL);
}

void slow_log_release(struct slow_log *log)
{
    memory_unmap(log->ring, RING_BYTES);
    log->ring = NULL;
    pthread_mutex_destroy(&log->lock);
}

void slow_log_add(struct slow_log *log, const struct slow_entry *entry, uint64_t max)
{
    pthread_mutex_lock(&log->lock);
    if (log->ring == NULL)
        log->ring = memory_map(RING_BYTES, SIZE_MAX);
    if (log->ring != NULL && max > 0) {
        struct slow_entry *copy = &log->ring[log->next_id % SLOW_LOG_MAX];
        *copy = *entry;
        copy->id = log->next_id++;
        max = max < SLOW_LOG_MAX ? max : SLOW_LOG_MAX;
        log->count = log->count < max ? log->count + 1 : max;
    }
    pthread_mutex_unlock(&log->lock);
}

uint64_t slow_log_count(struct slow_log *log, uint64_t *next_id)
{
    pthread_mutex_lock(&log->lock);
    uint64_t count = log->count;
    *next_id = log->next_id;
    pthread_mutex_unlock(&log->lock);
    return count;
}

bool slow_log_get(struct slow_log *log, uint64_t id, struct slow_entry *entry)
{
    pthread_mutex_lock(&log->lock);
    bool found = id < log->next_id && log->next_id - id <= log->count;
    if (found)
        *entry = log->ring[id % SLOW_LOG_MAX];
    pthread_mutex_unlock(&log->lock);
    return found;
}

void slow_log_reset(struct slow_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->count = 0;
    pthread_mutex_unlock(&log->lock);
}

void slow_entry_add(struct slow_entry *entry, struct span arg, uint32_t number, uint32_t argc)
{
    if (number >= SLOW_LOG_ARGS)
        return;
    char *to = entry->arg[number];
    size_t len;
    if (argc > SLOW_LOG_ARGS && number == SLOW_LOG_ARGS - 1) {
        len = (size_t)snprintf(to, SLOW_LOG_ARG_ROOM, "... (%u more arguments)",
                               argc - SLOW_LOG_ARGS + 1);
    } else {
        len = arg.len < SLOW_LOG_ARG_BYTES ? arg.len : SLOW_LOG_ARG_BYTES;
        memcpy(to, arg.ptr, len);
        if (arg.len > len)
            len += (size_t)snprintf(to + len, SLOW_LOG_ARG_ROOM - SLOW_LOG_ARG_BYTES,
                                    "... (%zu more bytes)", arg.len - len);
    }
    entry->arg_len[number] = (uint16_t)len;
    entry->args = number + 1;
}
