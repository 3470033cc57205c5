// A dataset as an RDB file (rdb/writer.h), produced piece by piece.
//
// Each key is in lower case, after the prefix, and occurs once. If the data file has no duplicates,
// the keys are in the order of its lines, so that the file is read from its beginning to its end.
// Otherwise they are in ascending order, because the index knows which line of several is the
// served one.
//
// A dump reads the mapping, so it may wait for the disk: event loops leave that to other threads.
// One thread at a time may use a dump. The caller holds a reference to the dataset.
#ifndef STELE_RDB_DUMP_H
#define STELE_RDB_DUMP_H

#include "base/bytes.h"
#include "rdb/writer.h"

struct dataset;

enum {
    RDB_DUMP_PIECE_MIN = 1024, // least room for a piece, in bytes
    RDB_DUMP_PREFIX_MAX = 64,  // bytes of a prefix
    // A call of rdb_dump_next reads at most this many bytes of a value whose end it searches.
    RDB_DUMP_SEARCH_MAX = 1024 * 1024,
};

enum rdb_dump_status {
    RDB_DUMP_MORE, // another piece follows
    RDB_DUMP_END,  // this was the last piece
    // The data file or the index was damaged or written to, or a value is too long for
    // RDB_LENGTHS_EQUAL. The pieces so far are no RDB file.
    RDB_DUMP_FAILED,
};

struct rdb_dump {
    const struct dataset *dataset;
    struct span prefix; // text before each key
    struct rdb_facts facts;
    enum rdb_lengths lengths;
    unsigned stage;
    bool by_rank;         // in ascending order of the keys
    uint64_t next;        // offset of the next line; with `by_rank`, the rank of the next key
    size_t searched;      // bytes of the next line, or of its value, that have no newline
    struct span value;    // bytes of the present value that are not written yet
    uint64_t keys;        // keys written
    uint64_t crc;         // of the bytes written
    uint64_t bytes;       // bytes written
    uint64_t value_bytes; // bytes of values written or begun
    size_t asked;         // bytes of the text that the system was asked to read into memory
};

// Begins a dump of `d`. `redis_version` is written to the file, and must stay valid. `prefix` is
// written before each key; it has at most RDB_DUMP_PREFIX_MAX bytes, which must stay valid. `keys`:
// with the keys; otherwise the file has none.
void rdb_dump_init(struct rdb_dump *dump, const struct dataset *d, const char *redis_version,
                   enum rdb_lengths lengths, bool keys, struct span prefix);

// Returns the bytes of the whole file, which is certain only with RDB_LENGTHS_EQUAL.
uint64_t rdb_dump_size(const struct rdb_dump *dump);

// Writes the next piece to `to`, which has room for RDB_DUMP_PIECE_MIN bytes or more, and sets
// `*len` to its length. It may be shorter than the room, and even empty, before the end. Must not
// be called again after it has returned RDB_DUMP_END or RDB_DUMP_FAILED.
enum rdb_dump_status rdb_dump_next(struct rdb_dump *dump, struct bytes to, size_t *len);

#endif
