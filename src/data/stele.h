// libstele: a data file of `UUID value` lines as a table in your own process, without a server.
//
// Link with -lstele -pthread. A table never changes once it is open, so any number of threads may
// ask it at once without a lock; opening and closing are for one thread. Values point into the
// mapped file and stay valid until stele_close. Replace a file that is in use by renaming a new one
// over it; never edit or truncate it. What that does to a process that does not expect it:
// stele_catch_faults.
#ifndef STELE_H
#define STELE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { STELE_KEY_LEN = 36 }; // characters of a UUID's text

struct stele;

// Borrowed from the table; not NUL-terminated. `ptr` is NULL when there is no such key.
struct stele_value {
    const char *ptr;
    size_t len;
};

// Opens the file at `path`. Its index file is mapped if there is one that fits (`stele index` makes
// one; it is shared in memory by all who map it), else an index is built in memory. Where the data
// file's times do not prove that the index is of it, all of the data is read and compared. NULL
// when it cannot be read, has a malformed line or memory is short; `error` (of `size` bytes, or
// NULL) then says why, NUL-terminated.
struct stele *stele_open(const char *path, char *error, size_t size);

// Closes the table; its values are gone. NULL is accepted.
void stele_close(struct stele *table);

// How many keys it has.
uint64_t stele_count(const struct stele *table);

// The value of `key`, a NUL-terminated UUID in either case. False, with `value->ptr` NULL, when it
// is not there or is no UUID.
bool stele_get(const struct stele *table, const char *key, struct stele_value *value);

// The same for many keys, in less time than one by one. How many were found.
size_t stele_get_many(const struct stele *table, const char *const *keys, size_t count,
                      struct stele_value *values);

// Ordered reading: keys have ranks from 0 to their number - 1. The rank of the first key that is
// not less than `key` (a UUID; the number of keys when it is none, or when all are less).
uint64_t stele_seek(const struct stele *table, const char *key);

// The record of that rank: the key's canonical text with a NUL, and its value. False when there is
// none.
bool stele_at(const struct stele *table, uint64_t rank, char key[STELE_KEY_LEN + 1],
              struct stele_value *value);

// Has the process survive that a table's file, or its index file, is truncated or cannot be read
// while it is mapped: reading what is lost would otherwise end it by SIGBUS. Takes over that
// signal, which is why it is not done unasked; faults elsewhere go where they went before. To be
// called once, in the main thread and before others are started, which must not block SIGBUS.
void stele_catch_faults(void);

// Whether the files have been whole until now. When it is false, keys may have been missed, and
// bytes of values that were read since it was last true may have been lost; what stele_get says
// from then on is true of the values it finds, and others are missed. Takes a system call.
bool stele_is_whole(const struct stele *table);

// "0.1.0".
const char *stele_version(void);

#ifdef __cplusplus
}
#endif

#endif
