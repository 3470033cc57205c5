// Builds the nodes of a trie image. A range of sorted records becomes a leaf, or a node with the
// nodes of its children. Only build/image.c uses this header.
#ifndef STELE_DATA_BUILD_NODES_H
#define STELE_DATA_BUILD_NODES_H

#include "data/build/sorted.h"
#include "data/trie.h"
#include "data/trie_image.h"

enum {
    NODES_CHILDREN = TRIE_SEPARATORS_MAX + 1, // most children of a separator node
    NODES_BYTES_MAX = 6,                      // most bytes of nodes per key; nodes.c says why
    NODES_BYTES_MORE = 1 << 17,               // bytes for the nodes above the units
};

// The words of the nodes. The number of a node is the number of its first word in the image.
struct node_words {
    uint32_t *words;  // memory for the words; it is reserved at once and used as it fills
    size_t reserved;  // bytes reserved for `words`
    uint64_t written; // number of words already written to the file; `words` follow them
    uint64_t used;    // number of words in `words`
};

// State of writing the nodes of one unit. The functions below take ranks in `sorted`.
struct node_writer {
    struct node_words *nodes;
    const struct trie_sorted *sorted;
    uint64_t base; // rank of a record in the image, minus its rank in `sorted`
    bool failed;   // the reserved memory was too small
};

// Returns the address of the word with this number.
static inline uint32_t *nodes_word(const struct node_writer *w, uint32_t number)
{
    return w->nodes->words + (number - w->nodes->written);
}

// Returns the slot number of the record of this rank in `sorted`.
static inline uint32_t nodes_slot(const struct node_writer *w, uint64_t rank)
{
    return (uint32_t)(w->base + rank);
}

// Appends `count` words of unspecified content and returns the number of the first one. When the
// reserved memory is too small it sets `w->failed` and returns 0.
uint32_t nodes_add_words(struct node_writer *w, uint64_t count);

// Returns the number of bits for a radix node over `count` random keys that share `shared` leading
// bits.
unsigned nodes_radix_bits(uint64_t count, unsigned shared);

// Returns the number of leading bits that two different keys share.
unsigned nodes_shared_bits(struct uuid a, struct uuid b);

// Returns n. At this depth of a unit, a radix node may have at most one in n keys in children that
// are too large to be leaves.
unsigned nodes_crowded_divisor(unsigned depth);

// Begins a separator node and sets `*node` to its number. Returns the number of the word that holds
// its first start. The caller writes all starts except the last one. Sets `w->failed` when the
// reserved memory is too small.
uint32_t nodes_begin_separators(struct node_writer *w, unsigned children, uint32_t first_slot,
                                uint32_t end_slot, uint32_t *node);

// Sets the separator before `child` to `first`, the first key of that child. `child` is not 0, as
// the first child has no separator.
void nodes_put_separator(struct node_writer *w, uint32_t node, unsigned child, struct uuid first);

// Writes the nodes for the ranks [lo, hi); a leaf needs none. Returns the start of the leaf or of
// the top node. Sets `w->failed` when the reserved memory is too small.
uint32_t nodes_write(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned depth);

// Does the same as nodes_write, for keys that a radix node with leaves below it does not spread
// well. `skip` is the number of leading bits that the keys share.
uint32_t nodes_write_skewed(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned skip,
                            unsigned depth);

#endif
