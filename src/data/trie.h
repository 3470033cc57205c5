// The index: a radix trie over 128-bit keys whose leaves are ranges of one array of slots.
//
// It is a kind of LC-trie (Andersson & Nilsson, "IP-address lookup using LC-tries", 1999). A node
// with more keys below it has more children (level compression), and bits that all of these keys
// share are skipped (path compression). Three things are special here:
//
// * Every key has one slot, and the slots are in key order in one array. A slot's number is the
//   key's rank, so counting keys, reading in order and choosing a random key need nothing else.
//   Inner nodes only narrow a range [lo, hi) of slot numbers. A range of at most 40 slots is a leaf
//   and is scanned.
//
// * A slot has w bytes (2 to 8). Its low bits say where in the data file the key's line begins:
//   they are the number of a granule. A granule is one byte, so that its number is the offset of
//   the line. In data of more than 1 GiB it has 32 bytes if that saves a byte of each slot;
//   granule.h explains how the line is found there. The other bits of the slot (at least 10) are a
//   fingerprint, a hash of the key. The key itself is not stored, because it is in the data file.
//   A scan reads one or two cache lines. The lookup then reads the line of the slot with a matching
//   fingerprint and compares the whole key there.
//
// * So even a damaged trie cannot make a lookup return the value of another key. At worst it does
//   not find the key.
//
//        key ───▶ node: skip to bit 0, 20 bits of radix              nodes: 32-bit words
//                 ┌────────┬────────┬────────┬────────┬── ─ ─
//                 │ 0      │ 9      │ NODE 7 │ 5210   │            a start: the slot number where
//                 └───┬────┴───┬────┴───┬────┴────────┴── ─ ─      child i begins (it ends where
//                     │        │        ▼                          child i+1 begins), or NODE and
//                     │        │     node 7, begins at slot 21:    the number of the node that
//                     │        │     skip to bit 34, 9 bits …      divides it further
//                     ▼        ▼
//          slots  [ 0 … 8 ][ 9 … 20 ][ 21 …                     ]  w bytes each, in key order
//                     │
//                     ▼ offset
//          data   …\n3479d894-3271-4935-88cf-a06f3cbb80a5 this is a value\n…
//
// Example of a lookup, with 10 million random keys in a file of 885 MB:
// * A slot has w = 5 bytes: 30 bits of offset and 10 bits of fingerprint.
// * The root has 2^20 children with 9.5 keys each on average. The top 20 bits of the key, b, choose
//   the words start[b] and start[b+1], which are in one cache line.
// * Between these two slot numbers are 9 slots: the leaf. They have 45 bytes, in one or two cache
//   lines.
// * One slot has the fingerprint of the key. Its offset leads to the line in the data file, where
//   the whole key is compared. That is one more cache line.
// * If the key does not exist, 99 of 100 lookups end at the slots.
//
// There are two kinds of nodes, because keys are not always random:
// * Radix node: the k bits that follow the shared bits choose one of 2^k children. It is used when
//   at most a quarter of its keys are in children that are too large to be leaves.
// * Separator node: up to 16 whole keys, in order, divide the range into up to 17 parts of equal
//   size, as in a B-tree. It is used where bits divide the keys badly. For example, the keys differ
//   only in a few scattered bits, or a few random keys are beside many consecutive ones. It works
//   for every set of keys, so depth and memory are bounded.
//
// The image has no pointers and is valid at any address. It can be in a file mapping, in anonymous
// memory or in a span in a test. Reading never writes, so any number of threads may share it. Every
// number read from the image is checked before use. So in a damaged image a lookup may not find
// a key, but nothing crashes.
#ifndef STELE_DATA_TRIE_H
#define STELE_DATA_TRIE_H

#include "base/bytes.h"
#include "data/granule.h"
#include "data/uuid.h"

struct error;
struct verifier;

enum {
    // Most slots of a leaf. With 40 slots and fingerprints of 10 bits, a lookup compares fewer than
    // 1.02 lines on average.
    TRIE_LEAF_MAX = 40,
    TRIE_DEPTH_MAX = 16,      // most nodes on a path (build/nodes.c needs 13)
    TRIE_SEPARATORS_MAX = 16, // most keys in a separator node
    TRIE_HEAD_BYTES = 64,     // bytes of the image that trie_open reads
    // Number of keys that are looked up together. While some of them wait for memory, the processor
    // works on others.
    TRIE_GROUP = 64,
};

#define TRIE_NONE UINT64_MAX          // an offset that means: the key does not exist
#define TRIE_UNKNOWN (UINT64_MAX - 1) // an offset that means: damage of the image hides the answer

#define TRIE_KEYS_MAX ((uint64_t)INT32_MAX) // a start is a word: the bit TRIE_NODE, and 31 bits
// Most bytes of data: 54 bits of a slot are for the granule, and 10 for the fingerprint.
#define TRIE_DATA_MAX ((uint64_t)GRANULE << 54)

// An opened image. It borrows the image and the data.
struct trie {
    struct span data;           // text of the data file
    const uint32_t *nodes;      // words of the nodes
    uint32_t node_words;        // number of these words
    uint32_t root;              // start of the root (trie_image.h); 0: the trie is one leaf
    const unsigned char *slots; // `count` slots
    uint64_t count;             // number of keys
    unsigned slot_bytes;        // bytes of a slot
    unsigned granule_bits;      // bits of a slot that are the number of a granule
    unsigned granule_shift;     // a granule has 2^granule_shift bytes; 0 or GRANULE_SHIFT
    size_t image_bytes;         // size of the image
    // Verifies the blocks of the image before they are read. NULL: every block is trusted. The
    // caller of trie_open sets it.
    struct verifier *verifier;
};

// Cost of one lookup, for tests and benchmarks.
struct trie_probe {
    unsigned nodes;   // number of inner nodes on the path
    unsigned slots;   // number of slots in the leaf
    unsigned touches; // number of lines read in the data
};

// Shape of a whole trie.
struct trie_shape {
    uint64_t nodes;    // number of nodes
    unsigned depth;    // most nodes on a path
    uint64_t leaf_max; // number of slots in the largest leaf
};

// Checks the image's header and bounds, and sets `*t`. Both spans must stay valid while `*t` is
// used, and `image.ptr` must be aligned to 8 bytes. Returns false with a message when this is no
// image of this version or does not fit into its span.
bool trie_open(struct trie *t, struct span image, struct span data, struct error *error);

// Finds the line of `id` and sets `*offset` to its offset. Otherwise returns false and sets
// `*offset` to TRIE_NONE when the key does not exist, or to TRIE_UNKNOWN when damage hides the
// answer. For each granule that trie_candidates returns, one after the other until the line is
// found, it reads the data that trie_line_in and trie_is_line_of read.
bool trie_find(const struct trie *t, struct uuid id, uint64_t *offset);

// Does the same as trie_find for many keys. It is faster, because the processor waits for the
// memory of several lookups at the same time. Sets offsets[i] to the offset of the line of ids[i],
// TRIE_NONE or TRIE_UNKNOWN.
void trie_find_many(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets);

// Does the same as trie_find, without verification, and sets `*probe` to the cost.
bool trie_find_probed(const struct trie *t, struct uuid id, uint64_t *offset,
                      struct trie_probe *probe);

// Sets `granules` to the offsets of all granules where the line of `id` may begin, and returns
// their number, at most TRIE_LEAF_MAX. If the key exists, its line begins in the GRANULE bytes from
// one // of these offsets on. In a damaged image an offset may be after the end of the data.
// Returns TRIE_CANDIDATES_UNKNOWN when damage hides the granules. This does not read the data, so
// callers may use it when the data is damaged or not in memory.
#define TRIE_CANDIDATES_UNKNOWN UINT32_MAX
unsigned trie_candidates(const struct trie *t, struct uuid id, uint64_t *granules);

// Returns the only position in a granule where a record may begin. `text` is a copy of the GRANULE
// bytes from the granule's first byte on, or points to them.
static inline size_t trie_start_in(const struct trie *t, const char *text)
{
    return t->granule_shift != 0 ? SIMD(granule_start)(text) : 0;
}

// Sets `*offset` to the only offset in a granule where a record may begin; `granule` is the offset
// of the granule. Reads nothing but the GRANULE bytes from there on, which are in one page. Returns
// false, and reads nothing, when the data ends so early that no record has room.
bool trie_line_in(const struct trie *t, uint64_t granule, uint64_t *offset);

// Sets `*offset` and `*id` to the offset and the key of the line that begins in a granule;
// `granule` is the offset of the granule. Returns false when no record begins there. Reads the data
// that trie_line_in and trie_is_line_of read.
bool trie_key_in(const struct trie *t, uint64_t granule, uint64_t *offset, struct uuid *id);

// Whether the line of `id` begins at `offset`. Reads at most LINE_MIN bytes from there on, and the
// byte before.
bool trie_is_line_of(const struct trie *t, uint64_t offset, struct uuid id);

// Call this for an `offset` that trie_line_in has set for a candidate of `id`, when the line there
// has another key than `id`. Returns true if that key is in the same leaf and has the same
// fingerprint as `id`. Then the line may be as it was indexed. Returns false if the line has been
// overwritten since. Reads the same bytes as trie_is_line_of.
bool trie_may_be_at(const struct trie *t, uint64_t offset, struct uuid id);

// Returns the rank of the first key that is not less than `id`; the number of keys when all are
// less. When a block that it needs is damaged, the result is any rank up to the number of keys.
uint64_t trie_seek(const struct trie *t, struct uuid id);

// Sets `*offset` to the offset of the line of the key with this rank, which must be less than the
// number of keys. Returns false when the slot is damaged or points to no record.
bool trie_at(const struct trie *t, uint64_t rank, uint64_t *offset);

// Sets `*granule` to the offset of the granule where the line of the key with this rank begins,
// without reading the data. The line begins in the GRANULE bytes from there on. `rank` must be less
// than the number of keys. Returns false when the slot is damaged.
bool trie_granule_at(const struct trie *t, uint64_t rank, uint64_t *granule);

// Checks the whole image, in time proportional to its size, and sets `*shape`. Returns false with a
// message when starts are out of order, a leaf is too large, a path is too deep, or a node is
// reached twice. It also returns false when a slot points to no record, is out of key order, or is
// not found by its key.
bool trie_check(const struct trie *t, struct trie_shape *shape, struct error *error);

// Does the same as trie_check and reports progress: from time to time it calls `progress`, on the
// same thread, with the number of keys checked and the number of all keys. `progress` may be NULL.
bool trie_check_with_progress(const struct trie *t, struct trie_shape *shape,
                              void (*progress)(void *context, uint64_t done, uint64_t total),
                              void *context, struct error *error);

#endif
