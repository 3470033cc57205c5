// Builds a trie image from records in key order.
#ifndef STELE_DATA_BUILD_IMAGE_H
#define STELE_DATA_BUILD_IMAGE_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "data/build/nodes.h"
#include "data/build/sorted.h"

struct error;

// An image in anonymous memory; the owner frees it with trie_image_release. A zeroed struct is no
// image.
struct trie_image {
    struct bytes memory;
    size_t mapped; // bytes that are mapped at `memory.ptr`, including the image
};

// A unit of an image that is being built, or several joined units. A unit is the trie over a range
// of keys that follow one another. Separator nodes join the units to one trie in the end.
struct trie_unit {
    uint32_t start;    // start of its root, as in a node (trie_image.h)
    uint32_t rank;     // rank of its first key
    struct uuid first; // its first key
};

// An image that is being built. Only image.c uses the members. A zeroed struct is a released
// builder.
struct trie_builder {
    unsigned threads;
    unsigned slot_bytes;
    unsigned granule_bits;
    unsigned granule_shift;
    uint64_t keys_max; // maximum number of keys of the image
    uint64_t count;    // number of slots written
    int fd;            // descriptor of the file that receives the image; -1: build in memory
    uint64_t fd_at;    // offset of the image in that file
    // Without a file: the image except its nodes. The memory is reserved at once and used as it
    // fills. With a file: a buffer for each thread.
    char *memory;
    size_t reserved;         // bytes reserved for `memory`
    struct node_words nodes; // nodes of the image; with a file, nodes of one unit at a time
    struct trie_unit *units;
    size_t unit_count;
    atomic_int failed; // errno of a failed write; 0: none
};

// Returns the bytes of a slot in the image of a data file of `data_bytes`.
unsigned trie_slot_bytes(uint64_t data_bytes);

// Begins the image of a data file of `data_bytes` with at most `keys_max` keys. When `fd` is -1 the
// image is built in memory, otherwise in the file `fd` from offset `fd_at` on. Returns false with a
// message when memory is short or `data_bytes` exceeds TRIE_DATA_MAX.
bool trie_builder_init(struct trie_builder *b, uint64_t data_bytes, uint64_t keys_max, int fd,
                       uint64_t fd_at, unsigned threads, struct error *error);

// Appends the records with ranks `lo` to `hi` - 1 of `s` as one unit. Their keys must be greater
// than all keys appended before. The trie is best when a unit has exactly the keys with a common
// prefix of bits, and the bits after the prefix are evenly distributed. Nothing of `s` is used
// after the call. Returns false with a message when memory is short, the file cannot be written, or
// there are more than `keys_max` keys. It also fails when there are more units than three levels of
// separators can join.
bool trie_builder_add(struct trie_builder *b, const struct trie_sorted *s, uint64_t lo, uint64_t hi,
                      struct error *error);

// Returns the bytes of memory that the image has used until now; 0 when it is built in a file.
uint64_t trie_builder_memory(const struct trie_builder *b);

// Joins the units, writes the header, and sets `*image_bytes` to the size of the image. `*image`
// then belongs to the caller, who frees it with trie_image_release; it is zeroed when the image is
// in the file. Returns false with a message when memory is short or the file cannot be written.
bool trie_builder_finish(struct trie_builder *b, struct trie_image *image, uint64_t *image_bytes,
                         struct error *error);

// Frees the builder. A zeroed one is accepted.
void trie_builder_release(struct trie_builder *b);

// Builds the image of `count` records in memory. The records are sorted and have distinct keys. The
// data file has `data_bytes`, and every offset is below that. Fails like the functions above.
bool trie_build(const struct trie_record *records, size_t count, uint64_t data_bytes,
                struct trie_image *image, struct error *error);

// Frees the image. A zeroed struct is accepted.
void trie_image_release(struct trie_image *image);

#endif
