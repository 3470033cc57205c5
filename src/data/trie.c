// Reads the trie. A lookup follows the nodes to a leaf, scans the slots of the leaf, and compares
// the key in the line of the data file. trie.h explains the idea, trie_image.h the layout. Nothing
// here writes or allocates memory, and every number read from the image is checked before use.
#include "data/trie.h"

#include <endian.h>

#include "base/error.h"
#include "data/lines.h"
#include "data/slot_search.h"
#include "data/trie_image.h"
#include "data/uuid_text.h"
#include "data/verifier.h"

enum {
    STEP = 8,        // keys that find_group moves through a stage together
    STAGES = 4,      // stages of a lookup in find_group
    CACHE_LINE = 64, // bytes
};

_Static_assert((int)TRIE_LEAF_MAX <= (int)SLOT_SEARCH_MAX, "a leaf is searched in one piece");

// The slots from `lo` to `hi` - 1.
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
                h.granule_bits >= 1 && h.granule_bits < 8 * h.slot_bytes &&
                (h.granule_shift == 0 || h.granule_shift == GRANULE_SHIFT) &&
                h.count <= TRIE_KEYS_MAX &&
                h.count * h.slot_bytes + TRIE_SLOT_PADDING <= image.len - h.slots_at;
    if (!fits) {
        error_set(error, "index header contradicts the size of %zu bytes", image.len);
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
        .granule_bits = h.granule_bits,
        .granule_shift = h.granule_shift,
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

// Sets `*offset` to the only place in the granule at offset `granule` where a record may begin.
// Returns false when no record has room there.
static inline bool line_in(const struct trie *t, uint64_t granule, uint64_t *offset)
{
    if (t->data.len < LINE_MIN || granule > t->data.len - LINE_MIN)
        return false;
    *offset = granule + trie_start_in(t, t->data.ptr + granule);
    return true;
}

// Whether a record can begin at `offset` of the data: there is room, and a line begins there.
static inline bool line_begins(const struct trie *t, uint64_t offset)
{
    return t->data.len >= LINE_MIN && offset <= t->data.len - LINE_MIN &&
           (offset == 0 || t->data.ptr[offset - 1] == '\n');
}

// Reads the key at `offset` of the data. Returns false when no record begins there.
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

// Reads a word of the nodes exactly once, because the content of a mapped image may change between
// two reads.
static inline uint32_t read_word(const uint32_t *word)
{
    return *(const volatile uint32_t *)word;
}

// ---- lookups with and without verification ------------------------------------------------------
//
// As long as not all blocks of an image are verified, a lookup asks the verifier before each read.
// The compiler makes two versions of the functions below, because `verify` is a constant in every
// caller except trie_at. So verification costs lookups nothing once all blocks are verified.

#define IN_TWO_VERSIONS static inline __attribute__((always_inline))

static inline bool needs_verification(const struct trie *t)
{
    return t->verifier != NULL && !verifier_is_complete(t->verifier);
}

IN_TWO_VERSIONS bool is_good(const struct trie *t, bool verify, const void *at, size_t len)
{
    return !verify || verifier_check(t->verifier, at, len);
}

IN_TWO_VERSIONS bool slots_are_good(const struct trie *t, bool verify, struct range slots)
{
    return is_good(t, verify, t->slots + slots.lo * t->slot_bytes,
                   (slots.hi - slots.lo) * t->slot_bytes);
}

// The result of a search for a leaf when a damaged block prevents it.
static const struct range unknown_leaf = {1, 0};

static inline bool is_unknown(struct range leaf)
{
    return leaf.lo > leaf.hi;
}

// A node whose bounds have been checked.
struct node {
    uint32_t head;        // first word of the node
    uint32_t words;       // number of words of the whole node
    uint32_t start_count; // number of starts: one more than the node has children
    const uint32_t *starts;
};

// Sets `*node`. Returns false when the node is not within the nodes of the image or, with
// verification, when its first words are damaged.
IN_TWO_VERSIONS bool read_node(const struct trie *t, bool verify, uint32_t number,
                               struct node *node)
{
    if (number > t->node_words || t->node_words - number < TRIE_NODE_HEAD)
        return false;
    if (!is_good(t, verify, &t->nodes[number], TRIE_NODE_HEAD * sizeof *t->nodes))
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

// Returns the slot where the child with this start begins; UINT64_MAX when the start is wrong.
static inline uint64_t start_slot(const struct trie *t, uint32_t start)
{
    if ((start & TRIE_NODE) == 0)
        return start;
    uint32_t node = start & ~TRIE_NODE;
    return node < t->node_words && t->node_words - node >= TRIE_NODE_HEAD
               ? read_word(&t->nodes[node + 1])
               : UINT64_MAX;
}

// Whether the words that bound the slots of `child` are in good blocks (verifier.h). They are the
// start of this child and the start of the next one. If the next start refers to a node, the first
// words of that node count too, because they say where the node's slots begin.
IN_TWO_VERSIONS bool child_is_good(const struct trie *t, bool verify, const struct node *node,
                                   uint32_t child)
{
    if (!verify)
        return true;
    if (!verifier_check(t->verifier, &node->starts[child], 2 * sizeof *node->starts))
        return false;
    uint32_t end = read_word(&node->starts[child + 1]);
    uint32_t number = end & ~TRIE_NODE;
    return (end & TRIE_NODE) == 0 || number >= t->node_words ||
           t->node_words - number < TRIE_NODE_HEAD ||
           verifier_check(t->verifier, &t->nodes[number], TRIE_NODE_HEAD * sizeof *t->nodes);
}

// Follows the nodes to the leaf for `id`. Where the image is damaged, the result is unknown_leaf
// with verification, and an empty leaf without it.
IN_TWO_VERSIONS struct range find_leaf(const struct trie *t, bool verify, struct uuid id,
                                       struct trie_probe *probe)
{
    const struct range nothing = verify ? unknown_leaf : (struct range){0, 0};
    uint32_t start = t->root;
    uint64_t end = t->count;
    for (unsigned depth = 0; (start & TRIE_NODE) != 0; depth++) {
        struct node node;
        uint32_t child;
        uint32_t number = start & ~TRIE_NODE;
        if (depth == TRIE_DEPTH_MAX || !read_node(t, verify, number, &node))
            return nothing;
        if (node_is_radix(node.head)) {
            child = uuid_bits(id, node_skip(node.head), node_bits(node.head));
        } else {
            const uint32_t *keys = t->nodes + number + TRIE_NODE_HEAD;
            unsigned count = node_separator_count(node.head);
            if (!is_good(t, verify, keys, (size_t)count * TRIE_KEY_WORDS * sizeof *keys))
                return nothing;
            child = separator_child(keys, count, id);
        }
        if (!child_is_good(t, verify, &node, child))
            return nothing;
        start = read_word(&node.starts[child]);
        end = start_slot(t, read_word(&node.starts[child + 1]));
        if (probe != NULL)
            probe->nodes++;
    }
    struct range leaf = {start, end};
    if (start > end || end > t->count || end - start > TRIE_LEAF_MAX ||
        !slots_are_good(t, verify, leaf))
        return nothing;
    return leaf;
}

static inline uint64_t fingerprint_of(const struct trie *t, struct uuid id)
{
    return uuid_hash(id) >> (64 - (8 * t->slot_bytes - t->granule_bits));
}

// Returns the offset of the granule whose number is in the slot.
static inline uint64_t granule_of(const struct trie *t, uint64_t slot)
{
    return (slot & ((UINT64_C(1) << t->granule_bits) - 1)) << t->granule_shift;
}

// Sets `*granule` to the offset of the granule in slot `at`, and lets the leaf begin at the slot
// after it. Returns false when `at` is the end of the leaf.
static inline bool take_slot(const struct trie *t, struct range *leaf, uint64_t at,
                             uint64_t *granule)
{
    if (at == leaf->hi)
        return false;
    leaf->lo = at + 1;
    *granule = granule_of(t, read_slot(t, at));
    return true;
}

// Takes the next candidate: the next slot of the leaf that has this fingerprint. Compares slot by
// slot, which is faster for a single key. After a match in the leaf's first cache line, the
// processor can already read the data file while the second cache line is still being fetched.
// Comparing all slots at once would wait for the second cache line.
static inline bool next_candidate(const struct trie *t, struct range *leaf, uint64_t fingerprint,
                                  uint64_t *granule)
{
    uint64_t at = slot_search_scalar(t->slots, leaf->lo, leaf->hi, t->slot_bytes, t->granule_bits,
                                     fingerprint);
    return take_slot(t, leaf, at, granule);
}

// Does the same as next_candidate. It is faster when the whole leaf is in the cache.
static inline bool next_candidate_cached(const struct trie *t, struct range *leaf,
                                         uint64_t fingerprint, uint64_t *granule)
{
    uint64_t at = SIMD(slot_search)(t->slots, leaf->lo, leaf->hi, t->slot_bytes, t->granule_bits,
                                    fingerprint);
    return take_slot(t, leaf, at, granule);
}

static inline bool is_line_of(const struct trie *t, uint64_t offset, struct uuid id)
{
    return line_begins(t, offset) && SIMD(uuid_matches)(id, t->data.ptr + offset) &&
           t->data.ptr[offset + UUID_TEXT_LEN] == ' ';
}

// Whether the line of `id` begins in the granule at `*offset`. If it does, sets `*offset` to the
// offset of the line.
static inline __attribute__((always_inline)) bool find_line(const struct trie *t, uint64_t *offset,
                                                            struct uuid id)
{
    uint64_t line;
    if (!line_in(t, *offset, &line) || !is_line_of(t, line, id))
        return false;
    *offset = line;
    return true;
}

IN_TWO_VERSIONS bool find(const struct trie *t, bool verify, struct uuid id, uint64_t *offset,
                          struct trie_probe *probe)
{
    struct range leaf = find_leaf(t, verify, id, probe);
    if (verify && is_unknown(leaf)) {
        *offset = TRIE_UNKNOWN;
        return false;
    }
    // The first cache line of the leaf is read right away, so only the last one is prefetched.
    __builtin_prefetch(t->slots + leaf.hi * t->slot_bytes);
    uint64_t fingerprint = fingerprint_of(t, id);
    if (probe != NULL)
        probe->slots = (unsigned)(leaf.hi - leaf.lo);
    while (next_candidate(t, &leaf, fingerprint, offset)) {
        if (probe != NULL)
            probe->touches++;
        if (find_line(t, offset, id))
            return true;
    }
    *offset = TRIE_NONE;
    return false;
}

static __attribute__((noinline)) bool find_verified(const struct trie *t, struct uuid id,
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

// Sets offsets[i] to the offset of the granule in the first candidate for ids[i], or to TRIE_NONE
// when the leaf has no candidate. Then prefetches the lines of the data file that begin in these
// granules. A prefetch may need a walk of the page table, which delays the work after it. So the
// prefetches are in a loop of their own, where these walks overlap.
IN_TWO_VERSIONS void fetch_candidates(const struct trie *t, bool verify, const struct uuid *ids,
                                      size_t count, struct range *leaves, uint64_t *offsets)
{
    // If the lines of the data file are longer than a cache line on average, many of them touch
    // three cache lines.
    bool three = t->data.len > CACHE_LINE * t->count;
    for (size_t i = 0; i < count; i++)
        if (verify && is_unknown(leaves[i]))
            offsets[i] = TRIE_UNKNOWN;
        else if (!next_candidate_cached(t, &leaves[i], fingerprint_of(t, ids[i]), &offsets[i]))
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

// Compares each key with the line of its candidate, and sets offsets[i] to the offset of the line.
// If they differ, tries the next candidates.
IN_TWO_VERSIONS void compare_candidates(const struct trie *t, bool verify, const struct uuid *ids,
                                        size_t count, struct range *leaves, uint64_t *offsets)
{
    for (size_t i = 0; i < count; i++)
        while (!(verify && offsets[i] == TRIE_UNKNOWN) && offsets[i] != TRIE_NONE &&
               !find_line(t, &offsets[i], ids[i]))
            if (!next_candidate_cached(t, &leaves[i], fingerprint_of(t, ids[i]), &offsets[i]))
                offsets[i] = TRIE_NONE;
}

// A lookup has four stages, and each stage prefetches the memory that the next one reads. Keys go
// through the stages as on an assembly line, STEP keys at a time. While some keys wait for memory,
// the processor works on others.
IN_TWO_VERSIONS void find_group(const struct trie *t, bool verify, const struct uuid *ids,
                                size_t count, uint64_t *offsets)
{
    struct range leaves[TRIE_GROUP];
    struct node root = {0};
    bool rooted = (t->root & TRIE_NODE) != 0 && read_node(t, verify, t->root & ~TRIE_NODE, &root);
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
                    leaves[i] = find_leaf(t, verify, ids[i], NULL);
                    __builtin_prefetch(t->slots + leaves[i].lo * t->slot_bytes);
                    __builtin_prefetch(t->slots + leaves[i].hi * t->slot_bytes);
                }
                break;
            case 2:
                fetch_candidates(t, verify, ids + begin, end - begin, leaves + begin,
                                 offsets + begin);
                break;
            case 3:
                compare_candidates(t, verify, ids + begin, end - begin, leaves + begin,
                                   offsets + begin);
                break;
            }
        }
    }
}

static __attribute__((noinline)) void
find_group_verified(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets)
{
    find_group(t, true, ids, count, offsets);
}

static __attribute__((noinline)) void
find_group_unverified(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets)
{
    find_group(t, false, ids, count, offsets);
}

void trie_find_many(const struct trie *t, const struct uuid *ids, size_t count, uint64_t *offsets)
{
    bool verify = needs_verification(t);
    if (count == 1) {
        if (verify)
            (void)find_verified(t, *ids, offsets);
        else
            (void)find(t, false, *ids, offsets, NULL);
        return;
    }
    for (size_t done = 0; done < count; done += TRIE_GROUP) {
        size_t group = count - done < TRIE_GROUP ? count - done : TRIE_GROUP;
        if (verify)
            find_group_verified(t, ids + done, group, offsets + done);
        else
            find_group_unverified(t, ids + done, group, offsets + done);
    }
}

bool trie_find(const struct trie *t, struct uuid id, uint64_t *offset)
{
    return needs_verification(t) ? find_verified(t, id, offset) : find(t, false, id, offset, NULL);
}

bool trie_find_probed(const struct trie *t, struct uuid id, uint64_t *offset,
                      struct trie_probe *probe)
{
    *probe = (struct trie_probe){0};
    return find(t, false, id, offset, probe);
}

// Returns the leaf for a key; with verification if not all blocks are verified.
static struct range leaf_of(const struct trie *t, struct uuid id)
{
    return needs_verification(t) ? find_leaf(t, true, id, NULL) : find_leaf(t, false, id, NULL);
}

unsigned trie_candidates(const struct trie *t, struct uuid id, uint64_t *granules)
{
    struct range leaf = leaf_of(t, id);
    uint64_t fingerprint = fingerprint_of(t, id);
    unsigned count = 0;
    if (is_unknown(leaf))
        return TRIE_CANDIDATES_UNKNOWN;
    while (next_candidate(t, &leaf, fingerprint, &granules[count]))
        count++;
    return count;
}

bool trie_line_in(const struct trie *t, uint64_t granule, uint64_t *offset)
{
    return line_in(t, granule, offset);
}

bool trie_key_in(const struct trie *t, uint64_t granule, uint64_t *offset, struct uuid *id)
{
    return line_in(t, granule, offset) && read_key(t, *offset, id);
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

bool trie_granule_at(const struct trie *t, uint64_t rank, uint64_t *granule)
{
    assert(rank < t->count);
    if (!slots_are_good(t, needs_verification(t), (struct range){rank, rank + 1}))
        return false;
    *granule = granule_of(t, read_slot(t, rank));
    return true;
}

bool trie_at(const struct trie *t, uint64_t rank, uint64_t *offset)
{
    uint64_t granule;
    struct uuid id;
    return trie_granule_at(t, rank, &granule) && trie_key_in(t, granule, offset, &id);
}

// Returns the key of this rank. For a slot that points to no record it returns the nil UUID, so
// that a search in a damaged trie still ends.
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
    // The nodes on the way skip bits that all keys below them share. If `id` has other bits there,
    // the leaf may be wrong. So `id` is compared with the key before the leaf and the key after it.
    // If the key before is not less than `id`, the search begins at the first slot of the trie. If
    // the key after is less than `id`, the search ends at the last slot of the trie.
    struct range leaf = leaf_of(t, id);
    uint64_t lo = 0;
    uint64_t hi = t->count;
    if (is_unknown(leaf)) // the contract allows any rank then
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

enum { CHECK_REPORT = 1 << 12 }; // keys between two reports of progress

// State of trie_check.
struct check {
    const struct trie *trie;
    struct trie_shape *shape;
    uint64_t words; // number of words of the nodes visited, to detect a node that is visited twice
    struct error *error;
};

// Checks the leaf or node with this start word, and all nodes below it. `end` is the number of the
// slot after its last one.
static bool check_range(struct check *c, uint32_t start, uint64_t end, unsigned depth)
{
    const struct trie *t = c->trie;
    if ((start & TRIE_NODE) == 0) {
        if (start > end || end > t->count || end - start > TRIE_LEAF_MAX) {
            error_set(
                c->error,
                "leaf of slots %u to %llu ends before it begins, is too large, or ends after the "
                "last of %llu slots",
                start, (unsigned long long)end, (unsigned long long)t->count);
            return false;
        }
        if (end - start > c->shape->leaf_max)
            c->shape->leaf_max = end - start;
        return true;
    }
    uint32_t number = start & ~TRIE_NODE;
    struct node node;
    if (depth == TRIE_DEPTH_MAX || !read_node(t, false, number, &node)) {
        error_set(c->error, "node %u at depth %u is too deep or outside the nodes", number, depth);
        return false;
    }
    c->words += node.words;
    if (c->words > t->node_words) {
        error_set(c->error, "node %u is reached more than once", number);
        return false;
    }
    c->shape->nodes++;
    if (depth + 1 > c->shape->depth)
        c->shape->depth = depth + 1;
    if (start_slot(t, node.starts[0]) != t->nodes[number + 1] ||
        node.starts[node.start_count - 1] != end) {
        error_set(c->error, "node %u does not begin and end where its range does", number);
        return false;
    }
    for (uint32_t i = 0; i + 1 < node.start_count; i++)
        if (!check_range(c, node.starts[i], start_slot(t, node.starts[i + 1]), depth + 1))
            return false;
    return true;
}

bool trie_check(const struct trie *t, struct trie_shape *shape, struct error *error)
{
    return trie_check_with_progress(t, shape, NULL, NULL, error);
}

bool trie_check_with_progress(const struct trie *t, struct trie_shape *shape,
                              void (*progress)(void *context, uint64_t done, uint64_t total),
                              void *context, struct error *error)
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
        if (progress != NULL && rank % CHECK_REPORT == 0)
            progress(context, rank, t->count);
        if (!trie_at(t, rank, &offset)) {
            error_set(error, "slot %llu points to no record", (unsigned long long)rank);
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
