// Writes the first inputs of the fuzz target index_file into a folder. Each is an example of one
// kind of damage or forgery, and is named after it. `make fuzz-seeds` runs this program. That is
// necessary only when the format of the index changes.
#include "fuzz/index_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "data/build/build.h"
#include "data/build/sort.h"
#include "data/index_format.h"
#include "data/trie.h"
#include "data/trie_image.h"
#include "data/uuid_text.h"

#define ALL_ONES UINT64_MAX
#define TOP_BIT (UINT64_C(1) << 63)

enum {
    WORDS_MAX = 1024,
    SLOTS_MAX = 4096,                                 // bytes of slots
    IMAGE = INPUT_IMAGE | INPUT_FIT,                  // only a trie
    FILE_OWN = INPUT_FIT | INPUT_SEAL | INPUT_TIMES | // a file that belongs to the data
               INPUT_SAMPLE | INPUT_CONTENT,
};

static const char *folder;

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "cannot write inputs: %s\n", what);
    exit(EXIT_FAILURE);
}

// Writes an input to a file: its first two bytes, which hold `text` and `flags`, then `a` and `b`.
static void put(const char *name, unsigned text, unsigned flags, struct span a, struct span b)
{
    char path[512];
    unsigned char head[INPUT_HEAD] = {(unsigned char)text, (unsigned char)flags};
    need(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path, "a long name");
    FILE *file = fopen(path, "w");
    need(file != NULL && fwrite(head, 1, sizeof head, file) == sizeof head &&
             fwrite(a.ptr, 1, a.len, file) == a.len && fwrite(b.ptr, 1, b.len, file) == b.len &&
             fclose(file) == 0,
         path);
}

// ---- images in parts ----------------------------------------------------------------------------

// A trie image in parts, each of which can be changed.
struct parts {
    unsigned text;
    // The nodes are at the end of the image. So a read after them is outside the image, and the
    // sanitizer reports it.
    bool nodes_last;
    struct trie_header header;
    uint32_t words[WORDS_MAX];
    char slots[SLOTS_MAX];
    size_t slots_len;
    struct built built;        // result of the build; the image in it is released
    struct trie_record *items; // records of the index, in key order
    size_t kept;               // number of `items`: one for each key
};

// Sets the records that an index of the text has.
static void parts_read(struct parts *p, struct span data)
{
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    enum line_result result;
    size_t count = 0;
    p->items = calloc(data.len / LINE_MIN + 1, sizeof *p->items);
    need(p->items != NULL, "no memory");
    lines_init(&reader, data);
    while ((result = lines_next(&reader, &record, &fault)) != LINE_END)
        if (result == LINE_RECORD)
            p->items[count++] = (struct trie_record){record.id, record.offset};
    p->kept = trie_sort(p->items, count);
}

// Builds the image of the text and takes it apart.
static void parts_build(struct parts *p, unsigned text)
{
    struct build_settings settings = {.fd = -1, .division.threads = 1};
    struct error error;
    struct span data = index_file_text(text);
    *p = (struct parts){.text = text};
    need(build_index(&p->built, data, &settings, &error), "no image");
    parts_read(p, data);
    const char *image = p->built.image.memory.ptr;
    memcpy(&p->header, image, sizeof p->header);
    memcpy(p->words, image + p->header.nodes_at, p->header.node_words * sizeof *p->words);
    p->slots_len = p->header.count * p->header.slot_bytes + TRIE_SLOT_PADDING;
    need(p->slots_len <= SLOTS_MAX, "too many slots");
    memcpy(p->slots, image + p->header.slots_at, p->slots_len);
    trie_image_release(&p->built.image);
}

// Sets the slots, of `width` bytes each, in which `bits` bits are the number of a granule. The
// header says how large a granule is. Slot i has the fingerprint of record i and the granule at the
// offset offsets[i], or at the offset of record i when `offsets` is NULL.
static void set_slots(struct parts *p, unsigned width, unsigned bits, const uint64_t *offsets)
{
    p->header.slot_bytes = (uint16_t)width;
    p->header.granule_bits = bits;
    p->slots_len = p->kept * width + TRIE_SLOT_PADDING;
    need(p->slots_len <= SLOTS_MAX, "too many slots");
    memset(p->slots, 0, p->slots_len);
    for (size_t i = 0; i < p->kept; i++) {
        const struct trie_record *r = &p->items[i];
        uint64_t offset = offsets != NULL ? offsets[i] : r->offset;
        uint64_t granule = offset >> p->header.granule_shift;
        uint64_t mask = (UINT64_C(1) << bits) - 1;
        uint64_t slot = slot_make(r->id, granule & mask, width, bits);
        memcpy(p->slots + i * width, &slot, width);
    }
}

// Replaces the nodes. The root is the first.
static void set_nodes(struct parts *p, const uint32_t *words, size_t count)
{
    need(count <= WORDS_MAX, "too many words");
    if (count > 0)
        memcpy(p->words, words, count * sizeof *words);
    p->nodes_last = true;
    p->header.node_words = count;
    p->header.root = TRIE_NODE;
}

// Puts the parts together to an image, with their offsets in its header.
static struct span join(struct parts *p)
{
    static char image[sizeof p->header + sizeof p->words + sizeof p->slots + 4];
    struct trie_header *h = &p->header;
    size_t nodes_len = h->node_words * 4;
    h->nodes_at = sizeof *h;
    h->slots_at = h->nodes_at + nodes_len;
    h->image_bytes = h->slots_at + p->slots_len;
    if (p->nodes_last) {
        h->slots_at = sizeof *h;
        h->nodes_at = h->slots_at + (p->slots_len + 3) / 4 * 4;
        h->image_bytes = h->nodes_at + nodes_len;
    }
    memset(image, 0, sizeof image);
    memcpy(image, h, sizeof *h);
    memcpy(image + h->nodes_at, p->words, nodes_len);
    memcpy(image + h->slots_at, p->slots, p->slots_len);
    return span_of(image, h->image_bytes);
}

static void put_image(struct parts *p, const char *name)
{
    put(name, p->text, IMAGE, join(p), span_of("", 0));
}

// ---- trie headers -------------------------------------------------------------------------------

// Writes an input with one 32-bit or 64-bit field of the trie header changed.
static void put_field(const struct parts *built, const char *name, size_t at, size_t size,
                      uint64_t value)
{
    static struct parts p;
    p = *built;
    struct span image = join(&p);
    memcpy((char *)(uintptr_t)image.ptr + at, &value, size);
    // Without INPUT_FIT, because the field may be the size.
    put(name, p.text, INPUT_IMAGE, image, span_of("", 0));
}

#define FIELD(name, field, value)                                                                  \
    put_field(p, "trie-" name, offsetof(struct trie_header, field), sizeof p->header.field, value)

static void put_trie_headers(struct parts *p)
{
    uint64_t len = join(p).len;
    uint64_t words_fit = (len - p->header.nodes_at) / 4;
    uint64_t slots_fit = (len - p->header.slots_at) / p->header.slot_bytes;
    FIELD("magic-0", magic, 0);
    FIELD("other-version", version, TRIE_VERSION + 1);
    FIELD("root-slot-0", root, 0);
    FIELD("root-slot-beyond", root, TRIE_NODE - 1);
    FIELD("root-last-word", root, TRIE_NODE | (p->header.node_words - 1));
    FIELD("root-behind-words", root, TRIE_NODE | p->header.node_words);
    FIELD("root-node-max", root, UINT32_MAX);
    FIELD("count-0", count, 0);
    FIELD("count-1", count, 1);
    FIELD("count-one-more", count, p->header.count + 1);
    FIELD("count-into-padding", count, slots_fit);
    FIELD("count-largest", count, TRIE_KEYS_MAX);
    FIELD("count-times-8-wraps", count, UINT64_C(1) << 61);
    FIELD("count-max", count, ALL_ONES);
    FIELD("slot-bytes-0", slot_bytes, 0);
    FIELD("slot-bytes-1", slot_bytes, 1);
    FIELD("slot-bytes-9", slot_bytes, 9);
    FIELD("slot-bytes-max", slot_bytes, UINT32_MAX);
    FIELD("granule-shift-1", granule_shift, 1);
    FIELD("granule-shift-max", granule_shift, UINT16_MAX);
    FIELD("granule-bits-0", granule_bits, 0);
    FIELD("granule-bits-1", granule_bits, 1);
    FIELD("granule-bits-all-but-one", granule_bits, 8u * p->header.slot_bytes - 1);
    FIELD("granule-bits-all", granule_bits, 8u * p->header.slot_bytes);
    FIELD("granule-bits-max", granule_bits, UINT32_MAX);
    FIELD("nodes-over-header", nodes_at, 0);
    FIELD("nodes-unaligned", nodes_at, p->header.nodes_at + 2);
    FIELD("nodes-over-slots", nodes_at, p->header.slots_at / 4 * 4);
    FIELD("nodes-behind-end", nodes_at, (len + 4) / 4 * 4);
    FIELD("nodes-at-max", nodes_at, ALL_ONES - 3);
    FIELD("node-words-0", node_words, 0);
    FIELD("node-words-all", node_words, words_fit);
    FIELD("node-words-one-too-many", node_words, words_fit + 1);
    FIELD("node-words-times-4-wraps", node_words, UINT64_C(1) << 62);
    FIELD("node-words-max", node_words, ALL_ONES);
    FIELD("slots-over-header", slots_at, 0);
    FIELD("slots-over-nodes", slots_at, p->header.nodes_at);
    FIELD("slots-one-late", slots_at, p->header.slots_at + 1);
    FIELD("slots-at-end", slots_at, len);
    FIELD("slots-behind-end", slots_at, len + 1);
    FIELD("slots-at-max", slots_at, ALL_ONES);
    FIELD("image-bytes-0", image_bytes, 0);
    FIELD("image-bytes-one-less", image_bytes, len - 1);
    FIELD("image-bytes-max", image_bytes, ALL_ONES);
    // Two fields that contradict each other.
    struct trie_header built = p->header;
    struct parts q = *p;
    struct span image = join(&q);
    struct trie_header *h = (struct trie_header *)(uintptr_t)image.ptr;
    h->node_words = TRIE_NODE - 1;
    h->root = TRIE_NODE | 0x1000000;
    put("trie-root-beyond-image", p->text, INPUT_IMAGE, image, span_of("", 0));
    *h = built;
    h->slot_bytes = 9;
    h->count = 9;
    put("trie-slot-bytes-9-count-9", p->text, INPUT_IMAGE, image, span_of("", 0));
    put("trie-header-cut", p->text, INPUT_IMAGE, span_of(join(p).ptr, 63), span_of("", 0));
    put("trie-header-only", p->text, IMAGE, span_of(join(p).ptr, 64), span_of("", 0));
    put("trie-padding-cut", p->text, IMAGE, span_of(join(p).ptr, len - 1), span_of("", 0));
}

// ---- nodes --------------------------------------------------------------------------------------

#define NODES(name, ...)                                                                           \
    do {                                                                                           \
        const uint32_t words[] = {__VA_ARGS__};                                                    \
        p = *built;                                                                                \
        set_nodes(&p, words, sizeof words / sizeof *words);                                        \
        put_image(&p, "nodes-" name);                                                              \
    } while (0)

enum { SEPARATORS = 1u << 31 }; // the head of a separator node, without its count

static void put_nodes(const struct parts *built) // of TEXT_RANDOM, 60 keys
{
    static struct parts p;
    const uint32_t to = TRIE_NODE;
    const uint32_t half = 1 << NODE_SKIP_SHIFT; // skips one bit
    NODES("radix-0-bits", 0, 0, 0, 60);
    NODES("radix-31-bits", 31, 0, 0, 30, 60);
    NODES("radix-30-bits", 30, 0, 0, 30, 60);
    NODES("radix-past-key", 127u << NODE_SKIP_SHIFT | 2, 0, 0, 15, 30, 45, 60);
    NODES("radix-skip-64", 64u << NODE_SKIP_SHIFT | 1, 0, 0, 30, 60);
    NODES("radix-one-start-short", 2, 0, 0, 15, 30, 45);
    NODES("radix-unordered", 2, 0, 45, 30, 15, 0, 60);
    NODES("radix-starts-beyond", 1, 0, 59, 1000000, TRIE_NODE - 1);
    NODES("radix-end-beyond", 1, 0, 30, 59, 61);
    NODES("radix-leaf-too-large", 1, 0, 0, 41, 60);
    NODES("radix-end-is-node", 1, 0, 0, to, to);
    NODES("radix-end-is-far-node", 1, 0, 30, to | 1000, UINT32_MAX);
    NODES("node-in-itself", 1, 0, to, to, 60);
    NODES("node-overlaps-itself", 1, 0, to | 1, to | 2, 60, 60, 60, 60, 60);
    NODES("two-in-a-circle", 1, 0, to | 5, to | 5, 60, half | 1, 0, to, to, 60);
    NODES("child-behind-words", 1, 0, to | 5, to | 6, 60);
    NODES("child-cut", 1, 0, to | 5, 30, 60, 1, 0);
    NODES("child-twice", 1, 0, to | 5, to | 5, 60, half | 1, 0, 0, 30, 60);
    NODES("child-good", 1, 0, to | 5, 30, 60, half | 1, 0, 0, 15, 30);
    NODES("child-begins-elsewhere", 1, 0, 0, to | 5, 60, half | 1, 59, 0, 15, 30);
    NODES("separators-0", SEPARATORS, 0, 0, 60);
    NODES("separators-0-good", SEPARATORS, 0, to | 4, 60, 1, 0, 0, 30, 60);
    NODES("separators-1", SEPARATORS | 1, 0, 0, 0x80000000, 0, 0, 0, 30, 60);
    NODES("separators-keys-cut", SEPARATORS | 4, 0, 0, 0, 0, 0);
    NODES("separators-31-cut", SEPARATORS | 31, 0, 0, 0, 0, 0);
    NODES("separators-unordered", SEPARATORS | 2, 0, ~0u, ~0u, ~0u, ~0u, 0, 0, 0, 0, 20, 10, 40,
          60);
    NODES("separators-one-start-short", SEPARATORS | 1, 0, 0, 0, 0, 0, 0, 30);
    NODES("all-ones", ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u);
    NODES("head-at-end", 1);
    NODES("radix-end-is-last-word", 1, 0, 0, to | 4, 60);
    p = *built;
    set_nodes(&p, NULL, 0);
    put_image(&p, "nodes-none");
    for (unsigned depth = TRIE_DEPTH_MAX - 1; depth <= TRIE_DEPTH_MAX + 1; depth++) {
        // A separator node with 0 separators has one child, so the nodes are a path without
        // branches.
        uint32_t words[(TRIE_DEPTH_MAX + 1) * 4];
        char name[32];
        for (unsigned i = 0; i < depth; i++) {
            const uint32_t node[] = {SEPARATORS, 20, to | (i + 1) * 4, 60};
            memcpy(words + (size_t)4 * i, node, sizeof node);
        }
        words[(size_t)4 * depth - 2] = 20; // the last child is a leaf
        p = *built;
        set_nodes(&p, words, (size_t)4 * depth);
        snprintf(name, sizeof name, "nodes-depth-%u", depth);
        put_image(&p, name);
        for (unsigned i = 0; i < depth; i++)
            p.words[(size_t)4 * i + 1] = p.words[(size_t)4 * i + 3] = 0;
        p.words[(size_t)4 * depth - 2] = 0;
        p.header.count = 0;
        snprintf(name, sizeof name, "nodes-depth-%u-no-keys", depth);
        put_image(&p, name);
    }
    // The 8 children of each node are the same node, so there are 8^16 paths.
    uint32_t shared[TRIE_DEPTH_MAX * 11] = {0};
    for (unsigned i = 0; i < TRIE_DEPTH_MAX; i++) {
        shared[(size_t)11 * i] = 3;
        for (unsigned c = 0; i + 1 < TRIE_DEPTH_MAX && c < 8; c++)
            shared[(size_t)11 * i + 2 + c] = to | (i + 1) * 11;
    }
    p = *built;
    set_nodes(&p, shared, sizeof shared / sizeof *shared);
    p.header.count = 0;
    put_image(&p, "nodes-shared-children");
}

// ---- slots --------------------------------------------------------------------------------------

static uint64_t place_in(struct span text, struct uuid id)
{
    char key[UUID_TEXT_LEN];
    uuid_format(id, key);
    const char *at = memmem(text.ptr, text.len, key, sizeof key);
    need(at != NULL, "a key that is not in its text");
    return (uint64_t)(at - text.ptr);
}

static void put_slot_image(struct parts *p, const char *kind, const char *name)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s-%s", kind, name);
    put_image(p, whole);
}

// Writes images of TEXT_TRAPS with changed slots: first wrong offsets with the right fingerprints,
// then wrong order, other texts and other widths. A granule has 2^`shift` bytes.
static void put_slots(const struct parts *of_bytes, unsigned shift)
{
    static struct parts p;
    static struct parts changed;
    const struct parts *built = &changed;
    const char *kind = shift == 0 ? "slots" : "granules";
    changed = *of_bytes;
    changed.header.granule_shift = (uint16_t)shift;
    set_slots(&changed, 3, 13, NULL);
    uint64_t offsets[64];
    struct span text = index_file_text(TEXT_TRAPS);
    const struct trie_record *items = built->items;
    size_t kept = built->kept;
    need(kept < 64, "too many records");
    const struct {
        const char *name;
        uint64_t all; // offset in every slot
    } same[] = {
        {"all-first-line", 0},
        {"all-second-byte", 1},
        {"all-last-37", text.len - LINE_MIN},
        {"all-last-36", text.len - LINE_MIN + 1},
        {"all-last-byte", text.len - 1},
        {"all-end", text.len},
        {"all-far", UINT64_MAX >> 10 << shift},
        {"all-in-value", place_in(text, index_file_key(KEY_IN_VALUE))},
        {"all-without-space", place_in(text, index_file_key(KEY_WITHOUT_SPACE))},
        {"all-replaced", place_in(text, index_file_key(4))},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        for (size_t k = 0; k < kept; k++)
            offsets[k] = same[i].all;
        p = *built;
        set_slots(&p, 8, 54, offsets);
        put_slot_image(&p, kind, same[i].name);
    }
    for (size_t k = 0; k < kept; k++)
        offsets[k] = items[(k + 1) % kept].offset;
    p = *built;
    set_slots(&p, 8, 54, offsets);
    put_slot_image(&p, kind, "of-the-next-key");
    p = *built;
    struct trie_record swapped[64];
    for (size_t k = 0; k < kept; k++)
        swapped[k] = items[kept - 1 - k];
    p.items = swapped;
    set_slots(&p, 3, 13, NULL);
    put_slot_image(&p, kind, "out-of-order");
    // The only two slots are for the two keys that begin no record. They have the fingerprints of
    // these keys, and the offsets where the keys occur in the text. The nodes stay as they were.
    p = *built;
    struct trie_record traps[2] = {{index_file_key(KEY_IN_VALUE), 0},
                                   {index_file_key(KEY_WITHOUT_SPACE), 0}};
    for (unsigned i = 0; i < 2; i++)
        traps[i].offset = place_in(text, traps[i].id);
    p.items = traps;
    p.kept = 2;
    p.header.count = 2;
    set_slots(&p, 3, 13, NULL);
    put_slot_image(&p, kind, "of-traps");
    text = index_file_text(TEXT_CUT);
    p.text = TEXT_CUT;
    traps[0] = (struct trie_record){index_file_key(0), 0};
    traps[1].offset = place_in(text, traps[1].id);
    set_slots(&p, 3, 13, NULL);
    put_slot_image(&p, kind, "of-cut-line");
    p = *built;
    p.text = TEXT_SHORT;
    put_slot_image(&p, kind, "over-short-text");
    p.text = TEXT_EMPTY;
    put_slot_image(&p, kind, "over-no-text");
    for (unsigned width = 2; width <= 8; width++) {
        char name[64];
        p = *built;
        set_slots(&p, width, width == 2 ? 10 : 8 * width - TRIE_FINGERPRINT_MIN, NULL);
        snprintf(name, sizeof name, "%u-bytes", width);
        put_slot_image(&p, kind, name);
    }
    p = *built;
    set_slots(&p, 8, 1, NULL);
    put_slot_image(&p, kind, "1-bit-offsets");
    p = *built;
    set_slots(&p, 8, 63, NULL);
    put_slot_image(&p, kind, "1-bit-fingerprints");
    p = *built;
    set_slots(&p, 3, 13, NULL);
    memset(p.slots, 0xff, p.slots_len);
    put_slot_image(&p, kind, "all-ones");
}

// ---- files --------------------------------------------------------------------------------------

static struct index_header header_of(const struct parts *p, struct span image)
{
    const struct built *b = &p->built;
    struct span text = index_file_text(p->text);
    struct index_header h = {
        .magic = INDEX_MAGIC,
        .byte_order = INDEX_BYTE_ORDER,
        .version = INDEX_VERSION,
        .file_bytes = index_file_bytes(image.len),
        .image_bytes = image.len,
        .facts.lines = b->lines,
        .facts.malformed = b->malformed,
        .facts.keys = p->kept,
        .facts.duplicates = b->duplicates,
        .facts.value_bytes = b->value_bytes,
        .facts.build_ns = 1,
        .facts.built_at_us = 1,
        .facts.data = {.bytes = text.len,
                       .read_ns = INT64_MAX,
                       .seed = INPUT_SEED,
                       .sample = identity_sample(text, INPUT_SEED)},
    };
    need(identity_content(text, &h.facts.data.content, NULL), "no memory");
    return h;
}

static void put_file(const char *name, unsigned text, unsigned flags, const struct index_header *h,
                     struct span image)
{
    put(name, text, flags, span_of((const char *)h, INPUT_FIELDS), image);
}

// Writes a file that would be correct, except for two changes. If `damaged` is not 0, one byte is
// changed, `damaged` bytes before the end of the correct file. Then the last `cut` bytes are left
// out.
static void put_whole(const char *name, const struct parts *p, struct span image, size_t cut,
                      size_t damaged)
{
    struct buf rest = {0};
    struct index_header h = header_of(p, image);
    uint64_t sum = checksum(image);
    h.checksums_sum = checksum(span_of((const char *)&sum, sizeof sum));
    struct index_trailer trailer = {h.checksums_sum, INDEX_END};
    h.header_sum = index_header_sum(&h);
    buf_append(&rest, span_of((const char *)&h.header_sum, sizeof h.header_sum));
    buf_append(&rest, image);
    buf_append(&rest, span_of("\0\0\0\0\0\0\0",
                              index_checksums_at(image.len) - INDEX_IMAGE_AT - image.len));
    buf_append(&rest, span_of((const char *)&sum, sizeof sum));
    buf_append(&rest, span_of((const char *)&trailer, sizeof trailer));
    need(!rest.oom, "no memory");
    if (damaged > 0)
        rest.ptr[damaged < rest.len ? rest.len - damaged : 0] ^= 1;
    size_t most = rest.len - sizeof h.header_sum;
    rest.len -= cut < most ? cut : most;
    put_file(name, p->text | INPUT_SKIP, 0, &h, buf_span(&rest));
    buf_release(&rest);
}

static void put_files(struct parts *p) // of TEXT_TRAPS
{
    static const struct {
        const char *name;
        size_t at;
    } fields[] = {
        {"magic", offsetof(struct index_header, magic)},
        {"byte-order-version", offsetof(struct index_header, byte_order)},
        {"features", offsetof(struct index_header, features)},
        {"file-bytes", offsetof(struct index_header, file_bytes)},
        {"image-bytes", offsetof(struct index_header, image_bytes)},
        {"lines", offsetof(struct index_header, facts.lines)},
        {"malformed", offsetof(struct index_header, facts.malformed)},
        {"keys", offsetof(struct index_header, facts.keys)},
        {"duplicates", offsetof(struct index_header, facts.duplicates)},
        {"value-bytes", offsetof(struct index_header, facts.value_bytes)},
        {"data-bytes", offsetof(struct index_header, facts.data.bytes)},
        {"data-inode", offsetof(struct index_header, facts.data.inode)},
        {"data-modified", offsetof(struct index_header, facts.data.modified_ns)},
        {"data-changed", offsetof(struct index_header, facts.data.changed_ns)},
        {"data-read", offsetof(struct index_header, facts.data.read_ns)},
        {"data-seed", offsetof(struct index_header, facts.data.seed)},
        {"data-sample", offsetof(struct index_header, facts.data.sample)},
        {"data-content", offsetof(struct index_header, facts.data.content)},
    };
    static const uint64_t extremes[] = {0, TOP_BIT, ALL_ONES};
    static const char *const extreme_names[] = {"0", "top-bit", "max"};
    struct span image = join(p);
    struct index_header good = header_of(p, image);
    struct index_header h;
    unsigned skip = p->text | INPUT_SKIP;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        for (size_t e = 0; e < 3; e++) {
            char name[64];
            unsigned flags = INPUT_SEAL | INPUT_FINISH;
            bool is_size = fields[i].at >= offsetof(struct index_header, file_bytes) &&
                           fields[i].at <= offsetof(struct index_header, facts.data.bytes);
            bool is_time = fields[i].at >= offsetof(struct index_header, facts.data.modified_ns) &&
                           fields[i].at <= offsetof(struct index_header, facts.data.read_ns);
            if ((extremes[e] == 0 && !is_size) || (extremes[e] == TOP_BIT && !is_time))
                continue;
            // The inode and times of the data file are known only when the input is run.
            if (fields[i].at < offsetof(struct index_header, facts.data) ||
                fields[i].at == offsetof(struct index_header, facts.data.read_ns))
                flags |= INPUT_TIMES;
            h = good;
            memcpy((char *)&h + fields[i].at, &extremes[e], sizeof extremes[e]);
            snprintf(name, sizeof name, "file-%s-%s", fields[i].name, extreme_names[e]);
            put_file(name, skip, flags, &h, image);
        }
    }
    h = good;
    h.magic = __builtin_bswap64(INDEX_MAGIC);
    put_file("file-other-byte-order", skip, FILE_OWN, &h, image);
    h = good;
    h.file_bytes += 8;
    put_file("file-bytes-8-more", skip, FILE_OWN & ~INPUT_FIT, &h, image);
    h = good;
    h.image_bytes = ALL_ONES; // sizes computed from this overflow, to those of an empty image
    h.file_bytes = index_file_bytes(0);
    put_file("file-image-bytes-wrap", skip, FILE_OWN & ~INPUT_FIT, &h, span_of("", 0));
    h = good;
    h.version = INDEX_VERSION + 1;
    put_file("file-other-version", skip, FILE_OWN, &h, image);
    h = good;
    h.facts.keys--;
    h.facts.lines--;
    put_file("file-counts-fewer-keys", skip, FILE_OWN, &h, image);
    h = good;
    h.facts.lines = 5; // malformed + keys + duplicates, modulo 2^64
    h.facts.malformed = 1;
    h.facts.keys = 9;
    h.facts.duplicates = (uint64_t)0 - 5;
    put_file("file-counts-wrap", skip, FILE_OWN, &h, image);
    put_file("file-refused-malformed", p->text, FILE_OWN, &good, image);
    put_file("file-huge-pages", skip, FILE_OWN | INPUT_HUGE | INPUT_FINISH, &good, image);
    put_file("file-of-other-content", skip,
             INPUT_FIT | INPUT_SEAL | INPUT_SAMPLE | INPUT_FINISH | INPUT_HUGE, &good, image);
    h = good;
    h.facts.data.content++;
    put_file("file-of-other-content-sampled", skip | INPUT_SAMPLED,
             INPUT_FIT | INPUT_SEAL | INPUT_SAMPLE | INPUT_FINISH, &h, image);
    put_file("file-sampled", skip | INPUT_SAMPLED, FILE_OWN | INPUT_FINISH, &good, image);
    put_file("file-of-other-text", TEXT_COMB, FILE_OWN | INPUT_FINISH, &good, image);
    put_file("file-of-no-text", TEXT_EMPTY, FILE_OWN | INPUT_FINISH, &good, image);
    put_file("file-without-image", skip, FILE_OWN | INPUT_HUGE, &good, span_of("", 0));
    put_whole("whole", p, image, 0, 0);
    put_whole("whole-cut-by-1", p, image, 1, 0);
    put_whole("whole-trailer-cut", p, image, 16, 0);
    put_whole("whole-header-only", p, image, SIZE_MAX, 0);
    put_whole("whole-header-sum-damaged", p, image, 0, SIZE_MAX);
    put_whole("whole-trailer-damaged", p, image, 0, 1);
    put_whole("whole-trailer-sum-damaged", p, image, 0, 10);
    put_whole("whole-checksum-damaged", p, image, 0, 17);
    put_whole("whole-image-damaged", p, image, 0, 50);
    put("empty", skip, 0, span_of("", 0), span_of("", 0));
}

int main(int argc, char *argv[])
{
    static const char *const names[TEXT_COUNT] = {"traps", "random", "comb", "empty",
                                                  "short", "prefix", "cut"};
    static struct parts all[TEXT_COUNT];
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    folder = argv[1];
    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        char name[64];
        parts_build(&all[i], i);
        snprintf(name, sizeof name, "good-image-%s", names[i]);
        put_image(&all[i], name);
        struct span image = join(&all[i]);
        struct index_header h = header_of(&all[i], image);
        snprintf(name, sizeof name, "good-file-%s", names[i]);
        put_file(name, i | INPUT_SKIP, FILE_OWN | INPUT_FINISH, &h, image);
    }
    put_trie_headers(&all[TEXT_RANDOM]);
    put_nodes(&all[TEXT_RANDOM]);
    put_slots(&all[TEXT_TRAPS], 0);
    put_slots(&all[TEXT_TRAPS], GRANULE_SHIFT);
    put_files(&all[TEXT_TRAPS]);
    for (unsigned i = 0; i < TEXT_COUNT; i++)
        free(all[i].items);
    return EXIT_SUCCESS;
}
