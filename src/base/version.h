// The version of Stele, and the version of Redis that it behaves like.
#ifndef STELE_BASE_VERSION_H
#define STELE_BASE_VERSION_H

#define STELE_VERSION "0.1.0"

// The version that HELLO and INFO announce. Clients choose features by it: redis-py and jedis need
// 7.4 or newer for client-side caching; valkey-go asks CLUSTER SHARDS from 8 on.
#define STELE_REDIS_VERSION "7.4.0"

#endif
