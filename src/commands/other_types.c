// Commands that read types other than strings: hashes, lists, sets, sorted sets, streams and so on.
//
// Every key holds a string. So the reply is WRONGTYPE if a key of the request exists. Otherwise it
// is what Redis replies if the key does not exist; the row of each command names that reply.
// Options are not checked: they select members, and there are none.
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/key_specs.h"
#include "serve/session.h"

// The reply if no key of the request exists. The field `variant` of each row is one of these.
enum empty_reply {
    ZERO,
    NULL_REPLY,
    NULL_ARRAY, // a null array in RESP2, a null in RESP3
    EMPTY_ARRAY,
    EMPTY_SET,
    EMPTY_MAP,
    EMPTY_SCAN,
    COUNTED_ARRAY,   // an empty array if an argument follows the key, otherwise a null
    POSITIONS,       // an empty array if there is a COUNT option, otherwise a null
    ZERO_EACH,       // an array with a 0 for each argument after the key
    NULL_EACH,       // an array with a null for each argument after the key
    NULL_ARRAY_EACH, // an array with a null array for each argument after the key
    NO_SUCH_KEY,     // the error that the key does not exist
    NO_SUCH_GROUP,   // the error that the consumer group does not exist
};

// The number of words that are searched for an option. No valid request has that many options.
enum { SEARCHED_MAX = 64 };

// ---- keys ---------------------------------------------------------------------------------------

// Returns the index of the argument after STREAMS, or `r->argc` if there is none.
static uint32_t first_stream(const struct resp_request *r)
{
    for (uint32_t i = 1; i < r->argc && i < SEARCHED_MAX; i++)
        if (span_is(resp_arg(r, i), "streams"))
            return i + 1;
    return r->argc;
}

// Finds the keys of the request: `*count` arguments that begin with argument `*first`. Returns
// false if the request does not say where its keys are, which is a syntax error.
static bool find_keys(const struct command *c, const struct resp_request *r, uint32_t *first,
                      int64_t *count)
{
    if (c->keys.first != 0) {
        *first = (uint32_t)c->keys.first;
        *count = command_keys(c, r->argc);
        return true;
    }
    if (c->key_specs->counted) {
        *first = 2;
        return number_parse(resp_arg(r, 1), count) && *count > 0 && *count <= r->argc - 2;
    }
    *first = first_stream(r);
    *count = (r->argc - *first) / 2;
    return *count > 0 && (r->argc - *first) % 2 == 0;
}

// Looks whether argument `i` is a key that exists, and counts a hit or a miss.
//
// session_has uses the keys that were looked up together for several requests (serve/batch.h).
// These are only keys whose positions are in the field `keys` of the row.
static enum lookup has_key(struct session *s, const struct resp_request *r, uint32_t i)
{
    return s->request.running->command->keys.first != 0 ? session_has(s, r, i)
                                                        : session_has_word(s, r, i);
}

// ---- replies ------------------------------------------------------------------------------------

static void reply_wrong_type(struct session *s)
{
    resp_error(&s->reply, "%s",
               s->request.running->command->group == GROUP_HYPERLOGLOG
                   ? "WRONGTYPE Key is not a valid HyperLogLog string value."
                   : "WRONGTYPE Operation against a key holding the wrong kind of value");
}

// Writes the same reply for each argument after the key. These commands have one key, so
// `s->request.cursor` is 2 at first. It is 3 when the length of the array has been written, and
// each reply adds 1.
static enum command_result reply_each(struct session *s, const struct resp_request *r,
                                      enum empty_reply kind)
{
    if (s->request.cursor < 3) {
        resp_array(&s->reply, r->argc - 2);
        s->request.cursor = 3;
    }
    for (; s->request.cursor < (uint64_t)r->argc + 1; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (kind == ZERO_EACH)
            resp_integer(&s->reply, 0);
        else if (kind == NULL_ARRAY_EACH)
            resp_null_array(&s->reply);
        else
            resp_null(&s->reply);
    }
    return COMMAND_DONE;
}

static void reply_array_if(struct session *s, bool array)
{
    if (array)
        resp_array(&s->reply, 0);
    else
        resp_null(&s->reply);
}

static bool has_count_option(const struct resp_request *r)
{
    bool found = false;
    for (uint32_t i = 3; i < r->argc && i < SEARCHED_MAX; i += 2)
        found |= span_is(resp_arg(r, i), "count");
    return found;
}

static void reply_no_group(struct session *s, const struct resp_request *r)
{
    struct span key = resp_arg(r, 1);
    struct span group = resp_arg(r, 2);
    resp_error(&s->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'",
               session_echoed(key), key.ptr, session_echoed(group), group.ptr);
}

static enum command_result reply_empty(struct session *s, const struct resp_request *r)
{
    struct resp_writer *w = &s->reply;
    enum empty_reply kind = (enum empty_reply)s->request.running->command->variant;
    switch (kind) {
    case ZERO: resp_integer(w, 0); break;
    case NULL_REPLY: resp_null(w); break;
    case NULL_ARRAY: resp_null_array(w); break;
    case EMPTY_ARRAY: resp_array(w, 0); break;
    case EMPTY_SET: resp_set(w, 0); break;
    case EMPTY_MAP: resp_map(w, 0); break;
    case EMPTY_SCAN:
        resp_array(w, 2);
        resp_bulk_text(w, "0");
        resp_array(w, 0);
        break;
    case COUNTED_ARRAY: reply_array_if(s, r->argc > 2); break;
    case POSITIONS: reply_array_if(s, has_count_option(r)); break;
    case ZERO_EACH:
    case NULL_EACH:
    case NULL_ARRAY_EACH: return reply_each(s, r, kind);
    case NO_SUCH_KEY: resp_error(w, "ERR no such key"); break;
    case NO_SUCH_GROUP: reply_no_group(s, r); break;
    }
    return COMMAND_DONE;
}

// The handler of all rows of this file. `s->request.cursor` is the index of the next key to look
// up. After the last key, reply_each continues with it.
static enum command_result other_type_command(struct session *s, const struct resp_request *r)
{
    uint32_t first;
    int64_t count;
    if (!find_keys(s->request.running->command, r, &first, &count)) {
        reply_syntax_error(s);
        return COMMAND_DONE;
    }
    for (s->request.cursor = s->request.cursor > 0 ? s->request.cursor : first;
         s->request.cursor < first + (uint64_t)count; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum lookup lookup = has_key(s, r, (uint32_t)s->request.cursor);
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        if (lookup == LOOKUP_FOUND) {
            reply_wrong_type(s);
            return COMMAND_DONE;
        }
    }
    return reply_empty(s, r);
}

// ---- the table ----------------------------------------------------------------------------------

// The parameters are: name, arity, flags, keys, key flags, group, version, reply, summary and
// complexity. Further fields follow as initialisers with a name.
#define ROW(n, a, f, k, kf, g, v, reply, text, time, ...)                                          \
    {                                                                                              \
        .name = n, .arity = a, .flags = READONLY | (f), .keys = k, .key_flags = kf,                \
        .group = GROUP_##g, .since = v, .handler = other_type_command, .variant = reply,           \
        .summary = text, .complexity = time, __VA_ARGS__                                           \
    }
#define PER_KEY "O(N) where N is the number of keys"
#define PER_ARGUMENT "O(N) where N is the number of words after the key"

// Rows with one key. READ: the command accesses the content of the key (key flag "access"). SIZE:
// the command returns only a size, or whether something exists (no such flag). EACH: the command
// returns a reply for each argument.
#define READ(n, a, f, g, v, reply, text, ...)                                                      \
    ROW(n, a, f, ONE_KEY, "RO access", g, v, reply, text, "O(1)", __VA_ARGS__)
#define SIZE(n, a, f, g, v, reply, text) ROW(n, a, f, ONE_KEY, "RO", g, v, reply, text, "O(1)")
#define EACH(n, a, f, g, v, reply, text)                                                           \
    ROW(n, a, f, ONE_KEY, "RO access", g, v, reply, text, PER_ARGUMENT)
// Rows with several keys. ALL: all words are keys. COUNTED: the first word is the number of keys.
#define ALL(n, a, f, g, v, reply, text, ...)                                                       \
    ROW(n, a, f, ALL_KEYS, "RO access", g, v, reply, text, PER_KEY, __VA_ARGS__)
#define COUNTED(n, a, f, g, v, reply, text)                                                        \
    ROW(n, a, (f) | MOVABLEKEYS, {0}, "", g, v, reply, text, PER_KEY, .key_specs = counted_keys)
// Rows of XINFO: argument 2, after the subcommand, is the key.
#define ABOUT(n, a, text, ...)                                                                     \
    ROW(n, a, 0, SECOND_KEY, "RO access", STREAM, "5.0.0", NO_SUCH_KEY, text, "O(1)", __VA_ARGS__)

#define RANDOM .tips = "nondeterministic_output"
#define UNORDERED .tips = "nondeterministic_output_order"
#define REPLACED(by) .doc_flags = "deprecated", .deprecated_since = "6.2.0", .replaced_by = by

static const struct command_key_spec counted_keys[] = {{"RO access", 1, 0, 1, .counted = true},
                                                       {0}};
static const struct command_key_spec pfcount_keys[] = {
    {"RW access", 1, -1, 1,
     .notes = "RW because it may change the internal representation of the key, and propagate to "
              "replicas"},
    {0}};
static const struct command_key_spec sort_ro_keys[] = {
    {"RO access", 1, 0, 1},
    {"RO access", 0,
     .notes = "For the optional BY/GET keyword. It is marked 'unknown' because the key names "
              "derive from the content of the key we sort"},
    {0}};
static const struct command_key_spec stream_keys[] = {
    {"RO access", 1, -1, 1, .keyword = "STREAMS", .limit = 2}, {0}};

// clang-format off
const struct command other_types_commands[] = {
    READ("geodist", -4, 0, GEO, "3.2.0", NULL_REPLY, "Returns the distance between two members"),
    EACH("geohash", -2, 0, GEO, "3.2.0", NULL_EACH,
         "Returns the positions of members as geohashes"),
    EACH("geopos", -2, 0, GEO, "3.2.0", NULL_ARRAY_EACH,
         "Returns the longitudes and latitudes of members"),
    READ("georadius_ro", -6, 0, GEO, "3.2.10", EMPTY_ARRAY,
         "Returns the members within a distance of a point",
         REPLACED("`GEOSEARCH` with the `BYRADIUS` argument")),
    READ("georadiusbymember_ro", -5, 0, GEO, "3.2.10", EMPTY_ARRAY,
         "Returns the members within a distance of another member",
         REPLACED("`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    READ("geosearch", -7, 0, GEO, "6.2.0", EMPTY_ARRAY,
         "Returns the members inside a circle or a box"),
    SIZE("hexists", 3, FAST, HASH, "2.0.0", ZERO, "Returns whether a hash has a field"),
    READ("hget", 3, FAST, HASH, "2.0.0", NULL_REPLY, "Returns the value of a field of a hash"),
    READ("hgetall", 2, 0, HASH, "2.0.0", EMPTY_MAP, "Returns all fields and values of a hash",
         UNORDERED),
    READ("hkeys", 2, 0, HASH, "2.0.0", EMPTY_ARRAY, "Returns all fields of a hash", UNORDERED),
    SIZE("hlen", 2, FAST, HASH, "2.0.0", ZERO, "Returns the number of fields of a hash"),
    EACH("hmget", -3, FAST, HASH, "2.0.0", NULL_EACH,
         "Returns the values of several fields of a hash"),
    READ("hrandfield", -2, 0, HASH, "6.2.0", COUNTED_ARRAY, "Returns random fields of a hash",
         RANDOM),
    READ("hscan", -3, 0, HASH, "2.8.0", EMPTY_SCAN, "Iterates over the fields and values of a hash",
         RANDOM),
    SIZE("hstrlen", 3, FAST, HASH, "3.2.0", ZERO,
         "Returns the length of the value of a field of a hash"),
    READ("hvals", 2, 0, HASH, "2.0.0", EMPTY_ARRAY, "Returns all values of a hash", UNORDERED),
    READ("lindex", 3, 0, LIST, "1.0.0", NULL_REPLY, "Returns the element of a list at an index"),
    SIZE("llen", 2, FAST, LIST, "1.0.0", ZERO, "Returns the number of elements of a list"),
    READ("lpos", -3, 0, LIST, "6.0.6", POSITIONS,
         "Returns the indexes of a given element in a list"),
    READ("lrange", 4, 0, LIST, "1.0.0", EMPTY_ARRAY, "Returns a range of elements of a list"),
    ROW("pfcount", -2, 0, ALL_KEYS, "RW access", HYPERLOGLOG, "2.8.9", ZERO,
        "Returns an estimate of the number of elements in HyperLogLogs", PER_KEY,
        .key_specs = pfcount_keys,
        .deviation = "The reply is `WRONGTYPE` even if the bytes of a value are those of a "
                     "HyperLogLog."),
    SIZE("scard", 2, FAST, SET, "1.0.0", ZERO, "Returns the number of members of a set"),
    ALL("sdiff", -2, 0, SET, "1.0.0", EMPTY_SET,
        "Returns the members of the first set that are in none of the other sets", UNORDERED),
    ALL("sinter", -2, 0, SET, "1.0.0", EMPTY_SET, "Returns the members that are in all of the sets",
        UNORDERED),
    COUNTED("sintercard", -3, 0, SET, "7.0.0", ZERO,
            "Returns the number of members that are in all of the sets"),
    SIZE("sismember", 3, FAST, SET, "1.0.0", ZERO, "Returns whether a set has a member"),
    READ("smembers", 2, 0, SET, "1.0.0", EMPTY_SET, "Returns all members of a set", UNORDERED),
    EACH("smismember", -3, FAST, SET, "6.2.0", ZERO_EACH,
         "Returns for each of several members whether a set has it"),
    ROW("sort_ro", -2, MOVABLEKEYS, ONE_KEY, "RO access", GENERIC, "7.0.0", EMPTY_ARRAY,
        "Returns the elements of a list, set or sorted set in sorted order", "O(1)",
        .key_specs = sort_ro_keys, .key_rule = key_rule_sort_ro,
        .categories = IN_DANGEROUS | IN_LIST | IN_SET | IN_SORTEDSET),
    READ("srandmember", -2, 0, SET, "1.0.0", COUNTED_ARRAY, "Returns random members of a set",
         RANDOM),
    READ("sscan", -3, 0, SET, "2.8.0", EMPTY_SCAN, "Iterates over the members of a set", RANDOM),
    ALL("sunion", -2, 0, SET, "1.0.0", EMPTY_SET, "Returns the members that are in any of the sets",
        UNORDERED),
    {"xinfo", -2, 0, NO_KEYS, GROUP_STREAM, "5.0.0", IN_SLOW, NULL,
     "A container for the commands that describe streams", NULL},
    ABOUT("xinfo|consumers", 4, "Returns the consumers of a consumer group", RANDOM),
    ABOUT("xinfo|groups", 3, "Returns the consumer groups of a stream"),
    {"xinfo|help", 2, LOADING | STALE, NO_KEYS, GROUP_STREAM, "5.0.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    ABOUT("xinfo|stream", -3, "Returns information about a stream"),
    SIZE("xlen", 2, FAST, STREAM, "5.0.0", ZERO, "Returns the number of entries of a stream"),
    READ("xpending", -3, 0, STREAM, "5.0.0", NO_SUCH_GROUP,
         "Returns the entries that a consumer group has received but not acknowledged", RANDOM),
    READ("xrange", -4, 0, STREAM, "5.0.0", EMPTY_ARRAY, "Returns a range of entries of a stream"),
    ROW("xread", -4, BLOCKING | MOVABLEKEYS, {0}, "", STREAM, "5.0.0", NULL_ARRAY,
        "Returns the entries of streams that follow the given IDs, and never waits", PER_KEY,
        .key_specs = stream_keys,
        .deviation = "`BLOCK` does not wait, as no stream will ever have an entry."),
    READ("xrevrange", -4, 0, STREAM, "5.0.0", EMPTY_ARRAY,
         "Returns a range of entries of a stream, in reverse order"),
    SIZE("zcard", 2, FAST, SORTED_SET, "1.2.0", ZERO,
         "Returns the number of members of a sorted set"),
    READ("zcount", 4, FAST, SORTED_SET, "2.0.0", ZERO,
         "Returns the number of members whose score is in a range"),
    COUNTED("zdiff", -3, 0, SORTED_SET, "6.2.0", EMPTY_ARRAY,
            "Returns the members of the first sorted set that are in none of the other sorted "
            "sets"),
    COUNTED("zinter", -3, 0, SORTED_SET, "6.2.0", EMPTY_ARRAY,
            "Returns the members that are in all of the sorted sets"),
    COUNTED("zintercard", -3, 0, SORTED_SET, "7.0.0", ZERO,
            "Returns the number of members that are in all of the sorted sets"),
    READ("zlexcount", 4, FAST, SORTED_SET, "2.8.9", ZERO,
         "Returns the number of members whose name is in a range"),
    EACH("zmscore", -3, FAST, SORTED_SET, "6.2.0", NULL_EACH,
         "Returns the scores of several members of a sorted set"),
    READ("zrandmember", -2, 0, SORTED_SET, "6.2.0", COUNTED_ARRAY,
         "Returns random members of a sorted set", RANDOM),
    READ("zrange", -4, 0, SORTED_SET, "1.2.0", EMPTY_ARRAY,
         "Returns a range of members of a sorted set"),
    READ("zrangebylex", -4, 0, SORTED_SET, "2.8.9", EMPTY_ARRAY,
         "Returns the members whose name is in a range",
         REPLACED("`ZRANGE` with the `BYLEX` argument")),
    READ("zrangebyscore", -4, 0, SORTED_SET, "1.0.5", EMPTY_ARRAY,
         "Returns the members whose score is in a range",
         REPLACED("`ZRANGE` with the `BYSCORE` argument")),
    READ("zrank", 3, FAST, SORTED_SET, "2.0.0", NULL_REPLY,
         "Returns the rank of a member of a sorted set"),
    READ("zrevrange", -4, 0, SORTED_SET, "1.2.0", EMPTY_ARRAY,
         "Returns a range of members of a sorted set, in reverse order",
         REPLACED("`ZRANGE` with the `REV` argument")),
    READ("zrevrangebylex", -4, 0, SORTED_SET, "2.8.9", EMPTY_ARRAY,
         "Returns the members whose name is in a range, in reverse order",
         REPLACED("`ZRANGE` with the `REV` and `BYLEX` arguments")),
    READ("zrevrangebyscore", -4, 0, SORTED_SET, "2.2.0", EMPTY_ARRAY,
         "Returns the members whose score is in a range, in reverse order",
         REPLACED("`ZRANGE` with the `REV` and `BYSCORE` arguments")),
    READ("zrevrank", 3, FAST, SORTED_SET, "2.0.0", NULL_REPLY,
         "Returns the rank of a member of a sorted set, counted from the last member"),
    READ("zscan", -3, 0, SORTED_SET, "2.8.0", EMPTY_SCAN,
         "Iterates over the members and scores of a sorted set", RANDOM),
    READ("zscore", 3, FAST, SORTED_SET, "1.2.0", NULL_REPLY,
         "Returns the score of a member of a sorted set"),
    COUNTED("zunion", -3, 0, SORTED_SET, "6.2.0", EMPTY_ARRAY,
            "Returns the members that are in any of the sorted sets"),
    {0},
};
// clang-format on
