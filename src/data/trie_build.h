// Building a trie image from records in memory.
#ifndef STELE_DATA_TRIE_BUILD_H
#define STELE_DATA_TRIE_BUILD_H

#include "base/bytes.h"
#include "data/uuid.h"

struct error;

struct trie_record {
    struct uuid id;
    uint64_t offset; // of the key's line in the data
};

// An image of our own in anonymous memory. A zeroed struct is none.
struct trie_image {
    struct bytes memory;
    size_t mapped; // bytes of address space behind it
};

// Sorts `records` by key and keeps of each key the record with the greatest offset (the last line
// wins); how many those are, at the front. The others stand behind them in no order. In place,
// without extra memory beyond the stack.
size_t trie_sort(struct trie_record *records, size_t count);

// Builds the image of `count` sorted records of distinct keys over a data file of `data_bytes`.
// Every offset must be below `data_bytes`. False with a message when memory is short or there are
// more keys than TRIE_KEYS_MAX or bytes than TRIE_DATA_MAX. The image is the caller's, to be given
// to trie_image_release.
bool trie_build(const struct trie_record *records, size_t count, uint64_t data_bytes,
                struct trie_image *image, struct error *error);

// Frees the image; a zeroed one is accepted.
void trie_image_release(struct trie_image *image);

#endif
