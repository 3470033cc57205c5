// The rows of the commands that read other types than strings. No key holds one: read_type_command
// answers as Redis does when a key is of the wrong type, or missing. Arity, flags and keys are
// Redis's.
#include "commands/key_specs.h"
#include "commands/table.h"
#include "commands/type_checks.h"

// clang-format off: rows are tables

// Arguments are nested less deep than Redis's: hiredis before 1.1 reads only so many levels of
// COMMAND DOCS.

static const struct command_argument length_unit[] = {{"m", "pure-token", "M", 0, NULL},
                                                      {"km", "pure-token", "KM", 0, NULL},
                                                      {"ft", "pure-token", "FT", 0, NULL},
                                                      {"mi", "pure-token", "MI", 0, NULL},
                                                      {0}};
static const struct command_argument geodist_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"member1", "string", NULL, 0, NULL},
    {"member2", "string", NULL, 0, NULL},
    {"unit", "oneof", NULL, ARGUMENT_OPTIONAL, length_unit},
    {0}};
static const struct command_argument geohash_words[] = {
    {"key", "key", NULL, 0, NULL}, {"member", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument count_any[] = {
    {"count", "integer", "COUNT", 0, NULL},
    {"any", "pure-token", "ANY", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument ascending_or_not[] = {
    {"asc", "pure-token", "ASC", 0, NULL}, {"desc", "pure-token", "DESC", 0, NULL}, {0}};
static const struct command_argument georadius_ro_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"longitude", "double", NULL, 0, NULL},
    {"latitude", "double", NULL, 0, NULL},
    {"radius", "double", NULL, 0, NULL},
    {"unit", "oneof", NULL, 0, length_unit},
    {"withcoord", "pure-token", "WITHCOORD", ARGUMENT_OPTIONAL, NULL},
    {"withdist", "pure-token", "WITHDIST", ARGUMENT_OPTIONAL, NULL},
    {"withhash", "pure-token", "WITHHASH", ARGUMENT_OPTIONAL, NULL},
    {"count", "block", NULL, ARGUMENT_OPTIONAL, count_any},
    {"order", "oneof", NULL, ARGUMENT_OPTIONAL, ascending_or_not},
    {0}};
static const struct command_argument georadiusbymember_ro_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"member", "string", NULL, 0, NULL},
    {"radius", "double", NULL, 0, NULL},
    {"unit", "oneof", NULL, 0, length_unit},
    {"withcoord", "pure-token", "WITHCOORD", ARGUMENT_OPTIONAL, NULL},
    {"withdist", "pure-token", "WITHDIST", ARGUMENT_OPTIONAL, NULL},
    {"withhash", "pure-token", "WITHHASH", ARGUMENT_OPTIONAL, NULL},
    {"count", "block", NULL, ARGUMENT_OPTIONAL, count_any},
    {"order", "oneof", NULL, ARGUMENT_OPTIONAL, ascending_or_not},
    {0}};
static const struct command_argument geosearch_words_from_longitude_latitude[] = {
    {"longitude", "double", NULL, 0, NULL}, {"latitude", "double", NULL, 0, NULL}, {0}};
static const struct command_argument geosearch_words_from[] = {
    {"member", "string", "FROMMEMBER", 0, NULL},
    {"longitude_latitude", "block", "FROMLONLAT", 0, geosearch_words_from_longitude_latitude},
    {0}};
static const struct command_argument geosearch_words_by_circle[] = {
    {"radius", "double", "BYRADIUS", 0, NULL}, {"unit", "string", NULL, 0, NULL}, {0}};
static const struct command_argument geosearch_words_by_box[] = {
    {"width", "double", "BYBOX", 0, NULL},
    {"height", "double", NULL, 0, NULL},
    {"unit", "string", NULL, 0, NULL},
    {0}};
static const struct command_argument geosearch_words_by[] = {
    {"circle", "block", NULL, 0, geosearch_words_by_circle},
    {"box", "block", NULL, 0, geosearch_words_by_box},
    {0}};
static const struct command_argument geosearch_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"from", "oneof", NULL, 0, geosearch_words_from},
    {"by", "oneof", NULL, 0, geosearch_words_by},
    {"order", "oneof", NULL, ARGUMENT_OPTIONAL, ascending_or_not},
    {"count", "block", NULL, ARGUMENT_OPTIONAL, count_any},
    {"withcoord", "pure-token", "WITHCOORD", ARGUMENT_OPTIONAL, NULL},
    {"withdist", "pure-token", "WITHDIST", ARGUMENT_OPTIONAL, NULL},
    {"withhash", "pure-token", "WITHHASH", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument hexists_words[] = {
    {"key", "key", NULL, 0, NULL}, {"field", "string", NULL, 0, NULL}, {0}};
static const struct command_argument one_key[] = {{"key", "key", NULL, 0, NULL}, {0}};
static const struct command_argument hmget_words[] = {
    {"key", "key", NULL, 0, NULL}, {"field", "string", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument hrandfield_words_options[] = {
    {"count", "integer", NULL, 0, NULL},
    {"withvalues", "pure-token", "WITHVALUES", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument hrandfield_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"options", "block", NULL, ARGUMENT_OPTIONAL, hrandfield_words_options},
    {0}};
static const struct command_argument hscan_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"cursor", "integer", NULL, 0, NULL},
    {"pattern", "pattern", "MATCH", ARGUMENT_OPTIONAL, NULL},
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument lindex_words[] = {
    {"key", "key", NULL, 0, NULL}, {"index", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument lpos_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"element", "string", NULL, 0, NULL},
    {"rank", "integer", "RANK", ARGUMENT_OPTIONAL, NULL},
    {"num-matches", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {"len", "integer", "MAXLEN", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument lrange_words[] = {{"key", "key", NULL, 0, NULL},
                                                       {"start", "integer", NULL, 0, NULL},
                                                       {"stop", "integer", NULL, 0, NULL},
                                                       {0}};
static const struct command_argument keys[] = {{"key", "key", NULL, ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument sintercard_words[] = {
    {"numkeys", "integer", NULL, 0, NULL},
    {"key", "key", NULL, ARGUMENT_MULTIPLE, NULL},
    {"limit", "integer", "LIMIT", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument sismember_words[] = {
    {"key", "key", NULL, 0, NULL}, {"member", "string", NULL, 0, NULL}, {0}};
static const struct command_argument sort_ro_words_offset_count[] = {
    {"offset", "integer", NULL, 0, NULL}, {"count", "integer", NULL, 0, NULL}, {0}};
static const struct command_argument sort_ro_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"pattern", "pattern", "BY", ARGUMENT_OPTIONAL, NULL},
    {"offset_count", "block", "LIMIT", ARGUMENT_OPTIONAL, sort_ro_words_offset_count},
    {"pattern", "pattern", "GET", ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL},
    {"order", "oneof", NULL, ARGUMENT_OPTIONAL, ascending_or_not},
    {"sorting", "pure-token", "ALPHA", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument srandmember_words[] = {
    {"key", "key", NULL, 0, NULL}, {"count", "integer", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument xpending_words_filters[] = {
    {"min-idle-time", "integer", "IDLE", ARGUMENT_OPTIONAL, NULL},
    {"start", "string", NULL, 0, NULL},
    {"end", "string", NULL, 0, NULL},
    {"count", "integer", NULL, 0, NULL},
    {"consumer", "string", NULL, ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument xpending_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"group", "string", NULL, 0, NULL},
    {"filters", "block", NULL, ARGUMENT_OPTIONAL, xpending_words_filters},
    {0}};
static const struct command_argument xrange_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"start", "string", NULL, 0, NULL},
    {"end", "string", NULL, 0, NULL},
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument stream_words_streams[] = {
    {"key", "key", NULL, ARGUMENT_MULTIPLE, NULL},
    {"id", "string", NULL, ARGUMENT_MULTIPLE, NULL},
    {0}};
static const struct command_argument stream_words[] = {
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {"milliseconds", "integer", "BLOCK", ARGUMENT_OPTIONAL, NULL},
    {"streams", "block", "STREAMS", 0, stream_words_streams},
    {0}};
static const struct command_argument xrevrange_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"end", "string", NULL, 0, NULL},
    {"start", "string", NULL, 0, NULL},
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument zcount_words[] = {{"key", "key", NULL, 0, NULL},
                                                       {"min", "double", NULL, 0, NULL},
                                                       {"max", "double", NULL, 0, NULL},
                                                       {0}};
static const struct command_argument zdiff_words[] = {
    {"numkeys", "integer", NULL, 0, NULL},
    {"key", "key", NULL, ARGUMENT_MULTIPLE, NULL},
    {"withscores", "pure-token", "WITHSCORES", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument zinter_words_aggregate[] = {
    {"sum", "pure-token", "SUM", 0, NULL},
    {"min", "pure-token", "MIN", 0, NULL},
    {"max", "pure-token", "MAX", 0, NULL},
    {0}};
static const struct command_argument zinter_words[] = {
    {"numkeys", "integer", NULL, 0, NULL},
    {"key", "key", NULL, ARGUMENT_MULTIPLE, NULL},
    {"weight", "integer", "WEIGHTS", ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL},
    {"aggregate", "oneof", "AGGREGATE", ARGUMENT_OPTIONAL, zinter_words_aggregate},
    {"withscores", "pure-token", "WITHSCORES", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument zlexcount_words[] = {{"key", "key", NULL, 0, NULL},
                                                          {"min", "string", NULL, 0, NULL},
                                                          {"max", "string", NULL, 0, NULL},
                                                          {0}};
static const struct command_argument zrandmember_words_options[] = {
    {"count", "integer", NULL, 0, NULL},
    {"withscores", "pure-token", "WITHSCORES", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument zrandmember_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"options", "block", NULL, ARGUMENT_OPTIONAL, zrandmember_words_options},
    {0}};
static const struct command_argument zrange_words_sortby[] = {
    {"byscore", "pure-token", "BYSCORE", 0, NULL}, {"bylex", "pure-token", "BYLEX", 0, NULL}, {0}};
static const struct command_argument zrange_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"start", "string", NULL, 0, NULL},
    {"stop", "string", NULL, 0, NULL},
    {"sortby", "oneof", NULL, ARGUMENT_OPTIONAL, zrange_words_sortby},
    {"rev", "pure-token", "REV", ARGUMENT_OPTIONAL, NULL},
    {"offset_count", "block", "LIMIT", ARGUMENT_OPTIONAL, sort_ro_words_offset_count},
    {"withscores", "pure-token", "WITHSCORES", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument zrangebylex_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"min", "string", NULL, 0, NULL},
    {"max", "string", NULL, 0, NULL},
    {"offset_count", "block", "LIMIT", ARGUMENT_OPTIONAL, sort_ro_words_offset_count},
    {0}};
static const struct command_argument zrangebyscore_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"min", "double", NULL, 0, NULL},
    {"max", "double", NULL, 0, NULL},
    {"withscores", "pure-token", "WITHSCORES", ARGUMENT_OPTIONAL, NULL},
    {"offset_count", "block", "LIMIT", ARGUMENT_OPTIONAL, sort_ro_words_offset_count},
    {0}};
static const struct command_argument zrevrange_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"start", "integer", NULL, 0, NULL},
    {"stop", "integer", NULL, 0, NULL},
    {"withscores", "pure-token", "WITHSCORES", ARGUMENT_OPTIONAL, NULL},
    {0}};
static const struct command_argument zrevrangebylex_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"max", "string", NULL, 0, NULL},
    {"min", "string", NULL, 0, NULL},
    {"offset_count", "block", "LIMIT", ARGUMENT_OPTIONAL, sort_ro_words_offset_count},
    {0}};
static const struct command_argument zrevrangebyscore_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"max", "double", NULL, 0, NULL},
    {"min", "double", NULL, 0, NULL},
    {"withscores", "pure-token", "WITHSCORES", ARGUMENT_OPTIONAL, NULL},
    {"offset_count", "block", "LIMIT", ARGUMENT_OPTIONAL, sort_ro_words_offset_count},
    {0}};
static const struct command_argument xinfo_consumers_words[] = {
    {"key", "key", NULL, 0, NULL}, {"groupname", "string", NULL, 0, NULL}, {0}};
static const struct command_argument xinfo_stream_words[] = {
    {"key", "key", NULL, 0, NULL},
    {"full", "pure-token", "FULL", ARGUMENT_OPTIONAL, NULL},
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {0}};

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

const struct command other_types_commands[] = {
    {"geodist", -4, READONLY, ONE_KEY, "RO access", GROUP_GEO, "3.2.0", 0, read_type_command,
     "The distance between two members", "O(1)", NULL, geodist_words},
    {"geohash", -2, READONLY, ONE_KEY, "RO access", GROUP_GEO, "3.2.0", 0, read_type_command,
     "Members as geohashes", "O(N) where N is the number of arguments", NULL, geohash_words},
    {"geopos", -2, READONLY, ONE_KEY, "RO access", GROUP_GEO, "3.2.0", 0, read_type_command,
     "Longitude and latitude of members", "O(N) where N is the number of arguments", NULL,
     geohash_words},
    {"georadius_ro", -6, READONLY, ONE_KEY, "RO access", GROUP_GEO, "3.2.10", 0, read_type_command,
     "The members around a point", "O(1)", NULL, georadius_ro_words, .doc_flags = "deprecated",
     .deprecated_since = "6.2.0", .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument"},
    {"georadiusbymember_ro", -5, READONLY, ONE_KEY, "RO access", GROUP_GEO, "3.2.10", 0,
     read_type_command, "The members around a member", "O(1)", NULL, georadiusbymember_ro_words,
     .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"},
    {"geosearch", -7, READONLY, ONE_KEY, "RO access", GROUP_GEO, "6.2.0", 0, read_type_command,
     "The members within a circle or a box", "O(1)", NULL, geosearch_words,
     .deviation = "Of a missing key, a point that is none on Earth is not refused, and of "
                  "several errors another one may be told."},
    {"hexists", 3, READONLY | FAST, ONE_KEY, "RO", GROUP_HASH, "2.0.0", 0, read_type_command,
     "Whether a hash has the field", "O(1)", NULL, hexists_words},
    {"hget", 3, READONLY | FAST, ONE_KEY, "RO access", GROUP_HASH, "2.0.0", 0, read_type_command,
     "The value of a field of a hash", "O(1)", NULL, hexists_words},
    {"hgetall", 2, READONLY, ONE_KEY, "RO access", GROUP_HASH, "2.0.0", 0, read_type_command,
     "All fields and values of a hash", "O(1)", "nondeterministic_output_order", one_key},
    {"hkeys", 2, READONLY, ONE_KEY, "RO access", GROUP_HASH, "2.0.0", 0, read_type_command,
     "All fields of a hash", "O(1)", "nondeterministic_output_order", one_key},
    {"hlen", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_HASH, "2.0.0", 0, read_type_command,
     "How many fields a hash has", "O(1)", NULL, one_key},
    {"hmget", -3, READONLY | FAST, ONE_KEY, "RO access", GROUP_HASH, "2.0.0", 0, read_type_command,
     "The values of fields of a hash", "O(N) where N is the number of arguments", NULL,
     hmget_words},
    {"hrandfield", -2, READONLY, ONE_KEY, "RO access", GROUP_HASH, "6.2.0", 0, read_type_command,
     "Random fields of a hash", "O(1)", "nondeterministic_output", hrandfield_words},
    {"hscan", -3, READONLY, ONE_KEY, "RO access", GROUP_HASH, "2.8.0", 0, read_type_command,
     "Some fields of a hash, and a cursor", "O(1)", "nondeterministic_output", hscan_words},
    {"hstrlen", 3, READONLY | FAST, ONE_KEY, "RO", GROUP_HASH, "3.2.0", 0, read_type_command,
     "The length of the value of a field of a hash", "O(1)", NULL, hexists_words},
    {"hvals", 2, READONLY, ONE_KEY, "RO access", GROUP_HASH, "2.0.0", 0, read_type_command,
     "All values of a hash", "O(1)", "nondeterministic_output_order", one_key},
    {"lindex", 3, READONLY, ONE_KEY, "RO access", GROUP_LIST, "1.0.0", 0, read_type_command,
     "An element of a list", "O(1)", NULL, lindex_words},
    {"llen", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_LIST, "1.0.0", 0, read_type_command,
     "How many elements a list has", "O(1)", NULL, one_key},
    {"lpos", -3, READONLY, ONE_KEY, "RO access", GROUP_LIST, "6.0.6", 0, read_type_command,
     "Where an element stands in a list", "O(1)", NULL, lpos_words},
    {"lrange", 4, READONLY, ONE_KEY, "RO access", GROUP_LIST, "1.0.0", 0, read_type_command,
     "Elements of a list", "O(1)", NULL, lrange_words},
    {"pfcount", -2, READONLY, ALL_KEYS, "RW access", GROUP_HYPERLOGLOG, "2.8.9", 0,
     read_type_command, "An estimate of how many elements HyperLogLogs have",
     "O(N) where N is the number of keys", NULL, keys,
     .deviation = "A value that happens to be a HyperLogLog is not looked into.",
     .key_specs = pfcount_keys},
    {"scard", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_SET, "1.0.0", 0, read_type_command,
     "How many members a set has", "O(1)", NULL, one_key},
    {"sdiff", -2, READONLY, ALL_KEYS, "RO access", GROUP_SET, "1.0.0", 0, read_type_command,
     "What is in the first set and in no other", "O(N) where N is the number of keys",
     "nondeterministic_output_order", keys},
    {"sinter", -2, READONLY, ALL_KEYS, "RO access", GROUP_SET, "1.0.0", 0, read_type_command,
     "What is in all sets", "O(N) where N is the number of keys", "nondeterministic_output_order",
     keys},
    {"sintercard", -3, READONLY | MOVABLEKEYS, NO_KEYS, GROUP_SET, "7.0.0", 0, read_type_command,
     "How many members are in all sets", "O(N) where N is the number of keys", NULL,
     sintercard_words, .key_specs = counted_keys},
    {"sismember", 3, READONLY | FAST, ONE_KEY, "RO", GROUP_SET, "1.0.0", 0, read_type_command,
     "Whether a set has the member", "O(1)", NULL, sismember_words},
    {"smembers", 2, READONLY, ONE_KEY, "RO access", GROUP_SET, "1.0.0", 0, read_type_command,
     "All members of a set", "O(1)", "nondeterministic_output_order", one_key},
    {"smismember", -3, READONLY | FAST, ONE_KEY, "RO access", GROUP_SET, "6.2.0", 0,
     read_type_command, "Which of the members a set has", "O(N) where N is the number of arguments",
     NULL, geohash_words},
    {"sort_ro", -2, READONLY | MOVABLEKEYS, ONE_KEY, "RO access", GROUP_GENERIC, "7.0.0",
     IN_DANGEROUS | IN_LIST | IN_SET | IN_SORTEDSET, read_type_command,
     "The elements of a list or set, in order", "O(1)", NULL, sort_ro_words,
     .key_specs = sort_ro_keys, .key_rule = key_rule_sort_ro},
    {"srandmember", -2, READONLY, ONE_KEY, "RO access", GROUP_SET, "1.0.0", 0, read_type_command,
     "Random members of a set", "O(1)", "nondeterministic_output", srandmember_words},
    {"sscan", -3, READONLY, ONE_KEY, "RO access", GROUP_SET, "2.8.0", 0, read_type_command,
     "Some members of a set, and a cursor", "O(1)", "nondeterministic_output", hscan_words},
    {"sunion", -2, READONLY, ALL_KEYS, "RO access", GROUP_SET, "1.0.0", 0, read_type_command,
     "What is in any of the sets", "O(N) where N is the number of keys",
     "nondeterministic_output_order", keys},
    {"xinfo", -2, 0, NO_KEYS, GROUP_STREAM, "5.0.0", IN_SLOW, NULL, "Commands about streams", NULL},
    {"xinfo|consumers", 4, READONLY, SECOND_KEY, "RO access", GROUP_STREAM, "5.0.0", 0,
     read_type_command, "The consumers of a group", "O(1)", "nondeterministic_output",
     xinfo_consumers_words},
    {"xinfo|groups", 3, READONLY, SECOND_KEY, "RO access", GROUP_STREAM, "5.0.0", 0,
     read_type_command, "The consumer groups of a stream", "O(1)", NULL, one_key},
    {"xinfo|help", 2, LOADING | STALE, NO_KEYS, GROUP_STREAM, "5.0.0", 0, help_command,
     "These lines", "O(1)"},
    {"xinfo|stream", -3, READONLY, SECOND_KEY, "RO access", GROUP_STREAM, "5.0.0", 0,
     read_type_command, "What there is to know about a stream", "O(1)", NULL, xinfo_stream_words},
    {"xlen", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_STREAM, "5.0.0", 0, read_type_command,
     "How many entries a stream has", "O(1)", NULL, one_key},
    {"xpending", -3, READONLY, ONE_KEY, "RO access", GROUP_STREAM, "5.0.0", 0, read_type_command,
     "What a consumer group has not acknowledged", "O(1)", "nondeterministic_output",
     xpending_words},
    {"xrange", -4, READONLY, ONE_KEY, "RO access", GROUP_STREAM, "5.0.0", 0, read_type_command,
     "Entries of a stream", "O(1)", NULL, xrange_words},
    {"xread", -4, READONLY | BLOCKING | MOVABLEKEYS, NO_KEYS, GROUP_STREAM, "5.0.0", 0,
     xread_command, "Entries of streams behind the given ones; never waits",
     "O(N) where N is the number of keys", NULL, stream_words,
     .deviation = "`BLOCK` waits for nothing, as no stream will ever have an entry.",
     .key_specs = stream_keys},
    {"xrevrange", -4, READONLY, ONE_KEY, "RO access", GROUP_STREAM, "5.0.0", 0, read_type_command,
     "Entries of a stream, last first", "O(1)", NULL, xrevrange_words},
    {"zcard", 2, READONLY | FAST, ONE_KEY, "RO", GROUP_SORTED_SET, "1.2.0", 0, read_type_command,
     "How many members a sorted set has", "O(1)", NULL, one_key},
    {"zcount", 4, READONLY | FAST, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.0.0", 0,
     read_type_command, "How many members have a score in the range", "O(1)", NULL, zcount_words},
    {"zdiff", -3, READONLY | MOVABLEKEYS, NO_KEYS, GROUP_SORTED_SET, "6.2.0", 0, read_type_command,
     "What is in the first sorted set and in no other", "O(N) where N is the number of keys", NULL,
     zdiff_words, .key_specs = counted_keys},
    {"zinter", -3, READONLY | MOVABLEKEYS, NO_KEYS, GROUP_SORTED_SET, "6.2.0", 0, read_type_command,
     "What is in all sorted sets", "O(N) where N is the number of keys", NULL, zinter_words,
     .key_specs = counted_keys},
    {"zintercard", -3, READONLY | MOVABLEKEYS, NO_KEYS, GROUP_SORTED_SET, "7.0.0", 0,
     read_type_command, "How many members are in all sorted sets",
     "O(N) where N is the number of keys", NULL, sintercard_words, .key_specs = counted_keys},
    {"zlexcount", 4, READONLY | FAST, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.8.9", 0,
     read_type_command, "How many members are in the range of names", "O(1)", NULL,
     zlexcount_words},
    {"zmscore", -3, READONLY | FAST, ONE_KEY, "RO access", GROUP_SORTED_SET, "6.2.0", 0,
     read_type_command, "The scores of members", "O(N) where N is the number of arguments", NULL,
     geohash_words},
    {"zrandmember", -2, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "6.2.0", 0,
     read_type_command, "Random members of a sorted set", "O(1)", "nondeterministic_output",
     zrandmember_words},
    {"zrange", -4, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "1.2.0", 0, read_type_command,
     "Members of a sorted set", "O(1)", NULL, zrange_words},
    {"zrangebylex", -4, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.8.9", 0,
     read_type_command, "The members in a range of names", "O(1)", NULL, zrangebylex_words,
     .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `BYLEX` argument"},
    {"zrangebyscore", -4, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "1.0.5", 0,
     read_type_command, "The members in a range of scores", "O(1)", NULL, zrangebyscore_words,
     .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `BYSCORE` argument"},
    {"zrank", 3, READONLY | FAST, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.0.0", 0,
     read_type_command, "The rank of a member", "O(1)", NULL, sismember_words},
    {"zrevrange", -4, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "1.2.0", 0,
     read_type_command, "Members of a sorted set, last first", "O(1)", NULL, zrevrange_words,
     .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` argument"},
    {"zrevrangebylex", -4, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.8.9", 0,
     read_type_command, "The members in a range of names, last first", "O(1)", NULL,
     zrevrangebylex_words, .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYLEX` arguments"},
    {"zrevrangebyscore", -4, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.2.0", 0,
     read_type_command, "The members in a range of scores, last first", "O(1)", NULL,
     zrevrangebyscore_words, .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYSCORE` arguments"},
    {"zrevrank", 3, READONLY | FAST, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.0.0", 0,
     read_type_command, "The rank of a member, from the last", "O(1)", NULL, sismember_words},
    {"zscan", -3, READONLY, ONE_KEY, "RO access", GROUP_SORTED_SET, "2.8.0", 0, read_type_command,
     "Some members of a sorted set, and a cursor", "O(1)", "nondeterministic_output", hscan_words},
    {"zscore", 3, READONLY | FAST, ONE_KEY, "RO access", GROUP_SORTED_SET, "1.2.0", 0,
     read_type_command, "The score of a member", "O(1)", NULL, sismember_words},
    {"zunion", -3, READONLY | MOVABLEKEYS, NO_KEYS, GROUP_SORTED_SET, "6.2.0", 0, read_type_command,
     "What is in any of the sorted sets", "O(N) where N is the number of keys", NULL, zinter_words,
     .key_specs = counted_keys},
    {0},
};
