// The index: a radix trie over 128-bit keys whose leaves are ranges of one array of slots.
//
// It belongs to the family of LC-tries (Andersson & Nilsson, "IP-address lookup using LC-tries",
// 1999). A node's fan-out fits the number of keys below it (level compression), and bits that all
// of them share are skipped (path compression). Three things are particular here:
//
// * Every key has one slot, and the slots lie in key order in one array. A slot's number is the
//   key's rank, so counting, ordered reads and a uniform random pick come free. Inner nodes only
//   narrow a range [lo, hi) of slot numbers. A range of at most 40 slots is a leaf and is scanned.
//
// * A slot is w bytes (3 to 8). Its low bits are the offset of the key's line in the data file. The
//   bits above (at least 10) are a fingerprint, a hash of the key. The key itself is not stored,
//   as the data file has it. A scan reads a cache line or two. The lookup then reads only the line
//   of the data file whose fingerprint matches, and compares the whole key there.
//
// * So no trie, however damaged, makes a lookup return a value stored under another key. At worst a
//   lookup misses.
//
//        key ───▶ node: skip to bit 0, 20 bits of radix              nodes: 32-bit words
//                 ┌────────┬────────┬────────┬────────┬── ─ ─
//                 │ 0      │ 9      │ NODE 7 │ 5210   │            a start: the slot number where
//                 └───┬────┴───┬────┴───┬────┴────────┴── ─ ─      child i begins (it ends where
//                     │        │        ▼                          child i+1 begins), or NODE and
//                     │        │     node 7, begins at slot 21:    the place of the node that
//                     │        │     skip to bit 34, 9 bits …      splits it further
//                     ▼        ▼
//          slots  [ 0 … 8 ][ 9 … 20 ][ 21 …                     ]  w bytes each, in key order
//                     │
//                     ▼ offset
//          data   …\n3479d894-3271-4935-88cf-a06f3cbb80a5 this is a value\n…
//
// One lookup, worked: 10 million random keys, file of 885 MB. w = 5: 30 bits of offset, 10 of
// fingerprint. The root has 2^20 children of 9.5 keys each. The key's top 20 bits pick start[b]
// and start[b+1] (one cache line): 9 slots, 45 bytes (one or two lines). One of them has the
// key's fingerprint; its offset leads to the line (one line), the key there is the key asked for.
// For a key that does not exist the lookup ends at the slots, except in one of a hundred cases.
//
// Two kinds of node, because keys are not always random:
// * radix: k consecutive bits after the bits that the keys share pick one of 2^k children. Used
// when
//   it leaves at most a quarter of its keys in children too large to be leaves.
// * separators: up to 16 whole keys, in order, split the range into 17 parts of equal size, as in
//   a B-tree. Used where bits spread badly (combs, sparse bits, a few v4 keys over a dense block).
//   It always works, so depth and memory are bounded for every set of keys.
//
// The image is flat, without pointers, and means the same at any address. It can live in a file
// mapping, in anonymous memory or in a span in a test. Reading never writes, so any number of
// threads may share it. Every number read from the image is checked before use, so a damaged image
// causes misses, not faults.
#ifndef STELE_DATA_TRIE_H
#define STELE_DATA_TRIE_H

#include "base/bytes.h"
#include "data/uuid.h"

struct error;
struct proof;

enum {
    TRIE_LEAF_MAX = 40,       // slots scanned at most; 10 fingerprint bits then give < 1.02 looks
    TRIE_DEPTH_MAX = 16,      // nodes on a path: 13 in a unit, 3 above, at most
    TRIE_SEPARATORS_MAX = 16, // keys in a separator node
    TRIE_HEAD_BYTES = 64,     // bytes of the image that trie_open reads
    TRIE_GROUP = 64,          // keys looked up together: fewer leave the pipeline half empty
};

#define TRIE_NONE UINT64_MAX          // no offset
#define TRIE_UNKNOWN (UINT64_MAX - 1) // not known, as a block of the image is damaged

#define TRIE_KEYS_MAX ((uint64_t)INT32_MAX) // starts are 31 bits; the top bit marks a node
#define TRIE_DATA_MAX (UINT64_C(1) << 54)   // a slot of 8 bytes keeps 10 for the fingerprint

// An opened image. The caller places it; it borrows `image` and `data`.
struct trie {
    struct span data;      // the text whose lines the slots point to
    const uint32_t *nodes; // words
    uint32_t node_words;
    uint32_t root; // a start word: NODE and a node's number, or 0 for a trie that is one leaf
    const unsigned char *slots;
    uint64_t count; // keys
    unsigned slot_bytes;
    unsigned offset_bits;
    size_t image_bytes;
    // The proof of the image's blocks, which is asked before a block is read unless all are known.
    // NULL: every block is trusted. The caller of trie_open sets it.
    struct proof *proof;
};

// The cost of one lookup, for tests and benchmarks.
struct trie_probe {
    unsigned nodes;   // inner nodes passed
    unsigned slots;   // size of the leaf
    unsigned touches; // lines looked at in the data
};

// The shape of a whole trie.
struct trie_shape {
    uint64_t nodes;
    unsigned depth;    // most nodes on a path
    uint64_t leaf_max; // slots in the largest leaf
};

// Checks the image's header and bounds and sets `*t`. Returns false with a message when it is no
// image of this version or does not fit in its span. `image.ptr` must be aligned to 8 bytes.
bool trie_open(struct trie *t, struct span image, struct span data, struct error *error);

// Sets `*offset` to the offset of the line of `id`. Returns false when there is none (`*offset` is
// TRIE_NONE) or when it is not known (TRIE_UNKNOWN).
bool trie_find(const struct trie *t, struct uuid id, uint64_t *offset);

// As trie_find for many keys, whose waits for memory overlap. offsets[i] becomes the offset of the
// line of ids[i], TRIE_NONE or TRIE_UNKNOWN.
void trie_find_many(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets);

// As trie_find, and reports the cost.
bool trie_find_probed(const struct trie *t, struct uuid id, uint64_t *offset,
                      struct trie_probe *probe);

// Sets `offsets` to all offsets where the line of `id` may be and returns their number, at most
// TRIE_LEAF_MAX; TRIE_CANDIDATES_UNKNOWN when it is not known. Does not read the data, so it also
// serves callers who do not trust the data.
#define TRIE_CANDIDATES_UNKNOWN UINT32_MAX
unsigned trie_candidates(const struct trie *t, struct uuid id, uint64_t *offsets);

// Whether the line of `id` begins at `offset`.
bool trie_is_line_of(const struct trie *t, uint64_t offset, struct uuid id);

// `offset` is a candidate of `id` but not its line. Whether the line there can be the one that was
// indexed: another key of the same leaf with the same fingerprint. Otherwise it was overwritten.
bool trie_may_be_at(const struct trie *t, uint64_t offset, struct uuid id);

// The rank of the first key that is not less than `id`; the number of keys when all are less. Any
// rank up to that number when a block that is needed is damaged.
uint64_t trie_seek(const struct trie *t, struct uuid id);

// Sets `*offset` to the offset of the line of the key with this rank, which is below the number of
// keys. Returns false when the image is damaged there or points at no record.
bool trie_at(const struct trie *t, uint64_t rank, uint64_t *offset);

// Walks the whole image, in time proportional to its size. Returns false with a message when it
// breaks a rule: starts out of order, a leaf too large, a path too deep, a node reached twice, or a
// slot that points at no record, is out of key order or is not found by its key.
bool trie_check(const struct trie *t, struct trie_shape *shape, struct error *error);

// As trie_check, and reports to `progress` now and then how many of the keys are checked.
bool trie_check_told(const struct trie *t, struct trie_shape *shape,
                     void (*progress)(void *context, uint64_t done, uint64_t total), void *context,
                     struct error *error);

#endif
