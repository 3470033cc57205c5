// libstele: reads a data file of `UUID value` lines in your own process, without a server.
//
// Link with -lstele -pthread. An open table never changes, so any number of threads may read it at
// the same time without a lock. Call stele_open and stele_close for one table on the same thread,
// and close the table only after all threads have stopped reading it. Values point into the mapped
// file and are valid until stele_close. To replace a file that is in use, rename a new file over
// it. Never edit or truncate it. After an edit the values may be wrong. After a truncation, reading
// the missing part of the file ends the process, unless stele_catch_faults was called.
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

// A value, borrowed from the table and not NUL-terminated. `ptr` is NULL when the key does not
// exist.
struct stele_value {
    const char *ptr;
    size_t len;
};

// Opens the data file at `path`. Its index file, which `stele index` writes, is mapped if it
// belongs to the data file; all processes that map it share one copy in memory. Otherwise an index
// is built in memory.
//
// The index file stores the inode of the data file, the times of its last change, and a checksum of
// the data. If the data file has another inode or other times now, stele_open reads all of the
// data, and maps the index file only if the checksum is the same. It does that too if the stored
// times were less than 2 s old when they were read from the data file. A later change could have
// left such times as they were, so they prove nothing.
//
// Returns NULL when the file cannot be read or has a malformed line, or when memory is short.
// `error`, a buffer of `size` bytes or NULL, then receives the reason, NUL-terminated.
struct stele *stele_open(const char *path, char *error, size_t size);

// Closes the table. Its values are not valid any more. NULL is accepted.
void stele_close(struct stele *table);

// Returns the number of keys.
uint64_t stele_count(const struct stele *table);

// Sets `*value` to the value of `key`, a NUL-terminated UUID in upper or lower case. Returns false,
// with a NULL `value->ptr`, when the key does not exist or is not a UUID.
bool stele_get(const struct stele *table, const char *key, struct stele_value *value);

// Does the same as stele_get for `count` keys, faster than one by one. Returns the number of keys
// found.
size_t stele_get_many(const struct stele *table, const char *const *keys, size_t count,
                      struct stele_value *values);

// Each key has a rank: its position in the order of keys, counted from 0. Returns the rank of the
// first key that is not less than `key`. Returns the number of keys when all keys are less, or when
// `key` is not a UUID.
uint64_t stele_seek(const struct stele *table, const char *key);

// Sets `key` to the canonical text of the key with this rank, NUL-terminated, and `*value` to its
// value. Returns false when there is no such rank.
bool stele_at(const struct stele *table, uint64_t rank, char key[STELE_KEY_LEN + 1],
              struct stele_value *value);

// Lets the process survive when the data file or its index file is truncated or becomes unreadable
// while it is mapped. Otherwise reading lost bytes ends the process with SIGBUS. This function
// installs a handler for that signal; faults in other memory have the same effect as before. Call
// it once, on the main thread, before other threads start. No thread may block SIGBUS.
void stele_catch_faults(void);

// Returns true if no damage of the data file or the index file is known, and nobody has written to
// the index file since it was opened. If this returns false, do not trust what was read since the
// last call that returned true: values may have lost bytes, and keys that exist may not have been
// found. Later calls of stele_get return no value that has lost bytes through damage known now, but
// they may still not find keys that exist. Takes a system call.
bool stele_is_whole(const struct stele *table);

// Returns the version of the library, such as "0.1.0".
const char *stele_version(void);

#ifdef __cplusplus
}
#endif

#endif
