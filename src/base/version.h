// Which version this is, of ourselves and of the Redis we speak like.
#ifndef STELE_BASE_VERSION_H
#define STELE_BASE_VERSION_H

#define STELE_VERSION "0.1.0"

// What HELLO and INFO announce. Clients choose features by it: redis-py and jedis want 7.4 or
// newer for client-side caching, valkey-go asks CLUSTER SHARDS from 8 on.
#define STELE_REDIS_VERSION "7.4.0"

#endif
