// The layout of an index file, byte by byte as in docs/index-format.md.
//
//   0          header      4096 bytes, its own checksum in the last 8
//   4096       image       a trie image (trie_image.h)
//              checksums   one for each 64 KiB of the image; at the next multiple of 8
//              trailer     checksum of the checksums, INDEX_END
//
// All offsets follow from `image_bytes`. A file with a header that contradicts them is refused.
// Numbers are in the byte order of the machine that wrote the file; a machine with the other byte
// order refuses the file.
#ifndef STELE_DATA_INDEX_FORMAT_H
#define STELE_DATA_INDEX_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "data/identity.h"

#define INDEX_MAGIC 0x5844492d4c455453u // "STEL-IDX", read as little-endian
#define INDEX_END 0x444e452d4c455453u   // "STEL-END"

enum {
    INDEX_VERSION = 3,
    INDEX_BYTE_ORDER = 0x01020304,
    INDEX_IMAGE_AT = 4096,
    // Bytes of a block. A block has one checksum, and comparing it takes some microseconds.
    INDEX_BLOCK = 64 * 1024,
};

// The facts in the header. All fields but the last have the meaning of those in struct
// dataset_figures.
struct index_facts {
    uint64_t lines;
    uint64_t malformed;
    uint64_t keys;
    uint64_t duplicates;
    uint64_t value_bytes;
    uint64_t build_ns;
    uint64_t built_at_us;
    struct identity data; // identity of the data file that the index was built from
};

struct index_header {
    uint64_t magic;
    uint32_t byte_order;
    uint32_t version;
    uint64_t features;      // bits that a reader must know; none is defined, so it must be 0
    uint64_t file_bytes;    // size of the index file
    uint64_t image_bytes;   // size of the trie image
    uint64_t checksums_sum; // checksum of the table of checksums
    struct index_facts facts;
    unsigned char zeros[INDEX_IMAGE_AT - 6 * 8 - sizeof(struct index_facts) - 8];
    uint64_t header_sum; // checksum of all bytes before this field
};
_Static_assert(sizeof(struct index_facts) == 15 * 8, "the facts have no padding");
_Static_assert(sizeof(struct index_header) == INDEX_IMAGE_AT, "the header has no padding");
_Static_assert(offsetof(struct index_header, facts.data) == 13 * 8,
               "the offset is that in docs/index-format.md");

struct index_trailer {
    uint64_t checksums_sum; // the same as in the header
    uint64_t magic;         // INDEX_END
};

// Returns the checksum for the field `header_sum`.
static inline uint64_t index_header_sum(const struct index_header *h)
{
    return checksum(span_of((const char *)h, offsetof(struct index_header, header_sum)));
}

// Returns the number of blocks of an image.
static inline uint64_t index_block_count(uint64_t image_bytes)
{
    return checksum_block_count(image_bytes, INDEX_BLOCK);
}

// Returns the offset of the table of checksums in the file.
static inline uint64_t index_checksums_at(uint64_t image_bytes)
{
    return INDEX_IMAGE_AT + (image_bytes + 7) / 8 * 8;
}

// Returns the size of the whole index file.
static inline uint64_t index_file_bytes(uint64_t image_bytes)
{
    return index_checksums_at(image_bytes) + index_block_count(image_bytes) * sizeof(uint64_t) +
           sizeof(struct index_trailer);
}

#endif
