// The nodes of a trie image being built. A range of sorted records becomes a leaf, or a node and
// the nodes of its children. For build/image.c alone.
#ifndef STELE_DATA_BUILD_NODES_H
#define STELE_DATA_BUILD_NODES_H

#include "data/build/sorted.h"
#include "data/trie.h"
#include "data/trie_image.h"

enum {
    NODES_CHILDREN = TRIE_SEPARATORS_MAX + 1, // of a separator node, at most
    NODES_BYTES_MAX = 6,                      // of nodes for each key; nodes.c says why
    NODES_BYTES_MORE = 1 << 17,               // for the nodes above the units
};

// The words of the nodes. A node is named by the number of its first word in the image.
struct node_words {
    uint32_t *words;  // in a reserve of addresses
    size_t reserved;  // bytes
    uint64_t written; // words in the file, before the first of `words`
    uint64_t used;    // words in memory
};

// The writing of one unit's nodes. Ranks are those in `sorted`; a rank in the image is `base` more.
struct node_writer {
    struct node_words *nodes;
    const struct trie_sorted *sorted;
    uint64_t base;
    bool failed; // the reserve was too small
};

static inline uint32_t *nodes_word(const struct node_writer *w, uint32_t number)
{
    return w->nodes->words + (number - w->nodes->written);
}

// The slot number of the record of this rank in `sorted`.
static inline uint32_t nodes_slot(const struct node_writer *w, uint64_t rank)
{
    return (uint32_t)(w->base + rank);
}

// Appends `count` words, not cleared. Returns the number of the first; 0, with `w->failed` set,
// when the reserve is too small.
uint32_t nodes_add_words(struct node_writer *w, uint64_t count);

// The number of bits of a radix node over `count` random keys that share `shared` leading bits.
unsigned nodes_radix_bits(uint64_t count, unsigned shared);

// The number of leading bits that two different keys share.
unsigned nodes_shared_bits(struct uuid a, struct uuid b);

// Returns n: a radix node at this depth of a unit may leave one in n of its keys in children that
// are no leaves.
unsigned nodes_share_left(unsigned depth);

// Begins a separator node and sets `*node` to its number. Returns the number of the word of its
// first start; the caller fills all starts but the last.
uint32_t nodes_begin_separators(struct node_writer *w, unsigned children, uint32_t first_slot,
                                uint32_t end_slot, uint32_t *node);

// Sets the separator before `child`, which is not the first: the first key of that child.
void nodes_put_separator(struct node_writer *w, uint32_t node, unsigned child, struct uuid first);

// Writes the nodes of the ranks [lo, hi), none for a leaf. Returns the start word that leads there.
// Sets `w->failed` when the reserve is too small.
uint32_t nodes_write(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned depth);

// As nodes_write, for a range whose keys a radix step straight to leaves does not spread.
uint32_t nodes_write_skewed(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned skip,
                            unsigned depth);

#endif
