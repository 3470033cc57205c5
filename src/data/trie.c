// Reading the trie: narrow the range, scan the leaf, compare the line. trie.h explains the idea,
// trie_image.h the layout. Nothing here writes, allocates or trusts a number of the image.
#include "data/trie.h"

#include <endian.h>

#include "base/error.h"
#include "data/lines.h"
#include "data/proof.h"
#include "data/slot_search.h"
#include "data/trie_image.h"
#include "data/uuid_text.h"

enum {
    STEP = 8,        // keys of a group that pass a stage together
    STAGES = 4,      // of a lookup
    CACHE_LINE = 64, // bytes
};

_Static_assert((int)TRIE_LEAF_MAX <= (int)SLOT_SEARCH_MAX, "a leaf is searched in one piece");

struct range {
    uint64_t lo;
    uint64_t hi;
};

bool trie_open(struct trie *t, struct span image, struct span data, struct error *error)
{
    struct trie_header h;
    if (image.len < sizeof h) {
        error_set(error, "index of %zu bytes is too short for its header", image.len);
        return false;
    }
    assert((uintptr_t)image.ptr % 8 == 0);
    memcpy(&h, image.ptr, sizeof h);
    if (h.magic != TRIE_MAGIC || h.version != TRIE_VERSION) {
        error_set(error, "not an index of version %d", TRIE_VERSION);
        return false;
    }
    bool fits = h.image_bytes == image.len && h.nodes_at % sizeof(uint32_t) == 0 &&
                h.nodes_at <= image.len && h.node_words < TRIE_NODE &&
                h.node_words <= (image.len - h.nodes_at) / sizeof(uint32_t) &&
                h.slots_at <= image.len && h.slot_bytes >= 1 && h.slot_bytes <= 8 &&
                h.offset_bits >= 1 && h.offset_bits < 8 * h.slot_bytes &&
                h.count <= TRIE_KEYS_MAX &&
                h.count * h.slot_bytes + TRIE_SLOT_PADDING <= image.len - h.slots_at;
    if (!fits) {
        error_set(error, "index header contradicts the index's size of %zu bytes", image.len);
        return false;
    }
    *t = (struct trie){
        .data = data,
        .nodes = (const uint32_t *)(const void *)(image.ptr + h.nodes_at),
        .node_words = (uint32_t)h.node_words,
        .root = h.root,
        .slots = (const unsigned char *)image.ptr + h.slots_at,
        .count = h.count,
        .slot_bytes = h.slot_bytes,
        .offset_bits = h.offset_bits,
        .image_bytes = image.len,
    };
    return true;
}

static inline uint64_t read_slot(const struct trie *t, uint64_t number)
{
    uint64_t slot;
    memcpy(&slot, t->slots + number * t->slot_bytes, sizeof slot);
    return le64toh(slot);
}

// Whether a record can begin at `offset` of the data: there is room, and a line begins there.
static inline bool line_begins(const struct trie *t, uint64_t offset)
{
    return t->data.len >= LINE_MIN && offset <= t->data.len - LINE_MIN &&
           (offset == 0 || t->data.ptr[offset - 1] == '\n');
}

// Sets the key at `offset` of the data. Returns false when no record begins there.
static inline bool read_key(const struct trie *t, uint64_t offset, struct uuid *id)
{
    return line_begins(t, offset) && SIMD(uuid_parse)(t->data.ptr + offset, id) &&
           t->data.ptr[offset + UUID_TEXT_LEN] == ' ';
}

static unsigned separator_child(const uint32_t *keys, unsigned count, struct uuid id)
{
    unsigned child = 0;
    for (unsigned i = 0; i < count; i++) {
        struct uuid separator;
        memcpy(&separator, keys + i * TRIE_KEY_WORDS, sizeof separator);
        child += !uuid_less(id, separator);
    }
    return child;
}

// A word of the nodes is read once, since a mapped image may change.
static inline uint32_t read_word(const uint32_t *word)
{
    return *(const volatile uint32_t *)word;
}

// ---- care ---------------------------------------------------------------------------------------
//
// As long as not all blocks of an image are known to be good, the proof is asked before each read.
// The functions of a lookup exist twice, with and without that, so that it costs nothing once all
// blocks are known.

#define MADE_TWICE static inline __attribute__((always_inline))

static inline bool is_careful(const struct trie *t)
{
    return t->proof != NULL && !proof_is_whole(t->proof);
}

MADE_TWICE bool is_sure(const struct trie *t, bool careful, const void *at, size_t len)
{
    return !careful || proof_has(t->proof, at, len);
}

MADE_TWICE bool slots_are_sure(const struct trie *t, bool careful, struct range slots)
{
    return is_sure(t, careful, t->slots + slots.lo * t->slot_bytes,
                   (slots.hi - slots.lo) * t->slot_bytes);
}

// The result when the leaf of a key is not known.
static const struct range unknown_leaf = {1, 0};

static inline bool is_unknown(struct range leaf)
{
    return leaf.lo > leaf.hi;
}

// A node whose bounds have been checked.
struct node {
    uint32_t head;
    uint32_t words;       // of the whole node
    uint32_t start_count; // one more than its children
    const uint32_t *starts;
};

// Returns false when the node does not lie within the nodes or, with care, when its head is
// damaged.
MADE_TWICE bool read_node(const struct trie *t, bool careful, uint32_t number, struct node *node)
{
    if (number > t->node_words || t->node_words - number < TRIE_NODE_HEAD)
        return false;
    if (!is_sure(t, careful, &t->nodes[number], TRIE_NODE_HEAD * sizeof *t->nodes))
        return false;
    uint32_t head = read_word(&t->nodes[number]);
    uint64_t before = TRIE_NODE_HEAD;
    uint32_t count;
    if (node_is_radix(head)) {
        if (node_bits(head) == 0)
            return false;
        count = (UINT32_C(1) << node_bits(head)) + 1;
    } else {
        count = node_separator_count(head) + 2;
        before += (uint64_t)node_separator_count(head) * TRIE_KEY_WORDS;
    }
    if (before + count > t->node_words - number)
        return false;
    *node = (struct node){head, (uint32_t)before + count, count, t->nodes + number + before};
    return true;
}

// The slot where the child with this start begins.
static inline uint64_t start_slot(const struct trie *t, uint32_t start)
{
    if ((start & TRIE_NODE) == 0)
        return start;
    uint32_t node = start & ~TRIE_NODE;
    return node < t->node_words && t->node_words - node >= TRIE_NODE_HEAD
               ? read_word(&t->nodes[node + 1])
               : UINT64_MAX;
}

// Whether the two words with the beginning and the end of that child can be read.
MADE_TWICE bool child_is_sure(const struct trie *t, bool careful, const struct node *node,
                              uint32_t child)
{
    if (!careful)
        return true;
    if (!proof_has(t->proof, &node->starts[child], 2 * sizeof *node->starts))
        return false;
    uint32_t end = read_word(&node->starts[child + 1]);
    uint32_t number = end & ~TRIE_NODE;
    return (end & TRIE_NODE) == 0 || number >= t->node_words ||
           t->node_words - number < TRIE_NODE_HEAD ||
           proof_has(t->proof, &t->nodes[number], TRIE_NODE_HEAD * sizeof *t->nodes);
}

// Follows the nodes to the leaf that `id` would be in. With care, the result is unknown_leaf when a
// node on the way or a slot of the leaf is damaged.
MADE_TWICE struct range narrow(const struct trie *t, bool careful, struct uuid id,
                               struct trie_probe *probe)
{
    const struct range nothing = careful ? unknown_leaf : (struct range){0, 0};
    uint32_t start = t->root;
    uint64_t end = t->count;
    for (unsigned depth = 0; (start & TRIE_NODE) != 0; depth++) {
        struct node node;
        uint32_t child;
        uint32_t number = start & ~TRIE_NODE;
        if (depth == TRIE_DEPTH_MAX || !read_node(t, careful, number, &node))
            return nothing;
        if (node_is_radix(node.head)) {
            child = uuid_bits(id, node_skip(node.head), node_bits(node.head));
        } else {
            const uint32_t *keys = t->nodes + number + TRIE_NODE_HEAD;
            unsigned count = node_separator_count(node.head);
            if (!is_sure(t, careful, keys, (size_t)count * TRIE_KEY_WORDS * sizeof *keys))
                return nothing;
            child = separator_child(keys, count, id);
        }
        if (!child_is_sure(t, careful, &node, child))
            return nothing;
        start = read_word(&node.starts[child]);
        end = start_slot(t, read_word(&node.starts[child + 1]));
        if (probe != NULL)
            probe->nodes++;
    }
    struct range leaf = {start, end};
    if (start > end || end > t->count || end - start > TRIE_LEAF_MAX ||
        !slots_are_sure(t, careful, leaf))
        return nothing;
    return leaf;
}

static inline uint64_t fingerprint_of(const struct trie *t, struct uuid id)
{
    return uuid_hash(id) >> (64 - (8 * t->slot_bytes - t->offset_bits));
}

// Takes slot `at` out of the leaf: returns true with the slot's offset, and the leaf then begins
// after that slot. Returns false when `at` is the leaf's end.
static inline bool take_slot(const struct trie *t, struct range *leaf, uint64_t at,
                             uint64_t *offset)
{
    if (at == leaf->hi)
        return false;
    leaf->lo = at + 1;
    *offset = read_slot(t, at) & ((UINT64_C(1) << t->offset_bits) - 1);
    return true;
}

// Takes the next slot of the leaf with this fingerprint. For a single key it goes slot by slot:
// after a well predicted branch the processor goes on to the data while the leaf's second cache
// line is still on its way. A comparison of all slots would wait for that line.
static inline bool next_candidate(const struct trie *t, struct range *leaf, uint64_t fingerprint,
                                  uint64_t *offset)
{
    uint64_t at = slot_search_scalar(t->slots, leaf->lo, leaf->hi, t->slot_bytes, t->offset_bits,
                                     fingerprint);
    return take_slot(t, leaf, at, offset);
}

// As above, when the whole leaf is in the cache.
static inline bool next_candidate_near(const struct trie *t, struct range *leaf,
                                       uint64_t fingerprint, uint64_t *offset)
{
    uint64_t at =
        SIMD(slot_search)(t->slots, leaf->lo, leaf->hi, t->slot_bytes, t->offset_bits, fingerprint);
    return take_slot(t, leaf, at, offset);
}

static inline bool is_line_of(const struct trie *t, uint64_t offset, struct uuid id)
{
    return line_begins(t, offset) && SIMD(uuid_matches)(id, t->data.ptr + offset) &&
           t->data.ptr[offset + UUID_TEXT_LEN] == ' ';
}

MADE_TWICE bool find(const struct trie *t, bool careful, struct uuid id, uint64_t *offset,
                     struct trie_probe *probe)
{
    struct range leaf = narrow(t, careful, id, probe);
    if (careful && is_unknown(leaf)) {
        *offset = TRIE_UNKNOWN;
        return false;
    }
    // The first cache line is read at once anyway.
    __builtin_prefetch(t->slots + leaf.hi * t->slot_bytes);
    uint64_t fingerprint = fingerprint_of(t, id);
    if (probe != NULL)
        probe->slots = (unsigned)(leaf.hi - leaf.lo);
    while (next_candidate(t, &leaf, fingerprint, offset)) {
        if (probe != NULL)
            probe->touches++;
        if (is_line_of(t, *offset, id))
            return true;
    }
    *offset = TRIE_NONE;
    return false;
}

static __attribute__((noinline)) bool find_carefully(const struct trie *t, struct uuid id,
                                                     uint64_t *offset)
{
    return find(t, true, id, offset, NULL);
}

static inline void prefetch_start(const struct node *node, struct uuid id)
{
    if (node_is_radix(node->head))
        __builtin_prefetch(
            &node->starts[uuid_bits(id, node_skip(node->head), node_bits(node->head))]);
}

// Finds the candidate of each key, TRIE_NONE when it has none, then fetches their lines. There are
// two loops because a page-table walk delays the work after a prefetch; here the walks overlap.
MADE_TWICE void fetch_candidates(const struct trie *t, bool careful, const struct uuid *ids,
                                 size_t count, struct range *leaves, uint64_t *offsets)
{
    // With a mean of more than 64 bytes a line lies in three cache lines more often than in two.
    bool three = t->data.len > CACHE_LINE * t->count;
    for (size_t i = 0; i < count; i++)
        if (careful && is_unknown(leaves[i]))
            offsets[i] = TRIE_UNKNOWN;
        else if (!next_candidate_near(t, &leaves[i], fingerprint_of(t, ids[i]), &offsets[i]))
            offsets[i] = TRIE_NONE;
    for (size_t i = 0; i < count; i++) {
        if (offsets[i] >= t->data.len)
            continue;
        const char *line = t->data.ptr + offsets[i];
        __builtin_prefetch(line);
        __builtin_prefetch(line + CACHE_LINE);
        if (three)
            __builtin_prefetch(line + 2 * CACHE_LINE);
    }
}

MADE_TWICE void settle_candidates(const struct trie *t, bool careful, const struct uuid *ids,
                                  size_t count, struct range *leaves, uint64_t *offsets)
{
    for (size_t i = 0; i < count; i++)
        while (!(careful && offsets[i] == TRIE_UNKNOWN) && offsets[i] != TRIE_NONE &&
               !is_line_of(t, offsets[i], ids[i]))
            if (!next_candidate_near(t, &leaves[i], fingerprint_of(t, ids[i]), &offsets[i]))
                offsets[i] = TRIE_NONE;
}

// A lookup has four stages, and each fetches the memory that the next one reads. The keys pass them
// as on an assembly line, a few at a time: while some wait for memory, others are worked on.
MADE_TWICE void find_group(const struct trie *t, bool careful, const struct uuid *ids, size_t count,
                           uint64_t *offsets)
{
    struct range leaves[TRIE_GROUP];
    struct node root = {0};
    bool rooted = (t->root & TRIE_NODE) != 0 && read_node(t, careful, t->root & ~TRIE_NODE, &root);
    size_t steps = (count + STEP - 1) / STEP;
    for (size_t turn = 0; turn < steps + STAGES - 1; turn++) {
        for (size_t stage = 0; stage < STAGES && stage <= turn; stage++) {
            size_t begin = (turn - stage) * STEP;
            size_t end = begin + STEP < count ? begin + STEP : count;
            if (begin >= count)
                continue;
            switch (stage) {
            case 0:
                for (size_t i = begin; rooted && i < end; i++)
                    prefetch_start(&root, ids[i]);
                break;
            case 1:
                for (size_t i = begin; i < end; i++) {
                    leaves[i] = narrow(t, careful, ids[i], NULL);
                    __builtin_prefetch(t->slots + leaves[i].lo * t->slot_bytes);
                    __builtin_prefetch(t->slots + leaves[i].hi * t->slot_bytes);
                }
                break;
            case 2:
                fetch_candidates(t, careful, ids + begin, end - begin, leaves + begin,
                                 offsets + begin);
                break;
            case 3:
                settle_candidates(t, careful, ids + begin, end - begin, leaves + begin,
                                  offsets + begin);
                break;
            }
        }
    }
}

static __attribute__((noinline)) void
find_group_carefully(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets)
{
    find_group(t, true, ids, count, offsets);
}

static __attribute__((noinline)) void
find_group_at_once(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets)
{
    find_group(t, false, ids, count, offsets);
}

void trie_find_many(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets)
{
    bool careful = is_careful(t);
    if (count == 1) {
        if (careful)
            (void)find_carefully(t, *ids, offsets);
        else
            (void)find(t, false, *ids, offsets, NULL);
        return;
    }
    for (size_t done = 0; done < count; done += TRIE_GROUP) {
        size_t group = count - done < TRIE_GROUP ? count - done : TRIE_GROUP;
        if (careful)
            find_group_carefully(t, ids + done, group, offsets + done);
        else
            find_group_at_once(t, ids + done, group, offsets + done);
    }
}

bool trie_find(const struct trie *t, struct uuid id, uint64_t *offset)
{
    return is_careful(t) ? find_carefully(t, id, offset) : find(t, false, id, offset, NULL);
}

bool trie_find_probed(const struct trie *t, struct uuid id, uint64_t *offset,
                      struct trie_probe *probe)
{
    *probe = (struct trie_probe){0};
    return find(t, false, id, offset, probe);
}

// The leaf of a key, found with care where that is needed.
static struct range leaf_of(const struct trie *t, struct uuid id)
{
    return is_careful(t) ? narrow(t, true, id, NULL) : narrow(t, false, id, NULL);
}

unsigned trie_candidates(const struct trie *t, struct uuid id, uint64_t *offsets)
{
    struct range leaf = leaf_of(t, id);
    uint64_t fingerprint = fingerprint_of(t, id);
    unsigned count = 0;
    if (is_unknown(leaf))
        return TRIE_CANDIDATES_UNKNOWN;
    while (next_candidate(t, &leaf, fingerprint, &offsets[count]))
        count++;
    return count;
}

bool trie_is_line_of(const struct trie *t, uint64_t offset, struct uuid id)
{
    return is_line_of(t, offset, id);
}

bool trie_may_be_at(const struct trie *t, uint64_t offset, struct uuid id)
{
    struct uuid there;
    if (!read_key(t, offset, &there) || fingerprint_of(t, there) != fingerprint_of(t, id))
        return false;
    struct range own = leaf_of(t, id);
    struct range its = leaf_of(t, there);
    return own.lo == its.lo && own.hi == its.hi;
}

bool trie_at(const struct trie *t, uint64_t rank, uint64_t *offset)
{
    assert(rank < t->count);
    if (!slots_are_sure(t, is_careful(t), (struct range){rank, rank + 1})) {
        *offset = TRIE_UNKNOWN;
        return false;
    }
    uint64_t slot = read_slot(t, rank) & slot_mask(t->slot_bytes);
    struct uuid id;
    *offset = slot & ((UINT64_C(1) << t->offset_bits) - 1);
    return read_key(t, *offset, &id);
}

// The key of this rank. For a slot that points at no record it is the nil UUID, so that a search in
// a damaged trie still ends.
static struct uuid key_at(const struct trie *t, uint64_t rank)
{
    uint64_t offset;
    struct uuid id = {0, 0};
    if (trie_at(t, rank, &offset))
        read_key(t, offset, &id);
    return id;
}

uint64_t trie_seek(const struct trie *t, struct uuid id)
{
    // The leaf is right for a key that shares the bits skipped on the way. For other keys it is
    // only a guess, so its borders are checked, and the search goes on over the rest if necessary.
    struct range leaf = leaf_of(t, id);
    uint64_t lo = 0;
    uint64_t hi = t->count;
    if (is_unknown(leaf)) // any answer is allowed then
        return hi;
    if (leaf.lo > 0 && uuid_less(key_at(t, leaf.lo - 1), id))
        lo = leaf.lo;
    if (leaf.hi < t->count && !uuid_less(key_at(t, leaf.hi), id))
        hi = leaf.hi;
    while (lo < hi) {
        uint64_t middle = lo + (hi - lo) / 2;
        if (uuid_less(key_at(t, middle), id))
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

enum { CHECK_TOLD = 1 << 12 }; // keys between two reports of progress

// The state of trie_check.
struct check {
    const struct trie *trie;
    struct trie_shape *shape;
    uint64_t words; // of the nodes visited; no honest image has a node twice
    struct error *error;
};

static bool check_range(struct check *c, uint32_t start, uint64_t end, unsigned depth)
{
    const struct trie *t = c->trie;
    if ((start & TRIE_NODE) == 0) {
        if (start > end || end > t->count || end - start > TRIE_LEAF_MAX) {
            error_set(c->error, "leaf of slots %u to %llu of %llu", start, (unsigned long long)end,
                      (unsigned long long)t->count);
            return false;
        }
        if (end - start > c->shape->leaf_max)
            c->shape->leaf_max = end - start;
        return true;
    }
    uint32_t number = start & ~TRIE_NODE;
    struct node node;
    if (depth == TRIE_DEPTH_MAX || !read_node(t, false, number, &node)) {
        error_set(c->error, "node %u at depth %u is not within the nodes", number, depth);
        return false;
    }
    c->words += node.words;
    if (c->words > t->node_words) {
        error_set(c->error, "node %u is reached in more than one way", number);
        return false;
    }
    c->shape->nodes++;
    if (depth + 1 > c->shape->depth)
        c->shape->depth = depth + 1;
    if (start_slot(t, node.starts[0]) != t->nodes[number + 1] ||
        node.starts[node.start_count - 1] != end) {
        error_set(c->error, "node %u does not span its range", number);
        return false;
    }
    for (uint32_t i = 0; i + 1 < node.start_count; i++)
        if (!check_range(c, node.starts[i], start_slot(t, node.starts[i + 1]), depth + 1))
            return false;
    return true;
}

bool trie_check(const struct trie *t, struct trie_shape *shape, struct error *error)
{
    return trie_check_told(t, shape, NULL, NULL, error);
}

bool trie_check_told(const struct trie *t, struct trie_shape *shape,
                     void (*progress)(void *context, uint64_t done, uint64_t total), void *context,
                     struct error *error)
{
    struct check check = {.trie = t, .shape = shape, .error = error};
    *shape = (struct trie_shape){0};
    if (!check_range(&check, t->root, t->count, 0))
        return false;
    struct uuid previous = {0, 0};
    for (uint64_t rank = 0; rank < t->count; rank++) {
        uint64_t offset;
        uint64_t found;
        struct uuid id = key_at(t, rank);
        if (progress != NULL && rank % CHECK_TOLD == 0)
            progress(context, rank, t->count);
        if (!trie_at(t, rank, &offset)) {
            error_set(error, "slot %llu points at no record", (unsigned long long)rank);
            return false;
        }
        if (rank > 0 && !uuid_less(previous, id)) {
            error_set(error, "slot %llu is out of key order", (unsigned long long)rank);
            return false;
        }
        if (!trie_find(t, id, &found) || found != offset) {
            error_set(error, "slot %llu is not found by its key", (unsigned long long)rank);
            return false;
        }
        previous = id;
    }
    return true;
}
