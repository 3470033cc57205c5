// One pass over a text, for the records*.c files alone. records.c divides the work and bounds the
// memory, records_chunk.c reads one chunk of the text, records_order.c puts the records in order.
#ifndef STELE_DATA_BUILD_RECORDS_INTERNAL_H
#define STELE_DATA_BUILD_RECORDS_INTERNAL_H

#include "data/build/records.h"

enum {
    RECORDS_FAN_MAX = 1 << 13, // lists of each thread: their last lines stay in a core's cache
    RECORDS_SAMPLE = 1 << 15,  // keys
    BLOCKS_PER_LIST = 16,      // the last block of a list is half empty on average
};

// A part of the text, read by one thread at a time.
struct chunk {
    uint64_t offset; // of the next line to read
    uint64_t end;    // lines that begin from here on belong to the next chunk
    uint64_t lines;
    uint64_t malformed;
    uint64_t value_bytes;
    struct line_error *errors; // RECORDS_ERRORS_MAX of them; NULL while there are none
    bool begun;
    bool failed; // memory ran short
};

// The list of a key: its distance from `low` in steps of 2^shift, at most `fan` - 1.
struct key_map {
    unsigned __int128 low;
    unsigned shift;
    unsigned fan;
};

// The state of one pass.
struct reading {
    struct records *r;
    const struct records_pass *pass;
    struct key_map map;
    bool first; // the first pass, which judges and counts the lines
    uint64_t sample_every;
    atomic_size_t sampled;
    atomic_bool full;   // no block is left
    atomic_ullong work; // done so far, in the units of records_pass
    atomic_ullong dropped_bytes;
    struct block_list *parts; // in key order; set when all is read
    size_t part_count;
    struct uuid single;      // the key whose lines but the last were dropped to make room
    uint64_t single_dropped; // bytes of the values of those lines
};

static inline unsigned __int128 number_of(struct uuid id)
{
    return (unsigned __int128)id.hi << 64 | id.lo;
}

static inline struct uuid uuid_of(unsigned __int128 number)
{
    return (struct uuid){(uint64_t)(number >> 64), (uint64_t)number};
}

// Adds work done by one thread. The calling thread of the pass also reports the sum.
void records_add_work(struct reading *reading, unsigned worker, uint64_t work);

// Chooses the lists of the pass from the range of keys and from where the keys probably lie.
void records_choose_map(struct reading *reading);

// Reads the rest of one chunk: deals its records out to the worker's lists, and in the first pass
// judges the lines. Sets `reading->full` and stops at the line that found no block. A job of
// parallel_run whose context is the reading.
void records_read_chunk(void *context, unsigned worker, size_t part);

// Adds up the counts and the first errors of all chunks. Returns false when one of them ran out of
// memory.
bool records_add_chunks(struct records *r);

// Makes room by giving up about the upper half of the records. All lists are closed. Returns false
// when memory is short.
bool records_cut(struct reading *reading, struct block_list *lists, size_t count);

// Joins the lists of all threads, splits the long ones, and sorts them into `r->sorted`. Returns
// false when memory is short.
bool records_order(struct reading *reading);

#endif
