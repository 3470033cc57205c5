// Records in a temporary file, for builds whose records do not fit into memory.
//
// The records are divided by their keys into lists, and the lists are in key order. Whenever memory
// is full, all of its records are written to the file as one run: list after list. Later, the
// records of some consecutive lists are read from all runs. This is a distribution sort, with the
// lists as its buckets (Knuth, The Art of Computer Programming, volume 3, section 5.2.5). A list
// with too many records is distributed again, in the same way.
//
//   run 0   list 0 | list 1 | list 2 | list 3 | ...
//   run 1   list 0 | list 1 | list 2 | list 3 | ...      a part: lists 1 and 2 of every run
//   ...
//
// A record in the file is its key, 16 bytes, and its offset, in as few bytes as the greatest offset
// needs.
#ifndef STELE_DATA_BUILD_SPILL_H
#define STELE_DATA_BUILD_SPILL_H

#include <endian.h>
#include <stdatomic.h>

#include "data/build/block_list.h"
#include "data/build/key_range.h"

struct error;

enum { SPILL_BUFFER = 256 << 10 }; // bytes of the buffer of each thread

// The file. A zeroed struct is a closed one.
struct spill {
    int fd;
    char folder[256]; // folder of the file
    unsigned threads;
    unsigned record_bytes;  // bytes of a record in the file
    bool paced;             // write to the disk at once, and keep little in the page cache
    uint64_t end;           // offset in the file where the next run begins
    uint64_t records;       // number of records written until now; one may be written several times
    char *buffers;          // SPILL_BUFFER bytes for each thread; NULL: closed
    atomic_int failed;      // errno of a failed read or write; 0: none
    atomic_bool unreadable; // the failed operation was a read
};

// The runs that one reading of records has written. All of them have the same lists. A zeroed
// struct has no runs.
struct spilled {
    size_t list_count;
    size_t run_count;
    uint64_t *at;             // for each run, offsets in the file: of each list, and of the end
    struct key_range *bounds; // least and greatest key of each list that is not empty
    uint64_t *counts;         // number of records in each list, in all runs
};

// A run that is being written. Only spill.c uses the members, except `jobs`.
struct spill_run {
    size_t jobs; // number of pieces of work that make the run
    struct spill *spill;
    struct spilled *to;
    const uint64_t *at; // offset in the file of each list, and of the end
    const struct block_pool *pool;
    const struct block_list *lists;
    unsigned ways;
};

// Some consecutive lists of all runs: those with numbers from `first` to `end` - 1.
struct spill_part {
    const struct spilled *spilled;
    size_t first;
    size_t end;
};

// Consecutive records in the file, which one thread reads at once.
struct spill_piece {
    uint64_t at;  // offset in the file
    size_t count; // number of records
};

// Returns the bytes of `count` records of a data file of `data_bytes` in the file.
uint64_t spill_bytes(uint64_t data_bytes, uint64_t count);

// Uses the empty file `fd` for records of a data file of `data_bytes`. The struct then owns `fd`.
// Messages name `folder`, which contains the file; it is cut to 255 bytes. `expected` is the number
// of bytes that will probably be written. If the page cache can easily hold them, the system
// decides when it writes them to the disk. Returns false and closes `fd` when memory is short.
bool spill_open(struct spill *s, int fd, uint64_t data_bytes, uint64_t expected, unsigned threads,
                const char *folder);

// Closes the file, which frees its space on the disk. A zeroed struct is accepted.
void spill_close(struct spill *s);

// Begins a run. `lists` has `ways` times `list_count` closed lists. Those with the numbers i, i +
// list_count, i + 2 * list_count and so on become list i of the run. All runs of `to` must have the
// same `list_count`. The caller then calls spill_run_write for each number below `run->jobs`.
// Returns false when memory is short.
bool spill_run_begin(struct spill_run *run, struct spill *s, struct spilled *to,
                     const struct block_pool *pool, const struct block_list *lists,
                     size_t list_count, unsigned ways);

// Writes the part of the run with this number, and returns its number of records. Several threads
// may call this at once. When the file cannot be written, sets `s->failed`.
uint64_t spill_run_write(const struct spill_run *run, unsigned worker, size_t job);

// Frees the tables; the records stay in the file. A zeroed struct is accepted.
void spilled_release(struct spilled *spilled);

// Returns the number of records of the part.
uint64_t spill_part_count(const struct spill_part *part);

// Returns the least and the greatest key of the part, which must not be empty.
struct key_range spill_part_bounds(const struct spill_part *part);

// Divides the part into pieces that fit in a buffer. Sets `*count` to their number. The caller
// frees the result. Returns NULL when memory is short.
struct spill_piece *spill_pieces(const struct spill *s, const struct spill_part *part,
                                 size_t *count);

// Reads a piece into the buffer of this thread, and returns its first record. Returns NULL when the
// file cannot be read; `s->failed` is then set.
const char *spill_read(struct spill *s, unsigned worker, const struct spill_piece *piece);

// Returns the record at `from`, which spill_read has returned, or a multiple of `record_bytes`
// after that.
static inline struct trie_record spill_record(const struct spill *s, const char *from)
{
    struct trie_record record;
    uint64_t offset;
    memcpy(&record.id, from, sizeof record.id);
    memcpy(&offset, from + sizeof record.id, sizeof offset);
    record.offset = le64toh(offset) & UINT64_MAX >> (64 - 8 * (s->record_bytes - sizeof record.id));
    return record;
}

// Sets a message that says why the file could not be written or read. Returns whether it could not.
bool spill_has_failed(const struct spill *s, struct error *error);

// Frees the space of the part on the disk, if the file system can do that.
void spill_free(const struct spill *s, const struct spill_part *part);

#endif
