// The version of Stele, and the version of Redis that it behaves like.
#ifndef STELE_BASE_VERSION_H
#define STELE_BASE_VERSION_H

#define STELE_VERSION "0.1.0"

// The version of Redis that HELLO and INFO report. Clients choose features by it: redis-py and
// jedis need 7.4 or newer for client-side caching, and valkey-go sends CLUSTER SHARDS from
// version 8 on.
#define STELE_REDIS_VERSION "7.4.0"

#endif
