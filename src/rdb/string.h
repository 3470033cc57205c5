// The strings of an RDB dump, read in pieces, so that a string may be longer than memory. A string
// is stored as it is, as an integer, or compressed with LZF.
#ifndef STELE_RDB_STRING_H
#define STELE_RDB_STRING_H

#include "rdb/lzf.h"

struct rdb_input;

enum { RDB_DIGITS_MOST = 11 }; // "-2147483648"

enum rdb_string_form { RDB_PLAIN, RDB_INTEGER, RDB_COMPRESSED };

struct rdb_string {
    enum rdb_string_form form;
    uint64_t begin;  // offset in the dump, for messages
    uint64_t left;   // bytes of the string still to come
    uint64_t packed; // compressed bytes still to come
    char digits[RDB_DIGITS_MOST + 1];
    struct lzf lzf;
};

// Reads a length. Returns false, and the input has failed, when there is none.
bool rdb_length(struct rdb_input *in, uint64_t *length);

// Reads the beginning of a string. `s->left` is its length then. Returns false, and the input has
// failed, when there is no string.
bool rdb_string_begin(struct rdb_string *s, struct rdb_input *in);

// Sets `*piece` to the next bytes of the string. They are valid until another function uses the
// input or the string. The piece is empty when the string has ended. Returns false, and the input
// has failed, when the dump ends or the string is damaged.
bool rdb_string_next(struct rdb_string *s, struct rdb_input *in, struct span *piece);

// Skips a whole string, without expanding it. Returns false, and the input has failed, when the
// dump ends or there is no string.
bool rdb_string_skip(struct rdb_string *s, struct rdb_input *in);

#endif
