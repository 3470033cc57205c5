// Building the trie: decide node by node between radix and separators, write slots and nodes.
// The recursion mirrors trie.h: build a range, which is a leaf, or a node and its ranges. Slots and
// the first radix node of a unit, which are nearly all there is, are written on several threads.
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
#include "data/build/image.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/trie.h"
#include "data/trie_image.h"

enum {
    RADIX_MEAN = 10,     // keys per child of a radix node, at most on average
    RADIX_BITS_MAX = 28, // 2^28 children: as many as 2^31 keys need
    DENSE_MIN = 1024,    // keys in a range that gets a radix node above others
    DENSE_MEAN = 64,     // keys per child of one, at least on average
    DENSE_BITS_MIN = 2,
    DENSE_FREE = 2,      // levels where a child of one may keep all keys
    SHALLOW = 4,         // levels where one node may leave a quarter of its keys, below a sixteenth
    SEPARATOR_LEAF = 24, // keys per leaf under separators: 20 bytes of node for each
    CHILDREN = TRIE_SEPARATORS_MAX + 1,
    UNITS_MAX = CHILDREN * CHILDREN * CHILDREN,
    NODE_BYTES_MAX = 6,        // of nodes per key, for which addresses are reserved; see above
    NODE_BYTES_MORE = 1 << 17, // and for the nodes above the units
    HUGE_FROM = 1 << 22,       // bytes from which on huge pages are asked for
    MOVE_BYTES = 1 << 20,
};

// ---- reading sorted records ---------------------------------------------------------------------

// The part that holds the record of this rank.
static size_t part_of(const struct trie_sorted *s, uint64_t rank)
{
    size_t lo = 0;
    size_t hi = s->part_count;
    while (hi - lo > 1) {
        size_t middle = lo + (hi - lo) / 2;
        if (s->parts[middle].rank <= rank)
            lo = middle;
        else
            hi = middle;
    }
    return lo;
}

// Goes from record to record.
struct cursor {
    const struct trie_sorted *sorted;
    const struct trie_record *record;
    size_t part;
    uint64_t rank;
    uint64_t piece_end; // rank at which the records that lie together end
};

static void cursor_place(struct cursor *c)
{
    const struct trie_sorted *s = c->sorted;
    const struct trie_part *part = &s->parts[c->part];
    uint64_t within = c->rank - part->rank;
    uint64_t block = part->block + within / TRIE_BLOCK;
    uint64_t left = TRIE_BLOCK - within % TRIE_BLOCK;
    c->record =
        s->blocks + (s->order != NULL ? s->order[block] : block) * TRIE_BLOCK + within % TRIE_BLOCK;
    c->piece_end = c->rank + left < part[1].rank ? c->rank + left : part[1].rank;
}

static struct cursor cursor_at(const struct trie_sorted *s, uint64_t rank)
{
    struct cursor c = {.sorted = s, .part = part_of(s, rank), .rank = rank};
    cursor_place(&c);
    return c;
}

static inline void cursor_next(struct cursor *c)
{
    c->record++;
    if (++c->rank < c->piece_end || c->rank == c->sorted->count)
        return;
    while (c->rank == c->sorted->parts[c->part + 1].rank)
        c->part++;
    cursor_place(c);
}

static struct uuid key_at(const struct trie_sorted *s, uint64_t rank)
{
    return cursor_at(s, rank).record->id;
}

uint64_t trie_sorted_behind(const struct trie_sorted *s, struct uuid id)
{
    uint64_t lo = 0;
    uint64_t hi = s->count;
    while (lo < hi) {
        uint64_t middle = lo + (hi - lo) / 2;
        if (uuid_less(id, key_at(s, middle)))
            hi = middle;
        else
            lo = middle + 1;
    }
    return lo;
}

// ---- nodes --------------------------------------------------------------------------------------

// What is being written: the nodes of one unit. Ranks are those in `sorted`; `base` more in the
// image.
struct writer {
    struct trie_builder *builder;
    const struct trie_sorted *sorted;
    uint64_t base;
    bool failed;
};

// Appends `count` words, not cleared; the number of the first.
static uint32_t add_words(struct writer *w, uint64_t count)
{
    struct trie_builder *b = w->builder;
    uint64_t at = b->words_written + b->words_used;
    w->failed |=
        b->words_reserved / sizeof *b->words - b->words_used < count || at + count >= TRIE_NODE;
    if (w->failed)
        return 0;
    b->words_used += count;
    return (uint32_t)at;
}

static uint32_t *word(const struct writer *w, uint32_t number)
{
    return w->builder->words + (number - w->builder->words_written);
}

static uint32_t slot_of(const struct writer *w, uint64_t rank)
{
    return (uint32_t)(w->base + rank);
}

static unsigned radix_bits(uint64_t count, unsigned shared)
{
    unsigned bits = 1;
    while (bits < RADIX_BITS_MAX && (count >> bits) >= RADIX_MEAN)
        bits++;
    return bits < 128 - shared ? bits : 128 - shared;
}

// How many leading bits two different keys share.
static unsigned shared_bits(struct uuid a, struct uuid b)
{
    assert(!uuid_equal(a, b));
    return a.hi != b.hi ? (unsigned)__builtin_clzll(a.hi ^ b.hi)
                        : 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
}

// Moves the cursor past the records that fall into the same radix child as its own; which one that
// is.
static uint32_t pass_child(struct cursor *c, uint64_t hi, unsigned skip, unsigned bits)
{
    uint32_t child = uuid_bits(c->record->id, skip, bits);
    do
        cursor_next(c);
    while (c->rank < hi && uuid_bits(c->record->id, skip, bits) == child);
    return child;
}

// What part of its keys a radix node at this depth of a unit may leave in larger children.
static unsigned share_left(unsigned depth)
{
    return depth < SHALLOW ? 4 : 16;
}

// True when a radix step leaves few of the keys in children too large for a leaf.
static bool radix_spreads(const struct trie_sorted *s, uint64_t lo, uint64_t hi, unsigned skip,
                          unsigned bits, unsigned depth)
{
    uint64_t crowded = 0;
    for (struct cursor c = cursor_at(s, lo); c.rank < hi;) {
        uint64_t begin = c.rank;
        pass_child(&c, hi, skip, bits);
        if (c.rank - begin > TRIE_LEAF_MAX)
            crowded += c.rank - begin;
    }
    return crowded <= (hi - lo) / share_left(depth);
}

static uint32_t write_range(struct writer *w, uint64_t lo, uint64_t hi, unsigned depth);

static uint32_t write_radix(struct writer *w, uint64_t lo, uint64_t hi, unsigned skip,
                            unsigned bits, unsigned depth)
{
    uint32_t children = UINT32_C(1) << bits;
    uint32_t node = add_words(w, TRIE_NODE_HEAD + (uint64_t)children + 1);
    uint32_t next = 0; // the child whose start is not written yet
    for (struct cursor c = cursor_at(w->sorted, lo); c.rank < hi && !w->failed;) {
        uint64_t begin = c.rank;
        uint32_t child = pass_child(&c, hi, skip, bits);
        while (next < child)
            word(w, node)[TRIE_NODE_HEAD + next++] = slot_of(w, begin);
        uint32_t start = write_range(w, begin, c.rank, depth + 1);
        if (!w->failed)
            word(w, node)[TRIE_NODE_HEAD + next++] = start;
    }
    if (w->failed)
        return 0;
    while (next <= children)
        word(w, node)[TRIE_NODE_HEAD + next++] = slot_of(w, hi);
    word(w, node)[0] = node_radix(skip, bits);
    word(w, node)[1] = slot_of(w, lo);
    return TRIE_NODE | node;
}

// Begins a separator node; where its starts are, which the caller fills, all but the last.
static uint32_t begin_separators(struct writer *w, unsigned children, uint32_t first_slot,
                                 uint32_t end_slot, uint32_t *node)
{
    uint32_t starts_at = TRIE_NODE_HEAD + (children - 1) * TRIE_KEY_WORDS;
    *node = add_words(w, (uint64_t)starts_at + children + 1);
    if (w->failed)
        return 0;
    word(w, *node)[0] = node_separators(children - 1);
    word(w, *node)[1] = first_slot;
    word(w, *node)[starts_at + children] = end_slot;
    return *node + starts_at;
}

static void put_separator(struct writer *w, uint32_t node, unsigned child, struct uuid first)
{
    memcpy(word(w, node) + TRIE_NODE_HEAD + (size_t)(child - 1) * TRIE_KEY_WORDS, &first,
           sizeof first);
}

static uint32_t write_separators(struct writer *w, uint64_t lo, uint64_t hi, unsigned depth)
{
    uint64_t count = hi - lo;
    uint64_t leaves = (count + SEPARATOR_LEAF - 1) / SEPARATOR_LEAF;
    unsigned children = leaves < CHILDREN ? (unsigned)leaves : CHILDREN;
    uint32_t node;
    uint32_t starts = begin_separators(w, children, slot_of(w, lo), slot_of(w, hi), &node);
    for (unsigned child = 0; child < children && !w->failed; child++) {
        uint64_t begin = lo + count * child / children;
        uint32_t start = write_range(w, begin, lo + count * (child + 1) / children, depth + 1);
        if (w->failed)
            break;
        if (child > 0)
            put_separator(w, node, child, key_at(w->sorted, begin));
        *word(w, starts + child) = start;
    }
    return TRIE_NODE | node;
}

// How many bits a radix step over [lo, hi) may take without wasting more than three children in
// four: keys of decimal digits leave 6 of 16 out at each digit. 0 when these are too few, or one
// child would keep too many of the keys. Near the root it may keep them all: what its keys share is
// then skipped, as where a few random keys lie beside many dense ones.
static unsigned dense_bits(const struct trie_sorted *s, uint64_t lo, uint64_t hi, unsigned skip,
                           unsigned depth)
{
    uint64_t splits[128] = {0}; // how many neighbours have their first different bit there
    uint64_t used = 1;
    unsigned mean = depth < DENSE_FREE ? RADIX_MEAN : DENSE_MEAN;
    unsigned bits = 0;
    if (hi - lo < DENSE_MIN)
        return 0;
    struct cursor c = cursor_at(s, lo);
    for (struct uuid last = c.record->id; c.rank + 1 < hi;) {
        cursor_next(&c);
        splits[shared_bits(last, c.record->id)]++;
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
    for (c = cursor_at(s, lo); c.rank < hi;) {
        uint64_t begin = c.rank;
        pass_child(&c, hi, skip, bits);
        if (c.rank - begin > (hi - lo) / share_left(depth))
            return 0;
    }
    return bits;
}

// Writes the nodes of [lo, hi), over which a radix step to leaves does not spread.
static uint32_t write_skewed(struct writer *w, uint64_t lo, uint64_t hi, unsigned skip,
                             unsigned depth)
{
    unsigned bits = dense_bits(w->sorted, lo, hi, skip, depth);
    return bits > 0 ? write_radix(w, lo, hi, skip, bits, depth)
                    : write_separators(w, lo, hi, depth);
}

// Writes the nodes of [lo, hi), none for a leaf; the start word that leads there.
static uint32_t write_range(struct writer *w, uint64_t lo, uint64_t hi, unsigned depth)
{
    if (hi - lo <= TRIE_LEAF_MAX)
        return slot_of(w, lo);
    // Sorted, so what the first and the last key share, all share.
    unsigned skip = shared_bits(key_at(w->sorted, lo), key_at(w->sorted, hi - 1));
    unsigned bits = radix_bits(hi - lo, skip);
    if (radix_spreads(w->sorted, lo, hi, skip, bits, depth))
        return write_radix(w, lo, hi, skip, bits, depth);
    return write_skewed(w, lo, hi, skip, depth);
}

// ---- a unit's slots and first node, part by part ------------------------------------------------

struct filling {
    struct writer *writer;
    uint64_t lo;
    uint64_t hi;
    size_t first_part;
    uint32_t *starts; // of the first node; NULL: there is none
    unsigned skip;
    unsigned bits;
};

static bool write_file(struct trie_builder *b, const void *from, size_t len, uint64_t at)
{
    if (file_write(b->fd, from, len, b->fd_at + at))
        return true;
    atomic_store(&b->failed, errno != 0 ? errno : EIO);
    return false;
}

static uint64_t slots_at(void)
{
    return sizeof(struct trie_header);
}

// Writes the slots of `count` records at `to`; `behind` more of the same part come behind them.
static void put_slots(const struct trie_builder *b, const struct trie_record *record,
                      uint64_t count, uint64_t behind, char *to)
{
    for (; count > 0; count--, record++, to += b->slot_bytes) {
        uint64_t slot =
            htole64(slot_make(record->id, record->offset, b->slot_bytes, b->offset_bits));
        // Written as 8 bytes, whose tail the next slots cover, but for the last of a part: what
        // comes next is another thread's.
        if (count + behind > sizeof slot)
            memcpy(to, &slot, sizeof slot);
        else
            memcpy(to, &slot, b->slot_bytes);
    }
}

// The starts of the children from that of the record before this one (not included) to this one's.
static uint32_t put_starts(const struct filling *f, struct uuid id, uint32_t next, uint32_t slot)
{
    uint32_t child = uuid_bits(id, f->skip, f->bits);
    while (next <= child)
        f->starts[next++] = slot;
    return next;
}

static void fill_part(void *context, unsigned worker, size_t part)
{
    const struct filling *f = context;
    struct trie_builder *b = f->writer->builder;
    const struct trie_sorted *s = f->writer->sorted;
    const struct trie_part *p = &s->parts[f->first_part + part];
    uint64_t lo = p->rank > f->lo ? p->rank : f->lo;
    uint64_t hi = p[1].rank < f->hi ? p[1].rank : f->hi;
    if (lo >= hi || atomic_load_explicit(&b->failed, memory_order_relaxed) != 0)
        return;
    uint64_t at = slots_at() + (f->writer->base + lo) * b->slot_bytes;
    char *buffer = b->memory + (size_t)worker * TRIE_PART * sizeof(uint64_t);
    char *to = b->fd < 0 ? b->memory + at : buffer;
    uint32_t next = 0;
    if (f->starts != NULL && lo > f->lo)
        next = uuid_bits(key_at(s, lo - 1), f->skip, f->bits) + 1;
    struct cursor c = cursor_at(s, lo);
    while (c.rank < hi) {
        uint64_t end = c.piece_end < hi ? c.piece_end : hi;
        uint32_t slot = slot_of(f->writer, c.rank);
        if (f->starts != NULL)
            for (uint32_t i = 0; i < end - c.rank; i++)
                next = put_starts(f, c.record[i].id, next, slot + i);
        put_slots(b, c.record, end - c.rank, hi - end, to);
        to += (end - c.rank) * b->slot_bytes;
        c.record += end - c.rank - 1;
        c.rank = end - 1;
        cursor_next(&c);
    }
    if (f->starts != NULL && hi == f->hi)
        while (next <= UINT32_C(1) << f->bits)
            f->starts[next++] = slot_of(f->writer, hi);
    if (b->fd >= 0)
        write_file(b, buffer, (size_t)(to - buffer), at);
}

// Makes nodes of the crowded children of a unit's first node, whose starts are all slots so far.
// False when so many keys are crowded that it is the wrong node.
static bool write_crowded(struct writer *w, uint32_t node, unsigned bits, uint64_t count)
{
    uint64_t crowded = 0;
    uint32_t children = UINT32_C(1) << bits;
    const uint32_t *starts = word(w, node) + TRIE_NODE_HEAD;
    for (uint32_t i = 0; i < children; i++)
        if (starts[i + 1] - starts[i] > TRIE_LEAF_MAX)
            crowded += starts[i + 1] - starts[i];
    if (crowded > count / share_left(0))
        return false;
    for (uint32_t i = 0; crowded > 0 && i < children && !w->failed; i++) {
        uint32_t begin = word(w, node)[TRIE_NODE_HEAD + i];
        uint32_t end = word(w, node)[TRIE_NODE_HEAD + i + 1];
        if (end - begin <= TRIE_LEAF_MAX)
            continue;
        crowded -= end - begin;
        uint32_t start = write_range(w, begin - w->base, end - w->base, 1);
        if (!w->failed)
            word(w, node)[TRIE_NODE_HEAD + i] = start;
    }
    return true;
}

// Writes slots and nodes of [lo, hi); the start word that leads there.
static uint32_t write_unit(struct writer *w, uint64_t lo, uint64_t hi)
{
    struct trie_builder *b = w->builder;
    uint64_t words_before = b->words_used;
    struct filling f = {.writer = w, .lo = lo, .hi = hi, .first_part = part_of(w->sorted, lo)};
    uint32_t node = 0;
    if (hi - lo > TRIE_LEAF_MAX) {
        f.skip = shared_bits(key_at(w->sorted, lo), key_at(w->sorted, hi - 1));
        f.bits = radix_bits(hi - lo, f.skip);
        node = add_words(w, TRIE_NODE_HEAD + (UINT64_C(1) << f.bits) + 1);
        if (w->failed)
            return 0;
        word(w, node)[0] = node_radix(f.skip, f.bits);
        word(w, node)[1] = slot_of(w, lo);
        f.starts = word(w, node) + TRIE_NODE_HEAD;
    }
    parallel_run(b->threads, part_of(w->sorted, hi - 1) - f.first_part + 1, fill_part, &f);
    if (f.starts == NULL)
        return slot_of(w, lo);
    if (write_crowded(w, node, f.bits, hi - lo))
        return TRIE_NODE | node;
    b->words_used = words_before;
    return write_skewed(w, lo, hi, f.skip, 0);
}

// ---- the image ----------------------------------------------------------------------------------

static unsigned bits_for(uint64_t value)
{
    return value == 0 ? 1 : 64 - (unsigned)__builtin_clzll(value);
}

static unsigned offset_bits(uint64_t data_bytes)
{
    return bits_for(data_bytes > 0 ? data_bytes - 1 : 0);
}

unsigned trie_slot_bytes(uint64_t data_bytes)
{
    return (offset_bits(data_bytes) + TRIE_FINGERPRINT_MIN + 7) / 8;
}

static uint64_t align_up(uint64_t at)
{
    return (at + TRIE_SECTION_ALIGN - 1) / TRIE_SECTION_ALIGN * TRIE_SECTION_ALIGN;
}

static uint64_t nodes_at(const struct trie_builder *b, uint64_t count)
{
    return align_up(slots_at() + count * b->slot_bytes + TRIE_SLOT_PADDING);
}

bool trie_builder_init(struct trie_builder *b, uint64_t data_bytes, uint64_t keys_max, int fd,
                       uint64_t fd_at, unsigned threads, struct error *error)
{
    *b = (struct trie_builder){.threads = threads, .keys_max = keys_max, .fd = fd, .fd_at = fd_at};
    if (data_bytes > TRIE_DATA_MAX) {
        error_set(error, "%llu bytes of data are more than an index can point into",
                  (unsigned long long)data_bytes);
        return false;
    }
    if (keys_max > TRIE_KEYS_MAX) // of them some may be duplicates
        b->keys_max = TRIE_KEYS_MAX;
    b->offset_bits = offset_bits(data_bytes);
    b->slot_bytes = trie_slot_bytes(data_bytes);
    b->words_reserved = b->keys_max * NODE_BYTES_MAX + NODE_BYTES_MORE;
    b->words = memory_map(b->words_reserved, HUGE_FROM);
    b->reserved = fd < 0 ? nodes_at(b, b->keys_max) + b->words_reserved
                         : threads * (size_t)TRIE_PART * sizeof(uint64_t);
    b->memory = memory_map(b->reserved, HUGE_FROM);
    b->units = malloc(UNITS_MAX * sizeof *b->units);
    if (b->words == NULL || b->memory == NULL || b->units == NULL) {
        error_set(error, "no memory for an index of %llu keys: %s", (unsigned long long)keys_max,
                  strerror(ENOMEM));
        trie_builder_release(b);
        return false;
    }
    return true;
}

static bool write_failed(const struct trie_builder *b, struct error *error)
{
    error_set(error, "cannot write the index: %s", strerror(atomic_load(&b->failed)));
    return false;
}

bool trie_builder_add(struct trie_builder *b, const struct trie_sorted *s, uint64_t lo, uint64_t hi,
                      struct error *error)
{
    struct writer w = {.builder = b, .sorted = s, .base = b->count - lo};
    if (lo == hi)
        return true;
    if (hi - lo > b->keys_max - b->count) {
        error_set(error, "more than the %llu keys that %s", (unsigned long long)b->keys_max,
                  b->keys_max == TRIE_KEYS_MAX ? "an index can hold" : "were there at first");
        return false;
    }
    if (b->unit_count == UNITS_MAX) {
        error_set(error, "the index would need more than %d passes; give it more memory",
                  UNITS_MAX);
        return false;
    }
    struct trie_unit unit = {.rank = (uint32_t)b->count, .first = key_at(s, lo)};
    unit.start = write_unit(&w, lo, hi);
    if (w.failed) {
        error_set(error, "no memory for the nodes of %llu keys", (unsigned long long)(hi - lo));
        return false;
    }
    b->units[b->unit_count++] = unit;
    b->count += hi - lo;
    if (b->fd >= 0 && atomic_load(&b->failed) == 0) {
        uint64_t at = nodes_at(b, b->keys_max) + b->words_written * sizeof *b->words;
        write_file(b, b->words, b->words_used * sizeof *b->words, at);
        b->words_written += b->words_used;
        b->words_used = 0;
    }
    return atomic_load(&b->failed) == 0 || write_failed(b, error);
}

uint64_t trie_builder_memory(const struct trie_builder *b)
{
    return b->fd >= 0 ? 0 : b->count * b->slot_bytes + b->words_used * sizeof *b->words;
}

// Joins neighbouring units under separator nodes until one is left; its start word.
static uint32_t join_units(struct writer *w)
{
    struct trie_builder *b = w->builder;
    while (b->unit_count > 1 && !w->failed) {
        size_t groups = (b->unit_count + CHILDREN - 1) / CHILDREN;
        for (size_t g = 0; g < groups && !w->failed; g++) {
            size_t first = b->unit_count * g / groups;
            size_t end = b->unit_count * (g + 1) / groups;
            struct trie_unit joined = b->units[first];
            uint32_t end_slot = end < b->unit_count ? b->units[end].rank : (uint32_t)b->count;
            uint32_t node;
            if (end - first > 1) {
                uint32_t starts =
                    begin_separators(w, (unsigned)(end - first), joined.rank, end_slot, &node);
                for (size_t i = first; i < end && !w->failed; i++) {
                    if (i > first)
                        put_separator(w, node, (unsigned)(i - first), b->units[i].first);
                    *word(w, starts + (uint32_t)(i - first)) = b->units[i].start;
                }
                joined.start = TRIE_NODE | node;
            }
            b->units[g] = joined;
        }
        b->unit_count = groups;
    }
    return b->unit_count == 1 && !w->failed ? b->units[0].start : 0;
}

// Moves the nodes in the file to where the slots end: there were fewer keys than lines.
static bool move_nodes(struct trie_builder *b, uint64_t from, uint64_t to, uint64_t bytes)
{
    char *piece = malloc(MOVE_BYTES);
    if (piece == NULL)
        atomic_store(&b->failed, ENOMEM);
    for (uint64_t done = 0; done < bytes && atomic_load(&b->failed) == 0;) {
        size_t want = bytes - done < MOVE_BYTES ? (size_t)(bytes - done) : MOVE_BYTES;
        ssize_t got = pread(b->fd, piece, want, (off_t)(b->fd_at + from + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            atomic_store(&b->failed, got == 0 ? EIO : errno);
        else if (write_file(b, piece, (size_t)got, to + done))
            done += (uint64_t)got;
    }
    free(piece);
    return atomic_load(&b->failed) == 0;
}

static bool finish_file(struct trie_builder *b, const struct trie_header *header)
{
    static const char zeros[TRIE_SLOT_PADDING + TRIE_SECTION_ALIGN];
    uint64_t provisional = nodes_at(b, b->keys_max);
    uint64_t slots_end = slots_at() + b->count * b->slot_bytes;
    return write_file(b, b->words, b->words_used * sizeof *b->words,
                      provisional + b->words_written * sizeof *b->words) &&
           (provisional == header->nodes_at ||
            move_nodes(b, provisional, header->nodes_at, header->node_words * sizeof *b->words)) &&
           write_file(b, zeros, header->nodes_at - slots_end, slots_end) &&
           write_file(b, header, sizeof *header, 0);
}

// Gives back the addresses behind the image.
static void trim(struct trie_image *image)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = (image->memory.len + page - 1) / page * page;
    if (used < image->mapped && munmap(image->memory.ptr + used, image->mapped - used) == 0)
        image->mapped = used;
}

bool trie_builder_finish(struct trie_builder *b, struct trie_image *image, uint64_t *image_bytes,
                         struct error *error)
{
    struct writer w = {.builder = b};
    uint32_t root = join_units(&w);
    *image = (struct trie_image){0};
    if (w.failed) {
        error_set(error, "no memory for the nodes of %llu keys", (unsigned long long)b->count);
        return false;
    }
    struct trie_header header = {
        .magic = TRIE_MAGIC,
        .version = TRIE_VERSION,
        .root = root,
        .count = b->count,
        .slot_bytes = b->slot_bytes,
        .offset_bits = b->offset_bits,
        .nodes_at = nodes_at(b, b->count),
        .node_words = b->words_written + b->words_used,
        .slots_at = slots_at(),
    };
    header.image_bytes = header.nodes_at + header.node_words * sizeof *b->words;
    *image_bytes = header.image_bytes;
    if (b->fd >= 0)
        return finish_file(b, &header) || write_failed(b, error);
    if (b->words_used > 0)
        memcpy(b->memory + header.nodes_at, b->words, b->words_used * sizeof *b->words);
    memcpy(b->memory, &header, sizeof header);
    *image = (struct trie_image){{b->memory, header.image_bytes}, b->reserved};
    b->memory = NULL;
    trim(image);
    return true;
}

void trie_builder_release(struct trie_builder *b)
{
    memory_unmap(b->memory, b->reserved);
    memory_unmap(b->words, b->words_reserved);
    free(b->units);
    *b = (struct trie_builder){0};
}

void trie_image_release(struct trie_image *image)
{
    memory_unmap(image->memory.ptr, image->mapped);
    *image = (struct trie_image){0};
}

bool trie_build(const struct trie_record *records, size_t count, uint64_t data_bytes,
                struct trie_image *image, struct error *error)
{
    size_t part_count = (count + TRIE_PART - 1) / TRIE_PART;
    struct trie_part *parts = malloc((part_count + 1) * sizeof *parts);
    struct trie_builder builder = {0};
    uint64_t image_bytes;
    if (parts == NULL) {
        error_set(error, "no memory for an index of %zu keys", count);
        return false;
    }
    for (size_t i = 0; i < part_count; i++)
        parts[i] =
            (struct trie_part){(uint64_t)i * TRIE_PART, (uint64_t)i * TRIE_PART / TRIE_BLOCK};
    parts[part_count] = (struct trie_part){count, 0};
    struct trie_sorted sorted = {records, NULL, parts, part_count, count};
    bool built = trie_builder_init(&builder, data_bytes, count, -1, 0, parallel_threads(), error) &&
                 trie_builder_add(&builder, &sorted, 0, count, error) &&
                 trie_builder_finish(&builder, image, &image_bytes, error);
    trie_builder_release(&builder);
    free(parts);
    return built;
}
