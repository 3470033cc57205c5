// Building a trie image from records in key order.
#ifndef STELE_DATA_BUILD_IMAGE_H
#define STELE_DATA_BUILD_IMAGE_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "data/uuid.h"

struct error;

struct trie_record {
    struct uuid id;
    uint64_t offset; // of the key's line in the data
};

enum {
    TRIE_BLOCK = 64,      // records
    TRIE_PART = 16 << 10, // records in a part, at most: half a megabyte, to be sorted in cache
};

// Where a run of sorted records begins.
struct trie_part {
    uint64_t rank;  // of its first record among all
    uint64_t block; // its first block's place in `order`
};

// Records in key order, of distinct keys, in blocks that may lie anywhere. All blocks of a part are
// full but its last one. A part behind the last one tells where it ends: its rank is `count`.
struct trie_sorted {
    const struct trie_record *blocks; // of TRIE_BLOCK records each
    const uint32_t *order;            // numbers of blocks; NULL: they lie in order
    const struct trie_part *parts;    // part_count and one more
    size_t part_count;
    uint64_t count;
};

// An image of our own in anonymous memory. A zeroed struct is none.
struct trie_image {
    struct bytes memory;
    size_t mapped; // bytes of address space behind it
};

// Where one unit begins: the start word that leads into it and its first key.
struct trie_unit {
    uint32_t start;
    uint32_t rank;
    struct uuid first;
};

// An image in the making. A zeroed struct is none; the members are image.c's alone.
struct trie_builder {
    unsigned threads;
    unsigned slot_bytes;
    unsigned offset_bits;
    uint64_t keys_max;
    uint64_t count; // slots written
    int fd;         // -1: the image is made in memory
    uint64_t fd_at;
    char
        *memory; // the image but its nodes, in a reserve of addresses; buffers when there is a file
    size_t reserved;
    uint32_t *words; // nodes, in a reserve of addresses; those of one unit when there is a file
    size_t words_reserved;
    uint64_t words_written; // in the file, before those in `words`
    uint64_t words_used;
    struct trie_unit *units;
    size_t unit_count;
    atomic_int failed; // errno of what could not be written
};

// The number of records with keys up to `id`: the rank of the first greater one.
uint64_t trie_sorted_behind(const struct trie_sorted *s, struct uuid id);

// Bytes of a slot in an image over a data file of `data_bytes`.
unsigned trie_slot_bytes(uint64_t data_bytes);

// Sorts `records` by key and keeps of each key the record with the greatest offset (the last line
// wins); how many those are, at the front. The others stand behind them in no order. In place,
// without extra memory beyond the stack.
size_t trie_sort(struct trie_record *records, size_t count);

// The same in less time when every record is near its place.
size_t trie_sort_nearly(struct trie_record *records, size_t count);

// Begins an image of at most `keys_max` keys over a data file of `data_bytes`; in memory, or, when
// `fd` is not negative, in that file from `fd_at` on. False with a message when memory is short,
// there are more keys than TRIE_KEYS_MAX or bytes than TRIE_DATA_MAX.
bool trie_builder_init(struct trie_builder *b, uint64_t data_bytes, uint64_t keys_max, int fd,
                       uint64_t fd_at, unsigned threads, struct error *error);

// Appends the records whose ranks in `s` are from `lo` to `hi` - 1 as one unit: a trie of its own
// below the others' common root. Their keys must be greater than all before. The keys of a unit
// should fill a block of the key space evenly, as far as the caller can tell. False with a message
// when memory is short, the file cannot be written, there are more than `keys_max` keys or more
// units than TRIE_UNITS_MAX. Nothing is kept of `s`.
bool trie_builder_add(struct trie_builder *b, const struct trie_sorted *s, uint64_t lo, uint64_t hi,
                      struct error *error);

// Bytes of memory that the image takes so far.
uint64_t trie_builder_memory(const struct trie_builder *b);

// Joins the units and writes the header. The image in memory is then the caller's, to be given to
// trie_image_release; `*image` is zeroed when it is in the file. False with a message when memory
// is short or the file cannot be written.
bool trie_builder_finish(struct trie_builder *b, struct trie_image *image, uint64_t *image_bytes,
                         struct error *error);

// Frees what the builder still has. A zeroed one is accepted.
void trie_builder_release(struct trie_builder *b);

// Builds the image of `count` sorted records of distinct keys over a data file of `data_bytes`, in
// memory. Every offset must be below `data_bytes`. False with a message as the functions above.
bool trie_build(const struct trie_record *records, size_t count, uint64_t data_bytes,
                struct trie_image *image, struct error *error);

// Frees the image; a zeroed one is accepted.
void trie_image_release(struct trie_image *image);

#endif
