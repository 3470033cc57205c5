// Reads an RDB dump, as Redis and Valkey write it: its keys one after another, and the values of
// string keys in pieces. So a dump of any size takes less than 1 MiB of memory.
//
// Dumps with the versions REDIS0003 to REDIS0012 and VALKEY080 are read. The format has no
// specification; what is read here agrees with the files that Redis 7.0 writes, and with
// descriptions of the others. A dump may be hostile: nothing in it makes a call crash, or go on
// without reading further.
//
// One thread at a time may use a reader.
#ifndef STELE_RDB_READER_H
#define STELE_RDB_READER_H

#include "rdb/input.h"
#include "rdb/type.h"

enum { RDB_NAME_MOST = 512 }; // bytes of a key that the reader keeps

struct rdb_reader;

struct rdb_key {
    struct span name;    // the first RDB_NAME_MOST bytes of the key; valid until the next key
    uint64_t name_len;   // length of the whole key
    uint64_t database;   // number of its database
    uint64_t offset;     // offset of its type in the dump
    bool expires;        // the key has an expiry
    int64_t expires_ms;  // when it expires, in milliseconds since 1970; 0: never
    bool is_string;      // rdb_reader_value reads its value
    bool can_be_skipped; // the next rdb_reader_next can skip its value
    const char *type;    // name of its type, as TYPE of Redis answers
};

enum rdb_result {
    RDB_KEY,    // there is a key
    RDB_END,    // the dump is complete; its checksum, if it has one, is right
    RDB_FAILED, // the dump is cut off or damaged, or reading has failed; rdb_reader_error says more
};

// Returns a reader of the dump from `source`, or NULL when memory is short. The caller frees it
// with rdb_reader_free.
struct rdb_reader *rdb_reader_new(struct rdb_source source);

// NULL is accepted.
void rdb_reader_free(struct rdb_reader *r);

// Reads on to the next key. Skips what is left of the value of the key before. Fails if that cannot
// be skipped.
enum rdb_result rdb_reader_next(struct rdb_reader *r, struct rdb_key *key);

// Sets `*piece` to the next bytes of the value of the last key, which must be a string. They are
// valid until the next call. The piece is empty when the value has ended. Returns false when the
// dump is cut off or damaged, or reading has failed.
bool rdb_reader_value(struct rdb_reader *r, struct span *piece);

// Returns the message of the failure: "byte OFFSET: REASON", or the message of the source. It is
// valid until rdb_reader_free.
const struct error *rdb_reader_error(const struct rdb_reader *r);

#endif
