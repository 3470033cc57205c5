// The records of a text in key order, as many at a time as memory holds. A trie is built from them.
//
// A pass reads the whole text and keeps the records whose keys lie in a range. The first pass
// judges every line and takes a sample of the keys, from which the ranges of the other passes are
// chosen.
#ifndef STELE_DATA_BUILD_RECORDS_H
#define STELE_DATA_BUILD_RECORDS_H

#include "base/bytes.h"
#include "data/build/block_list.h"
#include "data/lines.h"

struct error;

enum {
    RECORDS_ERRORS_MAX = 10,
    RECORDS_SORT_WORK = 32,
    RECORDS_BLOCKS_MORE = 1 << 14, // blocks that a pass may need besides full ones
};

// The division of the work. Zeros mean chunks of a few MiB, a thread for each processor, and parts
// of TRIE_PART records.
struct records_division {
    size_t chunk_bytes;
    unsigned threads;
    unsigned part_records; // records sorted at once; TRIE_PART at most
};

// The keys from `low` to `high`, both included.
struct key_range {
    struct uuid low;
    struct uuid high;
};

static const struct key_range all_keys = {{0, 0}, {UINT64_MAX, UINT64_MAX}};

// Whether the range is a block: all keys that begin with the same bits, and no others.
bool records_is_block(struct key_range range);

// The task of one pass.
struct records_pass {
    struct key_range range;
    struct key_range spread;  // a guess of where the keys lie
    uint64_t records_guessed; // rough number of records in the range
    size_t blocks;            // most blocks of TRIE_BLOCK records to keep
    // Called only by the calling thread, with the work done in this pass. A byte read counts 1, a
    // record sorted RECORDS_SORT_WORK. May be NULL.
    void (*progress)(void *context, uint64_t work);
    void *progress_context;
};

// Callers only read the members. A zeroed struct is none.
struct records {
    struct span text;
    unsigned threads;
    unsigned part_records;
    // Of all lines, known after the first pass.
    uint64_t lines;
    uint64_t malformed;
    uint64_t value_bytes;                         // of the well-formed ones
    struct line_error errors[RECORDS_ERRORS_MAX]; // of the first malformed lines; borrow the text
    struct uuid *sample;                          // keys of lines evenly spread over the text
    size_t sample_count;
    // Of the last pass.
    struct key_range range;    // shorter than the range asked for when memory did not hold all
    struct trie_sorted sorted; // its records
    uint64_t dropped_bytes;    // bytes of values that a later line of the same key replaced
    unsigned cuts;             // times that the range was shortened
    // For the records*.c files alone.
    size_t blocks_max;
    uint64_t chunk_bytes;
    struct chunk *chunks;
    size_t chunk_count;
    struct block_pool pool;
    struct block_list *lists;
    struct trie_part *parts;
    uint32_t *order;
    struct trie_record *buffers;
};

// Prepares to read `text`, which must stay, with at most `blocks_max` blocks in any pass. Returns
// false with a message when memory is short.
bool records_init(struct records *r, struct span text, struct records_division division,
                  size_t blocks_max, struct error *error);

// Bytes that a pass takes besides its blocks.
uint64_t records_other_bytes(const struct records *r);

// The number of blocks that a pass uses when its task allows `blocks`: a few at least.
size_t records_blocks(const struct records *r, size_t blocks);

// Does one pass: reads every line and keeps the last line of each key in the range, in key order.
// When the blocks do not hold them all, the range is cut at its upper end until they do; it never
// becomes empty. The first pass counts malformed lines and does not refuse them. Returns false with
// a message when memory is short.
bool records_read(struct records *r, const struct records_pass *pass, struct error *error);

// Takes the roundest key that is greater than `a` and not greater than `b`, and returns the key
// before it. Ranges that end at such keys are one block of the key space or a few of them, and
// tries over them spread well. `a` must be less than `b`.
struct uuid records_round_end(struct uuid a, struct uuid b);

// Gives back all blocks, and all memory but that of the first `blocks`. Empties `sorted`.
void records_forget(struct records *r, size_t blocks);

// Frees everything. A zeroed struct is accepted.
void records_release(struct records *r);

#endif
