// Looks up keys and ranks for handlers. Most keys were looked up together before the handler runs
// (serve/batch.h). The others are looked up here: keys of a long request, keys that an index with
// damage hides, and all keys whose lines may not be in memory (serve/cold.h).
#include <assert.h>

#include "base/clock.h"
#include "data/dataset.h"
#include "serve/session.h"

enum {
    BYTES_PER_WORK = 4096, // searching this many bytes of a value costs one unit of work
    RANKS_AHEAD = 64,      // most ranks that are read together
    SEEKS_MAX = 4,         // most seeks of a request
};

static void count_lookup(struct session *s, bool found)
{
    if (found)
        counter_add(&s->service->stats.keyspace_hits, 1);
    else
        counter_add(&s->service->stats.keyspace_misses, 1);
}

// Looks up the keys of the running command from argument `i` on, at most BATCH_CHUNK of them. Their
// offsets are stored in the batch from index BATCH_KEYS on (batch_look_up_chunk).
static void look_up_chunk(struct session *s, const struct resp_request *r, uint32_t i)
{
    const struct command *command = s->request.running->command;
    uint32_t step = (uint32_t)command->keys.step;
    uint32_t before = (i - (uint32_t)command->keys.first) / step;
    uint32_t left = command_keys(command, r->argc) - before;
    uint32_t count = left < BATCH_CHUNK ? left : BATCH_CHUNK;
    assert(i >= (uint32_t)command->keys.first && left > 0);
    const struct dataset *d = s->service->cold.active ? NULL : session_dataset(s);
    batch_look_up_chunk(&s->service->batch, d, r, i, step, count);
    s->request.keys.first = i;
    s->request.keys.count = count;
    s->request.keys.batch_index = BATCH_KEYS;
}

void session_revoke_reply(struct session *s)
{
    if (s->integrity.revocable)
        s->integrity.revoked = true;
    else
        s->killed = true; // a part of the reply may have been written
}

// Returns the offset of the line of argument `i` in the batch, or DATASET_NO_OFFSET. If the batch
// does not have the key, looks it up with those after it.
static uint64_t offset_of(struct session *s, const struct resp_request *r, uint32_t i)
{
    uint32_t step = (uint32_t)s->request.running->command->keys.step;
    uint32_t number = step == 1 ? i - s->request.keys.first : (i - s->request.keys.first) / step;
    if (i < s->request.keys.first || number >= s->request.keys.count) {
        look_up_chunk(s, r, i);
        number = 0;
    }
    return s->service->batch.offset[s->request.keys.batch_index + number];
}

// Continues the search for the end of a long value, where the last turn has stopped. Returns false
// if this turn's work is used up and the end has not been found yet. Otherwise `value` is the whole
// value, or its `ptr` is NULL because a part of it is lost.
static bool find_end(struct session *s, struct span *value)
{
    uint64_t snapshot = session_snapshot(s)->number;
    const char *ptr = value->ptr;
    bool ended;
    if (s->long_value.ptr == ptr && s->long_value.snapshot == snapshot)
        value->len = s->long_value.len;
    do {
        size_t before = value->len;
        ended = dataset_value_more(session_dataset(s), value);
        if (value->ptr != NULL)
            session_charge(s, (value->len - before) / BYTES_PER_WORK);
    } while (!ended && s->turn.work_left > 0);
    s->long_value.ptr = value->ptr;
    s->long_value.len = value->len;
    s->long_value.snapshot = snapshot;
    return ended;
}

__attribute__((noinline)) enum lookup session_find_end(struct session *s, struct span *value)
{
    session_charge(s, value->len / BYTES_PER_WORK);
    if (value->len >= DATASET_PART && !find_end(s, value))
        return LOOKUP_GOES_ON;
    return value->ptr != NULL ? LOOKUP_FOUND : LOOKUP_MISSED;
}

// ---- lines that may not be in memory ------------------------------------------------------------

static enum lookup park(struct session *s)
{
    s->parked = true;
    return LOOKUP_GOES_ON;
}

// Called when the reader threads have read the lines of the session's set. Notes how long the
// session has waited for them, if its command needed them, and wakes it.
static void lines_arrived(struct session *s)
{
    struct service_group *group = s->service->group;
    uint64_t ns = cold_set_waited(s->cold);
    int64_t threshold = runtime_get(&group->runtime.latency_monitor_threshold);
    if (s->parked) {
        s->request.waited_ns += ns;
        histogram_table_record(&s->service->histograms, HISTOGRAM_COLD_READ, ns, 1);
        if (threshold > 0 && ns / 1000000 >= (uint64_t)threshold)
            latency_events_add(&group->observation.latency, LATENCY_COLD_READ,
                               clock_wall_us() / 1000000, ns / 1000000);
    }
    session_wake(s);
}

// Returns the session's set, unless it is of an older dataset or its values may have got wrong.
static struct cold_set *present_set(struct session *s)
{
    if (s->cold != NULL && !cold_set_is_valid(s->cold, session_snapshot(s)->number)) {
        cold_set_drop(s->cold);
        s->cold = NULL;
    }
    return s->cold;
}

// Makes a set with room for `count` lines. Returns NULL when memory is short; the session is then
// closed.
static struct cold_set *new_set(struct session *s, unsigned count)
{
    struct cold_set *set =
        cold_set_new(&s->service->cold, session_dataset(s), session_snapshot(s)->number, count);
    s->oom |= set == NULL;
    return set;
}

// Replaces the session's set, and reads the lines of the new one. The old one is kept until the
// next is replaced, or the turn ends: a handler that needs two values may still use the first.
static void begin_set(struct session *s, struct cold_set *set)
{
    cold_set_drop(s->cold_before);
    s->cold_before = s->cold;
    s->cold = set;
    cold_set_begin(&s->service->cold, set, s, lines_arrived);
}

// Returns how many keys the running command has from argument `i` on. 0: its row does not say which
// arguments are keys.
static uint32_t keys_from(const struct session *s, const struct resp_request *r, uint32_t i)
{
    const struct command *command = s->request.running->command;
    if (command->keys.first == 0)
        return 0;
    uint32_t before = (i - (uint32_t)command->keys.first) / (uint32_t)command->keys.step;
    return command_keys(command, r->argc) - before;
}

// Makes a set of the key `id` in argument `i`, the keys after it, and the keys of the requests that
// were read ahead.
static struct cold_set *collect_keys(struct session *s, const struct resp_request *r, uint32_t i,
                                     struct uuid id)
{
    const struct batch *batch = &s->service->batch;
    uint32_t own = keys_from(s, r, i);
    uint32_t count = own > 0 ? own : 1;
    unsigned end = s->turn.ahead.next;
    for (; count < COLD_LINES_MAX && end < s->turn.ahead.end; end++)
        count += batch->request[end].keys;
    struct cold_set *set = new_set(s, count < COLD_LINES_MAX ? count : COLD_LINES_MAX);
    if (set == NULL)
        return NULL;
    cold_set_add_key(set, id);
    for (uint32_t k = 1; k < own && !cold_set_is_full(set); k++) {
        struct span word = resp_arg(r, i + k * (uint32_t)s->request.running->command->keys.step);
        struct uuid other;
        if (key_rules_read(s->service->keys, word, &other))
            cold_set_add_key(set, other);
    }
    for (unsigned n = s->turn.ahead.next; n < end; n++) {
        const struct batch_request *request = &batch->request[n];
        for (unsigned k = request->first_key; k < request->first_key + request->keys; k++)
            if (batch->is_uuid[k] && !cold_set_is_full(set))
                cold_set_add_key(set, batch->id[k]);
    }
    return set;
}

// Completes a line of the session's set: a value that is longer than its buffer is read again, or
// its end is searched. Sets `*offset` to the offset of the line and, unless `value` is NULL,
// `*value` to its value.
static enum lookup finish_line(struct session *s, struct cold_line *line, uint64_t *offset,
                               struct span *value)
{
    struct cold *cold = &s->service->cold;
    if (!line->parked && line->found == DATASET_READ_LONG && value != NULL) {
        if (cold_set_is_parked(s->cold))
            return park(s);
        if (line->extent || !cold_set_read_longer(cold, s->cold, line, s, lines_arrived) ||
            (!line->parked && line->found == DATASET_READ_LONG))
            cold_set_read_end(cold, s->cold, line, s, lines_arrived);
    }
    if (line->parked)
        return park(s);
    switch (line->found) {
    case DATASET_READ_FOUND:
    case DATASET_READ_LONG:
        *offset = line->line.offset;
        if (value != NULL)
            *value = line->line.value;
        return LOOKUP_FOUND;
    case DATASET_READ_UNREADABLE:
    case DATASET_READ_COLD: session_revoke_reply(s); return LOOKUP_MISSED;
    case DATASET_READ_ABSENT: break;
    }
    return LOOKUP_MISSED;
}

// Returns the line of the key `id` in argument `i`, and begins to read it if no set has it yet.
// Returns NULL when memory is short.
static struct cold_line *line_of(struct session *s, const struct resp_request *r, uint32_t i,
                                 struct uuid id)
{
    struct cold_set *set = present_set(s);
    struct cold_line *line = set != NULL ? cold_set_key(set, id) : NULL;
    if (line != NULL)
        return line;
    set = collect_keys(s, r, i, id);
    if (set == NULL)
        return NULL;
    begin_set(s, set);
    return cold_set_key(set, id);
}

// Looks up the key `id` in argument `i` by a set. Sets `*offset` and `*value` as finish_line does;
// `value` may be NULL.
static enum lookup look_up_cold(struct session *s, const struct resp_request *r, uint32_t i,
                                struct uuid id, uint64_t *offset, struct span *value)
{
    struct cold_line *line = line_of(s, r, i, id);
    return line != NULL ? finish_line(s, line, offset, value) : LOOKUP_MISSED;
}

enum lookup session_bring(struct session *s, const struct resp_request *r, uint32_t i,
                          struct uuid id)
{
    if (!s->service->cold.active)
        return LOOKUP_FOUND;
    struct cold_line *line = line_of(s, r, i, id);
    if (line == NULL)
        return LOOKUP_MISSED;
    if (!line->parked && line->found == DATASET_READ_LONG) {
        if (cold_set_is_parked(s->cold))
            return park(s);
        cold_set_read_end(&s->service->cold, s->cold, line, s, lines_arrived);
    }
    return line->parked ? park(s) : LOOKUP_FOUND;
}

enum lookup session_check(struct session *s, const struct resp_request *r, uint32_t i,
                          bool *readable)
{
    struct uuid id;
    *readable = true;
    if (!key_rules_read(s->service->keys, resp_arg(r, i), &id))
        return LOOKUP_MISSED;
    struct cold_line *line = line_of(s, r, i, id);
    if (line == NULL)
        return LOOKUP_MISSED;
    if (line->parked)
        return park(s);
    *readable = line->found != DATASET_READ_UNREADABLE && line->found != DATASET_READ_COLD;
    return line->found == DATASET_READ_ABSENT ? LOOKUP_MISSED : LOOKUP_FOUND;
}

// Looks up argument `i`, which the batch does not have, by itself. Sets `*offset` and `*value` as
// finish_line does; `value` may be NULL. Does not count the lookup.
static enum lookup look_up_alone(struct session *s, const struct resp_request *r, uint32_t i,
                                 uint64_t *offset, struct span *value)
{
    struct uuid id;
    if (value != NULL)
        *value = span_of(NULL, 0);
    if (!key_rules_read(s->service->keys, resp_arg(r, i), &id))
        return LOOKUP_MISSED;
    if (s->service->cold.active)
        return look_up_cold(s, r, i, id, offset, value);
    if (!dataset_find_many(session_dataset(s), &id, 1, offset))
        session_revoke_reply(s);
    return *offset != DATASET_NO_OFFSET ? LOOKUP_FOUND : LOOKUP_MISSED;
}

// Looks up argument `i`, which was not found in the batch. This is the end of the lookup unless
// there is a reason to doubt: the index is damaged, or the data may not be in memory.
static __attribute__((noinline)) enum lookup look_up_again(struct session *s,
                                                           const struct resp_request *r, uint32_t i,
                                                           uint64_t *offset, struct span *value)
{
    enum lookup lookup = LOOKUP_MISSED;
    if (s->service->batch.uncertain)
        lookup = look_up_alone(s, r, i, offset, value);
    if (lookup == LOOKUP_MISSED)
        count_lookup(s, false);
    return lookup;
}

// ---- for handlers -------------------------------------------------------------------------------

enum lookup session_value(struct session *s, uint64_t offset, struct span *value)
{
    *value = dataset_value_part(session_dataset(s), offset);
    return session_find_end(s, value);
}

enum lookup session_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                            struct span *value)
{
    uint64_t offset = offset_of(s, r, i);
    if (offset == DATASET_NO_OFFSET) {
        enum lookup lookup = look_up_again(s, r, i, &offset, value);
        if (lookup != LOOKUP_FOUND)
            return lookup;
        if (value->ptr != NULL) {
            count_lookup(s, true);
            return LOOKUP_FOUND;
        }
    }
    count_lookup(s, true);
    *value = dataset_value_part(session_dataset(s), offset);
    if (value->len < BYTES_PER_WORK && value->ptr != NULL)
        return LOOKUP_FOUND;
    enum lookup lookup = session_find_end(s, value);
    if (lookup == LOOKUP_GOES_ON)
        counter_sub(&s->service->stats.keyspace_hits, 1); // the call that finds the end counts it
    s->killed |= lookup == LOOKUP_MISSED; // the key was found, so its value has just been lost
    return lookup;
}

void session_uncount_lookup(struct session *s, enum lookup lookup)
{
    struct stats *stats = &s->service->stats;
    if (lookup == LOOKUP_FOUND)
        counter_sub(&stats->keyspace_hits, 1);
    else if (lookup == LOOKUP_MISSED)
        counter_sub(&stats->keyspace_misses, 1);
}

enum lookup session_has(struct session *s, const struct resp_request *r, uint32_t i)
{
    uint64_t offset = offset_of(s, r, i);
    enum lookup lookup = LOOKUP_FOUND;
    if (offset == DATASET_NO_OFFSET)
        lookup = look_up_again(s, r, i, &offset, NULL);
    if (lookup == LOOKUP_FOUND)
        count_lookup(s, true);
    return lookup;
}

enum lookup session_has_word(struct session *s, const struct resp_request *r, uint32_t i)
{
    uint64_t offset;
    enum lookup lookup = look_up_alone(s, r, i, &offset, NULL);
    if (lookup != LOOKUP_GOES_ON)
        count_lookup(s, lookup == LOOKUP_FOUND);
    return lookup;
}

// Makes a set of the ranks from `rank` on in the direction of `last`, at most RANKS_AHEAD, and
// keeps the seeks of the present set.
static struct cold_set *collect_ranks(struct session *s, uint64_t rank, uint64_t last)
{
    uint64_t distance = rank < last ? last - rank : rank - last;
    unsigned count = distance < RANKS_AHEAD ? (unsigned)distance + 1 : RANKS_AHEAD;
    struct cold_set *set = new_set(s, count + SEEKS_MAX);
    if (set == NULL)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        cold_set_add_rank(set, rank < last ? rank + i : rank - i);
    if (s->cold != NULL)
        cold_set_keep_seeks(set, s->cold);
    return set;
}

static enum lookup at_cold(struct session *s, uint64_t rank, uint64_t last, struct uuid *id,
                           struct span *value)
{
    uint64_t offset;
    struct cold_set *set = present_set(s);
    struct cold_line *line = set != NULL ? cold_set_rank(set, rank) : NULL;
    if (line == NULL) {
        set = collect_ranks(s, rank, last);
        if (set == NULL)
            return LOOKUP_MISSED;
        begin_set(s, set);
        line = cold_set_rank(set, rank);
    }
    enum lookup lookup = finish_line(s, line, &offset, value);
    if (lookup != LOOKUP_FOUND)
        return lookup;
    *id = line->id;
    return LOOKUP_FOUND;
}

enum lookup session_at(struct session *s, uint64_t rank, uint64_t last, struct uuid *id,
                       struct span *value)
{
    uint64_t offset;
    if (s->service->cold.active && rank < dataset_figures(session_dataset(s))->keys)
        return at_cold(s, rank, last, id, value);
    if (!dataset_offset_at(session_dataset(s), rank, id, &offset))
        return LOOKUP_MISSED;
    return value != NULL ? session_value(s, offset, value) : LOOKUP_FOUND;
}

enum lookup session_seek(struct session *s, struct uuid id, uint64_t *rank)
{
    bool first = id.hi == 0 && id.lo == 0; // no key is less, so no line is read
    if (first || !s->service->cold.active) {
        *rank = first ? 0 : dataset_seek(session_dataset(s), id);
        return LOOKUP_FOUND;
    }
    struct cold_set *set = present_set(s);
    struct cold_line *line = set != NULL ? cold_set_seek(set, id) : NULL;
    if (line == NULL) {
        set = new_set(s, 1 + SEEKS_MAX);
        if (set == NULL)
            return LOOKUP_GOES_ON;
        cold_set_add_seek(set, id);
        if (s->cold != NULL)
            cold_set_keep_seeks(set, s->cold);
        begin_set(s, set);
        line = cold_set_seek(set, id);
    }
    if (line->parked)
        return park(s);
    *rank = line->rank;
    return LOOKUP_FOUND;
}
