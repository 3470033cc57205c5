// The rows of Redis 7.0's write commands, which are known by name only to be refused in the right
// way: a wrong number of arguments first, then READONLY. Arity, flags and keys are Redis's. Among
// the subcommands of such a container there may be some that are answered.
#include "serve/handlers.h"

// clang-format off
static const struct command_argument library_words[] = {
    {"library-name-pattern", "string", "LIBRARYNAME", ARGUMENT_OPTIONAL, NULL},
    {"withcode", "pure-token", "WITHCODE", ARGUMENT_OPTIONAL, NULL},
    {0}};

static const struct command_key_spec read_then_replaced[] = {
    {"RO access", 1, 0, 1},
    {"OW update", 2, 0, 1},
    {0},
};

static const struct command_key_spec migrate_keys[] = {
    {"RW access delete", 3, 0, 1},
    {"RW access delete incomplete", -2, -1, 1, .keyword = "KEYS"},
    {0},
};

static const struct command_key_spec moved_over[] = {
    {"RW access delete", 1, 0, 1},
    {"OW update", 2, 0, 1},
    {0},
};

static const struct command_key_spec moved[] = {
    {"RW access delete", 1, 0, 1},
    {"OW insert", 2, 0, 1},
    {0},
};

static const struct command_key_spec sort_keys[] = {
    {"RO access", 1, 0, 1},
    {"RO access", 0,
     .notes = "For the optional BY/GET keyword. It is marked 'unknown' because the key names "
              "derive from the content of the key we sort"},
    {"OW update", 0,
     .notes = "For the optional STORE keyword. It is marked 'unknown' because the keyword "
              "can appear anywhere in the argument array"},
    {0},
};

static const struct command_key_spec getex_keys[] = {
    {"RW access update", 1, 0, 1, .notes = "RW and UPDATE because it changes the TTL"},
    {0},
};

static const struct command_key_spec set_keys[] = {
    {"RW access update variable_flags", 1, 0, 1,
     .notes = "RW and ACCESS due to the optional `GET` argument"},
    {0},
};

static const struct command_key_spec bitfield_keys[] = {
    {"RW access update variable_flags", 1, 0, 1,
     .notes = "This command allows both access and modification of the key"},
    {0},
};

static const struct command_key_spec bitop_keys[] = {
    {"OW update", 2, 0, 1},
    {"RO access", 3, -1, 1},
    {0},
};

static const struct command_key_spec popped_then_pushed[] = {
    {"RW access delete", 1, 0, 1},
    {"RW insert", 2, 0, 1},
    {0},
};

static const struct command_key_spec blocking_pop_keys[] = {
    {"RW access delete", 2, 0, 1, .counted = true},
    {0},
};

static const struct command_key_spec pop_keys[] = {
    {"RW access delete", 1, 0, 1, .counted = true},
    {0},
};

static const struct command_key_spec stored_from_many[] = {
    {"OW update", 1, 0, 1},
    {"RO access", 2, -1, 1},
    {0},
};

static const struct command_key_spec sinterstore_keys[] = {
    {"RW update", 1, 0, 1},
    {"RO access", 2, -1, 1},
    {0},
};

static const struct command_key_spec stored_from_counted[] = {
    {"OW update", 1, 0, 1},
    {"RO access", 2, 0, 1, .counted = true},
    {0},
};

static const struct command_key_spec stored_from_one[] = {
    {"OW update", 1, 0, 1},
    {"RO access", 2, 0, 1},
    {0},
};

static const struct command_key_spec xadd_keys[] = {
    {"RW update", 1, 0, 1,
     .notes = "UPDATE instead of INSERT because of the optional trimming feature"},
    {0},
};

static const struct command_key_spec xreadgroup_keys[] = {
    {"RO access", 4, -1, 1, .keyword = "STREAMS", .limit = 2},
    {0},
};

static const struct command_key_spec georadius_keys[] = {
    {"RO access", 1, 0, 1},
    {"OW update", 6, 0, 1, .keyword = "STORE"},
    {"OW update", 6, 0, 1, .keyword = "STOREDIST"},
    {0},
};

static const struct command_key_spec georadiusbymember_keys[] = {
    {"RO access", 1, 0, 1},
    {"OW update", 5, 0, 1, .keyword = "STORE"},
    {"OW update", 5, 0, 1, .keyword = "STOREDIST"},
    {0},
};

static const struct command_key_spec pfmerge_keys[] = {
    {"RW access insert", 1, 0, 1},
    {"RO access", 2, -1, 1},
    {0},
};

static const struct command function_rows[] = {
    {"delete", 3, WRITE | NOSCRIPT, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"dump", 2, NOSCRIPT, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0", 0, function_dump_command,
     "The library of functions as FUNCTION RESTORE takes it: an empty one", "O(1)"},
    {"flush", -2, WRITE | NOSCRIPT, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"help", 2, LOADING | STALE, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0", 0, help_command,
     "These lines", "O(1)"},
    {"kill", 2, NOSCRIPT | ALLOW_BUSY, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0", 0,
     script_kill_command,
     "Error: no function is running", "O(1)",
     "request_policy:all_shards response_policy:one_succeeded"},
    {"list", -2, NOSCRIPT, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0", 0, function_list_command,
     "The libraries of functions: none", "O(1)", "nondeterministic_output_order",
     library_words},
    {"load", -3, WRITE | DENYOOM | NOSCRIPT, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"restore", -3, WRITE | DENYOOM | NOSCRIPT, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"stats", 2, NOSCRIPT | ALLOW_BUSY, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0", 0,
     function_stats_command, "The function that is running, and the engines: none runs", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special"},
    {0},
};

static const struct command xgroup_rows[] = {
    {"create", -5, WRITE | DENYOOM, {2, 2, 1}, "RW insert", GROUP_STREAM, "5.0.0"},
    {"createconsumer", 5, WRITE | DENYOOM, {2, 2, 1}, "RW insert", GROUP_STREAM, "6.2.0"},
    {"delconsumer", 5, WRITE, {2, 2, 1}, "RW delete", GROUP_STREAM, "5.0.0"},
    {"destroy", 4, WRITE, {2, 2, 1}, "RW delete", GROUP_STREAM, "5.0.0"},
    {"help", 2, LOADING | STALE, {0, 0, 0}, "", GROUP_STREAM, "5.0.0", 0, help_command,
     "These lines", "O(1)"},
    {"setid", -5, WRITE, {2, 2, 1}, "RW update", GROUP_STREAM, "5.0.0"},
    {0},
};

const struct command command_write_table[] = {
    {"copy", -3, WRITE | DENYOOM, {1, 2, 1}, "RO access", GROUP_GENERIC, "6.2.0",
     .key_specs = read_then_replaced},
    {"del", -2, WRITE, {1, -1, 1}, "RM delete", GROUP_GENERIC, "1.0.0",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {"expire", -3, WRITE | FAST, {1, 1, 1}, "RW update", GROUP_GENERIC, "1.0.0"},
    {"expireat", -3, WRITE | FAST, {1, 1, 1}, "RW update", GROUP_GENERIC, "1.2.0"},
    {"migrate", -6, WRITE | MOVABLEKEYS, {3, 3, 1}, "RW access delete",
     GROUP_GENERIC, "2.6.0", IN_DANGEROUS | IN_KEYSPACE, .tips = "nondeterministic_output",
     .key_specs = migrate_keys},
    {"move", 3, WRITE | FAST, {1, 1, 1}, "RW access update", GROUP_GENERIC, "1.0.0"},
    {"persist", 2, WRITE | FAST, {1, 1, 1}, "RW update", GROUP_GENERIC, "2.2.0"},
    {"pexpire", -3, WRITE | FAST, {1, 1, 1}, "RW update", GROUP_GENERIC, "2.6.0"},
    {"pexpireat", -3, WRITE | FAST, {1, 1, 1}, "RW update", GROUP_GENERIC, "2.6.0"},
    {"rename", 3, WRITE, {1, 2, 1}, "RW access delete", GROUP_GENERIC, "1.0.0",
     .key_specs = moved_over},
    {"renamenx", 3, WRITE | FAST, {1, 2, 1}, "RW access delete", GROUP_GENERIC, "1.0.0",
     .key_specs = moved},
    {"restore", -4, WRITE | DENYOOM, {1, 1, 1}, "OW update",
     GROUP_GENERIC, "2.6.0", IN_DANGEROUS | IN_KEYSPACE},
    {"sort", -2, WRITE | DENYOOM | MOVABLEKEYS, {1, 1, 1}, "RO access",
     GROUP_GENERIC, "1.0.0", IN_DANGEROUS | IN_LIST | IN_SET | IN_SORTEDSET,
     .key_specs = sort_keys},
    {"unlink", -2, WRITE | FAST, {1, -1, 1}, "RM delete", GROUP_GENERIC, "4.0.0",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {"append", 3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_STRING, "2.0.0"},
    {"decr", 2, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update", GROUP_STRING, "1.0.0"},
    {"decrby", 3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update", GROUP_STRING, "1.0.0"},
    {"getdel", 2, WRITE | FAST, {1, 1, 1}, "RW access delete", GROUP_STRING, "6.2.0"},
    {"getex", -2, WRITE | FAST, {1, 1, 1}, "RW access update", GROUP_STRING, "6.2.0",
     .key_specs = getex_keys},
    {"getset", 3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update", GROUP_STRING, "1.0.0",
     .doc_flags = "deprecated", .deprecated_since = "6.2.0", .replaced_by = "`SET` with `GET`"},
    {"incr", 2, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update", GROUP_STRING, "1.0.0"},
    {"incrby", 3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update", GROUP_STRING, "1.0.0"},
    {"incrbyfloat", 3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update",
     GROUP_STRING, "2.6.0"},
    {"mset", -3, WRITE | DENYOOM, {1, -1, 2}, "OW update", GROUP_STRING, "1.0.1",
     .tips = "request_policy:multi_shard response_policy:all_succeeded"},
    {"msetnx", -3, WRITE | DENYOOM, {1, -1, 2}, "OW insert", GROUP_STRING, "1.0.1",
     .tips = "request_policy:multi_shard response_policy:agg_min"},
    {"psetex", 4, WRITE | DENYOOM, {1, 1, 1}, "OW update", GROUP_STRING, "2.6.0"},
    {"set", -3, WRITE | DENYOOM, {1, 1, 1}, "RW access update variable_flags",
     GROUP_STRING, "1.0.0", .key_specs = set_keys},
    {"setex", 4, WRITE | DENYOOM, {1, 1, 1}, "OW update", GROUP_STRING, "2.0.0"},
    {"setnx", 3, WRITE | DENYOOM | FAST, {1, 1, 1}, "OW insert", GROUP_STRING, "1.0.0"},
    {"setrange", 4, WRITE | DENYOOM, {1, 1, 1}, "RW update", GROUP_STRING, "2.2.0"},
    {"bitfield", -2, WRITE | DENYOOM, {1, 1, 1}, "RW access update variable_flags",
     GROUP_BITMAP, "3.2.0", .key_specs = bitfield_keys},
    {"bitop", -4, WRITE | DENYOOM, {2, -1, 1}, "OW update", GROUP_BITMAP, "2.6.0",
     .key_specs = bitop_keys},
    {"setbit", 4, WRITE | DENYOOM, {1, 1, 1}, "RW access update", GROUP_BITMAP, "2.2.0"},
    {"blmove", 6, WRITE | DENYOOM | NOSCRIPT | BLOCKING, {1, 2, 1}, "RW access delete",
     GROUP_LIST, "6.2.0", .key_specs = popped_then_pushed},
    {"blmpop", -5, WRITE | BLOCKING | MOVABLEKEYS, {0, 0, 0}, "", GROUP_LIST, "7.0.0",
     .key_specs = blocking_pop_keys},
    {"blpop", -3, WRITE | NOSCRIPT | BLOCKING, {1, -2, 1}, "RW access delete", GROUP_LIST, "2.0.0"},
    {"brpop", -3, WRITE | NOSCRIPT | BLOCKING, {1, -2, 1}, "RW access delete", GROUP_LIST, "2.0.0"},
    {"brpoplpush", 4, WRITE | DENYOOM | NOSCRIPT | BLOCKING, {1, 2, 1}, "RW access delete",
     GROUP_LIST, "2.2.0", .key_specs = popped_then_pushed, .doc_flags = "deprecated",
     .deprecated_since = "6.2.0", .replaced_by = "`BLMOVE` with `RIGHT` and `LEFT`"},
    {"linsert", 5, WRITE | DENYOOM, {1, 1, 1}, "RW insert", GROUP_LIST, "2.2.0"},
    {"lmove", 5, WRITE | DENYOOM, {1, 2, 1}, "RW access delete", GROUP_LIST, "6.2.0",
     .key_specs = popped_then_pushed},
    {"lmpop", -4, WRITE | MOVABLEKEYS, {0, 0, 0}, "", GROUP_LIST, "7.0.0", .key_specs = pop_keys},
    {"lpop", -2, WRITE | FAST, {1, 1, 1}, "RW access delete", GROUP_LIST, "1.0.0"},
    {"lpush", -3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_LIST, "1.0.0"},
    {"lpushx", -3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_LIST, "2.2.0"},
    {"lrem", 4, WRITE, {1, 1, 1}, "RW delete", GROUP_LIST, "1.0.0"},
    {"lset", 4, WRITE | DENYOOM, {1, 1, 1}, "RW update", GROUP_LIST, "1.0.0"},
    {"ltrim", 4, WRITE, {1, 1, 1}, "RW delete", GROUP_LIST, "1.0.0"},
    {"rpop", -2, WRITE | FAST, {1, 1, 1}, "RW access delete", GROUP_LIST, "1.0.0"},
    {"rpoplpush", 3, WRITE | DENYOOM, {1, 2, 1}, "RW access delete", GROUP_LIST, "1.2.0",
     .key_specs = popped_then_pushed, .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`LMOVE` with `RIGHT` and `LEFT`"},
    {"rpush", -3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_LIST, "1.0.0"},
    {"rpushx", -3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_LIST, "2.2.0"},
    {"hdel", -3, WRITE | FAST, {1, 1, 1}, "RW delete", GROUP_HASH, "2.0.0"},
    {"hincrby", 4, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update", GROUP_HASH, "2.0.0"},
    {"hincrbyfloat", 4, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update", GROUP_HASH, "2.6.0"},
    {"hmset", -4, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW update", GROUP_HASH, "2.0.0",
     .doc_flags = "deprecated", .deprecated_since = "4.0.0",
     .replaced_by = "`HSET` with several fields"},
    {"hset", -4, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW update", GROUP_HASH, "2.0.0"},
    {"hsetnx", 4, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_HASH, "2.0.0"},
    {"sadd", -3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_SET, "1.0.0"},
    {"sdiffstore", -3, WRITE | DENYOOM, {1, -1, 1}, "OW update", GROUP_SET, "1.0.0",
     .key_specs = stored_from_many},
    {"sinterstore", -3, WRITE | DENYOOM, {1, -1, 1}, "RW update", GROUP_SET, "1.0.0",
     .key_specs = sinterstore_keys},
    {"smove", 4, WRITE | FAST, {1, 2, 1}, "RW access delete", GROUP_SET, "1.0.0",
     .key_specs = popped_then_pushed},
    {"spop", -2, WRITE | FAST, {1, 1, 1}, "RW access delete", GROUP_SET, "1.0.0",
     .tips = "nondeterministic_output"},
    {"srem", -3, WRITE | FAST, {1, 1, 1}, "RW delete", GROUP_SET, "1.0.0"},
    {"sunionstore", -3, WRITE | DENYOOM, {1, -1, 1}, "OW update", GROUP_SET, "1.0.0",
     .key_specs = stored_from_many},
    {"bzmpop", -5, WRITE | BLOCKING | MOVABLEKEYS, {0, 0, 0}, "", GROUP_SORTED_SET, "7.0.0",
     .key_specs = blocking_pop_keys},
    {"bzpopmax", -3, WRITE | NOSCRIPT | BLOCKING | FAST, {1, -2, 1}, "RW access delete",
     GROUP_SORTED_SET, "5.0.0"},
    {"bzpopmin", -3, WRITE | NOSCRIPT | BLOCKING | FAST, {1, -2, 1}, "RW access delete",
     GROUP_SORTED_SET, "5.0.0"},
    {"zadd", -4, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW update", GROUP_SORTED_SET, "1.2.0"},
    {"zdiffstore", -4, WRITE | DENYOOM | MOVABLEKEYS, {1, 1, 1}, "OW update",
     GROUP_SORTED_SET, "6.2.0", .key_specs = stored_from_counted},
    {"zincrby", 4, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW access update",
     GROUP_SORTED_SET, "1.2.0"},
    {"zinterstore", -4, WRITE | DENYOOM | MOVABLEKEYS, {1, 1, 1}, "OW update",
     GROUP_SORTED_SET, "2.0.0", .key_specs = stored_from_counted},
    {"zmpop", -4, WRITE | MOVABLEKEYS, {0, 0, 0}, "", GROUP_SORTED_SET, "7.0.0",
     .key_specs = pop_keys},
    {"zpopmax", -2, WRITE | FAST, {1, 1, 1}, "RW access delete", GROUP_SORTED_SET, "5.0.0"},
    {"zpopmin", -2, WRITE | FAST, {1, 1, 1}, "RW access delete", GROUP_SORTED_SET, "5.0.0"},
    {"zrangestore", -5, WRITE | DENYOOM, {1, 2, 1}, "OW update", GROUP_SORTED_SET, "6.2.0",
     .key_specs = stored_from_one},
    {"zrem", -3, WRITE | FAST, {1, 1, 1}, "RW delete", GROUP_SORTED_SET, "1.2.0"},
    {"zremrangebylex", 4, WRITE, {1, 1, 1}, "RW delete", GROUP_SORTED_SET, "2.8.9"},
    {"zremrangebyrank", 4, WRITE, {1, 1, 1}, "RW delete", GROUP_SORTED_SET, "2.0.0"},
    {"zremrangebyscore", 4, WRITE, {1, 1, 1}, "RW delete", GROUP_SORTED_SET, "1.2.0"},
    {"zunionstore", -4, WRITE | DENYOOM | MOVABLEKEYS, {1, 1, 1}, "OW update",
     GROUP_SORTED_SET, "2.0.0", .key_specs = stored_from_counted},
    {"xack", -4, WRITE | FAST, {1, 1, 1}, "RW update", GROUP_STREAM, "5.0.0"},
    {"xadd", -5, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW update", GROUP_STREAM, "5.0.0",
     .tips = "nondeterministic_output", .key_specs = xadd_keys},
    {"xautoclaim", -6, WRITE | FAST, {1, 1, 1}, "RW delete", GROUP_STREAM, "6.2.0",
     .tips = "nondeterministic_output"},
    {"xclaim", -6, WRITE | FAST, {1, 1, 1}, "RW update", GROUP_STREAM, "5.0.0",
     .tips = "nondeterministic_output"},
    {"xdel", -3, WRITE | FAST, {1, 1, 1}, "RW delete", GROUP_STREAM, "5.0.0"},
    {"xreadgroup", -7, WRITE | BLOCKING | MOVABLEKEYS, {0, 0, 0}, "", GROUP_STREAM, "5.0.0",
     .key_specs = xreadgroup_keys},
    {"xsetid", -3, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW update", GROUP_STREAM, "5.0.0"},
    {"xtrim", -4, WRITE, {1, 1, 1}, "RW delete", GROUP_STREAM, "5.0.0",
     .tips = "nondeterministic_output"},
    {"geoadd", -5, WRITE | DENYOOM, {1, 1, 1}, "RW update", GROUP_GEO, "3.2.0"},
    {"georadius", -6, WRITE | DENYOOM | MOVABLEKEYS, {1, 1, 1}, "RO access", GROUP_GEO, "3.2.0",
     .key_specs = georadius_keys, .doc_flags = "deprecated", .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`"},
    {"georadiusbymember", -5, WRITE | DENYOOM | MOVABLEKEYS, {1, 1, 1}, "RO access",
     GROUP_GEO, "3.2.0", .key_specs = georadiusbymember_keys, .doc_flags = "deprecated",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`"},
    {"geosearchstore", -8, WRITE | DENYOOM, {1, 2, 1}, "OW update", GROUP_GEO, "6.2.0",
     .key_specs = stored_from_one},
    {"pfadd", -2, WRITE | DENYOOM | FAST, {1, 1, 1}, "RW insert", GROUP_HYPERLOGLOG, "2.8.9"},
    {"pfdebug", 3, WRITE | DENYOOM | ADMIN, {2, 2, 1}, "RW access", GROUP_HYPERLOGLOG, "2.8.9",
     .doc_flags = "syscmd"},
    {"pfmerge", -2, WRITE | DENYOOM, {1, -1, 1}, "RW access insert", GROUP_HYPERLOGLOG, "2.8.9",
     .key_specs = pfmerge_keys},
    {"flushall", -1, WRITE, {0, 0, 0}, "", GROUP_SERVER, "1.0.0", IN_DANGEROUS | IN_KEYSPACE,
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"flushdb", -1, WRITE, {0, 0, 0}, "", GROUP_SERVER, "1.0.0", IN_DANGEROUS | IN_KEYSPACE,
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"restore-asking", -4, WRITE | DENYOOM | ASKING, {1, 1, 1}, "OW update",
     GROUP_SERVER, "3.0.0", IN_DANGEROUS | IN_KEYSPACE, .doc_flags = "syscmd"},
    {"swapdb", 3, WRITE | FAST, {0, 0, 0}, "", GROUP_SERVER, "4.0.0", IN_DANGEROUS | IN_KEYSPACE},
    // containers
    {"function", -2, 0, {0, 0, 0}, "", GROUP_SCRIPTING, "7.0.0", .subcommands = function_rows},
    {"xgroup", -2, 0, {0, 0, 0}, "", GROUP_STREAM, "5.0.0", .subcommands = xgroup_rows},
    {0},
};
