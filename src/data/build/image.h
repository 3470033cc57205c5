// Building a trie image from records in key order.
#ifndef STELE_DATA_BUILD_IMAGE_H
#define STELE_DATA_BUILD_IMAGE_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "data/build/nodes.h"
#include "data/build/sorted.h"

struct error;

// An image in anonymous memory, which its holder owns. A zeroed struct is none.
struct trie_image {
    struct bytes memory;
    size_t mapped; // bytes of address space, the image included
};

// The beginning of one unit: the start word that leads into it, its rank and its first key.
struct trie_unit {
    uint32_t start;
    uint32_t rank;
    struct uuid first;
};

// An image being built. A zeroed struct is none; only image.c uses the members.
struct trie_builder {
    unsigned threads;
    unsigned slot_bytes;
    unsigned offset_bits;
    uint64_t keys_max;
    uint64_t count; // slots written
    int fd;         // of the file that takes the image; -1: the image is built in memory
    uint64_t fd_at; // offset of the image in that file
    // The image without its nodes, in a reserve of addresses; or a buffer for each thread when
    // there is a file.
    char *memory;
    size_t reserved;         // bytes of `memory`
    struct node_words nodes; // of the image; when there is a file, of one unit at a time
    struct trie_unit *units;
    size_t unit_count;
    atomic_int failed; // errno of a failed write; 0: none
};

// Bytes of a slot in an image over a data file of `data_bytes`.
unsigned trie_slot_bytes(uint64_t data_bytes);

// Begins an image of at most `keys_max` keys over a data file of `data_bytes`. The image is built
// in memory, or in the file `fd` from offset `fd_at` on when `fd` is not negative. Returns false
// with a message when memory is short or there are more bytes of data than TRIE_DATA_MAX.
bool trie_builder_init(struct trie_builder *b, uint64_t data_bytes, uint64_t keys_max, int fd,
                       uint64_t fd_at, unsigned threads, struct error *error);

// Appends the records with ranks `lo` to `hi` - 1 of `s` as one unit: a trie of its own below the
// common root. Their keys must be greater than all keys before. A unit's keys should fill a block
// of the key space evenly, as far as the caller knows. Keeps nothing of `s`. Returns false with a
// message when memory is short, the file cannot be written, there are more than `keys_max` keys, or
// there are more units than three levels of separators hold.
bool trie_builder_add(struct trie_builder *b, const struct trie_sorted *s, uint64_t lo, uint64_t hi,
                      struct error *error);

// Bytes of memory that the image takes so far; 0 when it is built in a file.
uint64_t trie_builder_memory(const struct trie_builder *b);

// Joins the units and writes the header. The caller then owns `*image` and calls
// trie_image_release; `*image` is zeroed when the image is in the file. Returns false with a
// message when memory is short or the file cannot be written.
bool trie_builder_finish(struct trie_builder *b, struct trie_image *image, uint64_t *image_bytes,
                         struct error *error);

// Frees the builder. A zeroed one is accepted.
void trie_builder_release(struct trie_builder *b);

// Builds the image of `count` sorted records of distinct keys over a data file of `data_bytes`, in
// memory. Every offset must be below `data_bytes`. Fails as the functions above do.
bool trie_build(const struct trie_record *records, size_t count, uint64_t data_bytes,
                struct trie_image *image, struct error *error);

// Frees the image; a zeroed one is accepted.
void trie_image_release(struct trie_image *image);

#endif
