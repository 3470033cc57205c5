// MD5 (RFC 1321). twemproxy places its servers with it, and can hash keys with it. MD5 is broken:
// use it for nothing that must be secure.
#ifndef STELE_CLUSTER_MD5_H
#define STELE_CLUSTER_MD5_H

#include "base/bytes.h"

enum { MD5_LEN = 16 };

// Writes the digest of `bytes` at `digest`: MD5_LEN bytes.
void md5(struct span bytes, unsigned char *digest);

// Returns the four bytes of a digest at `at`, the lowest first.
static inline uint32_t md5_word(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

#endif
