// Building the trie: sort the records, decide node by node between radix and separators, write the
// slots. The recursion mirrors trie.h: build a range, which is a leaf, or a node and its ranges.
//
// Why depth and memory are bounded for any key set (n keys): a radix node is taken only when at
// most 1/4 of its keys go on below it, a separator node over more than 17×24 keys leaves 1/17 in
// each child and over fewer makes leaves of at most 24, so n = 200M ends after at most 12 nodes.
// A radix node costs at most 4 bytes × 2^k ≤ 0.8 B per key of its range and ≤ 1/4 of the keys
// pay again below; separator nodes cost at most 1.4 B per key in all.
#include "data/trie_build.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/parallel.h"
#include "data/trie.h"
#include "data/trie_image.h"

enum {
    RADIX_MEAN = 10,     // keys per child of a radix node, at most on average
    RADIX_BITS_MAX = 28, // 2^28 children: as many as 2^31 keys need
    SEPARATOR_LEAF = 24, // keys per leaf under separators: 20 bytes of node for each
    SEPARATOR_CHILDREN = TRIE_SEPARATORS_MAX + 1,
    SMALL_SORT = 32,          // insertion sort is quicker below
    SLOTS_PER_PART = 1 << 16, // what a thread writes before it takes the next part
    DIGIT_BITS = 8,
    DIGITS = 1 << DIGIT_BITS,
};

static bool record_less(const struct trie_record *a, const struct trie_record *b)
{
    if (!uuid_equal(a->id, b->id))
        return uuid_less(a->id, b->id);
    return a->offset < b->offset;
}

static void insertion_sort(struct trie_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct trie_record moving = records[i];
        size_t j = i;
        for (; j > 0 && record_less(&moving, &records[j - 1]); j--)
            records[j] = records[j - 1];
        records[j] = moving;
    }
}

// How many leading bits all keys share (128: all are equal).
static unsigned shared_bits(const struct trie_record *records, size_t count)
{
    uint64_t hi = 0;
    uint64_t lo = 0;
    for (size_t i = 1; i < count; i++) {
        hi |= records[i].id.hi ^ records[0].id.hi;
        lo |= records[i].id.lo ^ records[0].id.lo;
    }
    if (hi != 0)
        return (unsigned)__builtin_clzll(hi);
    return lo != 0 ? 64 + (unsigned)__builtin_clzll(lo) : 128;
}

static void swap(struct trie_record *a, struct trie_record *b)
{
    struct trie_record record = *a;
    *a = *b;
    *b = record;
}

static void move_last_line_to_front(struct trie_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (records[i].offset > records[0].offset)
            swap(&records[0], &records[i]);
}

// Sorts by MSD radix in place ("American flag sort", McIlroy, Bostic & McIlroy 1993), after the
// bits all keys share, so each of at most 128 / DIGIT_BITS levels splits its range. Returns how
// many distinct keys stand, in order, at the front.
static size_t sort_distinct(struct trie_record *records, size_t count)
{
    if (count <= SMALL_SORT) {
        insertion_sort(records, count);
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (kept > 0 && uuid_equal(records[kept - 1].id, records[i].id))
                kept--;
            swap(&records[kept++], &records[i]);
        }
        return kept;
    }
    unsigned shared = shared_bits(records, count);
    if (shared == 128) {
        move_last_line_to_front(records, count);
        return 1;
    }
    size_t next[DIGITS];
    size_t end[DIGITS] = {0};
    for (size_t i = 0; i < count; i++)
        end[uuid_bits(records[i].id, shared, DIGIT_BITS)]++;
    for (size_t d = 0, sum = 0; d < DIGITS; d++) {
        next[d] = sum;
        sum += end[d];
        end[d] = sum;
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        while (next[d] < end[d]) {
            struct trie_record moving = records[next[d]];
            unsigned home = uuid_bits(moving.id, shared, DIGIT_BITS);
            while (home != d) {
                struct trie_record displaced = records[next[home]];
                records[next[home]++] = moving;
                moving = displaced;
                home = uuid_bits(moving.id, shared, DIGIT_BITS);
            }
            records[next[d]++] = moving;
        }
    }
    size_t kept = 0;
    for (unsigned d = 0; d < DIGITS; d++) {
        size_t begin = d == 0 ? 0 : end[d - 1];
        size_t part = sort_distinct(records + begin, end[d] - begin);
        // Forward, so that only records already dropped are moved behind those kept.
        for (size_t i = 0; kept < begin && i < part; i++)
            swap(&records[kept + i], &records[begin + i]);
        kept += part;
    }
    return kept;
}

static bool is_sorted_distinct(const struct trie_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!uuid_less(records[i - 1].id, records[i].id))
            return false;
    return true;
}

size_t trie_sort(struct trie_record *records, size_t count)
{
    return is_sorted_distinct(records, count) ? count : sort_distinct(records, count);
}

// The nodes written so far.
struct node_writer {
    const struct trie_record *records;
    uint32_t *words;
    size_t count;
    size_t capacity;
    bool failed;
};

// Appends `count` zeroed words; the number of the first.
static size_t add_words(struct node_writer *w, size_t count)
{
    if (w->failed)
        return 0;
    if (w->capacity - w->count < count) {
        size_t capacity = w->capacity * 2 > w->count + count ? w->capacity * 2 : w->count + count;
        uint32_t *grown = realloc(w->words, capacity * sizeof *grown);
        if (grown == NULL || w->count + count >= TRIE_NODE) {
            if (grown != NULL)
                w->words = grown;
            w->failed = true;
            return 0;
        }
        w->words = grown;
        w->capacity = capacity;
    }
    size_t at = w->count;
    memset(w->words + at, 0, count * sizeof *w->words);
    w->count += count;
    return at;
}

static unsigned radix_bits(size_t count, unsigned shared)
{
    unsigned bits = 1;
    while (bits < RADIX_BITS_MAX && (count >> bits) >= RADIX_MEAN)
        bits++;
    return bits < 128 - shared ? bits : 128 - shared;
}

// The end of the run of records from `at` on that fall into radix child `child`.
static size_t child_end(const struct trie_record *records, size_t at, size_t hi, unsigned skip,
                        unsigned bits, uint32_t child)
{
    while (at < hi && uuid_bits(records[at].id, skip, bits) == child)
        at++;
    return at;
}

// True when a radix step leaves at most a quarter of the keys in children too large for a leaf.
static bool radix_spreads(const struct trie_record *records, size_t lo, size_t hi, unsigned skip,
                          unsigned bits)
{
    size_t crowded = 0;
    for (size_t at = lo; at < hi;) {
        uint32_t child = uuid_bits(records[at].id, skip, bits);
        size_t end = child_end(records, at, hi, skip, bits, child);
        if (end - at > TRIE_LEAF_MAX)
            crowded += end - at;
        at = end;
    }
    return crowded <= (hi - lo) / 4;
}

static uint32_t write_range(struct node_writer *w, size_t lo, size_t hi);

static uint32_t write_radix(struct node_writer *w, size_t lo, size_t hi, unsigned skip,
                            unsigned bits)
{
    uint32_t children = UINT32_C(1) << bits;
    size_t node = add_words(w, TRIE_NODE_HEAD + (size_t)children + 1);
    size_t at = lo;
    for (uint32_t child = 0; child < children && !w->failed; child++) {
        size_t end = child_end(w->records, at, hi, skip, bits, child);
        uint32_t start = write_range(w, at, end);
        if (!w->failed)
            w->words[node + TRIE_NODE_HEAD + child] = start;
        at = end;
    }
    if (w->failed)
        return 0;
    assert(at == hi);
    w->words[node] = node_radix(skip, bits);
    w->words[node + 1] = (uint32_t)lo;
    w->words[node + TRIE_NODE_HEAD + children] = (uint32_t)hi;
    return TRIE_NODE | (uint32_t)node;
}

static uint32_t write_separators(struct node_writer *w, size_t lo, size_t hi)
{
    size_t count = hi - lo;
    size_t children = (count + SEPARATOR_LEAF - 1) / SEPARATOR_LEAF;
    if (children > SEPARATOR_CHILDREN)
        children = SEPARATOR_CHILDREN;
    unsigned separators = (unsigned)children - 1;
    size_t starts_at = TRIE_NODE_HEAD + (size_t)separators * TRIE_KEY_WORDS;
    size_t node = add_words(w, starts_at + children + 1);
    for (size_t child = 0; child < children && !w->failed; child++) {
        size_t begin = lo + count * child / children;
        uint32_t start = write_range(w, begin, lo + count * (child + 1) / children);
        if (w->failed)
            break;
        if (child > 0)
            memcpy(w->words + node + TRIE_NODE_HEAD + (child - 1) * TRIE_KEY_WORDS,
                   &w->records[begin].id, sizeof(struct uuid));
        w->words[node + starts_at + child] = start;
    }
    if (w->failed)
        return 0;
    w->words[node] = node_separators(separators);
    w->words[node + 1] = (uint32_t)lo;
    w->words[node + starts_at + children] = (uint32_t)hi;
    return TRIE_NODE | (uint32_t)node;
}

// Writes the nodes of [lo, hi), none for a leaf; the start word that leads there.
static uint32_t write_range(struct node_writer *w, size_t lo, size_t hi)
{
    if (hi - lo <= TRIE_LEAF_MAX)
        return (uint32_t)lo;
    // Sorted, so what the first and the last key share, all share.
    struct trie_record ends[2] = {w->records[lo], w->records[hi - 1]};
    unsigned skip = shared_bits(ends, 2);
    unsigned bits = radix_bits(hi - lo, skip);
    if (radix_spreads(w->records, lo, hi, skip, bits))
        return write_radix(w, lo, hi, skip, bits);
    return write_separators(w, lo, hi);
}

static unsigned bits_for(uint64_t value)
{
    return value == 0 ? 1 : 64 - (unsigned)__builtin_clzll(value);
}

static uint64_t align_up(uint64_t at)
{
    return (at + TRIE_SECTION_ALIGN - 1) / TRIE_SECTION_ALIGN * TRIE_SECTION_ALIGN;
}

struct slot_writer {
    const struct trie_record *records;
    size_t count;
    char *to;
    unsigned slot_bytes;
    unsigned offset_bits;
};

static void write_slots(void *context, size_t part)
{
    const struct slot_writer *w = context;
    size_t end = (part + 1) * SLOTS_PER_PART < w->count ? (part + 1) * SLOTS_PER_PART : w->count;
    for (size_t i = part * SLOTS_PER_PART; i < end; i++) {
        const struct trie_record *r = &w->records[i];
        uint64_t slot = htole64(slot_make(r->id, r->offset, w->slot_bytes, w->offset_bits));
        char *to = w->to + i * w->slot_bytes;
        // Written as 8 bytes, whose tail the next slot covers (where there are several parts, the
        // data is so large that a slot has 4 bytes or more), but for the last of a part: what comes
        // next is another thread's.
        if (i + 1 < end)
            memcpy(to, &slot, sizeof slot);
        else
            memcpy(to, &slot, w->slot_bytes);
    }
}

static bool image_allocate(struct trie_image *image, size_t len, struct error *error)
{
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        error_set(error, "no memory for an index of %zu bytes: %s", len, strerror(errno));
        return false;
    }
    // Fewer page-table entries to miss on each lookup; where huge pages are off, nothing is lost.
    (void)madvise(memory, len, MADV_HUGEPAGE);
    *image = (struct trie_image){{memory, len}, len};
    return true;
}

void trie_image_release(struct trie_image *image)
{
    if (image->memory.ptr != NULL)
        munmap(image->memory.ptr, image->mapped);
    *image = (struct trie_image){0};
}

bool trie_build(const struct trie_record *records, size_t count, uint64_t data_bytes,
                struct trie_image *image, struct error *error)
{
    assert(is_sorted_distinct(records, count));
    if (count > TRIE_KEYS_MAX) {
        error_set(error, "%zu keys are more than the %llu an index can hold", count,
                  (unsigned long long)TRIE_KEYS_MAX);
        return false;
    }
    if (data_bytes > TRIE_DATA_MAX) {
        error_set(error, "%llu bytes of data are more than an index can point into",
                  (unsigned long long)data_bytes);
        return false;
    }
    struct node_writer w = {.records = records};
    uint32_t root = write_range(&w, 0, count);
    bool built = false;
    if (w.failed) {
        error_set(error, "no memory for the index of %zu keys", count);
        goto out;
    }
    unsigned offset_bits = bits_for(data_bytes > 0 ? data_bytes - 1 : 0);
    unsigned slot_bytes = (offset_bits + TRIE_FINGERPRINT_MIN + 7) / 8;
    uint64_t nodes_at = align_up(sizeof(struct trie_header));
    uint64_t slots_at = align_up(nodes_at + w.count * sizeof *w.words);
    struct trie_header header = {
        .magic = TRIE_MAGIC,
        .version = TRIE_VERSION,
        .root = root,
        .count = count,
        .slot_bytes = slot_bytes,
        .offset_bits = offset_bits,
        .nodes_at = nodes_at,
        .node_words = w.count,
        .slots_at = slots_at,
        .image_bytes = slots_at + count * slot_bytes + TRIE_SLOT_PADDING,
    };
    if (!image_allocate(image, header.image_bytes, error))
        goto out;
    char *to = image->memory.ptr;
    memcpy(to, &header, sizeof header);
    if (w.count > 0)
        memcpy(to + nodes_at, w.words, w.count * sizeof *w.words);
    struct slot_writer slots = {records, count, to + slots_at, slot_bytes, offset_bits};
    parallel_run(parallel_threads(), (count + SLOTS_PER_PART - 1) / SLOTS_PER_PART, write_slots,
                 &slots);
    built = true;
out:
    free(w.words);
    return built;
}
