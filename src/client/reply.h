// A reader of replies of the Redis protocol (RESP2), which come in pieces.
//
// It reads the caller's bytes and allocates nothing. A long string is returned in pieces, and an
// array as its number of elements and then each element. So the memory does not depend on the size
// of the reply. The bytes may be hostile.
#ifndef STELE_CLIENT_REPLY_H
#define STELE_CLIENT_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    REPLY_LINE_MAX = 64 * 1024, // bytes of a status, error or number with its line end
    REPLY_DEPTH_MAX = 32,       // arrays in arrays
};

enum reply_kind {
    REPLY_STATUS,
    REPLY_ERROR,
    REPLY_INTEGER, // the text is a number that number_parse accepts
    REPLY_NIL,     // a null string or a null array
    REPLY_STRING,
    REPLY_ARRAY,
};

// A part of a reply: an element, a piece of a string, or the beginning of an array.
struct reply_part {
    enum reply_kind kind;
    struct span text; // text or piece of a string, empty for others; borrows the input
    // REPLY_STRING: number of bytes that follow in later parts. REPLY_ARRAY: number of its
    // elements.
    uint64_t left;
    unsigned depth; // number of arrays around it
    bool begins;    // it is not a further piece of the string before
    bool is_first;  // no element of its array precedes it
    bool is_last;   // the reply ends with this part
};

// The state between two calls. Zeroed: before the first byte of a reply.
struct reply_reader {
    uint64_t elements[REPLY_DEPTH_MAX]; // elements that each open array lacks
    unsigned depth;                     // number of open arrays
    bool in_string;
    uint64_t string_left; // bytes of the string that were not returned yet
    bool has_before;      // an element of the innermost array was read
    bool string_is_first; // no element of its array precedes the string
};

enum reply_status {
    REPLY_PART,    // `part` is set, and stands for the first `*used` bytes
    REPLY_PARTIAL, // more input is needed; call again with the same bytes and more after them
    REPLY_BAD,     // the bytes are no reply, or exceed the limits above
};

// Reads the next part of the reply at the front of `input`. With REPLY_PART, the caller removes
// `*used` bytes before the next call. After the last part the reader is ready for another reply.
enum reply_status reply_read(struct reply_reader *r, struct span input, size_t *used,
                             struct reply_part *part);

#endif
