// The layout of a trie image, only for the code that reads or builds one.
//
//   header   struct trie_header
//   slots    count × slot_bytes bytes, then at least TRIE_SLOT_PADDING zeros, up to a multiple of
//            TRIE_SECTION_ALIGN
//   nodes    32-bit words; a node is named by the number of its first word
//
// The nodes come last because their number is known last. The header says where slots and nodes
// begin, and a reader accepts that within bounds.
//
// Words are in the byte order of the machine (TRIE_MAGIC read in the other order is refused);
// slots, which are not whole words, are little-endian everywhere.
//
//   radix node       kind=0 | skip | bits     first slot     starts[2^bits + 1]
//   separator node   kind=1 | count           first slot     keys[count]   starts[count + 2]
//
// A start is a slot number, or TRIE_NODE and the number of a node. The last start of a node is
// always a slot number: the end. A child that is a node begins at that node's first slot.
#ifndef STELE_DATA_TRIE_IMAGE_H
#define STELE_DATA_TRIE_IMAGE_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "data/uuid.h"

#define TRIE_MAGIC 0x656c6574732d7274u
#define TRIE_NODE 0x80000000u

enum {
    TRIE_VERSION = 1,
    TRIE_SECTION_ALIGN = 64, // a cache line
    TRIE_SLOT_PADDING = 8,   // a slot is read as 8 bytes, the last one too
    TRIE_FINGERPRINT_MIN = 10,
    TRIE_NODE_HEAD = 2, // words before a radix node's starts or a separator node's keys
    TRIE_KEY_WORDS = 4,
};

struct trie_header {
    uint64_t magic;
    uint32_t version;
    uint32_t root;
    uint64_t count;
    uint32_t slot_bytes;
    uint32_t offset_bits;
    uint64_t nodes_at; // bytes from the start of the image
    uint64_t node_words;
    uint64_t slots_at;
    uint64_t image_bytes;
};
_Static_assert(sizeof(struct trie_header) == 64, "the header is one cache line, without holes");

// The first word of a node.
enum {
    NODE_KIND_SHIFT = 31,
    NODE_SKIP_SHIFT = 8,
    NODE_SKIP_MASK = 0x7f,
    NODE_SIZE_MASK = 0x1f, // number of radix bits, or of separators
};
_Static_assert(NODE_SKIP_MASK >= 127, "any bit of a key can be skipped to");

static inline uint32_t node_radix(unsigned skip, unsigned bits)
{
    assert(skip <= 127 && bits >= 1 && bits <= NODE_SIZE_MASK && skip + bits <= 128);
    return (uint32_t)(skip << NODE_SKIP_SHIFT | bits);
}

static inline uint32_t node_separators(unsigned count)
{
    assert(count >= 1 && count <= NODE_SIZE_MASK);
    return 1u << NODE_KIND_SHIFT | count;
}

static inline bool node_is_radix(uint32_t head)
{
    return head >> NODE_KIND_SHIFT == 0;
}

static inline unsigned node_skip(uint32_t head)
{
    assert(node_is_radix(head));
    return head >> NODE_SKIP_SHIFT & NODE_SKIP_MASK;
}

static inline unsigned node_bits(uint32_t head)
{
    assert(node_is_radix(head));
    return head & NODE_SIZE_MASK;
}

static inline unsigned node_separator_count(uint32_t head)
{
    assert(!node_is_radix(head));
    return head & NODE_SIZE_MASK;
}

// The `bits` bits of `id` from bit `skip` on, counted from the top. 1 ≤ bits ≤ 31, skip ≤ 127. Bits
// after the end of the key read as zero.
static inline uint32_t uuid_bits(struct uuid id, unsigned skip, unsigned bits)
{
    uint64_t window;
    if (skip == 0)
        window = id.hi;
    else if (skip < 64)
        window = id.hi << skip | id.lo >> (64 - skip);
    else
        window = id.lo << (skip - 64);
    return (uint32_t)(window >> (64 - bits));
}

// The hash whose top bits are a slot's fingerprint. It multiplies the two halves, folds the product
// and mixes it once more (the multiply-fold of wyhash by Wang Yi, the finisher of MurmurHash3 by
// Appleby). The next bits of the key would not do as a fingerprint: structured keys share them.
static inline uint64_t uuid_hash(struct uuid id)
{
    unsigned __int128 product =
        (unsigned __int128)(id.hi ^ 0xa0761d6478bd642fu) * (id.lo ^ 0xe7037ed1a0b428dbu);
    uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    folded ^= folded >> 33;
    return folded * 0xff51afd7ed558ccdu;
}

static inline uint64_t slot_mask(unsigned slot_bytes)
{
    return slot_bytes == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * slot_bytes)) - 1;
}

static inline uint64_t slot_make(struct uuid id, uint64_t offset, unsigned slot_bytes,
                                 unsigned offset_bits)
{
    assert(offset >> offset_bits == 0);
    unsigned fingerprint_bits = 8 * slot_bytes - offset_bits;
    return uuid_hash(id) >> (64 - fingerprint_bits) << offset_bits | offset;
}

#endif
