// The table of types.
#include "rdb/type.h"

#include <stddef.h>

// Streams and values of modules are not skipped: what they consist of depends on the version of the
// server and of the module.
static const struct rdb_type types[] = {
    [RDB_TYPE_STRING] = {"string", "s", NULL},
    [1] = {"list", "", "s"},
    [2] = {"set", "", "s"},
    [3] = {"zset", "", "sd"},
    [4] = {"hash", "", "ss"},
    [5] = {"zset", "", "s8"},
    [6] = {"module", NULL, NULL}, // of the release candidates of Redis 4.0
    [7] = {"module", NULL, NULL},
    [9] = {"hash", "s", NULL},  // zipmap
    [10] = {"list", "s", NULL}, // ziplist
    [11] = {"set", "s", NULL},  // intset
    [12] = {"zset", "s", NULL}, // ziplist
    [13] = {"hash", "s", NULL}, // ziplist
    [14] = {"list", "", "s"},   // quicklist
    [15] = {"stream", NULL, NULL},
    [16] = {"hash", "s", NULL}, // listpack
    [17] = {"zset", "s", NULL}, // listpack
    [18] = {"list", "", "ns"},  // quicklist; each node says how it is stored
    [19] = {"stream", NULL, NULL},
    [20] = {"set", "s", NULL}, // listpack
    [21] = {"stream", NULL, NULL},
};
enum { TYPES = sizeof types / sizeof *types };

// Hashes whose fields expire. The first two are those of the release candidates of Redis 7.4.
static const struct rdb_type redis_types[] = {
    {"hash", "", "nss"},    // time, field, value
    {"hash", "s", NULL},    // listpack
    {"hash", "8", "nss"},   // earliest time; time, field, value
    {"hash", "8s", NULL},   // earliest time; listpack
    {"stream", NULL, NULL}, // of Redis 8
};
enum { REDIS_TYPES = sizeof redis_types / sizeof *redis_types };

static const struct rdb_type valkey_types[] = {
    {"hash", "", "ss8"}, // field, value, time
};
enum { VALKEY_TYPES = sizeof valkey_types / sizeof *valkey_types };

const struct rdb_type *rdb_type_of(unsigned number, bool valkey)
{
    if (number < TYPES)
        return types[number].name != NULL ? &types[number] : NULL;
    number -= TYPES;
    if (valkey)
        return number < VALKEY_TYPES ? &valkey_types[number] : NULL;
    return number < REDIS_TYPES ? &redis_types[number] : NULL;
}
