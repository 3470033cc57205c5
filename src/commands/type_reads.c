// Reads of hashes, lists, sets, sorted sets, streams and so on. Every key holds a string, so there
// are two outcomes: the error of a wrong type, or what Redis answers when there is no such key.
//
// A table tells how the words of a request are checked (type_checks.c), before and behind looking
// at the key, and what the second outcome is. So one handler does for all but XREAD.
#include <assert.h>

#include "commands/type_checks.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/doubt.h"
#include "serve/session.h"

// ---- the table ----------------------------------------------------------------------------------

// What is answered when there is no such key.
enum absence {
    NOTHING,
    ZERO,
    EMPTY_ARRAY,
    EMPTY_SET,
    EMPTY_MAP,
    EMPTY_SCAN,
    NOTHING_OR_ARRAY, // nothing when no count is given
    POSITION,         // nothing, or an empty array when COUNT is given
    NOTHING_EACH,     // for each argument behind the key
    ZERO_EACH,
    NO_ARRAY_EACH,
    NO_SUCH_KEY,
    NO_SUCH_GROUP,
};

static const struct type_read {
    const char *name;
    type_check *before; // looking at the key
    type_check *behind;
    enum absence absence;
} type_reads[] = {
    {"consumers", NULL, NULL, NO_SUCH_KEY},
    {"geodist", type_check_distance, NULL, NOTHING},
    {"geohash", NULL, NULL, NOTHING_EACH},
    {"geopos", NULL, NULL, NO_ARRAY_EACH},
    {"georadius_ro", NULL, type_check_around_point, EMPTY_ARRAY},
    {"georadiusbymember_ro", NULL, type_check_around_member, EMPTY_ARRAY},
    {"geosearch", NULL, type_check_geosearch, EMPTY_ARRAY},
    {"groups", NULL, NULL, NO_SUCH_KEY},
    {"hexists", NULL, NULL, ZERO},
    {"hget", NULL, NULL, NOTHING},
    {"hgetall", NULL, NULL, EMPTY_MAP},
    {"hkeys", NULL, NULL, EMPTY_ARRAY},
    {"hlen", NULL, NULL, ZERO},
    {"hmget", NULL, NULL, NOTHING_EACH},
    {"hrandfield", type_check_random_field, NULL, NOTHING_OR_ARRAY},
    {"hscan", type_check_cursor, NULL, EMPTY_SCAN},
    {"hstrlen", NULL, NULL, ZERO},
    {"hvals", NULL, NULL, EMPTY_ARRAY},
    {"lindex", NULL, NULL, NOTHING},
    {"llen", NULL, NULL, ZERO},
    {"lpos", type_check_list_position, NULL, POSITION},
    {"lrange", type_check_integers, NULL, EMPTY_ARRAY},
    {"pfcount", NULL, NULL, ZERO},
    {"scard", NULL, NULL, ZERO},
    {"sdiff", NULL, NULL, EMPTY_SET},
    {"sinter", NULL, NULL, EMPTY_SET},
    {"sintercard", type_check_set_count, NULL, ZERO},
    {"sismember", NULL, NULL, ZERO},
    {"smembers", NULL, NULL, EMPTY_SET},
    {"smismember", NULL, NULL, ZERO_EACH},
    {"sort_ro", type_check_sort, NULL, EMPTY_ARRAY},
    {"srandmember", type_check_random_member, NULL, NOTHING_OR_ARRAY},
    {"sscan", type_check_cursor, NULL, EMPTY_SCAN},
    {"stream", NULL, NULL, NO_SUCH_KEY},
    {"sunion", NULL, NULL, EMPTY_SET},
    {"xlen", NULL, NULL, ZERO},
    {"xpending", type_check_pending, NULL, NO_SUCH_GROUP},
    {"xrange", type_check_stream_range, NULL, EMPTY_ARRAY},
    {"xrevrange", type_check_stream_range, NULL, EMPTY_ARRAY},
    {"zcard", NULL, NULL, ZERO},
    {"zcount", type_check_scores, NULL, ZERO},
    {"zdiff", type_check_sorted_count, type_check_difference, EMPTY_ARRAY},
    {"zinter", type_check_sorted_count, type_check_union, EMPTY_ARRAY},
    {"zintercard", type_check_sorted_count, type_check_intersection_limit, ZERO},
    {"zlexcount", type_check_names, NULL, ZERO},
    {"zmscore", NULL, NULL, NOTHING_EACH},
    {"zrandmember", type_check_random_score, NULL, NOTHING_OR_ARRAY},
    {"zrange", type_check_any_range, NULL, EMPTY_ARRAY},
    {"zrangebylex", type_check_name_range, NULL, EMPTY_ARRAY},
    {"zrangebyscore", type_check_score_range, NULL, EMPTY_ARRAY},
    {"zrank", NULL, NULL, NOTHING},
    {"zrevrange", type_check_rank_range, NULL, EMPTY_ARRAY},
    {"zrevrangebylex", type_check_name_range, NULL, EMPTY_ARRAY},
    {"zrevrangebyscore", type_check_score_range, NULL, EMPTY_ARRAY},
    {"zrevrank", NULL, NULL, NOTHING},
    {"zscan", type_check_cursor, NULL, EMPTY_SCAN},
    {"zscore", NULL, NULL, NOTHING},
    {"zunion", type_check_sorted_count, type_check_union, EMPTY_ARRAY},
};

// A search from the front: such commands are few and rare.
static const struct type_read *find_read(const char *name)
{
    for (unsigned i = 0; i < sizeof type_reads / sizeof *type_reads; i++)
        if (strcmp(type_reads[i].name, name) == 0)
            return &type_reads[i];
    return NULL;
}

// ---- the handlers -------------------------------------------------------------------------------

// Whether there is a key of argument `i`, which the row may know to be one or not.
static bool has_key(struct session *s, const struct resp_request *r, uint32_t i)
{
    struct span name = resp_arg(r, i);
    struct uuid id;
    uint64_t place = DATASET_NO_OFFSET;
    if (s->running->command->keys.first != 0)
        return session_has(s, r, i);
    if (name.len == UUID_TEXT_LEN && uuid_parse(name.ptr, &id) &&
        !dataset_find_many(session_dataset(s), &id, 1, &place))
        doubt_note(s);
    bool found = place != DATASET_NO_OFFSET;
    if (found)
        counter_add(&s->service->stats.keyspace_hits, 1);
    else
        counter_add(&s->service->stats.keyspace_misses, 1);
    return found;
}

static void reply_wrong_type(struct session *s)
{
    const char *name = s->running->command->name;
    resp_error(&s->reply, "%s",
               strcmp(name, "pfcount") == 0
                   ? "WRONGTYPE Key is not a valid HyperLogLog string value."
                   : "WRONGTYPE Operation against a key holding the wrong kind of value");
}

// The arguments that are keys: `*first` to before `*end`.
static void find_keys(const struct session *s, const struct resp_request *r, uint32_t *first,
                      uint32_t *end)
{
    const struct command *c = s->running->command;
    *first = c->keys.first != 0 ? (uint32_t)c->keys.first : 2;
    *end = *first + (c->keys.first != 0 ? command_keys(c, r->argc) : type_check_announced_keys(r));
}

// One for each argument behind the key; the cursor is 3 + number of those written.
static enum command_result reply_each(struct session *s, const struct resp_request *r,
                                      enum absence absence)
{
    if (s->cursor < 3) {
        resp_array(&s->reply, r->argc - 2);
        s->cursor = 3;
    }
    for (; s->cursor < (uint64_t)r->argc + 1; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (absence == ZERO_EACH)
            resp_integer(&s->reply, 0);
        else if (absence == NO_ARRAY_EACH)
            resp_null_array(&s->reply);
        else
            resp_null(&s->reply);
    }
    return COMMAND_DONE;
}

static void reply_no_group(struct session *s, const struct resp_request *r)
{
    struct span key = resp_arg(r, 1);
    struct span group = resp_arg(r, 2);
    resp_error(&s->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'",
               session_echoed(key), key.ptr, session_echoed(group), group.ptr);
}

static enum command_result reply_absence(struct session *s, const struct resp_request *r,
                                         enum absence absence)
{
    struct resp_writer *w = &s->reply;
    switch (absence) {
    case NOTHING: resp_null(w); break;
    case ZERO: resp_integer(w, 0); break;
    case EMPTY_ARRAY: resp_array(w, 0); break;
    case EMPTY_SET: resp_set(w, 0); break;
    case EMPTY_MAP: resp_map(w, 0); break;
    case EMPTY_SCAN:
        resp_array(w, 2);
        resp_bulk_text(w, "0");
        resp_array(w, 0);
        break;
    case NOTHING_OR_ARRAY:
        if (r->argc == 2)
            resp_null(w);
        else
            resp_array(w, 0);
        break;
    case POSITION:
        if (type_check_has_count(r))
            resp_array(w, 0);
        else
            resp_null(w);
        break;
    case NOTHING_EACH:
    case ZERO_EACH:
    case NO_ARRAY_EACH: return reply_each(s, r, absence);
    case NO_SUCH_KEY: resp_error(w, "ERR no such key"); break;
    case NO_SUCH_GROUP: reply_no_group(s, r); break;
    }
    return COMMAND_DONE;
}

// The cursor is the next key to look at, and behind the last one that of reply_each.
enum command_result read_type_command(struct session *s, const struct resp_request *r)
{
    const struct type_read *read = find_read(command_word(s->running->command));
    uint32_t first;
    uint32_t end;
    assert(read != NULL);
    if (s->cursor == 0 && read->before != NULL && type_check_refuse(s, r, read->before(r)))
        return COMMAND_DONE;
    find_keys(s, r, &first, &end);
    for (s->cursor = s->cursor > 0 ? s->cursor : first; s->cursor < end; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (has_key(s, r, (uint32_t)s->cursor)) {
            reply_wrong_type(s);
            return COMMAND_DONE;
        }
    }
    if (read->behind != NULL && type_check_refuse(s, r, read->behind(r)))
        return COMMAND_DONE;
    return reply_absence(s, r, read->absence);
}

// No stream will ever have an entry, so BLOCK waits for none. The cursor is 1 + number of streams
// done.
enum command_result xread_command(struct session *s, const struct resp_request *r)
{
    uint32_t streams = 0;
    if (type_check_refuse(s, r, type_check_streams(r, &streams)))
        return COMMAND_DONE;
    uint32_t count = (r->argc - streams) / 2;
    for (s->cursor += s->cursor == 0; s->cursor <= count; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        uint32_t key = streams + (uint32_t)s->cursor - 1;
        struct span entry = resp_arg(r, key + count);
        if (has_key(s, r, key)) {
            reply_wrong_type(s);
            return COMMAND_DONE;
        }
        if (type_check_refuse(s, r, type_check_entry(entry)))
            return COMMAND_DONE;
    }
    resp_null_array(&s->reply);
    return COMMAND_DONE;
}
