// A backlog keeps a client's input that cannot be answered yet, because the client must read
// earlier replies first. The input is kept as bytes, and later read from here as it would be from
// the socket.
//
// The bytes are in chunks, so a growing backlog is never copied. A backlog belongs to the thread of
// its connection.
#ifndef STELE_NET_BACKLOG_H
#define STELE_NET_BACKLOG_H

#include <stddef.h>

#include "base/bytes.h"

struct backlog_chunk;

// A zeroed struct is an empty backlog. The caller may read `len` and `memory`.
struct backlog {
    struct backlog_chunk *first; // the oldest bytes
    struct backlog_chunk *last;
    size_t len; // bytes of input
    // Bytes allocated. They are more than `len`, because the first chunk may be partly taken and
    // the last one partly filled. Neither is larger than 1 MiB.
    size_t memory;
};

// Returns room for more bytes at the end: at least 1 byte and at most `most`. Its `ptr` is NULL
// when memory is short. The room is valid until the next call for the same backlog.
struct bytes backlog_room(struct backlog *b, size_t most);

// Appends the first `count` bytes of the room that backlog_room returned, which the caller has
// written. 0 is allowed.
void backlog_add(struct backlog *b, size_t count);

// Moves the oldest bytes, at most `most`, to `to`, and returns their number. A backlog that becomes
// empty frees its memory.
size_t backlog_take(struct backlog *b, char *to, size_t most);

// Drops all bytes and frees the memory.
void backlog_release(struct backlog *b);

#endif
