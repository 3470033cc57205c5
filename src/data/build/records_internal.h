// The state of one pass (records.h), for the records*.c files only. records.c divides the work and
// bounds the memory. records_chunk.c reads one chunk of the text. records_order.c puts the records
// in key order.
#ifndef STELE_DATA_BUILD_RECORDS_INTERNAL_H
#define STELE_DATA_BUILD_RECORDS_INTERNAL_H

#include "data/build/records.h"

enum {
    // Maximum number of lists of a thread. A thread writes at the ends of all of its lists in turn,
    // and the cache lines there should stay in the cache.
    RECORDS_FAN_MAX = 1 << 13,
    RECORDS_SAMPLE = 1 << 15, // maximum number of keys in the sample
    // Minimum number of blocks for each list. The last block of a list is half empty on average.
    BLOCKS_PER_LIST = 16,
    LISTS_MIN = 2, // least number of lists for each thread, so that long lists can be divided
};

// A chunk: consecutive lines of the text, read by one thread at a time.
struct chunk {
    uint64_t offset; // offset of the next line to read
    uint64_t end;    // lines that begin at this offset or later belong to the next chunk
    uint64_t lines;  // number of lines read, including malformed ones
    uint64_t malformed;
    uint64_t value_bytes;      // bytes of the values in the well-formed lines
    struct line_error *errors; // RECORDS_ERRORS_MAX elements; NULL as long as there is no error
    bool begun;                // `offset` and `end` are set
    bool failed;               // memory was short
};

// Chooses a thread's list for a key. The number of the list is the distance of the key from `low`,
// divided by 2^shift; at least 0 and at most fan - 1.
struct key_map {
    unsigned __int128 low;
    unsigned shift;
    unsigned fan; // number of lists of each thread
};

// The state of one pass.
struct reading {
    struct records *r;
    const struct records_pass *pass;
    struct spill *spill;        // the temporary file; NULL: none, or not used until now
    struct spill_piece *pieces; // the pieces of `pass->from`, without the records read until now
    size_t piece_count;
    struct key_map map;
    bool first;                  // this is the first pass, which checks and counts the lines
    uint64_t sample_every;       // n: every n-th record is sampled
    atomic_size_t sampled;       // number of records sampled
    atomic_bool full;            // no block is left
    atomic_ullong work;          // work done until now, in the units of records_pass
    atomic_ullong dropped_bytes; // bytes of values dropped while sorting
    // Parts (sorted.h) in key order. Each is a list that joins the lists of all threads for a range
    // of keys. Set when the text has been read.
    struct block_list *parts;
    size_t part_count;
    struct uuid single;      // key of which all lines but the last were dropped to free blocks
    uint64_t single_dropped; // bytes of the values in those lines
};

// Adds work done by one thread. Worker 0 also reports the sum to `pass->progress`.
void records_add_work(struct reading *reading, unsigned worker, uint64_t work);

// Sets `reading->map` from the range of keys and the estimated distribution of the keys.
void records_choose_map(struct reading *reading);

// Reads the rest of one chunk, distributes its records to the worker's lists, and in the first pass
// checks the lines. When no block is left for a record, it sets `reading->full` and stops before
// that line. This is a job for parallel_run: `context` is the struct reading, and `number` the
// number of the chunk.
void records_read_chunk(void *context, unsigned worker, size_t number);

// Reads the rest of one piece of `pass->from` and distributes its records to the worker's lists.
// Otherwise it does the same as records_read_chunk.
void records_read_piece(void *context, unsigned worker, size_t number);

// Adds up the counts of all chunks and collects their first errors. Returns false when memory was
// short while a chunk was read.
bool records_add_chunks(struct records *r);

// Frees blocks: lowers the upper end of the range, so that about half of the records are dropped.
// If all records have the same key, keeps only the record of its last line instead. All lists must
// be closed. Returns false when memory is short.
bool records_shorten_range(struct reading *reading, struct block_list *lists, size_t count);

// Writes all records to the temporary file, as one run, and makes all blocks free. `lists` are as
// for spill_run_begin. Returns false when memory is short or the file cannot be written.
bool records_spill(struct reading *reading, const struct block_list *lists, size_t count,
                   unsigned ways);

// Whether there is a temporary file; if so, sets `reading->spill`.
bool records_can_spill(struct reading *reading);

// Joins the lists of all threads, splits the long ones, sorts them, and sets `r->sorted`. Returns
// false when memory is short.
bool records_order(struct reading *reading);

#endif
