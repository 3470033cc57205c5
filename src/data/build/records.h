// Reads the records of a text in key order, as many at a time as fit into memory. The trie is built
// from them.
//
// A pass reads the whole text and keeps the records whose keys are in a range. The first pass also
// checks every line and takes a sample of the keys, from which the ranges of the other passes are
// chosen. If there is a temporary file, one pass over the text is enough: records that do not fit
// into memory are spilled to the file (spill.h). The other passes then read parts of that file.
#ifndef STELE_DATA_BUILD_RECORDS_H
#define STELE_DATA_BUILD_RECORDS_H

#include "base/bytes.h"
#include "data/build/block_list.h"
#include "data/build/key_range.h"
#include "data/build/spill.h"
#include "data/lines.h"

struct error;

enum {
    RECORDS_ERRORS_MAX = 10,       // malformed lines that are kept for messages
    RECORDS_SORT_WORK = 32,        // work of sorting one record; reading a byte of the text is 1
    RECORDS_SPILL_WORK = 40,       // work of writing one record to the temporary file
    RECORDS_RETURN_WORK = 16,      // work of reading one record from there
    RECORDS_BLOCKS_MORE = 1 << 14, // blocks that a pass may need in addition to the full ones
};

// How the work is divided. A field that is 0 has the default in brackets.
struct records_division {
    size_t chunk_bytes;    // bytes of text that are one job (a few MiB)
    unsigned threads;      // number of threads (one for each processor)
    unsigned part_records; // most records that are sorted at once (TRIE_PART, which is the maximum)
};

// The task of one pass.
struct records_pass {
    struct key_range range;
    struct key_range spread;    // estimated least and greatest key of the text
    uint64_t records_estimated; // estimated number of records in the range
    size_t blocks;              // most blocks of TRIE_BLOCK records to use
    // What to read: this part of the temporary file; NULL: the text.
    const struct spill_part *from;
    // Returns the temporary file, or NULL if there is none. Called when no block is left, and when
    // `from` is set. May be NULL: no temporary file.
    struct spill *(*spill)(void *context);
    // Reports the work done in this pass. Reading a byte of the text is 1; the enum above has the
    // other units. Only worker 0 of parallel_run calls it. May be NULL.
    void (*progress)(void *context, uint64_t work);
    void *context; // for both functions
};

// The reader of a text and the result of its last pass. Callers only read the members. A zeroed
// struct is a released reader.
struct records {
    struct span text;
    unsigned threads;
    unsigned part_records;
    // Facts about the whole text, known after the first pass:
    uint64_t lines;                               // number of lines, including malformed ones
    uint64_t malformed;                           // number of malformed lines
    uint64_t value_bytes;                         // bytes of the values in the well-formed lines
    struct line_error errors[RECORDS_ERRORS_MAX]; // the first malformed lines; borrow the text
    struct uuid *sample; // keys of lines that are spread evenly over the text, in key order
    size_t sample_count;
    // Receives the checksum of each block of IDENTITY_BLOCK bytes (data/identity.h) in the first
    // pass. The caller sets it after records_init, if `chunk_bytes` is a multiple of that or there
    // is only one chunk. NULL: no checksums.
    uint64_t *sums;
    // Result of the last pass:
    struct key_range range;    // range of the records; shortened when they did not fit into memory
    struct trie_sorted sorted; // the records of the range
    uint64_t dropped_bytes;    // bytes of values that a later line with the same key replaced
    unsigned cuts;             // number of times that the range was shortened
    uint64_t work;             // work done, in the units of records_pass
    // If it has runs, all records of the pass were spilled to them, and `sorted` is empty. The
    // caller may move it elsewhere and zero this member.
    struct spilled spilled;
    // For the records*.c files only:
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

// Prepares to read `text`, with at most `blocks_max` blocks in any pass. `text` must stay valid
// until records_release. Returns false with a message when memory is short.
bool records_init(struct records *r, struct span text, struct records_division division,
                  size_t blocks_max, struct error *error);

// Returns the bytes of memory that a pass uses in addition to its blocks.
uint64_t records_other_bytes(const struct records *r);

// Returns the number of blocks that a pass uses when the caller allows `blocks`. It is
// `blocks`, or more if each thread would otherwise have too few.
size_t records_blocks(const struct records *r, size_t blocks);

// Does one pass: reads every line, or every record of `pass->from`, and keeps the last record of
// each key in the range, in key order. When the blocks are not enough for them, all are spilled to
// the temporary file. Without a temporary file, the range is shortened at its upper end; at least
// one key remains. The range may also be shortened when records from the temporary file are sorted.
// Malformed lines are counted by the first pass and otherwise ignored. Returns false with a message
// when memory is short, or the temporary file cannot be written or read. `r->spilled` must have no
// runs before.
bool records_read(struct records *r, const struct records_pass *pass, struct error *error);

// Frees everything. A zeroed struct is accepted.
void records_release(struct records *r);

#endif
