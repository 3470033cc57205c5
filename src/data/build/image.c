// Builds a trie image unit by unit; a unit is the trie over one range of keys (image.h). Nearly all
// bytes of a unit are its slots and its top radix node, so several threads write these together.
// One thread writes the other nodes (nodes.c).
#include "data/build/image.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/granule.h"

enum {
    UNITS_MAX = NODES_CHILDREN * NODES_CHILDREN * NODES_CHILDREN,
    HUGE_FROM = 1 << 22,     // bytes; memory of this size or more is put in huge pages
    MOVE_BYTES = 1 << 20,    // bytes that are moved at once within the file
    GRANULES_FROM = 1 << 30, // bytes; data up to this size has granules of one byte
};

// ---- the slots and the top node of a unit -------------------------------------------------------
//
// A job of a thread writes the slots of one part (struct trie_part). In the top node, it writes the
// start words (trie_image.h) of the children that begin in this part.

// State of writing the slots and the top node of one unit.
struct filling {
    struct trie_builder *builder;
    struct node_writer *writer;
    uint64_t lo; // the unit's records are number `lo` to `hi` - 1 of all sorted records
    uint64_t hi;
    size_t first_part; // number of the part that contains `lo`
    uint32_t *starts;  // starts of the unit's top node; NULL when the unit is a leaf
    unsigned skip;     // skip and bits of the top node
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

// Writes the slots of `count` records to `to`. `more` records of the same part follow them.
static void put_slots(const struct trie_builder *b, const struct trie_record *record,
                      uint64_t count, uint64_t more, char *to)
{
    for (; count > 0; count--, record++, to += b->slot_bytes) {
        uint64_t slot = htole64(slot_make(record->id, record->offset >> b->granule_shift,
                                          b->slot_bytes, b->granule_bits));
        // Writing 8 bytes is faster; the next slots overwrite the excess. Near the end of a part
        // only the slot itself is written, because another thread writes the bytes after the part.
        if (count + more > sizeof slot)
            memcpy(to, &slot, sizeof slot);
        else
            memcpy(to, &slot, b->slot_bytes);
    }
}

// `slot` belongs to the record with the key `id`. The children up to number `next` - 1 have their
// start words already. Sets the start words of the children from number `next` up to the child that
// contains `id` to `slot`. All but the last of these children have no keys. Returns the number of
// the next child that has no start word yet.
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
    struct trie_builder *b = f->builder;
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
        next = uuid_bits(trie_sorted_key(s, lo - 1), f->skip, f->bits) + 1;
    struct trie_cursor c = trie_cursor_at(s, lo);
    while (c.rank < hi) {
        uint64_t end = c.piece_end < hi ? c.piece_end : hi;
        uint32_t slot = nodes_slot(f->writer, c.rank);
        if (f->starts != NULL)
            for (uint32_t i = 0; i < end - c.rank; i++)
                next = put_starts(f, c.record[i].id, next, slot + i);
        put_slots(b, c.record, end - c.rank, hi - end, to);
        to += (end - c.rank) * b->slot_bytes;
        c.record += end - c.rank - 1;
        c.rank = end - 1;
        trie_cursor_next(&c);
    }
    if (f->starts != NULL && hi == f->hi)
        while (next <= UINT32_C(1) << f->bits)
            f->starts[next++] = nodes_slot(f->writer, hi);
    if (b->fd >= 0)
        write_file(b, buffer, (size_t)(to - buffer), at);
}

// Writes nodes for those children of a unit's top node that are too large to be leaves. The
// caller has set all starts of that node to slot numbers. Returns false, and writes nothing, when
// so many keys are in such children that another kind of top node is better.
static bool write_crowded(struct node_writer *w, uint32_t node, unsigned bits, uint64_t count)
{
    uint64_t crowded = 0;
    uint32_t children = UINT32_C(1) << bits;
    const uint32_t *starts = nodes_word(w, node) + TRIE_NODE_HEAD;
    for (uint32_t i = 0; i < children; i++)
        if (starts[i + 1] - starts[i] > TRIE_LEAF_MAX)
            crowded += starts[i + 1] - starts[i];
    if (crowded > count / nodes_crowded_divisor(0))
        return false;
    for (uint32_t i = 0; crowded > 0 && i < children && !w->failed; i++) {
        uint32_t begin = nodes_word(w, node)[TRIE_NODE_HEAD + i];
        uint32_t end = nodes_word(w, node)[TRIE_NODE_HEAD + i + 1];
        if (end - begin <= TRIE_LEAF_MAX)
            continue;
        crowded -= end - begin;
        uint32_t start = nodes_write(w, begin - w->base, end - w->base, 1);
        if (!w->failed)
            nodes_word(w, node)[TRIE_NODE_HEAD + i] = start;
    }
    return true;
}

// Writes the slots and nodes for the sorted records number `lo` to `hi` - 1. Returns the start word
// that refers to the unit's root (trie_image.h).
static uint32_t write_unit(struct trie_builder *b, struct node_writer *w, uint64_t lo, uint64_t hi)
{
    uint64_t words_before = b->nodes.used;
    struct filling f = {.builder = b,
                        .writer = w,
                        .lo = lo,
                        .hi = hi,
                        .first_part = trie_sorted_part(w->sorted, lo)};
    uint32_t node = 0;
    if (hi - lo > TRIE_LEAF_MAX) {
        f.skip =
            nodes_shared_bits(trie_sorted_key(w->sorted, lo), trie_sorted_key(w->sorted, hi - 1));
        f.bits = nodes_radix_bits(hi - lo, f.skip);
        node = nodes_add_words(w, TRIE_NODE_HEAD + (UINT64_C(1) << f.bits) + 1);
        if (w->failed)
            return 0;
        nodes_word(w, node)[0] = node_radix(f.skip, f.bits);
        nodes_word(w, node)[1] = nodes_slot(w, lo);
        f.starts = nodes_word(w, node) + TRIE_NODE_HEAD;
    }
    parallel_run(b->threads, trie_sorted_part(w->sorted, hi - 1) - f.first_part + 1, fill_part, &f);
    if (f.starts == NULL)
        return nodes_slot(w, lo);
    if (write_crowded(w, node, f.bits, hi - lo))
        return TRIE_NODE | node;
    b->nodes.used = words_before;
    return nodes_write_skewed(w, lo, hi, f.skip, 0);
}

// ---- the image ----------------------------------------------------------------------------------

static unsigned bits_for(uint64_t value)
{
    return value == 0 ? 1 : 64 - (unsigned)__builtin_clzll(value);
}

// Returns the bits that the number of each granule of the data fits into.
static unsigned granule_bits(uint64_t data_bytes, unsigned shift)
{
    return bits_for((data_bytes > 0 ? data_bytes - 1 : 0) >> shift);
}

static unsigned slot_bytes(uint64_t data_bytes, unsigned shift)
{
    return (granule_bits(data_bytes, shift) + TRIE_FINGERPRINT_MIN + 7) / 8;
}

// A single hit takes longer if the line must be found in its granule (docs/mistakes.md). So
// granules have 32 bytes only if that makes a large index smaller.
static unsigned granule_shift(uint64_t data_bytes)
{
    bool smaller = slot_bytes(data_bytes, GRANULE_SHIFT) < slot_bytes(data_bytes, 0);
    return data_bytes > GRANULES_FROM && smaller ? GRANULE_SHIFT : 0;
}

unsigned trie_slot_bytes(uint64_t data_bytes)
{
    return slot_bytes(data_bytes, granule_shift(data_bytes));
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
        error_set(error, "%llu bytes of data are too many for an index",
                  (unsigned long long)data_bytes);
        return false;
    }
    // `keys_max` is the number of lines. It may exceed TRIE_KEYS_MAX, because several lines may
    // have the same key. If there are more than TRIE_KEYS_MAX keys, trie_builder_add fails.
    if (keys_max > TRIE_KEYS_MAX)
        b->keys_max = TRIE_KEYS_MAX;
    b->granule_shift = granule_shift(data_bytes);
    b->granule_bits = granule_bits(data_bytes, b->granule_shift);
    b->slot_bytes = trie_slot_bytes(data_bytes);
    b->nodes.reserved = b->keys_max * NODES_BYTES_MAX + NODES_BYTES_MORE;
    b->nodes.words = memory_map(b->nodes.reserved, HUGE_FROM);
    b->reserved = fd < 0 ? nodes_at(b, b->keys_max) + b->nodes.reserved
                         : threads * (size_t)TRIE_PART * sizeof(uint64_t);
    b->memory = memory_map(b->reserved, HUGE_FROM);
    b->units = malloc(UNITS_MAX * sizeof *b->units);
    if (b->nodes.words == NULL || b->memory == NULL || b->units == NULL) {
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
    struct node_writer w = {.nodes = &b->nodes, .sorted = s, .base = b->count - lo};
    if (lo == hi)
        return true;
    if (hi - lo > b->keys_max - b->count) {
        error_set(error, "more than %llu keys: %s", (unsigned long long)b->keys_max,
                  b->keys_max == TRIE_KEYS_MAX ? "an index cannot have so many"
                                               : "the data changed while it was read");
        return false;
    }
    if (b->unit_count == UNITS_MAX) {
        error_set(error,
                  "the index would be built in more than %d parts; allow more memory for the build",
                  UNITS_MAX);
        return false;
    }
    struct trie_unit unit = {.rank = (uint32_t)b->count, .first = trie_sorted_key(s, lo)};
    unit.start = write_unit(b, &w, lo, hi);
    if (w.failed) {
        error_set(error, "no memory for the nodes of %llu keys", (unsigned long long)(hi - lo));
        return false;
    }
    b->units[b->unit_count++] = unit;
    b->count += hi - lo;
    if (b->fd >= 0 && atomic_load(&b->failed) == 0) {
        uint64_t at = nodes_at(b, b->keys_max) + b->nodes.written * sizeof *b->nodes.words;
        write_file(b, b->nodes.words, b->nodes.used * sizeof *b->nodes.words, at);
        b->nodes.written += b->nodes.used;
        b->nodes.used = 0;
    }
    return atomic_load(&b->failed) == 0 || write_failed(b, error);
}

uint64_t trie_builder_memory(const struct trie_builder *b)
{
    return b->fd >= 0 ? 0 : b->count * b->slot_bytes + b->nodes.used * sizeof *b->nodes.words;
}

// Joins neighbouring units under separator nodes until one unit is left, and returns the start that
// refers to its root. Returns 0 when there is no unit or `w->failed` is set.
static uint32_t join_units(struct trie_builder *b, struct node_writer *w)
{
    while (b->unit_count > 1 && !w->failed) {
        size_t groups = (b->unit_count + NODES_CHILDREN - 1) / NODES_CHILDREN;
        for (size_t g = 0; g < groups && !w->failed; g++) {
            size_t first = b->unit_count * g / groups;
            size_t end = b->unit_count * (g + 1) / groups;
            struct trie_unit joined = b->units[first];
            uint32_t end_slot = end < b->unit_count ? b->units[end].rank : (uint32_t)b->count;
            uint32_t node;
            if (end - first > 1) {
                uint32_t starts = nodes_begin_separators(w, (unsigned)(end - first), joined.rank,
                                                         end_slot, &node);
                for (size_t i = first; i < end && !w->failed; i++) {
                    if (i > first)
                        nodes_put_separator(w, node, (unsigned)(i - first), b->units[i].first);
                    *nodes_word(w, starts + (uint32_t)(i - first)) = b->units[i].start;
                }
                joined.start = TRIE_NODE | node;
            }
            b->units[g] = joined;
        }
        b->unit_count = groups;
    }
    return b->unit_count == 1 && !w->failed ? b->units[0].start : 0;
}

// Moves the nodes in the file from offset `from` down to offset `to`, directly after the slots.
// When the nodes were written, the number of keys was not known yet. So there was room before them
// for one slot for each line. Duplicate lines have no slot, so the slots need less.
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
    return write_file(b, b->nodes.words, b->nodes.used * sizeof *b->nodes.words,
                      provisional + b->nodes.written * sizeof *b->nodes.words) &&
           (provisional == header->nodes_at ||
            move_nodes(b, provisional, header->nodes_at,
                       header->node_words * sizeof *b->nodes.words)) &&
           write_file(b, zeros, header->nodes_at - slots_end, slots_end) &&
           write_file(b, header, sizeof *header, 0);
}

// Unmaps the reserved memory beyond the end of the image.
static void unmap_excess(struct trie_image *image)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = (image->memory.len + page - 1) / page * page;
    if (used < image->mapped && munmap(image->memory.ptr + used, image->mapped - used) == 0)
        image->mapped = used;
}

bool trie_builder_finish(struct trie_builder *b, struct trie_image *image, uint64_t *image_bytes,
                         struct error *error)
{
    struct node_writer w = {.nodes = &b->nodes};
    uint32_t root = join_units(b, &w);
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
        .slot_bytes = (uint16_t)b->slot_bytes,
        .granule_shift = (uint16_t)b->granule_shift,
        .granule_bits = b->granule_bits,
        .nodes_at = nodes_at(b, b->count),
        .node_words = b->nodes.written + b->nodes.used,
        .slots_at = slots_at(),
    };
    header.image_bytes = header.nodes_at + header.node_words * sizeof *b->nodes.words;
    *image_bytes = header.image_bytes;
    if (b->fd >= 0)
        return finish_file(b, &header) || write_failed(b, error);
    if (b->nodes.used > 0)
        memcpy(b->memory + header.nodes_at, b->nodes.words, b->nodes.used * sizeof *b->nodes.words);
    memcpy(b->memory, &header, sizeof header);
    *image = (struct trie_image){{b->memory, header.image_bytes}, b->reserved};
    b->memory = NULL;
    unmap_excess(image);
    return true;
}

void trie_builder_release(struct trie_builder *b)
{
    memory_unmap(b->memory, b->reserved);
    memory_unmap(b->nodes.words, b->nodes.reserved);
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
