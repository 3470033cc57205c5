// The hashes with which twemproxy chooses the server of a key. Some of them differ from the usual
// hash of the same name. Here they are as twemproxy computes them.
#ifndef STELE_CLUSTER_PARTITION_HASH_H
#define STELE_CLUSTER_PARTITION_HASH_H

#include "base/bytes.h"

enum partition_hash {
    PARTITION_FNV1A_64, // twemproxy's default
    PARTITION_FNV1_64,
    PARTITION_FNV1A_32,
    PARTITION_FNV1_32,
    PARTITION_CRC16,
    PARTITION_CRC32,
    PARTITION_CRC32A,
    PARTITION_MD5,
    PARTITION_MURMUR,
    PARTITION_HASHES, // number of hashes
};

// Returns the hash of `key`, whose bytes are ASCII characters.
uint32_t partition_hash(enum partition_hash hash, struct span key);

// Returns the name of the hash in twemproxy's configuration.
const char *partition_hash_name(enum partition_hash hash);

// Sets `*hash` to the hash with this name. Returns false if there is none.
bool partition_hash_find(struct span name, enum partition_hash *hash);

#endif
