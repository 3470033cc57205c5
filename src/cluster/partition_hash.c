// Each hash is a loop over the bytes of the key, as in the sources of twemproxy (src/hashkit/).
#include "cluster/partition_hash.h"

#include <assert.h>
#include <endian.h>

#include "cluster/md5.h"

#define FNV_64_BEGIN UINT64_C(0xcbf29ce484222325)
#define FNV_64_FACTOR UINT64_C(0x100000001b3)
#define FNV_32_BEGIN UINT32_C(2166136261)
#define FNV_32_FACTOR UINT32_C(16777619)

static uint16_t crc16_table[256];
static uint32_t crc32_table[256];

// Runs before main, so the tables are complete before the first use, in any thread.
__attribute__((constructor)) static void fill_tables(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned crc16 = byte << 8;
        uint32_t crc32 = byte;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc16 = crc16 << 1 ^ ((crc16 & 0x8000) != 0 ? 0x1021 : 0);
            crc32 = crc32 >> 1 ^ ((crc32 & 1) != 0 ? 0xedb88320 : 0);
        }
        crc16_table[byte] = crc16 & 0xffff;
        crc32_table[byte] = crc32;
    }
}

// FNV-1a with the lower halves of the 64-bit constants.
static uint32_t fnv1a_64(struct span key)
{
    uint32_t hash = (uint32_t)FNV_64_BEGIN;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * (uint32_t)FNV_64_FACTOR;
    return hash;
}

// The lower half of the 64-bit hash.
static uint32_t fnv1_64(struct span key)
{
    uint64_t hash = FNV_64_BEGIN;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash * FNV_64_FACTOR) ^ (unsigned char)key.ptr[i];
    return (uint32_t)hash;
}

static uint32_t fnv1a_32(struct span key)
{
    uint32_t hash = FNV_32_BEGIN;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * FNV_32_FACTOR;
    return hash;
}

static uint32_t fnv1_32(struct span key)
{
    uint32_t hash = FNV_32_BEGIN;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash * FNV_32_FACTOR) ^ (unsigned char)key.ptr[i];
    return hash;
}

// CRC-16/XMODEM, but the bits that leave the lower half are kept in the upper half.
static uint32_t crc16(struct span key)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < key.len; i++)
        crc = crc << 8 ^ crc16_table[(crc >> 8 ^ (unsigned char)key.ptr[i]) & 0xff];
    return crc;
}

// The usual CRC-32 of IEEE 802.3.
static uint32_t crc32a(struct span key)
{
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < key.len; i++)
        crc = crc >> 8 ^ crc32_table[(crc ^ (unsigned char)key.ptr[i]) & 0xff];
    return ~crc;
}

static uint32_t md5_hash(struct span key)
{
    unsigned char digest[MD5_LEN];
    md5(key, digest);
    return md5_word(digest);
}

// MurmurHash2 by Austin Appleby, with a seed that depends on the length.
static uint32_t murmur(struct span key)
{
    const uint32_t factor = 0x5bd1e995;
    const unsigned char *at = (const unsigned char *)key.ptr;
    size_t left = key.len;
    uint32_t hash = UINT32_C(0xdeadbeef) * (uint32_t)key.len ^ (uint32_t)key.len;
    for (; left >= 4; at += 4, left -= 4) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        word = le32toh(word) * factor;
        word = (word ^ word >> 24) * factor;
        hash = hash * factor ^ word;
    }
    for (size_t i = left; i > 0; i--)
        hash ^= (uint32_t)at[i - 1] << (8 * (i - 1));
    if (left > 0)
        hash *= factor;
    hash = (hash ^ hash >> 13) * factor;
    return hash ^ hash >> 15;
}

uint32_t partition_hash(enum partition_hash hash, struct span key)
{
    switch (hash) {
    case PARTITION_FNV1A_64: return fnv1a_64(key);
    case PARTITION_FNV1_64: return fnv1_64(key);
    case PARTITION_FNV1A_32: return fnv1a_32(key);
    case PARTITION_FNV1_32: return fnv1_32(key);
    case PARTITION_CRC16: return crc16(key);
    case PARTITION_CRC32: return crc32a(key) >> 16 & 0x7fff; // libmemcached computes it in this way
    case PARTITION_CRC32A: return crc32a(key);
    case PARTITION_MD5: return md5_hash(key);
    case PARTITION_MURMUR: return murmur(key);
    case PARTITION_HASHES: break;
    }
    assert(false && "unknown hash");
    return 0;
}

static const char *const names[PARTITION_HASHES] = {
    [PARTITION_FNV1A_64] = "fnv1a_64", [PARTITION_FNV1_64] = "fnv1_64",
    [PARTITION_FNV1A_32] = "fnv1a_32", [PARTITION_FNV1_32] = "fnv1_32",
    [PARTITION_CRC16] = "crc16",       [PARTITION_CRC32] = "crc32",
    [PARTITION_CRC32A] = "crc32a",     [PARTITION_MD5] = "md5",
    [PARTITION_MURMUR] = "murmur",
};

const char *partition_hash_name(enum partition_hash hash)
{
    assert(hash < PARTITION_HASHES);
    return names[hash];
}

bool partition_hash_find(struct span name, enum partition_hash *hash)
{
    for (unsigned i = 0; i < PARTITION_HASHES; i++)
        if (span_equal(name, span_text(names[i]))) {
            *hash = (enum partition_hash)i;
            return true;
        }
    return false;
}
