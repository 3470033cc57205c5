// Chooses between a radix node and a separator node for each range of keys. trie.h explains both.
//
// The depth is bounded for any set of n keys. Follow a path down from the top of a unit:
// * Each of the first two nodes (DENSE_FREE) may have a child with all of its keys.
// * Each of the next two may have a child with a quarter of its keys.
// * Every later node has at most a sixteenth (radix node) or a seventeenth (separator node) of its
//   keys in one child. A separator node over at most 17 × 24 keys has only leaves below it.
// A range of at most 40 keys is a leaf. For n = 2^31, 2^31 / 4^2 / 16^6 = 8 keys are left after the
// first four nodes and six later ones. So a path has at most 10 nodes (9 for n = 200 million). At
// most 17^3 units are joined by at most 3 more levels, so there are 13 levels in all.
//
// The bytes of nodes per key are bounded too:
// * A radix node above leaves takes 4 bytes × 2^k, at most 0.67 bytes per key of its range. At most
//   a quarter of these keys are in further nodes below it.
// * A separator node and all nodes below it take at most 1.4 bytes per key.
// * A radix node above other nodes takes at most 0.4 bytes per key at the first two levels, and at
//   most 0.08 bytes at each of at most 8 more levels.
//
// Together that is about 3 bytes per key. NODES_BYTES_MAX is twice as much, to be safe.
#include "data/build/nodes.h"

enum {
    RADIX_MEAN = 12,     // greatest average number of keys per child of a radix node above leaves
    RADIX_BITS_MAX = 28, // most bits of a radix node: 2^28 children are enough for 2^31 keys
    // A dense node is a radix node above other nodes.
    DENSE_MIN = 1024,    // fewest keys of a dense node
    DENSE_MEAN = 64,     // least average number of keys per child of a dense node
    DENSE_BITS_MIN = 2,  // fewest bits of a dense node
    DENSE_FREE = 2,      // number of levels where one child of a dense node may have all keys
    SHALLOW = 4,         // number of levels where a quarter of the keys may be in large children;
                         // at deeper levels only a sixteenth
    SEPARATOR_LEAF = 24, // keys per leaf below separators; each leaf costs 20 bytes of nodes
};

uint32_t nodes_add_words(struct node_writer *w, uint64_t count)
{
    struct node_words *n = w->nodes;
    uint64_t at = n->written + n->used;
    w->failed |= n->reserved / sizeof *n->words - n->used < count || at + count >= TRIE_NODE;
    if (w->failed)
        return 0;
    n->used += count;
    return (uint32_t)at;
}

unsigned nodes_radix_bits(uint64_t count, unsigned shared)
{
    unsigned bits = 1;
    while (bits < RADIX_BITS_MAX && (count >> bits) >= RADIX_MEAN)
        bits++;
    return bits < 128 - shared ? bits : 128 - shared;
}

unsigned nodes_shared_bits(struct uuid a, struct uuid b)
{
    assert(!uuid_equal(a, b));
    return a.hi != b.hi ? (unsigned)__builtin_clzll(a.hi ^ b.hi)
                        : 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
}

// Moves the cursor after all records of the radix child that contains its present record. Returns
// the number of that child.
static uint32_t skip_child(struct trie_cursor *c, uint64_t hi, unsigned skip, unsigned bits)
{
    uint32_t child = uuid_bits(c->record->id, skip, bits);
    do
        trie_cursor_next(c);
    while (c->rank < hi && uuid_bits(c->record->id, skip, bits) == child);
    return child;
}

unsigned nodes_crowded_divisor(unsigned depth)
{
    return depth < SHALLOW ? 4 : 16;
}

// Whether a radix node over [lo, hi) has only few of its keys in children too large to be leaves.
static bool radix_spreads(const struct trie_sorted *s, uint64_t lo, uint64_t hi, unsigned skip,
                          unsigned bits, unsigned depth)
{
    uint64_t crowded = 0;
    for (struct trie_cursor c = trie_cursor_at(s, lo); c.rank < hi;) {
        uint64_t begin = c.rank;
        skip_child(&c, hi, skip, bits);
        if (c.rank - begin > TRIE_LEAF_MAX)
            crowded += c.rank - begin;
    }
    return crowded <= (hi - lo) / nodes_crowded_divisor(depth);
}

static uint32_t write_radix(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned skip,
                            unsigned bits, unsigned depth)
{
    uint32_t children = UINT32_C(1) << bits;
    uint32_t node = nodes_add_words(w, TRIE_NODE_HEAD + (uint64_t)children + 1);
    uint32_t next = 0; // number of the first child whose start is not written yet
    for (struct trie_cursor c = trie_cursor_at(w->sorted, lo); c.rank < hi && !w->failed;) {
        uint64_t begin = c.rank;
        uint32_t child = skip_child(&c, hi, skip, bits);
        while (next < child)
            nodes_word(w, node)[TRIE_NODE_HEAD + next++] = nodes_slot(w, begin);
        uint32_t start = nodes_write(w, begin, c.rank, depth + 1);
        if (!w->failed)
            nodes_word(w, node)[TRIE_NODE_HEAD + next++] = start;
    }
    if (w->failed)
        return 0;
    while (next <= children)
        nodes_word(w, node)[TRIE_NODE_HEAD + next++] = nodes_slot(w, hi);
    nodes_word(w, node)[0] = node_radix(skip, bits);
    nodes_word(w, node)[1] = nodes_slot(w, lo);
    return TRIE_NODE | node;
}

uint32_t nodes_begin_separators(struct node_writer *w, unsigned children, uint32_t first_slot,
                                uint32_t end_slot, uint32_t *node)
{
    uint32_t starts_at = TRIE_NODE_HEAD + (children - 1) * TRIE_KEY_WORDS;
    *node = nodes_add_words(w, (uint64_t)starts_at + children + 1);
    if (w->failed)
        return 0;
    nodes_word(w, *node)[0] = node_separators(children - 1);
    nodes_word(w, *node)[1] = first_slot;
    nodes_word(w, *node)[starts_at + children] = end_slot;
    return *node + starts_at;
}

void nodes_put_separator(struct node_writer *w, uint32_t node, unsigned child, struct uuid first)
{
    memcpy(nodes_word(w, node) + TRIE_NODE_HEAD + (size_t)(child - 1) * TRIE_KEY_WORDS, &first,
           sizeof first);
}

static uint32_t write_separators(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned depth)
{
    uint64_t count = hi - lo;
    uint64_t leaves = (count + SEPARATOR_LEAF - 1) / SEPARATOR_LEAF;
    unsigned children = leaves < NODES_CHILDREN ? (unsigned)leaves : NODES_CHILDREN;
    uint32_t node;
    uint32_t starts =
        nodes_begin_separators(w, children, nodes_slot(w, lo), nodes_slot(w, hi), &node);
    for (unsigned child = 0; child < children && !w->failed; child++) {
        uint64_t begin = lo + count * child / children;
        uint32_t start = nodes_write(w, begin, lo + count * (child + 1) / children, depth + 1);
        if (w->failed)
            break;
        if (child > 0)
            nodes_put_separator(w, node, child, trie_sorted_key(w->sorted, begin));
        *nodes_word(w, starts + child) = start;
    }
    return TRIE_NODE | node;
}

// Returns the number of bits for a dense node over [lo, hi): the greatest number with which at
// least a quarter of the children have keys. (Keys of decimal digits leave 6 of 16 children empty
// at each digit.) Returns 0 when there would be too few bits, or when one child would have too many
// of the keys. Near the root one child may have all keys. That happens when a few random keys are
// beside many dense ones; the next node then skips the bits that the dense keys share.
static unsigned dense_bits(const struct trie_sorted *s, uint64_t lo, uint64_t hi, unsigned skip,
                           unsigned depth)
{
    uint64_t splits[128] = {0}; // for each bit, the number of neighbours that first differ there
    uint64_t used = 1;          // number of children that have keys
    unsigned mean = depth < DENSE_FREE ? RADIX_MEAN : DENSE_MEAN;
    unsigned bits = 0;
    if (hi - lo < DENSE_MIN)
        return 0;
    struct trie_cursor c = trie_cursor_at(s, lo);
    for (struct uuid last = c.record->id; c.rank + 1 < hi;) {
        trie_cursor_next(&c);
        splits[nodes_shared_bits(last, c.record->id)]++;
        last = c.record->id;
    }
    for (unsigned i = 1; skip + i <= 128 && (hi - lo) >> i >= mean; i++) {
        used += splits[skip + i - 1];
        if (used >= UINT64_C(1) << i >> 2)
            bits = i;
    }
    if (bits < DENSE_BITS_MIN)
        return 0;
    if (depth < DENSE_FREE)
        return bits;
    for (c = trie_cursor_at(s, lo); c.rank < hi;) {
        uint64_t begin = c.rank;
        skip_child(&c, hi, skip, bits);
        if (c.rank - begin > (hi - lo) / nodes_crowded_divisor(depth))
            return 0;
    }
    return bits;
}

uint32_t nodes_write_skewed(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned skip,
                            unsigned depth)
{
    unsigned bits = dense_bits(w->sorted, lo, hi, skip, depth);
    return bits > 0 ? write_radix(w, lo, hi, skip, bits, depth)
                    : write_separators(w, lo, hi, depth);
}

uint32_t nodes_write(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned depth)
{
    if (hi - lo <= TRIE_LEAF_MAX)
        return nodes_slot(w, lo);
    // The keys are sorted, so all of them share the bits that the first and the last share.
    unsigned skip =
        nodes_shared_bits(trie_sorted_key(w->sorted, lo), trie_sorted_key(w->sorted, hi - 1));
    unsigned bits = nodes_radix_bits(hi - lo, skip);
    if (radix_spreads(w->sorted, lo, hi, skip, bits, depth))
        return write_radix(w, lo, hi, skip, bits, depth);
    return nodes_write_skewed(w, lo, hi, skip, depth);
}
