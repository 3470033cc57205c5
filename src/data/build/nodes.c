// Deciding node by node between radix and separators. The recursion mirrors the lookup of trie.h.
//
// Why depth and memory are bounded for any key set (n keys): in a unit at most DENSE_FREE nodes
// leave all their keys to one child, two more a quarter of them, all others at most a sixteenth
// (radix) or a seventeenth (separators over more than 17×24 keys; over fewer they make leaves). So
// n = 200M ends after 4 + 5 nodes and n = 2^31 after 4 + 6 (2^31 / 4^2 / 16^6 < 40). Above units
// there are at most 3 more, for 17^3 units: 13 in all.
//
// A radix node to leaves costs at most 4 bytes × 2^k ≤ 0.8 B per key of its range and ≤ 1/4 of the
// keys pay again below; a separator node costs at most 1.4 B per key with all below it; a radix
// node above others ≤ 0.4 B per key at the first two levels, ≤ 0.08 B at each of ≤ 8 more.
#include "data/build/nodes.h"

enum {
    RADIX_MEAN = 10,     // keys per child of a radix node, at most on average
    RADIX_BITS_MAX = 28, // 2^28 children: as many as 2^31 keys need
    DENSE_MIN = 1024,    // keys in a range that gets a radix node above others
    DENSE_MEAN = 64,     // keys per child of one, at least on average
    DENSE_BITS_MIN = 2,
    DENSE_FREE = 2,      // levels where a child of one may keep all keys
    SHALLOW = 4,         // levels where one node may leave a quarter of its keys, below a sixteenth
    SEPARATOR_LEAF = 24, // keys per leaf under separators: 20 bytes of node for each
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

// Moves the cursor past all records of the radix child that its own record falls into. Returns the
// number of that child.
static uint32_t pass_child(struct trie_cursor *c, uint64_t hi, unsigned skip, unsigned bits)
{
    uint32_t child = uuid_bits(c->record->id, skip, bits);
    do
        trie_cursor_next(c);
    while (c->rank < hi && uuid_bits(c->record->id, skip, bits) == child);
    return child;
}

unsigned nodes_share_left(unsigned depth)
{
    return depth < SHALLOW ? 4 : 16;
}

// Whether a radix step leaves few of the keys in children too large for a leaf.
static bool radix_spreads(const struct trie_sorted *s, uint64_t lo, uint64_t hi, unsigned skip,
                          unsigned bits, unsigned depth)
{
    uint64_t crowded = 0;
    for (struct trie_cursor c = trie_cursor_at(s, lo); c.rank < hi;) {
        uint64_t begin = c.rank;
        pass_child(&c, hi, skip, bits);
        if (c.rank - begin > TRIE_LEAF_MAX)
            crowded += c.rank - begin;
    }
    return crowded <= (hi - lo) / nodes_share_left(depth);
}

static uint32_t write_radix(struct node_writer *w, uint64_t lo, uint64_t hi, unsigned skip,
                            unsigned bits, unsigned depth)
{
    uint32_t children = UINT32_C(1) << bits;
    uint32_t node = nodes_add_words(w, TRIE_NODE_HEAD + (uint64_t)children + 1);
    uint32_t next = 0; // the child whose start is not written yet
    for (struct trie_cursor c = trie_cursor_at(w->sorted, lo); c.rank < hi && !w->failed;) {
        uint64_t begin = c.rank;
        uint32_t child = pass_child(&c, hi, skip, bits);
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

// The number of bits that a radix step over [lo, hi) may take and leave at most three children in
// four empty. Keys of decimal digits leave 6 of 16 empty at each digit. Returns 0 when the bits are
// too few, or when one child would keep too many of the keys. Near the root one child may keep them
// all, as its keys then skip the bits they share: a few random keys may lie beside many dense ones.
static unsigned dense_bits(const struct trie_sorted *s, uint64_t lo, uint64_t hi, unsigned skip,
                           unsigned depth)
{
    uint64_t splits[128] = {0}; // neighbours whose first different bit is there
    uint64_t used = 1;
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
        pass_child(&c, hi, skip, bits);
        if (c.rank - begin > (hi - lo) / nodes_share_left(depth))
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
