// The layout of a trie image. Only code that reads or builds images includes this header.
//
//   header   struct trie_header
//   slots    count × slot_bytes bytes, then at least TRIE_SLOT_PADDING zeros, up to a multiple of
//            TRIE_SECTION_ALIGN
//   nodes    32-bit words; the number of a node is the number of its first word
//
// The nodes are last because their number is known last. The header tells where the slots and the
// nodes begin. A reader accepts slots and nodes at any position within the image.
//
// Words are in the byte order of the machine; an image of the other byte order has another magic
// number and is refused. Slots are not whole words, so they are little-endian on every machine.
//
//   radix node       kind=0 | skip | bits     first slot     starts[2^bits + 1]
//   separator node   kind=1 | count           first slot     keys[count]   starts[count + 2]
//
// trie.h explains the two kinds of nodes. A few adjacent bits of the key choose the child
// of a radix node. `skip` is the position of the first of them, counted from the top of the key,
// and `bits` says how many they are. `count` is the number of separator keys. Below each node is a
// range of slots, which begins at the node's first slot.
//
// Each child has a start: a 32-bit word that says where the child's range of slots begins. If the
// child is a leaf, its start is the number of its first slot. If the child is a node, its start is
// the bit TRIE_NODE with the number of that node. The range of a child ends where the range of the
// next child begins. A node has one more start than children: the last one is the slot number where
// the range of its last child ends.
#ifndef STELE_DATA_TRIE_IMAGE_H
#define STELE_DATA_TRIE_IMAGE_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "data/uuid.h"

#define TRIE_MAGIC 0x656c6574732d7274u
#define TRIE_NODE 0x80000000u

enum {
    TRIE_VERSION = 2,
    TRIE_SECTION_ALIGN = 64,   // a cache line
    TRIE_SLOT_PADDING = 8,     // bytes after the slots, because each slot is read as 8 bytes
    TRIE_FINGERPRINT_MIN = 10, // minimum number of bits of a fingerprint
    TRIE_NODE_HEAD = 2,        // words before a radix node's starts or a separator node's keys
    TRIE_KEY_WORDS = 4,        // words of a key in a separator node
};

struct trie_header {
    uint64_t magic;
    uint32_t version;
    uint32_t root;          // start of the root: TRIE_NODE and its number; 0: the trie is one leaf
    uint64_t count;         // number of keys
    uint16_t slot_bytes;    // bytes of a slot
    uint16_t granule_shift; // a granule has 2^granule_shift bytes; 0 or GRANULE_SHIFT
    uint32_t granule_bits;  // bits of a slot that are the number of a granule
    uint64_t nodes_at;      // offset of the nodes from the start of the image
    uint64_t node_words;    // number of words of the nodes
    uint64_t slots_at;      // offset of the slots from the start of the image
    uint64_t image_bytes;   // size of the image
};
_Static_assert(sizeof(struct trie_header) == 64, "the header is one cache line without padding");

// The first word of a node.
enum {
    NODE_KIND_SHIFT = 31,
    NODE_SKIP_SHIFT = 8,
    NODE_SKIP_MASK = 0x7f,
    NODE_SIZE_MASK = 0x1f, // number of radix bits, or of separators
};
_Static_assert(NODE_SKIP_MASK >= 127, "a node can skip to any bit of a key");

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

// Returns the `bits` bits of `id` from bit `skip` on, counted from the top. `bits` is 1 to 31,
// `skip` at most 127. Bits after the end of the key are 0.
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

// Returns a hash of the key, whose top bits are a slot's fingerprint. It multiplies the two halves,
// folds the product and mixes it once more. (The multiply-fold is that of wyhash by Wang Yi, the
// last step that of MurmurHash3 by Appleby.) Bits of the key itself would not do as a fingerprint,
// because the keys in a leaf may share them.
static inline uint64_t uuid_hash(struct uuid id)
{
    unsigned __int128 product =
        (unsigned __int128)(id.hi ^ 0xa0761d6478bd642fu) * (id.lo ^ 0xe7037ed1a0b428dbu);
    uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    folded ^= folded >> 33;
    return folded * 0xff51afd7ed558ccdu;
}

// Returns the slot for the key `id` whose line begins in the granule with this number.
static inline uint64_t slot_make(struct uuid id, uint64_t granule, unsigned slot_bytes,
                                 unsigned granule_bits)
{
    assert(granule >> granule_bits == 0);
    unsigned fingerprint_bits = 8 * slot_bytes - granule_bits;
    return uuid_hash(id) >> (64 - fingerprint_bits) << granule_bits | granule;
}

#endif
