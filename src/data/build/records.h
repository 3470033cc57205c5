// The records of a text in key order, as many at a time as memory holds: what a trie is built from.
//
// A pass reads the whole text and keeps the records whose keys lie in a range. The first pass
// judges every line and takes a sample of the keys, so that the ranges of the others can be chosen
// well.
#ifndef STELE_DATA_BUILD_RECORDS_H
#define STELE_DATA_BUILD_RECORDS_H

#include "base/bytes.h"
#include "data/build/block_list.h"
#include "data/build/image.h"
#include "data/lines.h"

struct error;

enum {
    RECORDS_ERRORS_MAX = 10,
    RECORDS_SORT_WORK = 32,
    RECORDS_BLOCKS_MORE = 1 << 14, // that a pass may need for chains begun, besides full ones
};

// How the work is divided. Zeros: chunks of a few MiB, as many threads as there are processors,
// parts of TRIE_PART records.
struct records_division {
    size_t chunk_bytes;
    unsigned threads;
    unsigned part_records; // that are sorted at once; TRIE_PART at most
};

// From and including `low` to and including `high`.
struct key_range {
    struct uuid low;
    struct uuid high;
};

static const struct key_range all_keys = {{0, 0}, {UINT64_MAX, UINT64_MAX}};

// True when the range is a block: all keys that begin with the same bits, whatever follows.
bool records_is_block(struct key_range range);

// What one pass is to do.
struct records_pass {
    struct key_range range;
    struct key_range spread;  // a guess: where the keys lie
    uint64_t records_guessed; // how many there are in the range, roughly
    size_t blocks;            // of TRIE_BLOCK records, to be kept at most
    // Called by the calling thread alone with the work done in this pass: a byte read is one, a
    // record sorted RECORDS_SORT_WORK. May be NULL.
    void (*progress)(void *context, uint64_t work);
    void *progress_context;
};

// Members are to be read only. A zeroed struct is none.
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
    struct key_range range;    // it ends below the range asked for when memory did not hold all
    struct trie_sorted sorted; // its records
    uint64_t dropped_bytes;    // of values that a later line of the same key replaced
    unsigned cuts;             // how often the range was shortened
    // records.c's alone.
    size_t blocks_max;
    uint64_t chunk_bytes;
    struct chunk *chunks;
    size_t chunk_count;
    struct pool pool;
    struct chain *chains;
    struct trie_part *parts;
    uint32_t *order;
    struct trie_record *buffers;
};

// Prepares to read `text`, which must stay, with `blocks_max` blocks at most in any pass. False
// with a message when memory is short.
bool records_init(struct records *r, struct span text, struct records_division division,
                  size_t blocks_max, struct error *error);

// Bytes that a pass takes besides its blocks.
uint64_t records_other_bytes(const struct records *r);

// The number of blocks that a pass works with when it is given so many: a few at least.
size_t records_blocks(const struct records *r, size_t blocks);

// Does one pass: reads every line, keeps of each key in the range the last line, in key order. When
// the blocks do not hold them all, the range is cut at its upper end until they do; it never
// becomes empty. False with a message when memory is short. Malformed lines are counted by the
// first pass, not refused.
bool records_read(struct records *r, const struct records_pass *pass, struct error *error);

// The last key before the roundest one that is greater than `a` and not greater than `b`. Ranges
// that end at such keys are blocks of the key space, or few of them, and tries over them spread
// well.
struct uuid records_round_end(struct uuid a, struct uuid b);

// Gives back all blocks, and their memory but that of the first `blocks`. Takes `sorted` away.
void records_forget(struct records *r, size_t blocks);

// Frees everything. A zeroed struct is accepted.
void records_release(struct records *r);

#endif
