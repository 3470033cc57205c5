// libstele: a data file of `UUID value` lines as a table in your own process, without a server.
//
// Link with -lstele -pthread. An open table never changes, so any number of threads may read it at
// once without a lock; one thread opens and closes it. Values point into the mapped file and stay
// valid until stele_close. To replace a file that is in use, rename a new file over it. Never edit
// or truncate it: without stele_catch_faults, a read of lost bytes ends the process.
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

// A value, borrowed from the table and not NUL-terminated. `ptr` is NULL when there is no such key.
struct stele_value {
    const char *ptr;
    size_t len;
};

// Opens the file at `path`. Its index file, which `stele index` makes, is mapped if it fits; all
// processes that map it share it in memory. Otherwise an index is built in memory. Where the data
// file's times do not prove that the index belongs to it, all of the data is read and compared.
// Returns NULL when the file cannot be read, has a malformed line, or memory is short. `error`,
// NULL or of `size` bytes, then receives the reason, NUL-terminated.
struct stele *stele_open(const char *path, char *error, size_t size);

// Closes the table; its values are gone. NULL is accepted.
void stele_close(struct stele *table);

// The number of keys.
uint64_t stele_count(const struct stele *table);

// Sets `*value` to the value of `key`, a NUL-terminated UUID in either case. Returns false, with
// `value->ptr` NULL, when the key does not exist or is no UUID.
bool stele_get(const struct stele *table, const char *key, struct stele_value *value);

// As stele_get for many keys, in less time than one by one. Returns the number of keys found.
size_t stele_get_many(const struct stele *table, const char *const *keys, size_t count,
                      struct stele_value *values);

// Keys have ranks in their order, from 0 to their number - 1. Returns the rank of the first key
// that is not less than `key`; the number of keys when all are less or `key` is no UUID.
uint64_t stele_seek(const struct stele *table, const char *key);

// Sets `key` to the canonical text of the key with this rank, with a NUL, and `*value` to its
// value. Returns false when there is no such rank.
bool stele_at(const struct stele *table, uint64_t rank, char key[STELE_KEY_LEN + 1],
              struct stele_value *value);

// Lets the process survive when the data file or its index file is truncated or becomes unreadable
// while it is mapped. Otherwise reading lost bytes ends the process by SIGBUS. This handles that
// signal, so a program has to ask for it; faults elsewhere do what they did before. Call it once,
// in the main thread, before other threads start. No thread may block SIGBUS.
void stele_catch_faults(void);

// Whether the files have been whole until now. After false, values read since the last true may
// have lost bytes, and keys may have been missed. From then on every value that stele_get finds is
// right, but it may miss keys. Takes a system call.
bool stele_is_whole(const struct stele *table);

// "0.1.0".
const char *stele_version(void);

#ifdef __cplusplus
}
#endif

#endif
