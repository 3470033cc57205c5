// Compares the trie with a sorted array and binary search, for every key set: each key, keys that
// differ in one bit, random keys, seeks and ranks. Also checks the bounds of depth, leaf size,
// bytes per key and lines compared per hit.
#include "data/trie.h"

#include <endian.h>
#include <stdlib.h>

#include "base/error.h"
#include "data/build/image.h"
#include "data/build/sort.h"
#include "data/lines.h"
#include "data/slot_search.h"
#include "data/trie_image.h"
#include "data/uuid_text.h"
#include "support/guard.h"
#include "support/keysets.h"
#include "support/tap.h"

enum { KEYS = 100000, SAMPLES = 500, VALUE_MAX = 100 };

// A size of data from which on the slots have numbers of granules instead of offsets. Images are
// built as if the text were the beginning of such data.
#define LARGE (UINT64_C(1) << 31)

// A key set: the sorted distinct keys, the text with their lines, and the trie over it.
struct table {
    struct uuid *keys;
    size_t count;
    struct buf text;
    struct trie_image image;
    struct trie trie;
};

static size_t lower_bound(const struct table *t, struct uuid id)
{
    size_t lo = 0;
    size_t hi = t->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (uuid_less(t->keys[middle], id))
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static bool has(const struct table *t, struct uuid id)
{
    size_t at = lower_bound(t, id);
    return at < t->count && uuid_equal(t->keys[at], id);
}

// The image is built for data of `data_bytes`; 0: for the size of the text.
static void table_build(struct table *t, struct random *r, const struct keyset *set, size_t count,
                        uint64_t data_bytes)
{
    struct error error = {""};
    *t = (struct table){.keys = calloc(count + 1, sizeof *t->keys)};
    size_t lines = set == NULL ? 0 : keyset_fill(set, r, t->keys, count);
    keys_write_lines(r, t->keys, lines, VALUE_MAX, &t->text);
    struct trie_record *records = calloc(lines + 1, sizeof *records);
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    lines_init(&reader, buf_span(&t->text));
    for (size_t i = 0; i < lines; i++) {
        require(lines_next(&reader, &record, &fault) == LINE_RECORD, "a malformed line");
        records[i] = (struct trie_record){record.id, record.offset};
    }
    t->count = keys_sort(t->keys, lines);
    is_number((int64_t)trie_sort(records, lines), (int64_t)t->count, "distinct keys");
    if (data_bytes == 0)
        data_bytes = t->text.len;
    require(trie_build(records, t->count, data_bytes, &t->image, &error), "%s", error.text);
    struct span image = {t->image.memory.ptr, t->image.memory.len};
    require(trie_open(&t->trie, image, buf_span(&t->text), &error), "%s", error.text);
    free(records);
}

static void table_release(struct table *t)
{
    trie_image_release(&t->image);
    buf_release(&t->text);
    free(t->keys);
}

// Whether the trie has the same result for `id` as the sorted array.
static bool agrees(const struct table *t, struct uuid id)
{
    uint64_t offset;
    struct uuid there;
    bool found = trie_find(&t->trie, id, &offset);
    if (found != has(t, id))
        return false;
    return !found || (uuid_parse(t->text.ptr + offset, &there) && uuid_equal(there, id));
}

// Returns for how many keys trie_find_many has another result than the sorted array.
static size_t many_disagree(const struct table *t, const struct uuid *ids, size_t count)
{
    uint64_t *offsets = calloc(count + 1, sizeof *offsets);
    size_t wrong = 0;
    offsets[count] = 42;
    trie_find_many(&t->trie, ids, count, offsets);
    for (size_t i = 0; i < count; i++) {
        uint64_t offset;
        wrong += (trie_find(&t->trie, ids[i], &offset) ? offset : TRIE_NONE) != offsets[i];
    }
    wrong += offsets[count] != 42;
    free(offsets);
    return wrong;
}

static bool seeks_agree(const struct table *t, struct uuid id)
{
    return trie_seek(&t->trie, id) == lower_bound(t, id);
}

static struct uuid flip(struct uuid id, unsigned bit)
{
    if (bit < 64)
        id.lo ^= UINT64_C(1) << bit;
    else
        id.hi ^= UINT64_C(1) << (bit - 64);
    return id;
}

static void check_lookups(const struct table *t, struct random *r)
{
    size_t wrong = 0;
    uint64_t touches = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct trie_probe probe;
        uint64_t offset;
        struct uuid there = {0, 0};
        bool found = trie_find_probed(&t->trie, t->keys[i], &offset, &probe);
        found = found && uuid_parse(t->text.ptr + offset, &there);
        wrong += !found || !uuid_equal(there, t->keys[i]);
        touches += probe.touches;
    }
    is_number((int64_t)wrong, 0, "every key is found");
    if (t->count > 0) {
        double mean = (double)touches / (double)t->count;
        ok(mean <= 1.02, "lines compared per hit: %.4f <= 1.02", mean);
    }
    size_t near_wrong = 0;
    size_t seek_wrong = 0;
    for (size_t i = 0; i < SAMPLES && t->count > 0; i++) {
        struct uuid id = t->keys[random_below(r, t->count)];
        for (unsigned bit = 0; bit < 128; bit++) {
            near_wrong += !agrees(t, flip(id, bit));
            seek_wrong += !seeks_agree(t, flip(id, bit));
        }
        seek_wrong += !seeks_agree(t, id);
    }
    is_number((int64_t)many_disagree(t, t->keys, t->count), 0,
              "every key is found by trie_find_many");
    struct uuid mixed[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        mixed[i] = (struct uuid){random_next(r), random_next(r)};
        if (t->count > 0 && i % 3 > 0)
            mixed[i] = t->keys[random_below(r, t->count)];
        if (i % 3 == 1)
            mixed[i] = flip(mixed[i], (unsigned)random_below(r, 128));
    }
    size_t mixed_wrong = 0;
    for (size_t count = 0; count <= SAMPLES; count += count < 40 ? 1 : 51)
        mixed_wrong += many_disagree(t, mixed, count);
    is_number((int64_t)mixed_wrong, 0, "hits and misses together, in groups of any size");
    is_number((int64_t)near_wrong, 0, "keys with one of the 128 bits flipped");
    is_number((int64_t)seek_wrong, 0, "seeks to keys and to their neighbours");
    size_t random_wrong = 0;
    for (size_t i = 0; i < SAMPLES * 20; i++) {
        struct uuid id = {random_next(r), random_next(r)};
        random_wrong += !agrees(t, id) || !seeks_agree(t, id);
    }
    is_number((int64_t)random_wrong, 0, "random keys and seeks");
    const struct uuid ends[] = {{0, 0}, {0, 1}, {UINT64_MAX, UINT64_MAX}, {UINT64_MAX, 0}};
    for (unsigned i = 0; i < 4; i++)
        ok(agrees(t, ends[i]) && seeks_agree(t, ends[i]), "the first and the last possible key, %u",
           i);
}

static void check_ranks(const struct table *t)
{
    size_t wrong = 0;
    for (size_t rank = 0; rank < t->count; rank++) {
        uint64_t offset;
        struct uuid there;
        wrong += !trie_at(&t->trie, rank, &offset) || !uuid_parse(t->text.ptr + offset, &there) ||
                 !uuid_equal(there, t->keys[rank]);
    }
    is_number((int64_t)wrong, 0, "each rank has its key");
}

static void check_shape(const struct table *t)
{
    struct trie_shape shape;
    struct error error = {""};
    ok(trie_check(&t->trie, &shape, &error), "trie_check accepts the image: %s", error.text);
    ok(shape.depth <= 12, "depth %u <= 12", shape.depth);
    ok(shape.leaf_max <= TRIE_LEAF_MAX, "largest leaf %llu <= %d",
       (unsigned long long)shape.leaf_max, TRIE_LEAF_MAX);
    double bytes = (double)t->trie.image_bytes / (double)(t->count + !t->count);
    if (t->count >= 10000)
        ok(bytes <= 7.3, "%.2f bytes per key <= 7.3", bytes);
    diag("%zu keys, depth %u, %llu nodes, largest leaf %llu, %.2f bytes a key", t->count,
         shape.depth, (unsigned long long)shape.nodes, (unsigned long long)shape.leaf_max, bytes);
}

static void check_last_line_wins(void)
{
    struct trie_record records[1000];
    for (unsigned i = 0; i < 1000; i++)
        records[i] = (struct trie_record){{7, i % 10}, i * 50};
    is_number((int64_t)trie_sort(records, 1000), 10, "ten keys with a hundred lines each");
    bool last = true;
    for (unsigned i = 0; i < 10; i++)
        last &= records[i].id.lo == i && records[i].offset == (990 + i) * 50;
    ok(last, "the last line of each key is kept");
    for (unsigned i = 0; i < 1000; i++)
        records[i] = (struct trie_record){{1, 2}, (i * 7) % 1000};
    is_number((int64_t)trie_sort(records, 1000), 1, "one key with a thousand lines");
    is_number((int64_t)records[0].offset, 999, "the last line of the key is kept");
}

// Damages images. Lookups must not read outside the image, and must not return a line of another
// key.
static void check_damage(struct random *r, uint64_t data_bytes)
{
    struct table t;
    struct guard guard = {0};
    struct error error = {""};
    table_build(&t, r, &keysets[7], 20000, data_bytes); // separators and radix nodes
    size_t returned_wrong = 0;
    for (unsigned round = 0; round < 150; round++) {
        struct span good = {t.image.memory.ptr, t.image.memory.len};
        // The padding aligns the start of the copy, as trie_open requires.
        struct bytes copy = guard_copy(&guard, good);
        size_t slack = (size_t)((uintptr_t)copy.ptr % 8);
        struct trie damaged;
        if (slack != 0) {
            copy.ptr -= slack;
            memmove(copy.ptr, copy.ptr + slack, good.len);
        }
        for (unsigned i = 0; i <= round % 50; i++) {
            // Most of the damage is in the header and the nodes, whose numbers steer the lookup.
            size_t reach = round % 3 == 0 ? good.len : 20000;
            copy.ptr[64 + random_below(r, reach - 64)] = (char)random_next(r);
        }
        struct span image = {copy.ptr, good.len};
        if (trie_open(&damaged, image, buf_span(&t.text), &error)) {
            for (unsigned i = 0; i < 300; i++) {
                struct uuid id = t.keys[random_below(r, t.count)];
                struct uuid there;
                uint64_t offset;
                uint64_t many[20];
                if (trie_find(&damaged, id, &offset))
                    returned_wrong +=
                        !uuid_parse(t.text.ptr + offset, &there) || !uuid_equal(there, id);
                trie_find_many(&damaged, t.keys + random_below(r, t.count - 20), 20, many);
                trie_seek(&damaged, id);
                if (damaged.count > 0)
                    trie_at(&damaged, random_below(r, damaged.count), &offset);
            }
        }
        guard_release(&guard);
    }
    is_number((int64_t)returned_wrong, 0,
              "150 damaged images: no lookup returns a line of another key");
    table_release(&t);
}

// In this image, nodes share children. A walk that does not notice that would take for ever.
static void check_shared_nodes(void)
{
    enum { LEVELS = 12, BITS = 8, NODE_WORDS = TRIE_NODE_HEAD + (1 << BITS) + 1 };
    static _Alignas(8) char image[sizeof(struct trie_header) + LEVELS * NODE_WORDS * 4 + 64];
    struct trie_header header = {
        .magic = TRIE_MAGIC,
        .version = TRIE_VERSION,
        .root = TRIE_NODE,
        .slot_bytes = 5,
        .granule_bits = 30,
        .nodes_at = sizeof header,
        .node_words = LEVELS * NODE_WORDS,
        .slots_at = sizeof header + LEVELS * NODE_WORDS * 4,
        .image_bytes = sizeof image,
    };
    uint32_t *words = (uint32_t *)(void *)(image + sizeof header);
    struct trie trie;
    struct trie_shape shape;
    struct error error = {""};
    memcpy(image, &header, sizeof header);
    for (uint32_t level = 0; level < LEVELS; level++) {
        uint32_t *node = words + level * NODE_WORDS;
        node[0] = node_radix(level * BITS, BITS);
        for (uint32_t i = 0; level + 1 < LEVELS && i < 1 << BITS; i++)
            node[TRIE_NODE_HEAD + i] = TRIE_NODE | (level + 1) * NODE_WORDS;
    }
    require(trie_open(&trie, span_of(image, sizeof image), span_of("", 0), &error), "%s",
            error.text);
    ok(!trie_check(&trie, &shape, &error), "trie_check notices a node that is reached twice: %s",
       error.text);
}

static void check_refusals(struct random *r)
{
    struct table t;
    struct trie opened;
    struct error error = {""};
    table_build(&t, r, &keysets[0], 1000, 0);
    struct bytes image = t.image.memory;
    bool refused = true;
    for (size_t len = 0; len < image.len; len++)
        refused &= !trie_open(&opened, span_of(image.ptr, len), buf_span(&t.text), &error);
    ok(refused, "every truncated image is refused");
    refused = true;
    for (size_t field = 0; field < 64; field++) {
        char old = image.ptr[field];
        image.ptr[field] = (char)~old;
        struct uuid id = t.keys[0];
        uint64_t offset;
        // Some numbers (root, granule bits) can be wrong without contradicting others. Keys must be
        // missed then.
        if (trie_open(&opened, span_of(image.ptr, image.len), buf_span(&t.text), &error)) {
            struct uuid there;
            if (trie_find(&opened, id, &offset))
                refused &= uuid_parse(t.text.ptr + offset, &there) && uuid_equal(there, id);
        }
        image.ptr[field] = old;
    }
    ok(refused, "no changed byte of the header makes a lookup return a line of another key");
    struct trie_shape shape;
    image.ptr[image.len - TRIE_SLOT_PADDING - 1] ^= 1; // a bit in the fingerprint of the last slot
    ok(trie_open(&opened, span_of(image.ptr, image.len), buf_span(&t.text), &error) &&
           !trie_check(&opened, &shape, &error),
       "trie_check notices a key that is not found: %s", error.text);
    table_release(&t);
}

// A key is found only if a record of that key begins at the offset, or in the granule, of its slot.
// `data_bytes` is more than the texts have, so that every offset fits into a slot.
static void check_candidates(uint64_t data_bytes)
{
#define A "01234567-89ab-cdef-0123-456789abcdef"
#define B "ffffffff-ffff-ffff-ffff-ffffffffffff"
#define AZ "abcdefghijklmnopqrstuvwxyz"
    static const struct {
        const char *name;
        const char *text;
        uint64_t offset;
        bool wanted;
    } cases[] = {
        {"the first line", A " v\n" B " v\n", 0, true},
        {"a line after another", B " v\n" A " v\n", 39, true},
        {"a line without value and newline", B " v\n" A " ", 39, true},
        {"a line in upper case", "01234567-89AB-CDEF-0123-456789ABCDEF v\n", 0, true},
        {"a line at the first byte of a granule", B " " AZ "\n" A " v\n", 64, true},
        {"a line after short lines in its granule", "\n\nx\n" A " v\n", 4, true},
        {"a line in the granule after that of the slot", B " " AZ "\n" A " v\n", 63, false},
        {"the key within a value, at the first byte of a granule", B " " AZ "." A " v\n", 64,
         false},
        {"another key's line", A " v\n" B " v\n", 39, false},
        {"the key within a value", B " " A " v\n", 37, false},
        {"the key at the second byte of a line", "0" A " v\n", 1, false},
        {"no space after the key", A "\tv\n", 0, false},
        {"a CR instead of a hyphen", "01234567\r89ab-cdef-0123-456789abcdef v\n", 0, false},
        {"a record that is cut by the end of the text", B " v\n" A, 39, false},
        {"the end of the text", A " v\n", 39, false},
        {"an offset after the end of the text", A " v\n", 60, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = {0};
        struct error error = {""};
        struct trie_image image;
        struct trie trie;
        struct trie_record record = {{0x0123456789abcdefu, 0x0123456789abcdefu}, cases[i].offset};
        struct uuid ids[2] = {{1, 2}, record.id};
        uint64_t offset;
        uint64_t offsets[2];
        struct bytes text = guard_copy(&g, span_text(cases[i].text));
        require(trie_build(&record, 1, data_bytes, &image, &error), "%s", error.text);
        require(trie_open(&trie, span_of(image.memory.ptr, image.memory.len),
                          span_of(text.ptr, text.len), &error),
                "%s", error.text);
        bool found = trie_find(&trie, record.id, &offset) && offset == cases[i].offset;
        trie_find_many(&trie, ids, 2, offsets);
        bool many = offsets[0] == TRIE_NONE &&
                    offsets[1] == (cases[i].wanted ? cases[i].offset : TRIE_NONE);
        ok(found == cases[i].wanted && many, "%s is %s", cases[i].name,
           cases[i].wanted ? "found" : "not found");
        trie_image_release(&image);
        guard_release(&g);
    }
#undef A
#undef B
#undef AZ
}

static uint64_t slot_of(const unsigned char *slots, uint64_t number, unsigned slot_bytes)
{
    uint64_t slot = 0;
    memcpy(&slot, slots + number * slot_bytes, slot_bytes);
    return le64toh(slot);
}

// Compares every form of the search in a leaf with a simple loop: each width and each number of
// slots, at any position in an array that ends, with its padding, at a guard page.
static void check_slot_search(struct random *r)
{
    enum { SLOTS = SLOT_SEARCH_MAX + 10 };
    unsigned wrong = 0;
    unsigned found = 0;
    for (unsigned round = 0; round < 2000; round++) {
        struct guard g = {0};
        char content[SLOTS * 8 + TRIE_SLOT_PADDING];
        unsigned slot_bytes = 1 + round % 8;
        unsigned granule_bits = 1 + (unsigned)random_below(r, 8 * slot_bytes - 1);
        uint64_t count = random_below(r, SLOTS + 1);
        // There are few different fingerprints, so that some are found, and more than once.
        uint64_t few = random_next(r) | random_next(r);
        for (size_t i = 0; i < sizeof content; i += 8) {
            uint64_t bytes = random_next(r) & ~few;
            memcpy(content + i, &bytes, 8);
        }
        struct bytes copy =
            guard_copy(&g, span_of(content, count * slot_bytes + TRIE_SLOT_PADDING));
        const unsigned char *slots = (const unsigned char *)copy.ptr;
        for (uint64_t lo = 0; lo <= count; lo++) {
            uint64_t most = count - lo < SLOT_SEARCH_MAX ? count - lo : SLOT_SEARCH_MAX;
            uint64_t hi = lo + random_below(r, most + 1);
            uint64_t wanted = lo;
            uint64_t fingerprint = random_next(r) >> (64 - (8 * slot_bytes - granule_bits));
            if (count > 0 && lo % 4 != 0)
                fingerprint = slot_of(slots, random_below(r, count), slot_bytes) >> granule_bits;
            while (wanted < hi && (uint32_t)(slot_of(slots, wanted, slot_bytes) >> granule_bits) !=
                                      (uint32_t)fingerprint)
                wanted++;
            found += wanted < hi;
            wrong +=
                slot_search_scalar(slots, lo, hi, slot_bytes, granule_bits, fingerprint) != wanted;
            wrong +=
                SIMD(slot_search)(slots, lo, hi, slot_bytes, granule_bits, fingerprint) != wanted;
        }
        guard_release(&g);
    }
    is_number(wrong, 0, "the first slot with a fingerprint is found");
    ok(found > 1000, "%u fingerprints were found", found);
}

int main(void)
{
    struct random r = random_seeded();
    struct table t;
    table_build(&t, &r, NULL, 0, 0);
    diag("-- empty");
    check_shape(&t);
    check_lookups(&t, &r);
    table_release(&t);
    for (unsigned i = 0; i < keyset_count; i++) {
        diag("-- %s", keysets[i].name);
        table_build(&t, &r, &keysets[i], KEYS, 0);
        check_shape(&t);
        check_lookups(&t, &r);
        check_ranks(&t);
        table_release(&t);
        diag("-- %s, in granules", keysets[i].name);
        table_build(&t, &r, &keysets[i], KEYS / 4, LARGE);
        check_shape(&t);
        check_lookups(&t, &r);
        check_ranks(&t);
        table_release(&t);
    }
    // Numbers of keys around every size at which the build chooses differently.
    for (size_t count = 1; count <= 700; count += count < 100 ? 1 : 37) {
        for (unsigned set = 0; set < keyset_count; set += 3) {
            size_t wrong = 0;
            struct trie_shape shape;
            struct error error = {""};
            table_build(&t, &r, &keysets[set], count, count % 2 * LARGE);
            for (size_t i = 0; i < t.count; i++)
                wrong += !agrees(&t, t.keys[i]) || !agrees(&t, flip(t.keys[i], (unsigned)i % 128));
            wrong += !trie_check(&t.trie, &shape, &error);
            if (wrong > 0)
                is_number((int64_t)wrong, 0, "%zu keys of '%s' %s", count, keysets[set].name,
                          error.text);
            table_release(&t);
        }
    }
    check_last_line_wins();
    check_candidates(1000);
    check_candidates(LARGE);
    check_slot_search(&r);
    check_damage(&r, 0);
    check_damage(&r, LARGE);
    check_refusals(&r);
    check_shared_nodes();
    return done_testing();
}
