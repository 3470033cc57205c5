// The types of values in an RDB dump, and how values of other types than strings are skipped.
//
// The numbers of types are those of Redis up to RDB version 12 and of Valkey's version 80. The two
// give different meanings to the numbers from 22 on.
#ifndef STELE_RDB_TYPE_H
#define STELE_RDB_TYPE_H

#include <stdbool.h>

enum { RDB_TYPE_STRING = 0 };

// What a value consists of. Each character of `head` and `entry` stands for a part:
//   s  a string
//   n  a length
//   8  eight bytes
//   d  a number as text, after a byte with its length (253, 254 and 255: no text)
struct rdb_type {
    const char *name;  // as TYPE of Redis answers
    const char *head;  // parts at the beginning; NULL: a value of this type cannot be skipped
    const char *entry; // parts of each entry, after a length that counts them; NULL: no entries
};

// Returns the type with this number in a dump of Valkey's own version, or of another one. Returns
// NULL when there is none.
const struct rdb_type *rdb_type_of(unsigned number, bool valkey);

#endif
